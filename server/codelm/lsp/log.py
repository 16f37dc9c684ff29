"""What goes to standard error: what happened and where, and never the user's source code."""

import logging
import sys
import traceback
from collections.abc import Iterator

LOG = logging.getLogger("codelm")
LEVELS = ("debug", "info", "warning", "error")


def start(level: str) -> None:
    """Send this program's log, from one of ``LEVELS`` up, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s codelm %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    LOG.setLevel(level.upper())
    # pygls logs whole messages, that is, the user's source: at INFO always, and with its errors too. What can
    # go wrong in it comes to Server.report_server_error as well, and is logged there.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)


def where(error: BaseException) -> str:
    """Return an exception's type and stack, and those of what led to it.

    Without its message: that may quote what the exception is about, and here this is the user's source.
    """
    return "\n".join(_stack(error))


def _stack(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    yield f"  {type(error).__module__}.{type(error).__qualname__}"
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield "after"
        yield from _stack(before)
