"""What the models of the open file have in common: they look for places that match the context from its end back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import FILLER, OUTSIDE, START, Places
from codelm.gate import one_hot
from codelm.model import Ids, Scores, among
from codelm.vocabulary import PAD

Floats = NDArray[np.float64]
Symbols = NDArray[np.int32]

NEAR = 150.0
"""The distance, in words, at which a place weighs 1/e of one at the cursor."""

_FAR_WEIGHT = 1e-4  # of a place so far away that only the order of many matters
_LEAST = np.finfo(np.float64).tiny  # anything but zero
_BEST_KEPT = 256  # words from which the allowed ones are taken
_FEW_ALLOWED = 4096
_MOST_PLACES = 4096  # places of one row that are looked at, the nearest ones: enough, and quick in any file
_BLOCK = 32  # words to a block when the greatest of many masses are sought
_FEW_PLACES = 256  # places whose whole context is compared at once
_DECAY = np.exp(-np.arange(int(NEAR * 20)) / NEAR) + _FAR_WEIGHT


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """What B contexts find: the ``lengths`` (B,) of their longest matches, and ``masses`` (B, U), the probabilities of
    the file's words.
    """

    lengths: Ids
    masses: Floats


@dataclass(frozen=True, eq=False)
class PlacesState:
    """B contexts: ``contexts`` (B, longest), the last word last, as the symbols that a model compares."""

    contexts: Symbols
    found: list[Found] = field(default_factory=list)  # what was looked up, once it was asked for


class MassesModel(ABC):
    """What gives the words of a file masses that sum to one, for B contexts; other words have no probability."""

    def __init__(self, places: Places, size: int):
        """Take a file's words and the number of all ids."""
        self.places, self.size = places, size

    @property
    def empty(self) -> bool:
        """Whether there is nothing to give anything to."""
        return self.places.empty

    @abstractmethod
    def _rows(self, state: Any) -> int:
        """Return B, of a state."""

    @abstractmethod
    def _masses(self, state: Any) -> Floats:
        """Return the masses of the file's words: (B, U), B at least 1."""

    def score(self, state: Any, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        if self.empty:
            probabilities = np.where(ids == PAD, 0.0, 1 / (self.size - 1))
        else:
            numbers = self.places.numbers_of_all(ids)
            masses = self._masses(state)
            probabilities = masses[np.arange(len(ids))[:, None], np.maximum(numbers, 0)]
            probabilities[numbers < 0] = 0.0
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)

    def propose(self, state: Any, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), -1 where the file has no more."""
        best = np.full((self._rows(state), k), -1, np.int64)
        if self.empty:
            return best
        words, masses, kept = self.places.words, self._masses(state), k
        if allowed is not None:
            if len(allowed) <= _FEW_ALLOWED:
                numbers = self.places.numbers_of_all(allowed)
                numbers = numbers[numbers >= 0]
                words, masses, allowed = words[numbers], masses[:, numbers], None
            else:
                kept = max(k, _BEST_KEPT)
        rows, numbers = _greatest(masses, kept)
        if allowed is not None:
            listed = among(words[numbers], allowed)
            rows, numbers = rows[listed], numbers[listed]
        # By falling probability, then by id: the order must not depend on when a word was learned.
        found = words[numbers]
        order = np.lexsort((found, -masses[rows, numbers], rows))
        ranks = np.arange(len(rows)) - rows.searchsorted(rows)  # sorted, they are what they were
        among_best = ranks < k
        best[rows[among_best], ranks[among_best]] = found[order[among_best]]
        return best


class PlacesModel(MassesModel):
    """A file at one moment. Implements ``LanguageModel[PlacesState]``; words that it lacks have no probability."""

    longest: int
    """The longest context that is told from longer ones, in words."""
    experts_count: int
    """How many ways there are in which places share the probability."""

    def __init__(self, places: Places, size: int, weights: Floats):
        """Take a file's words, the number of all ids, and weights (longest + 1, experts): a row for each length of
        the longest match.
        """
        super().__init__(places, size)
        self._weights = weights

    @abstractmethod
    def symbols(self, ids: list[int]) -> list[int]:
        """Return what is compared of words; what is negative and not ``START`` matches nothing."""

    @abstractmethod
    def _look_up(self, contexts: Symbols) -> Found:
        """Return what contexts (B, longest), all different, find in a file that is not empty."""

    @abstractmethod
    def _said(self, context: Symbols, number: int) -> Floats:
        """Return what each expert says of the word of a number: (experts,)."""

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> PlacesState:
        """Return the state at the beginning of the file."""
        context = np.full((1, self.longest), OUTSIDE, np.int32)
        context[0, -1] = START
        return PlacesState(context)

    def read(self, state: PlacesState, ids: Ids) -> PlacesState:
        """Return the state after a context: ids (T,)."""
        new = np.array([self.symbols(ids[-self.longest :].tolist())], np.int32).reshape(1, -1)
        return PlacesState(np.concatenate([state.contexts, new], axis=1)[:, -self.longest :])

    def step(self, state: PlacesState, rows: Ids, ids: Ids) -> PlacesState:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        contexts = np.empty((len(rows), self.longest), np.int32)
        contexts[:, :-1] = state.contexts[rows, 1:]
        contexts[:, -1] = self.symbols(ids.tolist())
        return PlacesState(contexts)

    # --- what a mixture asks besides ----------------------------------------------------------------------

    def match_lengths(self, state: PlacesState) -> Ids:
        """Return the length of each row's longest match, -1 where the file is empty: (B,)."""
        return np.full(len(state.contexts), -1, np.int64) if self.places.empty else self._found(state).lengths

    def signals(self, state: PlacesState) -> Floats:
        """Return what is known of each row before the answer, (B, ``signals_of(longest)``): the length of its longest
        match, the probability of the best word, and how long the file is.
        """
        if self.places.empty:
            return np.zeros((len(state.contexts), signals_of(self.longest)))
        found = self._found(state)
        size = np.full(len(found.lengths), np.log1p(len(self.places.sequence)) / 10)
        few = np.stack([found.masses.max(axis=1), size], axis=1)
        return np.concatenate([one_hot(found.lengths, self.longest + 1), few], axis=1)

    def experts(self, state: PlacesState, word: int) -> Floats:
        """Return what each expert says of one word, for a state of one row; zero where it says nothing: (experts,)."""
        number = self.places.numbers_of([word])[0]
        if number < 0 or self.places.empty:
            return np.zeros(self.experts_count)
        return self._said(state.contexts[0], number)

    # --- for the models -----------------------------------------------------------------------------------

    def nearness(self, places: Ids) -> Floats:
        """Return how much each place weighs by its distance from the cursor."""
        weighed: Floats = _DECAY.take(np.abs(places - self.places.gap), mode="clip")
        return weighed

    def matches(self, symbols: Symbols, begin: int, contexts: Symbols) -> "Matches":
        """Return the places that match contexts at one symbol or more.

        ``symbols`` are those of the sequence from ``begin`` on; the first ``FILLER`` + 1 of them stand before any place
        that is looked at.
        """
        hits = np.flatnonzero(symbols[FILLER:-1] == contexts[:, -1:])
        rows, places = np.divmod(hits, len(symbols) - FILLER - 1)
        places += begin + FILLER + 1
        is_word = self.places.sequence[places] >= 0  # and not the cursor itself
        places, rows = places[is_word], rows[is_word]
        if len(places) > _MOST_PLACES:
            kept = _nearest_ones(places, rows, self.places.gap)
            places, rows = places[kept], rows[kept]
        return Matches.of(symbols, begin, places, rows, contexts)

    def _rows(self, state: PlacesState) -> int:
        return len(state.contexts)

    def _masses(self, state: PlacesState) -> Floats:
        return self._found(state).masses

    def _found(self, state: PlacesState) -> Found:
        if not state.found:
            # Words of one form make the same contexts: what is asked again is looked up once.
            places: dict[bytes, int] = {}
            of_row = [places.setdefault(context.tobytes(), len(places)) for context in state.contexts]
            if len(places) == len(of_row):
                found = self._look_up(state.contexts)
            else:
                firsts = [of_row.index(place) for place in range(len(places))]
                found = self._look_up(state.contexts[firsts])
                found = Found(found.lengths[of_row], found.masses[of_row])
            state.found.append(found)
        return state.found[0]


