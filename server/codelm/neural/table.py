"""Vectors of 8 bits: rows of int8 with a scale each, memory-mapped, so that a table costs what is read of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids

Floats = NDArray[np.float32]


_SMALLEST = np.float32(1e-9)


def unit(vectors: Floats) -> Floats:
    """Return vectors (N, P) brought to the length of one."""
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALLEST)
    return found


@dataclass(frozen=True, eq=False)
class Table:
    """N vectors of width E: ``rows`` (N, E) int8, each times its scale, ``scales`` (N,) float32."""

    rows: NDArray[np.int8]
    scales: Floats

    def vectors(self, numbers: NDArray[np.integer[Any]]) -> Floats:
        """Return the vectors of some rows: (M,) → (M, E)."""
        found: Floats = self.rows.take(numbers, axis=0) * self.scales.take(numbers)[:, None]
        return found

    def means(self, numbers: NDArray[np.integer[Any]], lengths: Ids) -> Floats:
        """Return the means of runs of rows: numbers (M,), one run after the other, and their lengths (R,) → (R, E).

        The mean of no rows is zero.
        """
        found = np.zeros((len(lengths), self.rows.shape[1]), np.float32)
        some = np.flatnonzero(lengths)
        if len(some):
            begins = np.cumsum(lengths) - lengths
            sums = np.add.reduceat(self.vectors(numbers), begins[some])
            found[some] = sums / lengths[some, None].astype(np.float32)
        return found


@dataclass(frozen=True, eq=False)
class Tables:
    """The vectors of words, (rows, E), and of their pieces, (pieces, E); None where words have none."""

    words: Table
    pieces: Table | None
