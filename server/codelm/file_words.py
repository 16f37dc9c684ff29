"""The words of the open file, above the cursor and below it, and how they follow the user's edits.

Nothing is counted ahead: a model of the file searches the words when it is asked, which takes microseconds, so that
learning is adding a word to an array, and an edit is unlearned by leaving out what it removed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids

Numbers = NDArray[np.int32]

FILLER = 16
"""Places before the first word, so that one may look so many words back from any place."""
MOST_WORDS = 50_000
"""Words above the cursor, and as many below it, that are kept: those next to it."""

# What a sequence holds besides words' numbers. No two are equal to a model, so nothing matches beyond a start.
NOTHING, START, GAP, UNSEEN, OUTSIDE = -1, -2, -3, -4, -5


class FileWords:
    """The words of one file. ``learn`` and ``unlearn`` follow what stands above the cursor."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # id → the word's number among the distinct words of the file
        self._number_of: Numbers = np.zeros(0, np.int32)  # the same by id, NOTHING where there is none
        self._words: Ids = np.zeros(0, np.int64)
        self._order: Ids = np.zeros(0, np.int64)  # the numbers of the words, sorted by their ids
        self._above: Numbers = np.zeros(0, np.int32)
        self._below: Numbers = np.zeros(0, np.int32)
        self._last: Places | None = None

    def __len__(self) -> int:
        """Return how many words stand above the cursor."""
        return len(self._above)

    def learn(self, ids: Ids) -> None:
        """Add words behind those above the cursor: ids (T,)."""
        self._above = np.concatenate([self._above, self._numbered(ids)])

    def unlearn(self, count: int) -> None:
        """Take the last ``count`` words above the cursor away, as if they had never been there."""
        self._above = self._above[: len(self._above) - count]

    def learn_below(self, ids: Ids) -> None:
        """Have the words below the cursor be ids (T,), whatever they were."""
        self._below = self._numbered(ids[:MOST_WORDS])

    def above(self) -> Ids:
        """Return the ids of all words above the cursor: (T,)."""
        return self._words[self._above]

    def snapshot(self) -> "Places":
        """Return the words as they are now, the same object while they stay the same; later edits don't change it."""
        before, gap = np.full(FILLER + 1, NOTHING, np.int32), np.array([GAP], np.int32)
        above = self._above[-MOST_WORDS:]
        before[-1] = START if len(above) == len(self._above) else NOTHING
        sequence = np.concatenate([before, above, gap, self._below])
        last = self._last
        if last is None or last.words is not self._words or not np.array_equal(last.sequence, sequence):
            last = Places(sequence, FILLER + 1 + len(above), self._words, self._numbers, self._order)
        self._last = last
        return last

    def _numbered(self, ids: Ids) -> Numbers:
        if not len(ids):
            return np.zeros(0, np.int32)
        if (size := int(ids.max()) + 1) > len(self._number_of):
            room = np.full(size + size // 4 - len(self._number_of), NOTHING, np.int32)
            self._number_of = np.concatenate([self._number_of, room])
        found = self._number_of[ids]
        if found.min() < 0:
            added = list(dict.fromkeys(ids[found < 0].tolist()))  # numbered as they are met
            numbers = range(len(self._words), len(self._words) + len(added))
            self._numbers.update(zip(added, numbers, strict=True))
            self._number_of[added] = numbers
            self._words = np.append(self._words, added)
            self._order = self._words.argsort(kind="stable")
            found = self._number_of[ids]
        return found


@dataclass(frozen=True, eq=False)
class Places:
    """A file's words at one moment.

    ``sequence``: fillers and ``START``, the numbers of the words above the cursor, ``GAP``, those of the words below.
    ``gap``: where the cursor is in it. ``words`` (U,): the ids of the distinct words, by number. ``numbers``: the
    number of each id; it may know more words than there are here. ``order`` (U,): the numbers, sorted by the ids.
    """

    sequence: Numbers
    gap: int
    words: Ids
    numbers: dict[int, int]
    order: Ids

    @property
    def empty(self) -> bool:
        """Whether there is no word at all."""
        return len(self.sequence) == FILLER + 2

    def numbers_of_all(self, ids: Ids) -> Ids:
        """Return the numbers of many words, in any shape; ``UNSEEN`` for one that the file lacks."""
        if not len(self.order):
            return np.full(ids.shape, UNSEEN)
        numbers = self.order.take(self._by_id.searchsorted(ids), mode="clip")
        found: Ids = np.where(self.words[numbers] == ids, numbers, UNSEEN)
        return found

    @cached_property
    def _by_id(self) -> Ids:
        return self.words[self.order]

    def numbers_of(self, ids: list[int]) -> list[int]:
        """Return the numbers of a few words; ``UNSEEN`` for one that the file lacks."""
        numbers, known = self.numbers, len(self.words)
        found = [numbers.get(word, UNSEEN) for word in ids]
        return [number if number < known else UNSEEN for number in found]

    @cached_property
    def counts(self) -> Ids:
        """How often each word occurs: (U,)."""
        return np.bincount(self.sequence - OUTSIDE, minlength=len(self.words) - OUTSIDE)[-OUTSIDE:]

    def nearest(self, places: Ids) -> int:
        """Return the last of some sorted places above the cursor, or the first below it."""
        above = int(places.searchsorted(self.gap))
        return int(places[above - 1] if above else places[0])