def signals_of(longest: int) -> int:
    """Return how many signals a model gives that tells matches up to a length apart."""
    return longest + 3


@dataclass(frozen=True, eq=False)
class Matches:
    """The places that match B contexts, N of them: those of the first row first, from the file's beginning on.

    ``places`` (N,), ``rows`` (N,): whose they are, ``lengths`` (N,): how many words before each match; ``longest``
    (B,): the greatest of a row's lengths, 0 where it has no places; ``width``: L + 1, how many lengths there are.
    """

    places: Ids
    rows: Ids
    lengths: Ids
    longest: Ids
    width: int

    @classmethod
    def of(cls, symbols: Symbols, begin: int, places: Ids, rows: Ids, contexts: Symbols) -> "Matches":
        """Return how long places match that do so at one symbol; ``symbols`` are those from the place ``begin`` on."""
        lengths = _lengths(symbols, places - begin, rows, contexts)
        longest = np.zeros(len(contexts), np.int64)
        if len(places):
            starts = rows.searchsorted(np.arange(len(contexts)))
            found = rows.take(starts, mode="clip") == np.arange(len(contexts))
            longest[found] = np.maximum.reduceat(lengths, starts[found])
        return cls(places, rows, lengths, longest, contexts.shape[1] + 1)

    @cached_property
    def last(self) -> Ids:
        """Which of them match at the greatest length."""
        last: Ids = (self.lengths == self.longest[self.rows]).nonzero()[0]
        return last

    def at_least(self, weights: Floats | None = None) -> Floats:
        """Return how many places of each row, or what weights (N,), match at 1, 2 … L words at least: (B, L)."""
        counts = np.bincount(self._cells, weights, len(self.longest) * self.width).reshape(-1, self.width)
        return counts[:, :0:-1].cumsum(axis=1)[:, ::-1].astype(np.float64, copy=False)

    def of_each(self, shares: Floats) -> Floats:
        """Return each place's share by its length: shares (B, L + 1) → (N,)."""
        return shares.take(self._cells)

    def summed(self, each: Floats, numbers: Symbols, count: int) -> Floats:
        """Return the sum of what ``each`` (N,) has, by row and by the number (N,) of a word: (B, count)."""
        cells = self.rows * count + numbers
        return np.bincount(cells, each, len(self.longest) * count).reshape(-1, count).astype(np.float64, copy=False)

    def nearest(self, gap: int) -> tuple[Ids, Ids]:
        """Return the rows that have places, and of each the last above the gap, or the first below it, of those that
        match at the greatest length.
        """
        places, rows = self.places[self.last], self.rows[self.last]
        found = self.longest.nonzero()[0]
        if not len(found):
            return found, found
        above_first = np.where(places < gap, places, -places)
        return found, np.abs(np.maximum.reduceat(above_first, rows.searchsorted(found)))

    @cached_property
    def _cells(self) -> Ids:
        """Where each place is in a table of rows and lengths."""
        return self.rows * self.width + self.lengths


