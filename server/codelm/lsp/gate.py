"""Completions go first: what is done beside them waits here while one is made."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AHEAD = 0.05
"""Seconds after a key within which its completion is likely to be asked for."""
LONGEST = 0.5
"""Seconds that one wait takes at most: nothing stands still because of a completion that never ends."""


class Gate:
    """Closed while completions are made. Python runs one thread at a time, so others would slow them down."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._making = 0
        self._expected_until = 0.0

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Keep others waiting while a completion is made."""
        with self._changed:
            self._making += 1
        try:
            yield
        finally:
            with self._changed:
                self._making -= 1
                self._changed.notify_all()

    def expect(self) -> None:
        """Keep others waiting for a moment: a key was typed, and a completion is likely to be asked for."""
        self._expected_until = time.monotonic() + AHEAD

    def wait(self) -> None:
        """Wait until no completion is made or expected; not for long."""
        until = time.monotonic() + LONGEST
        with self._changed:
            while (now := time.monotonic()) < until:
                if self._making:
                    self._changed.wait(until - now)
                elif now < self._expected_until:
                    self._changed.wait(self._expected_until - now)
                else:
                    return
