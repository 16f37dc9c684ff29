"""Arrays in the files of a checkpoint, mapped into memory: processes that open the same one share them."""

import math
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CheckpointError


def mapped_array(path: Path, dtypes: Sequence[type], shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array of one of the types as ``np.save`` wrote it. Raises CheckpointError, naming the file.

    ``np.load`` takes eight times as long to understand a header.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        raise CheckpointError(f"{path} is no array: {error}") from error
    header = _HEADER.match(mapped)
    if header is None:
        raise CheckpointError(f"{path} is no array: it does not begin like one")
    written, dtype = header["type"].decode(), np.dtype(dtypes[0])
    for other in map(np.dtype, dtypes):
        dtype = other if other.str == written else dtype
    if dtype.str != written or header["shape"].decode() != str(shape):
        held = f"{written} {header['shape'].decode()}"
        raise CheckpointError(f"{path} holds {held}, not {dtype.str} {shape}")
    begin = header.end()
    if len(mapped) != begin + math.prod(shape) * dtype.itemsize:
        raise CheckpointError(f"{path} is no array: it is cut short, or something was added")
    return np.ndarray(shape, dtype, buffer=mapped, offset=begin)


# NumPy's format 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00[\x00-\xff]{2}"
    rb"\{'descr': '(?P<type>[<>|][a-zA-Z]\d{0,4})', 'fortran_order': False, "
    rb"'shape': (?P<shape>\([\d, ]{0,60}\)), \} *\n"
)
