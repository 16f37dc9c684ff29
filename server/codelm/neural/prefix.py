"""What a network has read of an open document, kept so that a keystroke costs at most one step of it.

An edit replays its tail only: the states behind the words before it are kept, those of the last words all, those of
words further above at every 64th::

    place     0        64       128      192  …  960  968  976  977  978  979     a state is kept at each
    words     from json import …                      return self . cursor|
    vectors   what the head reads before each of the last few thousand words, and at the cursor

A cursor that moves up leaves words behind that were read already. What was read of them is kept beside, for when it
moves down again and nothing was changed in between.

A document that was just opened is longer than can be read at once. The words next to the cursor are then read as if
they began it, and the rest is read behind, when there is time.
"""

from bisect import bisect_right
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Generic, TypeVar

import numpy as np

from codelm.beam import never
from codelm.errors import Cancelled
from codelm.model import Ids
from codelm.neural.model import NetworkState, NeuralModel
from codelm.neural.table import Floats, unit

MOST_VECTORS = 2048
"""Words of a document whose vectors are kept: the last ones."""

_FAR, _NEAR = 64, 8  # words that are read at once, far from the cursor and near it; a state is kept behind them
_RECENT = 64  # words before the last one that count as near
_MOST_STATES = 1024  # states that are kept of a document, besides the recent ones
_MUCH = 64  # words that are kept beside rather than read again
_TYPED = 16  # words before the cursor that may be new where it moved: a line's, and the ends of blocks
_AGAIN = 256  # words that are read again for their vectors, where none is kept
_ROOM = 256  # vectors that are made room for, at least

A = TypeVar("A")


@dataclass(frozen=True, eq=False)
class Reading(Generic[A]):
    """A network's memory of the words above the cursor; later edits don't change it.

    ``state``: behind all of them, B = 1. ``vectors`` (M + 1, P), of length one: what the head read before each of the
    last M words, and what it reads at the cursor. ``ids`` (M,): these words. ``whole``: whether all words were read,
    from the first one on, rather than the last ones as if they began the document.
    """

    state: NetworkState[A]
    vectors: Floats
    ids: Ids
    whole: bool


class PrefixCache(Generic[A]):
    """A network's states along the words above the cursor of one document. Not thread-safe.

    It is bounded: 1,024 states and some (of 5 kB each for an LSTM of 512 with a projection to 256), and
    ``most_vectors`` vectors (of 1 kB each) with a quarter more room. That is 10 MB, and as much again, at most, for
    what is kept beside, and while a document is not read whole.
    """

    def __init__(self, network: NeuralModel[A], *, most_vectors: int = MOST_VECTORS):
        """Take the network, which reads the session's words as they are, and how many vectors are kept."""
        self.network, self._most_vectors = network, most_vectors
        self._ids: Ids = np.zeros(0, np.int64)
        self._front = _Run(network, 0, most_vectors)
        self._tail: _Run[A] | None = None  # there while the front has not been read on to the cursor
        self._beside: tuple[Ids, _Run[A]] | None = None  # words that the cursor left behind, and what was read of them

    @property
    def missing(self) -> int:
        """How many words above the cursor have not been read yet."""
        return len(self._ids) - max(self._front.read, self._tail.read if self._tail is not None else 0)

    def follow(self, ids: Ids) -> None:
        """Have the words above the cursor be ids (T,). What was read of other words is forgotten."""
        same = _common_prefix(self._ids, ids)
        self._keep_beside(ids, same)
        self._ids = ids.copy()
        self._ids.flags.writeable = False
        self._front.cut(same)
        self._take_from_beside()
        if self._tail is not None and same <= self._tail.begin:
            self._tail = None
        if self._tail is not None:
            self._tail.cut(same)

    def state(self, at_once: int, cancelled: Callable[[], bool] = never) -> Reading[A]:
        """Return what is remembered of all words, after reading those that are missing: ``at_once`` words at most.

        Where more are missing, only the last ones are read. Raises Cancelled soon after ``cancelled()`` turns true;
        what was read until then is kept.
        """
        run = self._nearest(at_once)
        run.read_on(self._ids, len(self._ids), cancelled)
        vectors = run.vectors()
        return Reading(run.state, vectors, self._ids[len(self._ids) + 1 - len(vectors) :], whole=run is self._front)

    def catch_up(self, words: int) -> bool:
        """Read on from the beginning, so many words at most. Return whether any are missing still."""
        missing = len(self._ids) - self._front.read
        self._front.read_on(self._ids, self._front.read + min(words, missing), never)
        if missing > words:
            return True
        self._tail = None
        return False

    def _keep_beside(self, ids: Ids, same: int) -> None:
        """Keep what was read so far, where much of it goes beyond the ``same`` first words and more than is kept."""
        read = self._front.read
        if read - same <= _MUCH or same < len(ids) - _TYPED:  # after an edit further above they won't come again
            return
        if self._beside is not None:
            kept, run = self._beside
            if run.read > read and _common_prefix(kept, self._ids) >= read:
                return
        self._beside = self._ids, self._front.copy()

    def _take_from_beside(self) -> None:
        """Go on from what is kept beside, where that has been read further along the words that there are."""
        if self._beside is None:
            return
        kept, run = self._beside
        known = min(_common_prefix(kept, self._ids), run.read)
        if known - self._front.read > _MUCH:
            self._front = run.copy()
            self._front.cut(known)

    def _nearest(self, at_once: int) -> "_Run[A]":
        """Return what is to be read on: the whole document, or its tail."""
        end, tail = len(self._ids), self._tail
        if end - self._front.read <= at_once:
            self._tail = None
            return self._front
        # A tail that has become short knows too little of what stands above.
        if tail is None or end - tail.read > at_once or end - tail.begin < at_once // 2:
            self._tail = tail = _Run(self.network, end - at_once, self._most_vectors)
        return tail


