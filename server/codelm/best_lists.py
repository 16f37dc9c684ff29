"""The best continuations of an n-gram model's wide contexts, ready in arrays."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.trie import Floats, Nodes

# Contexts with more continuations than this are wide.
WIDE = 64
# The best ids that are listed of a wide context.
LISTED = 128
# Ids to a block when the greatest of many probabilities are sought.
_BLOCK = 128


@dataclass(frozen=True, eq=False)
class BestLists:
    """What is ready for the wide contexts of one length, m of them.

    ``contexts`` (m,) uint32, ascending: their nodes. ``ids`` (m, L) unsigned: the ids most probable after each, by
    p(w | h), best first. ``rests`` (m,) float32: the greatest p(w | h) of an id that is not listed. ``scales`` (m,)
    float32: what brings the rounded masses of each to 1 - γ; None when masses are exact.

    A wide context that has no list costs time, nothing else.
    """

    contexts: NDArray[np.uint32]
    ids: NDArray[Any]
    rests: Floats
    scales: Floats | None

    @cached_property
    def places(self) -> dict[int, int]:
        """The place of each context's list."""
        return {node: place for place, node in enumerate(self.contexts.tolist())}


def listed_ids(size: int) -> int:
    """Return how many ids are listed of a wide context, in a vocabulary of ``size`` ids: never ``[PAD]``."""
    return min(LISTED, size - 1)


def no_lists() -> BestLists:
    """Return the lists of no context at all."""
    none = np.zeros(0, np.float32)
    return BestLists(np.zeros(0, np.uint32), np.zeros((0, 0), np.uint16), none, none)


def listed(row: Floats) -> tuple[Ids, float]:
    """Return the best ids of a row of probabilities (size,), as many as are listed, and the probability of the next."""
    count = listed_ids(len(row))
    best = greatest(row, count + 1)
    return best[:count], row.item(best[count])


def greatest(probabilities: NDArray[np.floating[Any]], k: int) -> Nodes:
    """Return the places of the k greatest probabilities (n,), greatest first, earlier ones first among equals.

    At least k values reach the k-th greatest of the blocks' maxima, so only what reaches it has to be sorted.
    """
    blocks = len(probabilities) // _BLOCK
    if blocks > k:
        maxima = probabilities[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
        places = np.flatnonzero(probabilities >= np.partition(maxima, blocks - k)[blocks - k])
    else:
        places = np.arange(len(probabilities))
    best: Nodes = places[np.argsort(-probabilities[places], kind="stable")[:k]]
    return best
