"""Batches of whole sequences, by a budget of tokens: short sequences side by side in many rows, long ones in few.

Sequences of about the same length are put together, so that little of a batch is empty; which ones, and in which order
the batches come, is drawn at random (Khomenko et al. 2016, "Accelerating recurrent neural network training using
sequence bucketing").
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codelm_train.networks.words import IGNORED, Ids, Places

_POOL = 100  # batches that are cut from sequences sorted by length together


@dataclass(frozen=True, eq=False)
class Buckets:
    """The batches of one pass over sequences ids (any,) with starts (N + 1,), in an ``order`` (M,) of some of them.

    A batch has at most ``budget`` places, empty ones included, or one sequence.
    """

    ids: NDArray[np.unsignedinteger]
    starts: Ids
    order: Ids
    budget: int
    pad: int
    eos: int
    rng: np.random.Generator
    _batches: list[Ids] = field(init=False)

    carried = False

    def __post_init__(self) -> None:
        lengths = np.diff(self.starts) + 1  # with [EOS], or [PAD]
        batches: list[Ids] = []
        pool = max(1, _POOL * self.budget // max(int(lengths[self.order].mean()), 1)) if len(self.order) else 1
        for at in range(0, len(self.order), pool):
            some = self.order[at : at + pool]
            some = some[np.argsort(-lengths[some], kind="stable")]
            while len(some):
                count = max(1, self.budget // int(lengths[some[0]]))
                batches.append(some[:count])
                some = some[count:]
        self.rng.shuffle(batches)
        object.__setattr__(self, "_batches", batches)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def count(self, step: int) -> int:
        """Return B, the sequences of a batch."""
        return len(self._batches[step])

    def places(self, step: int, rows: Ids) -> Places:
        """Return some of the sequences (B',) of a batch."""
        sequences = self._batches[step][rows]
        longest = int(np.diff(self.starts)[self._batches[step]].max()) + 1
        inputs = np.full((longest, len(rows)), self.pad, np.int64)
        targets = np.full_like(inputs, IGNORED)
        for column, sequence in enumerate(sequences.tolist()):
            words = self.ids[self.starts[sequence] : self.starts[sequence + 1]]
            inputs[1 : len(words) + 1, column] = words
            targets[: len(words), column] = words
            targets[len(words), column] = self.eos
        return Places(inputs, targets, np.ones(len(rows), bool))
