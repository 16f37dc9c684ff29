"""What networks have in common, whatever runs them: the protocol of ``codelm.model``, over a core and a head."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import numpy as np

from codelm.model import Ids, Scores
from codelm.neural.outputs import Outputs, Said
from codelm.neural.readings import Readings
from codelm.neural.shape import Shape
from codelm.neural.table import Floats
from codelm.vocabulary import PAD

_AT_ONCE = 512  # words that the core reads in one call: more are no faster, and need more memory

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
        core = tuple(self._picked(array, rows, axis=1) for array in state.core)
        if not len(rows):
            return NetworkState(core, self._picked(state.projected, rows, axis=0))
        return self._after(ids[None, :], core)

    def score(self, state: NetworkState[A], ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C). An id that the vocabulary lacks scores as ``[UNK]``."""
        return self._outputs.scores(self._said(state), ids)

    def propose(self, state: NetworkState[A], k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), best first, -1 where there are fewer."""
        return self._outputs.propose(self._said(state), k, allowed)

    # --- besides ------------------------------------------------------------------------------------------

    def reading(self, words: Sequence[str]) -> Self:
        """Return the same network, which reads the ids V, V + 1, … as these words: by their pieces.

        Without it, and behind them, such ids are read as ``[UNK]`` without pieces. Nothing of the network is copied,
        and states of the one are states of the other.
        """
        other = copy(self)
        other._readings = self._readings.reading(words)
        return other

    @abstractmethod
    def vectors(self, state: NetworkState[A]) -> Floats:
        """Return what the head reads of each row: (B, P)."""

    # --- what runs the network ----------------------------------------------------------------------------

    @abstractmethod
    def _nothing(self) -> tuple[A, ...]:
        """Return the states of the core before anything was read, for B = 1."""

    @abstractmethod
    def _after(self, ids: Ids, core: tuple[A, ...]) -> NetworkState[A]:
        """Return the state after ids (T, B), T and B at least 1, read from the states of a core."""

    @abstractmethod
    def _picked(self, array: A, rows: Ids, axis: int) -> A:
        """Return the places ``rows`` of an axis, in their order."""

    @abstractmethod
    def _ask(self, projected: A) -> Said:
        """Return what the head says."""

    def _said(self, state: NetworkState[A]) -> Said:
        if not state.said:
            state.said.append(self._ask(state.projected))
        return state.said[0]
