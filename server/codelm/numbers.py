"""Tables of numbers in JSON, checked as they are read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def table_of(raw: Any, shape: tuple[int, ...], name: str) -> Floats:
    """Return a table of a shape. Raises ValueError, naming it, where it is none."""
    try:
        found = np.array(raw, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"'{name}' is no table of numbers") from None
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"'{name}' is no table of {' x '.join(map(str, shape)) or 'one'} numbers")
    return found