class _Run(Generic[A]):
    """What was read of a document from the place ``begin`` on, as if a sequence began there."""

    def __init__(self, network: NeuralModel[A], begin: int, most_vectors: int):
        self.begin = begin
        self._network = network
        # Places and the states there: every 64th, the first one always; and all the recent ones, never none.
        self._old: list[tuple[int, NetworkState[A]]] = []
        self._recent = [(begin, network.start())]
        self._vectors = _Vectors(network.shape.width, most_vectors)
        self._vectors.add(unit(network.vectors(network.start())))

    def copy(self) -> "_Run[A]":
        """Return the same, to be cut and read on apart from this."""
        other = copy(self)
        other._old, other._recent, other._vectors = self._old.copy(), self._recent.copy(), self._vectors.copy()
        return other

    @property
    def read(self) -> int:
        """The place behind the last word that was read."""
        return self._recent[-1][0]

    @property
    def state(self) -> NetworkState[A]:
        """The state there."""
        return self._recent[-1][1]

    def vectors(self) -> Floats:
        """Return the vectors of the last places: (M + 1, P)."""
        return self._vectors.last()

    def cut(self, place: int) -> None:
        """Forget what was read behind a place, which is not before ``begin``."""
        if place >= self.read:
            return
        read, kept = self.read, len(self._vectors)
        if self.begin <= read - kept and place < read - kept + _FAR:
            place = max(self.begin, place - _AGAIN)
        if place < self._recent[0][0]:
            count = bisect_right(self._old, place, key=itemgetter(0))
            self._recent = [self._old[count - 1]]
            del self._old[count - 1 :]
        else:
            del self._recent[bisect_right(self._recent, place, key=itemgetter(0)) :]
        self._vectors.cut(min(read - self.read, kept))
        if not len(self._vectors):
            self._vectors.add(unit(self._network.vectors(self.state)))

    def read_on(self, ids: Ids, end: int, cancelled: Callable[[], bool]) -> None:
        """Read the words of a document, ids (T,), up to a place."""
        while self.read < end:
            if cancelled():
                raise Cancelled
            grid = _FAR if end - self.read > _RECENT else _NEAR
            stop = min((self.read // grid + 1) * grid, end)
            state, vectors = self._network.read_along(self.state, ids[self.read : stop, None])
            self._vectors.add(unit(vectors[:, 0]))
            self._keep(stop, state)

    def _keep(self, place: int, state: NetworkState[A]) -> None:
        before, last = self._recent[-1]
        if last.said:  # what the head said of a state is much larger than all else
            self._recent[-1] = before, replace(last, said=[])
        self._recent.append((place, state))
        while self._recent[0][0] < place - _RECENT:
            first = self._recent.pop(0)
            if first[0] % _FAR == 0 or first[0] == self.begin:
                self._old.append(first)
        if len(self._old) > _MOST_STATES:
            del self._old[1]


class _Vectors:
    """Vectors that grow at their end and are cut there; at least the last ``most`` are kept.

    What was shown of them stays as it is: a row that someone may look at is never written again.
    """

    def __init__(self, width: int, most: int):
        self._rows = np.empty((_ROOM, width), np.float32)
        self._count = self._shown = 0  # rows that are used, and rows that were ever shown
        self._most = most

    def __len__(self) -> int:
        return self._count

    def copy(self) -> "_Vectors":
        """Return the same, to be cut and added to apart from this: rows are shared until then."""
        other = copy(self)
        other._shown = len(self._rows) + 1  # all of them are the other's: none is written
        return other

    def add(self, vectors: Floats) -> None:
        """Add vectors, (N, P)."""
        count = self._count + len(vectors)
        if self._count < self._shown or count > len(self._rows):
            kept = self._rows[max(0, self._count - self._most) : self._count]
            count = len(kept) + len(vectors)
            self._rows = np.empty((count + max(_ROOM, len(kept) // 4), kept.shape[1]), np.float32)
            self._rows[: len(kept)] = kept
            self._shown = 0
        self._rows[count - len(vectors) : count] = vectors
        self._count = count

    def cut(self, count: int) -> None:
        """Take the last ``count`` vectors away."""
        self._count -= count

    def last(self) -> Floats:
        """Return the last vectors, ``most`` or as many as there are."""
        self._shown = max(self._shown, self._count)
        shown = self._rows[max(0, self._count - self._most) : self._count]
        shown.flags.writeable = False
        return shown


def _common_prefix(first: Ids, second: Ids) -> int:
    """Return how many words two sequences begin with in common."""
    size = min(len(first), len(second))
    differ = first[:size] != second[:size]
    return int(differ.argmax()) if differ.any() else size
