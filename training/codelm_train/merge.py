"""Two n-gram models over one vocabulary as one: what a large corpus taught, and what a small one of one's own teaches.

The counts of both are added, those of one's own times a weight ω, since there are few of them (Bacchiani and Roark,
*Unsupervised language model adaptation*, 2003, section 2.1). For interpolated models that means that in each context
the merged model shares the mass as both do,

    a(w | h) = λ(h) a₂(w | h) + (1 - λ(h)) a₁(w | h)        γ(h) likewise        λ(h) = ω c₂(h) / (ω c₂(h) + c₁(h))

A model that was pruned has no counts any more; but how often h = h₁ … h_n was seen is what the model expects it to be,
c(h₁) p(h₂ | h₁) … p(h_n | h₁ … h_{n-1}). In a context that a model has dropped, or has never seen, the shorter one has
all of its mass: γ(h) = 1. Rows sum to one because they do in both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.ngram import NGram, NGramState
from codelm.trie import Nodes, spans
from codelm.vocabulary import PAD
from codelm_train.trie import Trie, TrieLevel

Floats = NDArray[np.float64]

_BLOCK = 1 << 18  # n-grams that are looked up together
_TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Taught:
    """A model, and how often each id (V,) stands in what it was taught; ``[PAD]`` once before each sequence.

    The model may lack the last of the ids; then they stand nowhere.
    """

    model: NGram
    counts: Floats


def merged(general: Taught, own: Taught, weight: float) -> Trie:
    """Return the model of both, over the ids of ``own``, whose counts count ``weight`` times."""
    size, order = own.model.size, max(general.model.order, own.model.order)
    sides = [_Side.root(general), _Side.root(own)]
    levels: list[TrieLevel] = []
    words: Ids = np.zeros(0, np.int64)
    first: Ids = np.zeros(0, np.int64)
    masses: Floats = np.zeros(0)
    root_backoff = 1.0
    for depth in range(order):
        parts = [side.continuations(depth) for side in sides]
        seen = [side.seen * factor for side, factor in zip(sides, (1.0, weight), strict=True)]
        share = seen[1] / np.maximum(seen[0] + seen[1], _TINY)
        shares = (1 - share, share)
        backoffs = parts[0].backoffs * shares[0] + parts[1].backoffs * shares[1]
        if depth:
            levels.append(TrieLevel(words, first, masses.astype(np.float32), backoffs.astype(np.float32)))
        else:
            root_backoff = float(backoffs[0])
        keys = np.concatenate([part.contexts * size + part.words for part in parts])
        weighted = [part.masses * own_share[part.contexts] for part, own_share in zip(parts, shares, strict=True)]
        distinct, places = np.unique(keys, return_inverse=True)
        contexts, words = distinct // size, distinct % size
        masses = np.bincount(places, np.concatenate(weighted), len(distinct)).astype(np.float64)
        first = np.searchsorted(contexts, np.arange(len(share) + 1)).astype(np.int64)
        if depth + 1 < order:
            sides = [side.longer(depth, contexts, words) for side in sides]
    levels.append(TrieLevel(words, first, masses.astype(np.float32), np.ones(len(words), np.float32)))
    return Trie(tuple(levels), size, root_backoff)


@dataclass(frozen=True, eq=False)
class _Continuations:
    """What a model says of k contexts: ``backoffs`` γ (k,); and of their m continuations, by ascending context, the
    ``contexts``, ``words`` and ``masses`` a (m,).
    """

    contexts: Ids
    words: Ids
    masses: Floats
    backoffs: Floats


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the models at k contexts of one length: its ``nodes`` (k, order), and how often each was ``seen`` (k,)."""

    taught: Taught
    nodes: Nodes
    seen: Floats

    @classmethod
    def root(cls, taught: Taught) -> "_Side":
        """Return a model at the empty context."""
        nodes = np.full((1, taught.model.order), -1, np.int64)
        nodes[0, 0] = 0
        return cls(taught, nodes, np.array([taught.counts.sum() - taught.counts[PAD]]))

    def continuations(self, depth: int) -> _Continuations:
        """Return what the model says of contexts of ``depth`` words."""
        model, count = self.taught.model, len(self.nodes)
        if depth >= model.order:
            none = np.zeros(0, np.int64)
            return _Continuations(none, none, np.zeros(0), np.ones(count))
        nodes = self.nodes[:, depth]
        begin, end = spans(model.levels, depth, nodes)
        lengths = end - begin
        contexts = np.repeat(np.arange(count), lengths)
        places = np.arange(lengths.sum()) + np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)
        level = model.levels[depth]
        masses = level.weights_at(places).astype(np.float64)
        backoffs = np.full(count, model.root_backoff)
        if depth:
            backoffs = model.levels[depth - 1].backoffs_at(np.maximum(nodes, 0)).astype(np.float64)
        backoffs = np.where(lengths > 0, backoffs, 1.0)
        # Masses that were rounded sum to what γ leaves once they are scaled, as where the model itself is asked.
        totals = np.bincount(contexts, masses, count)
        masses *= ((1 - backoffs) / np.maximum(totals, _TINY))[contexts]
        return _Continuations(contexts, level.words[places].astype(np.int64), masses, backoffs)

    def longer(self, depth: int, contexts: Ids, words: Ids) -> "_Side":
        """Return the model at each of the contexts (m,), numbers of its own ones, with one more of the words (m,)."""
        model = self.taught.model
        nodes = np.empty((len(words), model.order), np.int64)
        seen = np.empty(len(words))
        for at in range(0, len(words), _BLOCK):
            block = slice(at, at + _BLOCK)
            before = NGramState(self.nodes[contexts[block]])
            nodes[block] = model.step(before, np.arange(len(before.nodes)), words[block]).nodes
            if depth:
                likely = np.exp(model.score(before, words[block, None])[:, 0], dtype=np.float64)
                seen[block] = self.seen[contexts[block]] * likely
            else:
                seen[block] = self.taught.counts[words[block]]
        new = words >= model.size  # it would take them for [UNK]
        nodes[new, 1:], seen[new] = -1, 0
        return _Side(self.taught, nodes, seen)
