"""Giving memory back to the system."""

import ctypes
import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """Give back what is free: the C library keeps tens of megabytes when large arrays were sorted, if not asked."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    """Return glibc's ``malloc_trim``, None where there is another C library."""
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
