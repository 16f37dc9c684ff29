"""What the models of the open file have in common: they look for places that match the context from its end back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import OUTSIDE, START, UNSEEN, Places
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
_FEW_PLACES = 64  # places whose whole context is compared at once
_DECAY = np.exp(-np.arange(int(NEAR * 20)) / NEAR) + _FAR_WEIGHT


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """What one context finds: the length of its longest match, and the probabilities of the file's words (U,)."""

    length: int
    masses: Floats


@dataclass(frozen=True, eq=False)
class PlacesState:
    """B contexts: ``contexts`` (B, longest), the last word last, as the symbols that a model compares."""

    contexts: Symbols
    found: dict[int, Row] = field(default_factory=dict)  # what was looked up already, by row


class PlacesModel(ABC):
    """A file at one moment. Implements ``LanguageModel[PlacesState]``; words that it lacks have no probability."""

    longest: int
    """The longest context that is told from longer ones, in words."""
    experts_count: int
    """How many ways there are in which places share the probability."""

    def __init__(self, places: Places, size: int, weights: Floats):
        """Take a file's words, the number of all ids, and weights (longest + 1, experts): a row for each length of
        the longest match.
        """
        self.places, self.size = places, size
        self._weights = weights

    @abstractmethod
    def symbols(self, ids: list[int]) -> list[int]:
        """Return what is compared of words; what is negative and not ``START`` matches nothing."""

    @abstractmethod
    def _look_up(self, context: Symbols) -> Row:
        """Return what a context finds in a file that is not empty."""

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

    def score(self, state: PlacesState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        if self.places.empty:
            probabilities = np.where(ids == PAD, 0.0, 1 / (self.size - 1))
        else:
            probabilities = np.empty(ids.shape)
            for row, wanted in enumerate(ids.tolist()):
                numbers = np.array(self.places.numbers_of(wanted), np.int64)
                masses = self._row(state, row).masses
                probabilities[row] = np.where(numbers >= 0, masses.take(numbers, mode="clip"), 0.0)
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)

    def propose(self, state: PlacesState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), -1 where the file has no more."""
        best = np.full((len(state.contexts), k), -1, np.int64)
        if self.places.empty:
            return best
        words = self.places.words
        for row in range(len(best)):
            masses = self._row(state, row).masses
            if allowed is not None and len(allowed) <= _FEW_ALLOWED:
                numbers = np.array(self.places.numbers_of(allowed.tolist()), np.int64)
                numbers = numbers[numbers >= 0]
            else:
                kept = k if allowed is None else max(k, _BEST_KEPT)
                least = np.partition(masses, -kept)[-kept] if len(masses) > kept else 0.0
                numbers = (masses >= max(least, _LEAST)).nonzero()[0]
                if allowed is not None:
                    numbers = numbers[among(words[numbers], allowed)]
            numbers = numbers[masses[numbers] > 0]
            # By falling probability, then by id: the order must not depend on when a word was learned.
            found = words[numbers[np.lexsort((words[numbers], -masses[numbers]))[:k]]]
            best[row, : len(found)] = found
        return best

    # --- what a mixture asks besides ----------------------------------------------------------------------

    def match_lengths(self, state: PlacesState) -> Ids:
        """Return the length of each row's longest match, -1 where the file is empty: (B,)."""
        if self.places.empty:
            return np.full(len(state.contexts), -1, np.int64)
        return np.array([self._row(state, row).length for row in range(len(state.contexts))], np.int64)

    @property
    def empty(self) -> bool:
        """Whether the file has no words."""
        return self.places.empty

    def signals(self, state: PlacesState) -> Floats:
        """Return what is known of each row before the answer, (B, ``signals_of(longest)``): the length of its longest
        match, the probability of the best word, and how long the file is.
        """
        if self.places.empty:
            return np.zeros((len(state.contexts), signals_of(self.longest)))
        rows = [self._row(state, row) for row in range(len(state.contexts))]
        size = np.log1p(len(self.places.sequence)) / 10
        few = np.array([[row.masses.max(), size] for row in rows])
        return np.concatenate([one_hot(np.array([row.length for row in rows]), self.longest + 1), few], axis=1)

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

    def _row(self, state: PlacesState, row: int) -> Row:
        if row not in state.found:
            empty = self.places.empty
            state.found[row] = Row(0, np.zeros(0)) if empty else self._look_up(state.contexts[row])
        return state.found[row]


def signals_of(longest: int) -> int:
    """Return how many signals a model gives that tells matches up to a length apart."""
    return longest + 3


def match_lengths(sequence: Symbols, places: Ids, context: Symbols) -> Ids:
    """Return how many words before each place, at least one, are the last of the context: (N,).

    ``places`` (N,) match at one word.
    """
    lengths = np.ones(len(places), np.int64)
    alive = np.arange(len(places))
    symbols = context[-2::-1].tolist()
    for depth, symbol in enumerate(symbols, 2):
        if len(alive) <= _FEW_PLACES or (symbol < 0 and symbol != START):
            break
        alive = alive[sequence[places[alive] - depth] == symbol]
        lengths[alive] = depth
    else:
        return lengths
    if len(alive):  # the rest of the context at once
        rest = np.array(symbols[depth - 2 :], np.int32)
        rest[(rest < 0) & (rest != START)] = UNSEEN  # which no sequence holds
        before = sequence[places[alive][:, None] - np.arange(depth, depth + len(rest))]
        lengths[alive] += np.logical_and.accumulate(before == rest, axis=1).sum(axis=1)
    return lengths


def at_least(lengths: Ids, longest: int, weights: Floats | None = None) -> Floats:
    """Return how many lengths, or what weights, are at least 0, 1 … ``longest``: (longest + 1,)."""
    return np.bincount(lengths, weights, minlength=longest + 1)[::-1].cumsum()[::-1].astype(np.float64)
