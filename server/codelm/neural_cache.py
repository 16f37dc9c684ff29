"""What a network's earlier states in the open file teach: the words that followed where it saw what it sees now.

Grave, Joulin and Usunier, *Improving neural language models with a continuous cache* (2017). What the head of the
network reads is a vector h of what it makes of a context. Each word of the file that was read behind a vector h_i gets
a share by how alike the two are::

    p(w | h) ∝ Σ exp(θ · cos(h, h_i))        over the places i whose word is w

It finds again what other words led to as well, where caches that compare words find nothing.
"""

from dataclasses import dataclass, field

import numpy as np

from codelm.file_words import Places
from codelm.neural.table import Floats as Vectors
from codelm.neural.table import unit
from codelm.places_model import Floats, MassesModel

THETA = 24.0
"""How much more a likelier place counts: exp(θ) times as much for a cosine that is greater by one."""
SIGNALS = 3


@dataclass(frozen=True, eq=False)
class Recalled:
    """What B contexts found again: ``masses`` (B, U) of the distinct words, ``nearest`` (B,) the greatest cosines."""

    masses: Floats
    nearest: Vectors


@dataclass(frozen=True, eq=False)
class NeuralCacheState:
    """B contexts, as what the head reads of each: (B, P)."""

    vectors: Vectors
    found: list[Recalled] = field(default_factory=list)  # once it was asked for


class NeuralCache(MassesModel):
    """The places above the cursor at one moment. Words that it lacks have no probability."""

    def __init__(self, places: Places, vectors: Vectors, size: int):
        """Take a file's words, vectors (N, P) of length one: what the head reads before each of its last N words above
        the cursor, and the number of all ids.
        """
        super().__init__(places, size)
        self._vectors = vectors
        self._numbers = places.sequence[places.gap - len(vectors) : places.gap].astype(np.int64)

    @property
    def empty(self) -> bool:
        """Whether there are no places."""
        return not len(self._vectors)

    def state(self, vectors: Vectors) -> NeuralCacheState:
        """Return the state of contexts, by what the head reads of them: (B, P)."""
        return NeuralCacheState(vectors)

    def signals(self, state: NeuralCacheState) -> Floats:
        """Return what is known of each row before the answer, (B, SIGNALS): one, the greatest cosine and share."""
        signals = np.zeros((len(state.vectors), SIGNALS))
        if not self.empty:
            found = self._found(state)
            signals[:, 0], signals[:, 1], signals[:, 2] = 1, found.nearest, found.masses.max(axis=1)
        return signals

    def _rows(self, state: NeuralCacheState) -> int:
        return len(state.vectors)

    def _masses(self, state: NeuralCacheState) -> Floats:
        return self._found(state).masses

    def _found(self, state: NeuralCacheState) -> Recalled:
        if not state.found:
            # Row by row: for the few rows of a beam that is twice as fast as one product of matrices.
            alike = np.empty((len(state.vectors), len(self._vectors)), np.float32)
            for row, vector in enumerate(unit(state.vectors)):
                np.matmul(self._vectors, vector, out=alike[row])
            nearest = alike.max(axis=1)
            weights = np.exp(THETA * (alike - nearest[:, None]))
            count = len(self.places.words)
            numbers = np.arange(len(alike))[:, None] * count + self._numbers
            masses = np.bincount(numbers.ravel(), weights.ravel(), minlength=len(alike) * count)
            masses = masses.reshape(len(alike), count) / weights.sum(axis=1, dtype=np.float64)[:, None]
            state.found.append(Recalled(masses, nearest))
        return state.found[0]
