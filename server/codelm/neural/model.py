"""What networks have in common, whatever runs them: the protocol of ``codelm.model``, over a core and a head."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids, Scores
from codelm.neural.outputs import Outputs, Said
from codelm.neural.readings import Readings
from codelm.neural.shape import Shape
from codelm.neural.table import Floats
from codelm.vocabulary import PAD, UNK

_AT_ONCE = 512  # words that the core reads in one call: more are no faster, and need more memory
SIGNALS = 7

A = TypeVar("A")  # the arrays of what runs the network: NumPy's, or torch's tensors


@dataclass(frozen=True, eq=False)
class NetworkState(Generic[A]):
    """B contexts as a network remembers them.

    ``core``: the states of the core, each (length, B, width). ``projected`` (B, P): what the head reads. ``said``: what
    it said, once it was asked.
    """

    core: tuple[A, ...]
    projected: A
    said: list[Said] = field(default_factory=list)


class NeuralModel(ABC, Generic[A]):
    """A network. Implements ``LanguageModel[NetworkState[A]]`` and ``ReadsWords``."""

    def __init__(self, shape: Shape, outputs: Outputs, readings: Readings):
        """Take what does not depend on what runs the network."""
        self.shape = shape
        self._outputs = outputs
        self._readings = readings
        self._start: NetworkState[A] | None = None

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> NetworkState[A]:
        """Return the state at the beginning of a sequence: after ``[PAD]``."""
        if self._start is None:
            self._start = self._after(np.array([[PAD]], np.int64), self._nothing())
        return self._start

    def read(self, state: NetworkState[A], ids: Ids) -> NetworkState[A]:
        """Return the state after a context: state of B = 1, ids (T,)."""
        for at in range(0, len(ids), _AT_ONCE):
            state = self._after(ids[at : at + _AT_ONCE, None], state.core)
        return state

    def step(self, state: NetworkState[A], rows: Ids, ids: Ids) -> NetworkState[A]:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        if not len(rows):
            return self.picked(state, rows)
        return self._after(ids[None, :], tuple(self._picked(array, rows, axis=1) for array in state.core))

    def score(self, state: NetworkState[A], ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C). An id that the vocabulary lacks scores as ``[UNK]``."""
        return self._outputs.scores(self._said(state), ids)

    def propose(self, state: NetworkState[A], k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), best first, -1 where there are fewer."""
        return self._outputs.propose(self._said(state), k, allowed)

    # --- besides ------------------------------------------------------------------------------------------

    def reading(self, words: Sequence[str]) -> Self:
        """Return the same network, which reads the ids V, V + 1, … as these words: by their pieces.

        Without it, and behind them, such ids are read as ``[UNK]`` without pieces. The words may become more at their
        end later, as those of a session do (``SessionVocabulary.own_words``). Nothing of the network is copied, and
        states of the one are states of the other.
        """
        other = copy(self)
        other._readings = self._readings.reading(words)
        return other

    def signals(self, state: NetworkState[A]) -> NDArray[np.float64]:
        """Return what is known of each row before the answer, (B, SIGNALS): one; how probable ``[UNK]`` is, and the
        two best words, as logarithms and as they are.
        """
        said = self._said(state)
        first = np.take_along_axis(said.log_probs, said.best[:, :2], axis=1)
        logs = np.concatenate([said.log_probs[:, [UNK]], first], axis=1, dtype=np.float64)
        return np.concatenate([np.ones((len(logs), 1)), logs / 10, np.exp(logs)], axis=1)

    def vectors(self, state: NetworkState[A]) -> Floats:
        """Return what the head reads of each row: (B, P)."""
        return self._floats(state.projected)

    def read_along(self, state: NetworkState[A], ids: Ids) -> tuple[NetworkState[A], Floats]:
        """Read a word a row, T times: ids (T, B), T at least 1. Return the state, and the vectors behind each word.

        Those are what the head reads, (T, B, P). All T words are read at once: some hundreds are as fast as any more.
        """
        core, projected = self._run(ids, state.core)
        return NetworkState(core, self._last(projected)), self._floats(projected)

    def picked(self, state: NetworkState[A], rows: Ids) -> NetworkState[A]:
        """Return the state whose row i is row ``rows[i]``."""
        core = tuple(self._picked(array, rows, axis=1) for array in state.core)
        return NetworkState(core, self._picked(state.projected, rows, axis=0))

    # --- what runs the network ----------------------------------------------------------------------------

    @abstractmethod
    def _nothing(self) -> tuple[A, ...]:
        """Return the states of the core before anything was read, for B = 1."""

    @abstractmethod
    def _run(self, ids: Ids, core: tuple[A, ...]) -> tuple[tuple[A, ...], A]:
        """Read ids (T, B), T and B at least 1, from the states of a core.

        Return the states behind them, and what the head reads behind each of them: (T, B, P).
        """

    @abstractmethod
    def _last(self, projected: A) -> A:
        """Return what the head reads behind the last word, (B, P): of (T, B, P), without keeping all that."""

    @abstractmethod
    def _floats(self, array: A) -> Floats:
        """Return an array as NumPy's."""

    @abstractmethod
    def _picked(self, array: A, rows: Ids, axis: int) -> A:
        """Return the places ``rows`` of an axis, in their order."""

    @abstractmethod
    def _ask(self, projected: A) -> Said:
        """Return what the head says."""

    def _after(self, ids: Ids, core: tuple[A, ...]) -> NetworkState[A]:
        core, projected = self._run(ids, core)
        return NetworkState(core, self._last(projected))

    def _said(self, state: NetworkState[A]) -> Said:
        if not state.said:
            state.said.append(self._ask(state.projected))
        return state.said[0]
