"""What a network's earlier states in the open file teach: the words that followed where it saw what it sees now.

Grave, Joulin and Usunier, *Improving neural language models with a continuous cache* (2017). What the head of the
network reads is a vector h of what it makes of a context. Each word of the file that was read behind a vector h_i gets
a share by how alike the two are::

    p(w | h) ∝ Σ exp(θ · cos(h, h_i))        over the places i whose word is w

It finds again what other words led to as well, where caches that compare words find nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import Places
from codelm.model import Ids, Scores, among
from codelm.neural.table import unit
from codelm.vocabulary import PAD

Floats = NDArray[np.float32]

THETA = 24.0
"""How much more a likelier place counts: exp(θ) times as much for a cosine that is greater by one."""
SIGNALS = 3


@dataclass(frozen=True, eq=False)
class Recalled:
    """What B contexts found again: ``masses`` (B, U) of the distinct words, ``nearest`` (B,) the greatest cosines."""

    masses: NDArray[np.float64]
    nearest: Floats


@dataclass(frozen=True, eq=False)
class NeuralCacheState:
    """B contexts, as what the head reads of each: (B, P)."""

    vectors: Floats
    found: list[Recalled] = field(default_factory=list)  # once it was asked for


class NeuralCache:
    """The places of a file at one moment. Words that it lacks have no probability."""

    def __init__(self, places: Places, vectors: Floats, size: int):
        """Take a file's words, vectors (N, P) of length one: what the head reads before each of its last N words above
        the cursor, and the number of all ids.
        """
        self.size = size
        self.empty = not len(vectors)
        self._places = places
        self._vectors = vectors
        self._numbers = places.sequence[places.gap - len(vectors) : places.gap].astype(np.int64)

    def state(self, vectors: Floats) -> NeuralCacheState:
        """Return the state of contexts, by what the head reads of them: (B, P)."""
        return NeuralCacheState(vectors)

    def score(self, state: NeuralCacheState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        if self.empty:
            probabilities = np.where(ids == PAD, 0.0, 1 / (self.size - 1))
        else:
            numbers = np.array([self._places.numbers_of(row) for row in ids.tolist()], np.int64).reshape(ids.shape)
            masses = np.take_along_axis(self._found(state).masses, np.maximum(numbers, 0), axis=1)
            probabilities = np.where(numbers >= 0, masses, 0.0)
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)

    def propose(self, state: NeuralCacheState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), -1 where the file has no more."""
        best = np.full((len(state.vectors), k), -1, np.int64)
        if self.empty:
            return best
        words = self._places.words
        numbers = np.arange(len(words)) if allowed is None else among(words, allowed).nonzero()[0]
        for row, masses in enumerate(self._found(state).masses):
            found = numbers[masses[numbers] > 0]
            # By falling probability, then by id: the order must not depend on when a word was learned.
            found = words[found[np.lexsort((words[found], -masses[found]))[:k]]]
            best[row, : len(found)] = found
        return best

    def signals(self, state: NeuralCacheState) -> NDArray[np.float64]:
        """Return what is known of each row before the answer, (B, SIGNALS): one, the greatest cosine and share."""
        signals = np.zeros((len(state.vectors), SIGNALS))
        if not self.empty:
            found = self._found(state)
            signals[:, 0], signals[:, 1], signals[:, 2] = 1, found.nearest, found.masses.max(axis=1)
        return signals

    def _found(self, state: NeuralCacheState) -> Recalled:
        if not state.found:
            alike = unit(state.vectors) @ self._vectors.T  # (B, N)
            nearest = alike.max(axis=1)
            weights = np.exp(THETA * (alike - nearest[:, None]))
            count = len(self._places.words)
            numbers = np.arange(len(alike))[:, None] * count + self._numbers
            masses = np.bincount(numbers.ravel(), weights.ravel(), minlength=len(alike) * count)
            masses = masses.reshape(len(alike), count) / weights.sum(axis=1, dtype=np.float64)[:, None]
            state.found.append(Recalled(masses, nearest))
        return state.found[0]
