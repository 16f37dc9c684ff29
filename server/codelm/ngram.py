r"""An n-gram model: interpolated modified Kneser-Ney over a forward trie in memory-mapped arrays.

Chen and Goodman, *An empirical study of smoothing techniques for language modeling* (1998), section 3; the
estimate itself is made by ``codelm_train.count``. The probability of a word w after a context h is

    p(w | h) = a(w | h) + γ(h) · p(w | h')        h' is h without its first word

where a is the discounted share of w among what followed h, γ(h) = 1 - Σ a(· | h) the mass that the discounts set
free, and p(w | no context) rests on the uniform distribution over all ids but ``[PAD]``. Only a and γ are stored:
whatever is pruned or rounded, every row sums to one, because γ gives out exactly what the a's leave.

The trie: level d holds the n-grams of d words, sorted by context, then by word, so that the continuations of one
context stand side by side::

    level 1   words   [ (  )  .  self  def … ]         an n-gram's node is its place in its level
              first   [ 0  4  9  … ]                   node i's continuations are first[i] … first[i+1] of level 2
    level 2   words   [ )  self  …|  :  …|  … ]

A sequence begins with ``[PAD]``, KenLM's ``<s>``, which is never predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids, Scores
from codelm.vocabulary import PAD, UNK

Floats = NDArray[np.float32]
Nodes = NDArray[np.int64]

# Up to this many allowed ids are scored one by one; for more, the whole row is cheaper.
_FEW_ALLOWED = 4096
# Up to this many rows are walked through the trie one by one; more of them all at once.
_FEW_ROWS = 16
# Ids to a block when the best ones of a row are sought.
_BLOCK = 128


@dataclass(frozen=True, eq=False)
class Level:
    """All n-grams of one length, n of them.

    ``words`` (n,) unsigned: their last words. ``weights`` (n,): float32 masses a, or uint8 places in
    ``weight_table`` (256,). What follows is missing at the highest level, whose n-grams are nobody's context:
    ``first`` (n + 1,) uint32 and ``backoffs`` (n,), γ, as float32 or as places in ``backoff_table``.
    """

    words: NDArray[Any]
    weights: NDArray[Any]
    weight_table: Floats | None = None
    first: NDArray[np.uint32] | None = None
    backoffs: NDArray[Any] | None = None
    backoff_table: Floats | None = None

    def weights_at(self, places: slice | Nodes) -> Floats:
        """Return the masses a of some n-grams, as they are stored."""
        weights: NDArray[Any] = self.weights[places]
        return weights if self.weight_table is None else self.weight_table[weights]

    def backoffs_at(self, places: slice | Nodes) -> Floats:
        """Return γ of some n-grams as contexts. The highest level has none."""
        assert self.backoffs is not None
        backoffs: NDArray[Any] = self.backoffs[places]
        return backoffs if self.backoff_table is None else self.backoff_table[backoffs]


@dataclass(frozen=True, eq=False)
class NGramState:
    """B contexts: ``nodes`` (B, order) holds in column d the node of the last d words, -1 where it was never seen."""

    nodes: Nodes


class NGram:
    """An n-gram model of any order. Implements ``LanguageModel[NGramState]``."""

    def __init__(self, levels: Sequence[Level], size: int, root_backoff: float):
        """Take the levels, shortest n-grams first, the size of the vocabulary, and the mass of the uniform part."""
        self.levels = tuple(levels)
        self.order = len(levels)
        self.size = size
        self.root_backoff = root_backoff
        self._scales = [self._scale(depth) for depth in range(self.order)]
        self._unigrams = self._dense_unigrams()

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> NGramState:
        """Return the state at the beginning of a sequence: after ``[PAD]``."""
        return self.step(self._nothing(), np.zeros(1, np.int64), np.array([PAD], np.int64))

    def read(self, state: NGramState, ids: Ids) -> NGramState:
        """Return the state after a context: ids (T,). Only the last order - 1 of them are looked at."""
        if len(ids) >= self.order - 1:
            state, ids = self._nothing(), ids[len(ids) - (self.order - 1) :]
        row = np.zeros(1, np.int64)
        for word in ids:
            state = self.step(state, row, np.array([word], np.int64))
        return state

    def step(self, state: NGramState, rows: Ids, ids: Ids) -> NGramState:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        nodes = np.full((len(rows), self.order), -1, np.int64)
        nodes[:, 0] = 0
        known, before = self._known(ids), state.nodes[rows]
        for depth in range(self.order - 1):
            nodes[:, depth + 1] = self._children(depth, before[:, depth], known)
        nodes.flags.writeable = False
        return NGramState(nodes)

    def score(self, state: NGramState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C). An id that the model lacks scores as ``[UNK]``."""
        known = self._known(ids)
        if len(ids) > _FEW_ROWS and ids.shape[1] == 1:
            probabilities = self._probability_each(state.nodes, known[:, 0])[:, None]
        else:
            rows = zip(state.nodes.tolist(), known, strict=True)
            probabilities = np.stack([self._probabilities(row, wanted) for row, wanted in rows])
        with np.errstate(divide="ignore"):
            return np.log(probabilities)  # [PAD] alone is -inf

    def propose(self, state: NGramState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), best first, -1 where there are fewer."""
        best = np.full((len(state.nodes), k), -1, np.int64)
        for row, nodes in enumerate(state.nodes.tolist()):
            found = self._best(nodes, k, allowed)
            best[row, : len(found)] = found
        return best

    # --- what a context knows -----------------------------------------------------------------------------

    def match_lengths(self, state: NGramState) -> Ids:
        """Return how many of each row's last words make a context that has been seen and continued: (B,)."""
        return np.array(
            [max((d for d, _, _ in self._contexts(row)), default=0) for row in state.nodes.tolist()], np.int64
        )

    def _contexts(self, nodes: list[int]) -> list[tuple[int, int, int]]:
        """Return (depth, begin, end) of the continuations of each context of a row that has any, but the empty one."""
        found = []
        for depth, node in enumerate(nodes[1:], 1):
            first = self.levels[depth - 1].first
            if node >= 0 and first is not None:
                begin, end = int(first[node]), int(first[node + 1])
                if begin < end:
                    found.append((depth, begin, end))
        return found

    def _known(self, ids: Ids) -> Ids:
        """Return the ids with ``[UNK]`` for those that the model lacks."""
        return np.where((ids >= 0) & (ids < self.size), ids, UNK)

    def _children(self, depth: int, nodes: Nodes, words: Ids) -> Nodes:
        """Return the node at ``depth + 1`` of each node's continuation with a word, -1 where there is none: (B,)."""
        if len(nodes) <= _FEW_ROWS:
            pairs = zip(nodes.tolist(), words.tolist(), strict=True)
            return np.array([self._child(depth, node, word) if node >= 0 else -1 for node, word in pairs], np.int64)
        every, begin, end = self.levels[depth].words, *self._spans(depth, nodes)
        low, high = begin, end
        while np.any(searching := low < high):  # a binary search in every row at once
            middle = (low + high) // 2
            less = every[np.minimum(middle, len(every) - 1)] < words
            low, high = np.where(searching & less, middle + 1, low), np.where(searching & ~less, middle, high)
        found = (low < end) & (every[np.minimum(low, len(every) - 1)] == words)
        return np.where(found, low, -1)

    def _spans(self, depth: int, nodes: Nodes) -> tuple[Nodes, Nodes]:
        """Return where the continuations of each node at ``depth`` begin and end; nowhere for a node -1."""
        if depth == 0:
            return np.zeros(len(nodes), np.int64), np.where(nodes >= 0, len(self.levels[0].words), 0)
        first = self.levels[depth - 1].first
        assert first is not None
        known = np.maximum(nodes, 0)
        begin = first[known].astype(np.int64)
        return begin, np.where(nodes >= 0, first[known + 1].astype(np.int64), begin)

    def _child(self, depth: int, node: int, word: int) -> int:
        """Return the node at ``depth + 1`` of a node's continuation with ``word``; -1 when there is none."""
        words = self.levels[depth].words
        begin, end = 0, len(words)
        if depth:
            first = self.levels[depth - 1].first
            assert first is not None
            begin, end = int(first[node]), int(first[node + 1])
        # A Python integer would make numpy convert all the words to its type before it searches.
        place = begin + int(words[begin:end].searchsorted(words.dtype.type(word)))
        return place if place < end and words[place] == word else -1

    def _backoff(self, depth: int, node: int) -> np.float32:
        return np.float32(self.levels[depth - 1].backoffs_at(slice(node, node + 1))[0])

    def _masses(self, depth: int, node: int, begin: int, end: int) -> Floats:
        """Return the masses a(· | h) of all continuations of the context that is ``node`` at ``depth``."""
        weights = self.levels[depth].weights_at(slice(begin, end))
        scales = self._scales[depth]
        return weights if scales is None else weights * scales[node]

    def _probabilities(self, nodes: list[int], wanted: Ids) -> Floats:
        """Return p(w | h) of the wanted ids (C,), for one row of context nodes."""
        probabilities = self._unigrams[wanted]
        for depth, begin, end in self._contexts(nodes):
            words = self.levels[depth].words[begin:end]
            masses = self._masses(depth, nodes[depth], begin, end)
            places = np.minimum(words.searchsorted(wanted.astype(words.dtype)), end - begin - 1)
            probabilities = probabilities * self._backoff(depth, nodes[depth])
            probabilities += np.where(words[places] == wanted, masses[places], np.float32(0))
        return probabilities

    def _row(self, nodes: list[int]) -> Floats:
        """Return p(w | h) of every id, for one row of context nodes: (size,)."""
        row = self._unigrams.copy()
        for depth, begin, end in self._contexts(nodes):
            row *= self._backoff(depth, nodes[depth])
            row[self.levels[depth].words[begin:end]] += self._masses(depth, nodes[depth], begin, end)
        return row

    def _probability_each(self, nodes: Nodes, words: Ids) -> Floats:
        """Return p(w | h) of one word for each of many rows of context nodes: (B, order), (B,) → (B,)."""
        probabilities = self._unigrams[words]
        for depth in range(1, self.order):
            begin, end = self._spans(depth, nodes[:, depth])
            continued = begin < end
            context = np.where(continued, nodes[:, depth], 0)
            backoffs = self.levels[depth - 1].backoffs_at(context)
            probabilities = np.where(continued, probabilities * backoffs, probabilities)
            child = self._children(depth, np.where(continued, context, -1), words)
            masses = self.levels[depth].weights_at(np.maximum(child, 0))
            scales = self._scales[depth]
            masses = masses if scales is None else masses * scales[context]
            probabilities = probabilities + np.where(child >= 0, masses, np.float32(0))
        return probabilities

    def _best(self, nodes: list[int], k: int, allowed: Ids | None) -> Ids:
        """Return at most k best ids for one row, best first."""
        if allowed is None:
            best = _top(self._row(nodes), k)
        else:
            allowed = allowed[allowed < self.size]
            few = len(allowed) <= _FEW_ALLOWED
            best = allowed[_top(self._probabilities(nodes, allowed) if few else self._row(nodes)[allowed], k)]
        found: Ids = best[best != PAD]
        return found

    # --- derived when opened ------------------------------------------------------------------------------

    def _scale(self, depth: int) -> Floats | None:
        """Return what brings the rounded masses of each context at ``depth`` to 1 - γ; None when they are exact."""
        level = self.levels[depth]
        if level.weight_table is None:
            return None
        if depth == 0:
            total = level.weights_at(slice(None)).sum(dtype=np.float64)
            return np.array([(1 - self.root_backoff) / total], np.float32)
        above = self.levels[depth - 1]
        assert above.first is not None
        first = above.first.astype(np.int64)
        running = np.concatenate([[0.0], np.cumsum(level.weights_at(slice(None)), dtype=np.float64)])
        totals = running[first[1:]] - running[first[:-1]]
        backoffs = above.backoffs_at(slice(None))
        has_any = first[1:] > first[:-1]
        return np.where(has_any, (1 - backoffs) / np.where(has_any, totals, 1), 1).astype(np.float32)

    def _dense_unigrams(self) -> Floats:
        """Return p(w) of every id: (size,)."""
        dense = np.full(self.size, self.root_backoff / (self.size - 1), np.float32)
        level = self.levels[0]
        dense[level.words] += self._masses(0, 0, 0, len(level.words))
        dense[PAD] = 0
        return dense

    def _nothing(self) -> NGramState:
        """Return the state that knows of no word, not even the sequence's beginning."""
        nodes = np.full((1, self.order), -1, np.int64)
        nodes[:, 0] = 0
        return NGramState(nodes)


def _top(probabilities: Floats, k: int) -> Nodes:
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
