"""What a network reads of words: looked up in its tables once, and then remembered."""

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.neural.readings import Readings
from codelm.neural.table import Floats, Tables
from codelm.vocabulary import UNK

MOST = 8192
"""Words whose vectors are remembered; of more, they are looked up anew."""


class WordVectors:
    """The vectors of words, their own and the mean of those of their pieces. Any thread may ask for some."""

    def __init__(self, tables: Tables, readings: Readings, most: int = MOST):
        """Take the tables, which rows of them an id is read through, and how many vectors are remembered."""
        self._tables, self._readings, self._most = tables, readings, most
        self._lock = Lock()
        self._known = _Known(most, tables.words.rows.shape[1], len(readings))

    def of(self, ids: Ids) -> Floats:
        """Return the vectors of ids: (N,) → (N, E). One that nothing is known of is read as ``[UNK]``."""
        size = len(self._readings)
        ids = np.where((ids >= 0) & (ids < size), ids, UNK)
        found = self._known.of(ids)
        if found is None:
            with self._lock:
                found = self._learned(ids, size)
        return found

    def looked_up(self, ids: Ids) -> Floats:
        """Return the same from the tables, whatever is remembered."""
        own, pieces, lengths = self._readings.of(ids)
        vectors = self._tables.words.vectors(own)
        if self._tables.pieces is not None:
            vectors += self._tables.pieces.means(pieces, lengths)
        return vectors

    def _learned(self, ids: Ids, size: int) -> Floats:
        distinct = np.unique(ids)
        missing = self._known.missing(distinct)
        if not self._known.has_room(len(missing), size):
            # Whoever looks at what is remembered by now goes on with that.
            most = max(self._most, len(distinct))
            self._known = _Known(most, self._tables.words.rows.shape[1], size + size // 4)
            missing = distinct
        self._known.add(missing, self.looked_up(missing))
        found = self._known.of(ids)
        assert found is not None
        return found


class _Known:
    """Vectors that are there: ``rows`` (most, E) only grow, and ``places`` (size,) says which is an id's."""

    def __init__(self, most: int, width: int, size: int):
        self._rows = np.empty((most, width), np.float32)
        self._places: NDArray[np.int32] = np.full(size, -1, np.int32)
        self._count = 0

    def of(self, ids: Ids) -> Floats | None:
        """Return the vectors of ids, (N,) → (N, E); None when one is missing."""
        if len(ids) and ids.max() >= len(self._places):
            return None
        places = self._places.take(ids)
        return None if len(ids) and places.min() < 0 else self._rows.take(places, axis=0)

    def missing(self, ids: Ids) -> Ids:
        """Return those of some ids that are missing."""
        inside = ids[ids < len(self._places)]
        return np.concatenate([inside[self._places.take(inside) < 0], ids[ids >= len(self._places)]])

    def has_room(self, count: int, size: int) -> bool:
        """Return whether there is room for so many more, of ids below ``size``."""
        return self._count + count <= len(self._rows) and size <= len(self._places)

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add the vectors of ids that are missing."""
        begin, self._count = self._count, self._count + len(ids)
        self._rows[begin : self._count] = vectors
        self._places[ids] = np.arange(begin, self._count)  # behind the rows: whoever sees a place finds its row
