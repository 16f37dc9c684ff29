r"""The arrays of an n-gram model: a forward trie.

Level d holds the n-grams of d words, sorted by context, then by word, so that the continuations of one context
stand side by side::

    level 1   words   [ (  )  .  self  def … ]         an n-gram's node is its place in its level
              first   [ 0  4  9  … ]                   node i's continuations are first[i] … first[i+1] of level 2
    level 2   words   [ )  self  …|  :  …|  … ]
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids

Floats = NDArray[np.float32]
Nodes = NDArray[np.int64]

_HALF = 16  # bits of a place that ``first`` holds where it is uint16


@dataclass(frozen=True, eq=False)
class Level:
    """All n-grams of one length, n of them.

    ``words`` (n,) unsigned: their last words. ``weights`` (n,): float32 masses a, or uint8 places in
    ``weight_table`` (256,). What follows is missing at the highest level, whose n-grams are nobody's context:
    ``first`` (n + 1,), the places of their continuations, and ``backoffs`` (n,), γ, as float32 or as places in
    ``backoff_table``. ``first`` is uint32, or uint16 where only the lower halves of the places are kept; then
    ``carries``, ascending, are the indices from which on 65,536 is to be added, again for each of them.
    """

    words: NDArray[Any]
    weights: NDArray[Any]
    weight_table: Floats | None = None
    first: NDArray[Any] | None = None
    backoffs: NDArray[Any] | None = None
    backoff_table: Floats | None = None
    carries: Sequence[int] = ()

    def weights_at(self, places: slice | Nodes) -> Floats:
        """Return the masses a of some n-grams, as they are stored."""
        weights: NDArray[Any] = self.weights[places]
        return weights if self.weight_table is None else self.weight_table.take(weights)

    def backoffs_at(self, places: slice | Nodes) -> Floats:
        """Return γ of some n-grams as contexts. The highest level has none."""
        assert self.backoffs is not None
        backoffs: NDArray[Any] = self.backoffs[places]
        return backoffs if self.backoff_table is None else self.backoff_table.take(backoffs)

    def backoff(self, node: int) -> float:
        """Return γ of one n-gram as a context. The highest level has none."""
        assert self.backoffs is not None
        stored = self.backoffs.item(node)
        return float(stored if self.backoff_table is None else self.backoff_table.item(stored))

    def span(self, node: int) -> tuple[int, int]:
        """Return where the continuations of one n-gram begin and end in the next level."""
        assert self.first is not None
        begin, end = self.first.item(node), self.first.item(node + 1)
        if self.carries:
            begin += bisect_right(self.carries, node) << _HALF
            end += bisect_right(self.carries, node + 1) << _HALF
        return begin, end

    def spans(self, nodes: Nodes) -> tuple[Nodes, Nodes]:
        """Return where the continuations of each n-gram begin and end in the next level: (B,), (B,)."""
        return self._places(nodes), self._places(nodes + 1)

    def _places(self, at: Nodes) -> Nodes:
        assert self.first is not None
        places = self.first[at].astype(np.int64)
        return places + (np.searchsorted(self.carries, at, "right") << _HALF) if self.carries else places

    def every_span(self) -> Nodes:
        """Return the places of all continuations, undivided: (n + 1,)."""
        return self._places(np.arange(len(self.words) + 1))


def halved(first: NDArray[Any]) -> NDArray[Any]:
    """Return ``first`` (n + 1,) of a level as it is stored: its lower halves as uint16, as long as ``carries_of``
    can tell the upper ones from them, because no context has 65,536 continuations.
    """
    return first.astype(np.uint16 if np.all(np.diff(first.astype(np.int64)) < 1 << _HALF) else np.uint32)


def carries_of(first: NDArray[Any]) -> list[int]:
    """Return the carries of the lower halves of places that never fall: they fall where one is carried."""
    return [] if first.dtype != np.uint16 else (np.flatnonzero(first[1:] < first[:-1]) + 1).tolist()


def children(levels: Sequence[Level], depth: int, nodes: Nodes, words: Ids) -> Nodes:
    """Return the node at ``depth + 1`` of each node's continuation with a word, -1 where there is none: (B,).

    A node at depth 0 is the empty context, 0; a node -1 has no continuations.
    """
    every, begin, end = levels[depth].words, *spans(levels, depth, nodes)
    low, high = begin, end
    while np.any(searching := low < high):  # a binary search in every row at once
        middle = (low + high) // 2
        less = every[np.minimum(middle, len(every) - 1)] < words
        low, high = np.where(searching & less, middle + 1, low), np.where(searching & ~less, middle, high)
    found = (low < end) & (every[np.minimum(low, len(every) - 1)] == words)
    return np.where(found, low, -1)


def child(levels: Sequence[Level], depth: int, node: int, word: int) -> int:
    """Return the node at ``depth + 1`` of one node's continuation with ``word``, -1 where there is none."""
    if node < 0:
        return -1
    words = levels[depth].words
    begin, end = levels[depth - 1].span(node) if depth else (0, len(words))
    # A Python integer would make numpy convert all the words to its type before it searches.
    place = begin + int(words[begin:end].searchsorted(words.dtype.type(word)))
    return place if place < end and words.item(place) == word else -1


def spans(levels: Sequence[Level], depth: int, nodes: Nodes) -> tuple[Nodes, Nodes]:
    """Return where the continuations of each node at ``depth`` begin and end: (B,), (B,); nowhere for a node -1."""
    if depth == 0:
        return np.zeros(len(nodes), np.int64), np.where(nodes >= 0, len(levels[0].words), 0)
    begin, end = levels[depth - 1].spans(np.maximum(nodes, 0))
    return begin, np.where(nodes >= 0, end, begin)


def paths(levels: Sequence[Level], depth: int, nodes: Nodes) -> Ids:
    """Return the words of n-grams of ``depth`` words, from their nodes: (B,) → (B, depth)."""
    words = np.empty((len(nodes), depth), np.int64)
    for at in range(depth - 1, -1, -1):
        words[:, at] = levels[at].words[nodes]
        if at:
            nodes = np.searchsorted(levels[at - 1].every_span(), nodes, "right") - 1
    return words
