"""Batches of packed streams: B lanes of T words, whose states are carried from one batch to the next.

Sequences stand one after the other in a lane, each from the beginning of a batch on, so that a state is either carried
whole or begins anew (``·`` is nothing)::

              batch 0    batch 1    batch 2
    lane 0    ^ a b c    d e f ·    ^ p q r       a sequence a … f, and the next one
    lane 1    ^ u v ·    ^ k l m    n o · ·

Truncated back-propagation through time: a gradient ends where its batch begins (Werbos 1990).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codelm_train.networks.words import IGNORED, Ids, Places


@dataclass(frozen=True, eq=False)
class Lanes:
    """The batches of one pass over sequences ids (any,) with starts (N + 1,), in an ``order`` (M,) of some of them.

    ``pad`` and ``eos`` are the places of ``[PAD]``, read before a sequence, and ``[EOS]``, predicted behind it.
    """

    ids: NDArray[np.unsignedinteger]
    starts: Ids
    order: Ids
    lanes: int
    length: int
    pad: int
    eos: int
    _begins: Ids = field(init=False)
    _bounds: Ids = field(init=False)

    carried = True

    def __post_init__(self) -> None:
        parts = -(-(np.diff(self.starts)[self.order] + 1) // self.length)
        begins = np.concatenate([[0], np.cumsum(parts)])  # (M + 1,) the batch parts before each sequence
        # Lanes as long as each other, but for the sequence that stands where one ends.
        ideal = np.arange(self.lanes + 1) * begins[-1] / self.lanes
        object.__setattr__(self, "_begins", begins)
        object.__setattr__(self, "_bounds", begins[np.searchsorted(begins, ideal)])

    def __len__(self) -> int:
        """Return the number of batches."""
        return int(np.diff(self._bounds).max())

    def count(self, step: int) -> int:  # noqa: ARG002 - other batches differ
        """Return B, the lanes of a batch."""
        return self.lanes

    def places(self, step: int, rows: Ids) -> Places:
        """Return some of the lanes (B',) of a batch."""
        inputs = np.full((self.length, len(rows)), self.pad, np.int64)
        targets = np.full_like(inputs, IGNORED)
        fresh = np.ones(len(rows), bool)
        for column, lane in enumerate(rows.tolist()):
            part = self._bounds[lane] + step
            if part >= self._bounds[lane + 1]:  # this lane ended before others
                continue
            place = int(np.searchsorted(self._begins, part, side="right")) - 1
            sequence = self.order[place]
            offset = int(part - self._begins[place]) * self.length
            begin, end = self.starts[sequence], self.starts[sequence + 1]
            words = self.ids[begin + max(offset - 1, 0) : min(begin + offset + self.length, end)].astype(np.int64)
            fresh[column] = offset == 0
            known = words if offset else np.concatenate([[self.pad], words])  # [PAD], or the word read last
            following = known[1:] if begin + offset + self.length <= end else np.append(known[1:], self.eos)
            inputs[: len(following), column] = known[: len(following)]
            targets[: len(following), column] = following
        return Places(inputs, targets, fresh)