def shares(weights: Floats, at_least: Floats) -> Floats:
    """Return what one place weighs that matches at 0, 1 … D words, where the places that match at 1, 2 … D, or their
    weights, ``at_least`` (B, D), divide ``weights`` (B, D) among them: (B, D + 1).
    """
    each = np.zeros((len(weights), weights.shape[1] + 1))
    np.divide(weights, at_least, out=each[:, 1:], where=at_least > 0)
    return each.cumsum(axis=1)


def _greatest(masses: Floats, kept: int) -> tuple[Ids, Ids]:
    """Return the rows and columns of at least the ``kept`` greatest masses of each row (B, U), where so many are not 0.

    At least so many reach the least of as many blocks' maxima.
    """
    least = np.full((len(masses), 1), _LEAST)
    if (blocks := masses.shape[1] // _BLOCK) > kept:
        maxima = masses[:, : blocks * _BLOCK].reshape(-1, blocks, _BLOCK).max(axis=2)
        np.maximum(least, np.partition(maxima, -kept, axis=1)[:, [-kept]], out=least)
    return np.divmod(np.flatnonzero(masses >= least), max(masses.shape[1], 1))


def _nearest_ones(places: Ids, rows: Ids, gap: int) -> NDArray[np.bool_]:
    """Return which places (N,) are among the nearest to the gap of their rows: three above it for one below."""
    kept = np.ones(len(places), bool)
    for row in (np.bincount(rows) > _MOST_PLACES).nonzero()[0]:
        begin, end = rows.searchsorted((row, row + 1)).tolist()
        middle = int(places[begin:end].searchsorted(gap))
        first = begin + min(max(0, middle - _MOST_PLACES * 3 // 4), end - begin - _MOST_PLACES)
        kept[begin:first] = False
        kept[first + _MOST_PLACES : end] = False
    return kept


def _lengths(symbols: Symbols, places: Ids, rows: Ids, contexts: Symbols) -> Ids:
    """Return how many symbols before each place, at least one, are the last of its row's context: (N,)."""
    width = contexts.shape[1]
    lengths = np.ones(len(places), np.int64)
    alive = np.arange(len(places))
    depth = 2
    while depth <= width and len(alive) > _FEW_PLACES:
        kept = symbols[places - depth] == contexts[:, -depth].take(rows)
        alive, places, rows = alive[kept], places[kept], rows[kept]
        lengths[alive] = depth
        depth += 1
    if depth <= width and len(alive):  # the rest of the contexts at once
        rest = contexts[:, width - depth :: -1][rows]
        before = symbols[places[:, None] - np.arange(depth, width + 1)]
        lengths[alive] += np.logical_and.accumulate(before == rest, axis=1).sum(axis=1)
    return lengths
