"""Stopping a training when it is asked to: behind the current step, so that its state can be saved."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping() -> Iterator[Callable[[], int]]:
    """Take Ctrl-C and SIGTERM as wishes to stop behind the current step; a second Ctrl-C stops at once.

    Yields what returns the signal that came, or 0.
    """
    asked = 0

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = asked or number

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
