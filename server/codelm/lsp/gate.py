"""Completions go first: what is done beside them waits here while one is made or expected.

Python runs one thread at a time, so whoever works when a key arrives slows its completion down. Someone who types goes
on typing: so others work in the moment right after a completion, and then wait for the next key or a pause.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AHEAD = 0.15
"""Seconds after a key within which another is likely."""
MOMENT = 0.03
"""Seconds after a completion in which others may work all the same."""
LONGEST, LONGEST_TYPING = 0.5, 0.1
"""Seconds that one wait takes at most, for a completion and for a key: nothing stands still for ever."""


class Gate:
    """Closed while completions are made or expected."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._making = 0
        self._expected_until = 0.0
        self._free_until = 0.0

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
                self._free_until = time.monotonic() + MOMENT
                self._changed.notify_all()

    def expect(self) -> None:
        """Keep others waiting for a moment: a key was typed, and a completion is likely to be asked for."""
        self._free_until, self._expected_until = 0.0, time.monotonic() + AHEAD

    def wait(self) -> None:
        """Wait until others may work; not for long."""
        began = time.monotonic()
        with self._changed:
            while True:
                now = time.monotonic()
                if self._making:
                    until = began + LONGEST
                elif self._free_until <= now < self._expected_until:
                    until = min(self._expected_until, began + LONGEST_TYPING)
                else:
                    return
                if now >= until:
                    self._free_until = now + MOMENT
                    return
                self._changed.wait(until - now)
