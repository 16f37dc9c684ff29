"""What a network's states in the workspace teach: the words that followed where it saw what it sees at the cursor.

As in ``neural_cache``, but over the files of the workspace, which are too many words to look at all: their states are
kept in few dimensions of 8 bits, and only the lists are looked into that are most like the cursor's
(``neural.reduction``), until enough places were seen::

    p(w | h) ∝ Σ exp(θ · cos(r, r_i))        over the places i in those lists whose word is w
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids, Scores, among
from codelm.neural.reduction import Lists, Reduction, States
from codelm.neural.table import Floats as Vectors
from codelm.places_model import Floats
from codelm.vocabulary import PAD

THETA = 40.0
"""How much more a likelier place counts: exp(θ) times as much for a cosine that is greater by one."""
ENOUGH = 512
"""Places in the most alike lists behind which no further one is looked into."""
SIGNALS = 3
_MOST_LISTS = 32  # that are looked into for one context
_MOST_PLACES = 1024  # that are looked at of them, evenly thinned: a list of a large workspace may be long
_FEW_ALLOWED = 4096

Numbers = NDArray[np.uint32]
Span = tuple[int, int]


class StatesIndex:
    """The states before the words of a workspace, by list. Immutable."""

    def __init__(self, reduction: Reduction, states: States, lists: Lists, words: Numbers):
        """Take the states (T, D), the lists that they are in (T,), and the ids of the words behind them (T,), ``[PAD]``
        where there is none.
        """
        there = (words != PAD).nonzero()[0]
        # By list, and in a list by word: what is looked at lies side by side.
        order = there[np.lexsort((words[there], lists[there]))]
        self.reduction = reduction
        self._places: Numbers = order.astype(np.uint32)
        self._states, self._words = states[order], words[order]
        self._list_of = np.where(words != PAD, lists, len(reduction.centres)).astype(np.uint16)  # of each place
        self._sizes = np.bincount(lists[there], minlength=len(reduction.centres))
        self._begins = self._sizes.cumsum() - self._sizes

    def __len__(self) -> int:
        """Return how many words have states."""
        return len(self._places)

    def without(self, span: Span) -> Ids:
        """Return how many places each list has but for those of a span: (K,)."""
        begin, end = span
        left_out = np.bincount(self._list_of[begin:end], minlength=len(self._sizes) + 1)[:-1]
        sizes: Ids = self._sizes - left_out
        return sizes

    def looked_into(self, lists: Ids, without: Span) -> tuple[States, Numbers]:
        """Return the states in some lists (M, D) and the words behind them (M,), but for those of a span of places."""
        begins = self._begins[lists]
        spans = [slice(*span) for span in zip(begins.tolist(), (begins + self._sizes[lists]).tolist(), strict=True)]
        states = np.concatenate([self._states[span] for span in spans])
        words = np.concatenate([self._words[span] for span in spans])
        begin, end = without
        if begin < end:
            places = np.concatenate([self._places[span] for span in spans])
            kept = (places < begin) | (places >= end)
            if not kept.all():
                states, words = states[kept], words[kept]
        if len(words) > _MOST_PLACES:
            thinned = np.arange(_MOST_PLACES) * len(words) // _MOST_PLACES
            states, words = states[thinned], words[thinned]
        return states, words


@dataclass(frozen=True, eq=False, slots=True)
class Recalled:
    """What one context found again: ``words`` (N,) sorted, their ``masses`` (N,), and the greatest cosine."""

    words: Ids
    masses: Floats
    nearest: float


@dataclass(frozen=True, eq=False)
class NeuralWorkspaceState:
    """B contexts, as reduced vectors (B, D)."""

    reduced: Vectors
    found: list[Sequence[Recalled]] = field(default_factory=list)  # once it was asked for


class NeuralWorkspace:
    """A workspace's states at one moment, without the open file's. Words that it lacks have no probability."""

    def __init__(self, index: StatesIndex, size: int, without: Span = (0, 0)):
        """Take the states, the number of all ids, and the places of the open file among them."""
        self.size, self._index, self._without = size, index, without
        self._sizes = index.without(without)
        self.empty = not self._sizes.any()
        """Whether there are no places."""

    def over(self, size: int) -> "NeuralWorkspace":
        """Return the same over another number of ids."""
        other = copy(self)
        other.size = size
        return other

    def state(self, vectors: Vectors) -> NeuralWorkspaceState:
        """Return the state of contexts, by what the head reads of them: (B, P)."""
        return NeuralWorkspaceState(self._index.reduction.reduced(vectors))

    def score(self, state: NeuralWorkspaceState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        probabilities = np.zeros(ids.shape)
        if self.empty:
            probabilities[ids != PAD] = 1 / (self.size - 1)
        else:
            for row, (found, wanted) in enumerate(zip(self._found(state), ids, strict=True)):
                places = found.words.searchsorted(wanted)
                is_there = found.words.take(places, mode="clip") == wanted
                probabilities[row] = np.where(is_there, found.masses.take(places, mode="clip"), 0.0)
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)

    def propose(self, state: NeuralWorkspaceState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), -1 where nothing more was found."""
        best = np.full((len(state.reduced), k), -1, np.int64)
        for row, found in enumerate(() if self.empty else self._found(state)):
            words, masses = found.words, found.masses
            if allowed is not None:
                listed = among(words, allowed)
                words, masses = words[listed], masses[listed]
            order = (-masses).argsort(kind="stable")[:k]
            best[row, : len(order)] = words[order]
        return best

    def signals(self, state: NeuralWorkspaceState) -> Floats:
        """Return what is known of each row before the answer, (B, SIGNALS): one, the greatest cosine and share."""
        if self.empty:
            return np.zeros((len(state.reduced), SIGNALS))
        rows = [(1.0, found.nearest, found.masses.max()) for found in self._found(state)]
        return np.array(rows).reshape(-1, SIGNALS)

    def _found(self, state: NeuralWorkspaceState) -> Sequence[Recalled]:
        if not state.found:
            alike = self._index.reduction.alike(state.reduced)
            alike[:, self._sizes == 0] = -np.inf
            most = min(_MOST_LISTS, int(np.count_nonzero(self._sizes)))
            nearest = np.argpartition(-alike, most - 1, axis=1)[:, :most]
            nearest = np.take_along_axis(nearest, np.argsort(-np.take_along_axis(alike, nearest, 1), kind="stable"), 1)
            looked_into = (self._sizes[nearest].cumsum(axis=1) < ENOUGH).sum(axis=1) + 1
            rows = zip(state.reduced, nearest, looked_into.tolist(), strict=True)
            state.found.append([self._recalled(reduced, lists[:count]) for reduced, lists, count in rows])
        return state.found[0]

    def _recalled(self, reduced: Vectors, lists: Ids) -> Recalled:
        states, words = self._index.looked_into(lists, self._without)
        cosines = self._index.reduction.cosines(states, reduced)
        nearest = cosines.max()
        weights = np.exp(THETA * (cosines - nearest), dtype=np.float64)
        order = words.argsort(kind="stable")
        words, weights = words[order].astype(np.int64), weights[order]
        first = np.concatenate([[0], (words[1:] != words[:-1]).nonzero()[0] + 1])
        masses = np.add.reduceat(weights, first)
        return Recalled(words[first], masses / masses.sum(), float(nearest))
