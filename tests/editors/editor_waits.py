"""Waiting for what an editor shows."""

import time
from collections.abc import Callable
from typing import Any

import pytest

PATIENCE = 30
"""Seconds to wait for what must come: many, for a machine may be busy. No test measures time."""
PAUSE = 0.02


def wait_until(
    condition: Callable[[], Any], what: str, seen: Callable[[], object] = lambda: "", patience: int = PATIENCE
) -> Any:
    """Wait until a condition is true and return it; else fail with what was ``seen`` last."""
    end = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {patience} seconds; {seen()}")
        time.sleep(PAUSE)
    return result
