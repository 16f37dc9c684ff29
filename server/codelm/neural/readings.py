"""Which rows of a network's tables an id is read through: one of its own, and those of its word's pieces."""

from collections.abc import Sequence

import numpy as np

from codelm.model import Ids
from codelm.neural.pieces import buckets_of, unlike_special
from codelm.neural.shape import Shape
from codelm.vocabulary import UNK

Buckets = tuple[int, ...]


class Readings:
    """The readings of all ids: those of the vocabulary, and behind them those of any other words.

    The pieces of a word are looked for when it is first read: those of 40,000 words would take as long as opening all
    else of a checkpoint.
    """

    def __init__(self, shape: Shape, words: Sequence[str]):
        """Take the words of the vocabulary."""
        self._shape = shape
        self._words = words
        self._others: Sequence[str] = ()
        self._known: dict[int, Buckets] = {}  # of the vocabulary's words
        self._other_known: dict[int, Buckets] = {}

    def reading(self, words: Sequence[str]) -> "Readings":
        """Return the same that reads the ids behind the vocabulary as ``words``; what is known is shared."""
        found = Readings(self._shape, self._words)
        found._others, found._known = words, self._known
        return found

    def __len__(self) -> int:
        """Return how many ids there are words for, by now."""
        return len(self._words) + len(self._others)

    def of(self, ids: Ids) -> tuple[Ids, Ids, Ids]:
        """Return the own rows of ids (N,), and the buckets of their pieces (K,) with the number of each id's (N,).

        What has no row of its own is read through that of ``[UNK]``; an id that nothing is known of has no pieces.
        """
        own = np.where((ids >= 0) & (ids < self._shape.rows), ids, UNK)
        if not self._shape.pieces:
            return own, np.zeros(0, np.int64), np.zeros(len(ids), np.int64)
        pieces = [self._buckets(number) for number in ids.tolist()]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        flat = np.fromiter((bucket for some in pieces for bucket in some), np.int64, int(lengths.sum()))
        return own, flat, lengths

    def _buckets(self, number: int) -> Buckets:
        size = len(self._words)
        known = self._known if number < size else self._other_known
        found = known.get(number)
        if found is None:
            if not 0 <= number < len(self):
                return ()
            word = self._words[number] if number < size else unlike_special(self._others[number - size])
            found = known[number] = tuple(buckets_of([word], self._shape.pieces)[0].tolist())
        return found
