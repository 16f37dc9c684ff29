r"""An n-gram model: interpolated modified Kneser-Ney over a forward trie in memory-mapped arrays.

Chen and Goodman, *An empirical study of smoothing techniques for language modeling* (1998), section 3; the
estimate itself is made by ``codelm_train``, the arrays are those of ``codelm.trie`` and ``codelm.best_lists``. The
probability of a word w after a context h is

    p(w | h) = a(w | h) + γ(h) · p(w | h')        h' is h without its first word

where a is the discounted share of w among what followed h, γ(h) = 1 - Σ a(· | h) the mass that the discounts set
free, and p(w | no context) rests on the uniform distribution over all ids but ``[PAD]``. Only a and γ are stored:
whatever is pruned or rounded, every row sums to one, because γ gives out exactly what the a's leave.

The best words after h: those that h mentions may be any, all others are ranked as h' ranks them. So the k best are
among the continuations of h, of h' and so on, down to the first context with a list of its best words, and the first
k of that list. Where some words are ruled out, the whole list is looked at, and what is found is right when the k-th
of them is as probable as any word that is not listed; only when it is not, the dense row of all words is computed.

A sequence begins with ``[PAD]``, KenLM's ``<s>``, which is never predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.best_lists import LISTED, WIDE, BestLists, greatest, listed, no_lists
from codelm.gate import one_hot
from codelm.model import Ids, Scores, among
from codelm.trie import Floats, Level, Nodes, child, children, paths, spans
from codelm.vocabulary import PAD, UNK

# Up to this many ids are scored one by one; for more, the whole row is cheaper.
_FEW_IDS = 2048
SIGNALS = 6  # contexts of 5 words and more are told apart by nothing
# Up to this many rows are walked through the trie one by one; more of them all at once.
_FEW_ROWS = 24
_TINY = 1e-30  # what sums of masses are divided by at least: those of a broken model may all be zero

# A context that has been continued: its length, its node, and where its continuations begin and end.
Context = tuple[int, int, int, int]
Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class NGramState:
    """B contexts: ``nodes`` (B, order) holds in column d the node of the last d words, -1 where it was never seen."""

    nodes: Nodes
    contexts: list[list[Context]] = field(default_factory=list)  # those that were continued, once they were asked for


class NGram:
    """An n-gram model of any order. Implements ``LanguageModel[NGramState]``."""

    def __init__(
        self, levels: Sequence[Level], size: int, root_backoff: float, lists: Sequence[BestLists] | None = None
    ):
        """Take the levels, shortest n-grams first, the size of the vocabulary, and the mass of the uniform part.

        ``lists``: what is ready for the contexts of 1, 2, … order - 1 words; made when first needed if it is None.
        """
        self.levels = tuple(levels)
        self.order = len(levels)
        self.size = size
        self.root_backoff = root_backoff
        self._given_lists = lists
        self._unigrams = self._dense_unigrams()

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> NGramState:
        """Return the state at the beginning of a sequence: after ``[PAD]``."""
        return self.step(self._nothing(), np.zeros(1, np.int64), np.array([PAD], np.int64))

    def read(self, state: NGramState, ids: Ids) -> NGramState:
        """Return the state after a context: ids (T,). Only the last order - 1 of them are looked at."""
        if len(ids) >= self.order - 1:
            state, ids = self._nothing(), ids[len(ids) - (self.order - 1) :]
        nodes = state.nodes[0].tolist()
        for word in self._known(ids).tolist():
            nodes = self._longer(nodes, word)
        read = np.array([nodes], np.int64)
        read.flags.writeable = False
        return NGramState(read)

    def step(self, state: NGramState, rows: Ids, ids: Ids) -> NGramState:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        known, before = self._known(ids), state.nodes[rows]
        if len(rows) <= _FEW_ROWS:
            pairs = zip(before.tolist(), known.tolist(), strict=True)
            nodes = np.array([self._longer(row, word) for row, word in pairs], np.int64).reshape(len(rows), self.order)
        else:
            nodes = np.zeros((len(rows), self.order), np.int64)
            for depth in range(self.order - 1):
                nodes[:, depth + 1] = children(self.levels, depth, before[:, depth], known)
        nodes.flags.writeable = False
        return NGramState(nodes)

    def score(self, state: NGramState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C). An id that the model lacks scores as ``[UNK]``."""
        if len(ids) > _FEW_ROWS and ids.shape[1] == 1:
            probabilities = self._probability_each(state.nodes, self._known(ids[:, 0]))[:, None]
        else:
            probabilities = np.empty(ids.shape)
            for row, contexts in enumerate(self._contexts_of(state)):
                probabilities[row] = self._probabilities_of(contexts, ids[row])
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)  # [PAD] alone is -inf

    def propose(self, state: NGramState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), best first, -1 where there are fewer."""
        best = np.full((len(state.nodes), k), -1, np.int64)
        for row, contexts in enumerate(self._contexts_of(state)):
            found = self._best(contexts, k, allowed)
            best[row, : len(found)] = found
        return best

    # --- what a context knows -----------------------------------------------------------------------------

    def match_lengths(self, state: NGramState) -> Ids:
        """Return how many of each row's last words make a context that has been seen and continued: (B,)."""
        return np.array([self._match_length(nodes) for nodes in state.nodes.tolist()], np.int64)

    def signals(self, state: NGramState) -> NDArray[np.float64]:
        """Return what is known of each row before the answer: the length of the longest context, (B, SIGNALS)."""
        return one_hot(self.match_lengths(state), SIGNALS)

    def _match_length(self, nodes: list[int]) -> int:
        for depth in range(self.order - 1, 0, -1):
            if nodes[depth] >= 0:
                begin, end = self.levels[depth - 1].span(nodes[depth])
                if begin < end:
                    return depth
        return 0

    def _contexts_of(self, state: NGramState) -> list[list[Context]]:
        """Return the contexts of each row."""
        if len(state.contexts) < len(state.nodes):
            state.contexts[:] = [self._contexts(nodes) for nodes in state.nodes.tolist()]
        return state.contexts

    def _contexts(self, nodes: list[int]) -> list[Context]:
        """Return the contexts of a row that have any continuations, but the empty one: the longest first."""
        found = []
        for depth in range(self.order - 1, 0, -1):
            if nodes[depth] >= 0:
                begin, end = self.levels[depth - 1].span(nodes[depth])
                if begin < end:
                    found.append((depth, nodes[depth], begin, end))
        return found

    def _known(self, ids: Ids) -> Ids:
        """Return the ids with ``[UNK]`` for those that the model lacks."""
        return np.where((ids >= 0) & (ids < self.size), ids, UNK)

    def _longer(self, nodes: list[int], word: int) -> list[int]:
        """Return the context nodes of a row after one more word."""
        return [0, *(child(self.levels, depth, node, word) for depth, node in enumerate(nodes[:-1]))]

    # --- probabilities ------------------------------------------------------------------------------------

    def _masses(self, context: Context, share: float) -> Floats:
        """Return the masses a(· | h) of all continuations of a context, times ``share``."""
        depth, _, begin, end = context
        masses = self.levels[depth].weights_at(slice(begin, end))
        scale = share * self._scale(context, masses)
        return masses if scale == 1 else masses * scale

    def _scale(self, context: Context, masses: Floats | None = None) -> float:
        """Return what brings the rounded masses of a context to 1 - γ. They are summed up when no list has it."""
        depth, node, begin, end = context
        if self.levels[depth].weight_table is None:
            return 1
        lists = self.lists[depth - 1]
        place = lists.places.get(node)
        if place is not None and lists.scales is not None:
            return lists.scales.item(place)
        if masses is None:
            masses = self.levels[depth].weights_at(slice(begin, end))
        return (1 - self.levels[depth - 1].backoff(node)) / max(float(np.add.reduce(masses)), _TINY)

    def _probabilities_of(self, contexts: Sequence[Context], wanted: Ids) -> Probabilities:
        """Return p(w | h) of ids in any order (C,), for the contexts of one row."""
        if len(wanted) > _FEW_IDS:
            return self._row(contexts)[self._known(wanted)]
        ordered = wanted.copy()
        ordered.sort()
        if len(ordered) and (ordered.item(0) < 0 or ordered.item(-1) >= self.size):
            wanted = self._known(wanted)
            ordered = np.sort(wanted)
        return self._probabilities(contexts, ordered).take(ordered.searchsorted(wanted))

    def _probabilities(self, contexts: Sequence[Context], wanted: NDArray[Any]) -> Probabilities:
        """Return p(w | h) of sorted ids (C,); of equal ones, the first one's alone is right."""
        if not len(wanted):
            return np.zeros(0)
        sought = wanted.astype(self.levels[0].words.dtype)
        parts: list[NDArray[Any]] = []
        words, masses = [], []
        share = 1.0
        for context in contexts:
            depth, node, begin, end = context
            level = self.levels[depth]
            of_context = level.words[begin:end]
            if end - begin <= max(WIDE, 2 * len(wanted)):  # its continuations are looked for among the wanted, below
                words.append(of_context)
                masses.append(self._masses(context, share))
            else:
                places = of_context.searchsorted(sought)
                hits = of_context.take(places, mode="clip") == sought
                stored = level.weights[begin:end].take(places, mode="clip")
                found = stored if level.weight_table is None else level.weight_table.take(stored)
                parts.append(found * hits * (share * self._scale(context)))
            share *= self.levels[depth - 1].backoff(node)
        if words:
            mentioned, of_them = np.concatenate(words), np.concatenate(masses)
            places = sought.searchsorted(mentioned)
            hits = sought.take(places, mode="clip") == mentioned
            parts.append(np.bincount(places, of_them * hits, len(wanted) + 1)[:-1])
        return sum(parts, start=self._unigrams.take(wanted) * share)

    def _row(self, contexts: Sequence[Context]) -> Floats:
        """Return p(w | h) of every id: (size,)."""
        shares = [1.0]
        for depth, node, _, _ in contexts:
            shares.append(shares[-1] * self.levels[depth - 1].backoff(node))
        row = self._unigrams * shares[-1]
        for context, share in zip(contexts, shares, strict=False):
            depth, _, begin, end = context
            row[self.levels[depth].words[begin:end]] += self._masses(context, share)
        return row

    def _probability_each(self, nodes: Nodes, words: Ids) -> Probabilities:
        """Return p(w | h) of one word for each of many rows of context nodes: (B, order), (B,) → (B,)."""
        probabilities = self._unigrams[words].astype(np.float64)
        for depth in range(1, self.order):
            begin, end = spans(self.levels, depth, nodes[:, depth])
            continued = begin < end
            context = np.where(continued, nodes[:, depth], 0)
            backoffs = self.levels[depth - 1].backoffs_at(context)
            probabilities = np.where(continued, probabilities * backoffs, probabilities)
            found = children(self.levels, depth, np.where(continued, context, -1), words)
            hit = np.flatnonzero(found >= 0)
            masses = self.levels[depth].weights_at(found[hit]) * self._scales(depth, context[hit], begin[hit], end[hit])
            probabilities[hit] += masses
        return probabilities

    def _scales(self, depth: int, nodes: Nodes, begin: Nodes, end: Nodes) -> NDArray[np.float64]:
        """Return the scales of many contexts of one length: (B,)."""
        level, lists = self.levels[depth], self.lists[depth - 1]
        scales = np.ones(len(nodes))
        if level.weight_table is None:
            return scales
        summed = np.arange(len(nodes))
        if lists.scales is not None and len(lists.contexts):
            places = np.minimum(lists.contexts.searchsorted(nodes.astype(np.uint32)), len(lists.contexts) - 1)
            ready = lists.contexts[places] == nodes
            scales[ready] = lists.scales[places[ready]]
            summed = np.flatnonzero(~ready)
        if len(summed):
            lengths = (end - begin)[summed]
            starts = np.cumsum(lengths) - lengths
            places = np.arange(lengths.sum()) + np.repeat(begin[summed] - starts, lengths)
            totals = np.add.reduceat(level.weights_at(places), starts, dtype=np.float64)
            backoffs = self.levels[depth - 1].backoffs_at(nodes[summed])
            scales[summed] = (1 - backoffs) / np.maximum(totals, _TINY)
        return scales

    # --- the best -----------------------------------------------------------------------------------------

    def _best(self, contexts: Sequence[Context], k: int, allowed: Ids | None) -> Ids:
        """Return at most k best ids for the contexts of one row, best first."""
        candidates: Ids
        if allowed is None:
            if k > self._root_list.ids.shape[1]:
                best = greatest(self._row(contexts), k)
                return np.delete(best, np.flatnonzero(best == PAD))
            candidates, _ = self._candidates(contexts, k)
            return candidates.take(greatest(self._probabilities(contexts, candidates), k))
        # They are sorted: what can't be proposed stands at the ends.
        allowed = allowed[allowed.searchsorted(PAD, "right") : allowed.searchsorted(self.size)]
        if len(allowed) <= _FEW_IDS:
            return allowed.take(greatest(self._probabilities(contexts, allowed), k))
        candidates, bound = self._candidates(contexts, LISTED)
        candidates = candidates[among(candidates, allowed)]
        probabilities = self._probabilities(contexts, candidates)
        best = greatest(probabilities, k)
        if len(best) == k and probabilities[best[-1]] >= bound:
            return candidates.take(best)
        return allowed.take(greatest(self._row(contexts).take(allowed), k))

    def _candidates(self, contexts: Sequence[Context], k: int) -> tuple[Ids, float]:
        """Return the sorted ids that include the k best of a row, and the greatest probability of one not listed."""
        parts, share = [], 1.0
        for depth, node, begin, end in contexts:
            lists = self.lists[depth - 1]
            place = lists.places.get(node)
            if place is not None:
                break
            parts.append(self.levels[depth].words[begin:end])
            share *= self.levels[depth - 1].backoff(node)
        else:
            lists, place = self._root_list, 0
        found = np.concatenate([lists.ids[place, :k], *parts]).astype(np.int64)
        found.sort()
        is_new = np.empty(len(found), bool)
        is_new[0] = True
        np.not_equal(found[1:], found[:-1], out=is_new[1:])
        return found[is_new], share * lists.rests.item(place)

    # --- derived ------------------------------------------------------------------------------------------

    @cached_property
    def lists(self) -> tuple[BestLists, ...]:
        """What is ready for the contexts of 1, 2, … order - 1 words."""
        if self._given_lists is not None:
            return tuple(self._given_lists)
        bare = NGram(self.levels, self.size, self.root_backoff, [no_lists()] * (self.order - 1))
        return tuple(bare._best_lists(depth) for depth in range(1, self.order))

    @cached_property
    def _root_list(self) -> BestLists:
        """The list of the empty context."""
        ids, rest = listed(self._unigrams)
        return BestLists(np.zeros(1, np.uint32), ids[None, :], np.array([rest], np.float32), None)

    def _best_lists(self, depth: int) -> BestLists:
        """Return the lists of all wide contexts of ``depth`` words."""
        places = self.levels[depth - 1].every_span()
        wide = np.flatnonzero(np.diff(places) > WIDE)
        if not len(wide):
            return no_lists()
        state = self._nothing(len(wide))
        for words in paths(self.levels, depth, wide).T:
            state = self.step(state, np.arange(len(wide)), words)
        ids, rests, scales = [], [], []
        for nodes in state.nodes.tolist():
            contexts = self._contexts(nodes)
            best, rest = listed(self._row(contexts))
            ids.append(best)
            rests.append(rest)
            scales.append(self._scale(contexts[0]))
        quantised = self.levels[depth].weight_table is not None
        return BestLists(
            wide.astype(np.uint32),
            np.stack(ids).astype(self.levels[depth].words.dtype),
            np.array(rests, np.float32),
            np.array(scales, np.float32) if quantised else None,
        )

    def _dense_unigrams(self) -> Floats:
        """Return p(w) of every id: (size,)."""
        level = self.levels[0]
        masses = level.weights_at(slice(None))
        scale = 1 if level.weight_table is None else (1 - self.root_backoff) / max(masses.sum(dtype=np.float64), _TINY)
        dense = np.full(self.size, self.root_backoff / (self.size - 1), np.float32)
        dense[level.words] += masses * np.float32(scale)
        dense[PAD] = 0
        return dense

    def _nothing(self, rows: int = 1) -> NGramState:
        """Return the state that knows of no word, not even the sequence's beginning."""
        nodes = np.full((rows, self.order), -1, np.int64)
        nodes[:, 0] = 0
        return NGramState(nodes)
