"""What every language model of codelm answers, and the laws that it keeps.

B rows (hypotheses that are advanced together), T tokens, C candidates, K best. Logarithms are natural.

**Laws** (tests/laws.py checks every model against them):

1. rows normalise: the probabilities of all ids sum to one, and none is zero but that of ``[PAD]`` (and, in a cache,
   those of the words that it has not seen);
2. ``read(s, a + b)`` equals ``read(read(s, a), b)`` and a chain of ``step``;
3. rows are independent: permuting them permutes the answers;
4. no call changes a state that it was given;
5. ``propose`` agrees with ``score``: it lists the best ids, best first.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]

S = TypeVar("S")


class LanguageModel(Protocol[S]):
    """Predicts the next word of a sequence. S is the model's state: an immutable value of B rows."""

    def start(self) -> S:
        """Return the state at the beginning of a sequence (B = 1)."""
        ...

    def read(self, state: S, ids: Ids) -> S:
        """Return the state after a context: state of B = 1, ids (T,)."""
        ...

    def step(self, state: S, rows: Ids, ids: Ids) -> S:
        """Return a state whose row i is row ``rows[i]`` continued with ``ids[i]``: both (B',)."""
        ...

    def propose(self, state: S, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row, best first: (B, K), -1 where there are fewer.

        ``allowed`` (sorted ids) restricts them.
        """
        ...

    def score(self, state: S, ids: Ids) -> Scores:
        """Return the log probabilities of the candidates: ids (B, C) → (B, C), float32."""
        ...


@runtime_checkable
class ReadsWords(Protocol[S]):
    """A model that can make something of words outside its vocabulary when it reads them, though it predicts none."""

    def reading(self, words: Sequence[str]) -> LanguageModel[S]:
        """Return the model that reads the ids V, V + 1, … behind its vocabulary of V ids as these words."""
        ...


def reading(model: LanguageModel[S], words: Sequence[str]) -> LanguageModel[S]:
    """Return a model that reads the ids behind its vocabulary as these words, if it can; else the model itself.

    Every model reads an id that it lacks, and scores it, as ``[UNK]``.
    """
    return model.reading(words) if isinstance(model, ReadsWords) else model


def log_probs(model: LanguageModel[S], state: S, rows: int, size: int) -> Scores:
    """Return the log probability of every id: (rows, size), where ``size`` is the vocabulary's."""
    every = np.broadcast_to(np.arange(size, dtype=np.int64), (rows, size))
    return model.score(state, every)


def among(ids: Ids, allowed: Ids) -> NDArray[np.bool_]:
    """Return which of the ids (N,) are among the allowed ones, which are sorted: (N,)."""
    if not len(allowed):
        return np.zeros(len(ids), bool)
    found: NDArray[np.bool_] = allowed.take(allowed.searchsorted(ids), mode="clip") == ids
    return found
