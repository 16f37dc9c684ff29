"""Making an n-gram model small: which n-grams to drop, and 8-bit masses for those that stay.

An n-gram's worth is how much the model's predictions suffer without it: the relative entropy between the model with
and without it (Stolcke, *Entropy-based pruning of backoff language models*, 1998, section 3), here for interpolated
models: without n-gram (h, w) its mass a goes to γ(h), so w keeps (a + γ) p(w | h') and all that h never saw gains.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.ngram import Floats, Level, NGram
from codelm_train.count import CountedLevel, Masses, Trie, TrieLevel

_TABLE = 256  # values that 8 bits can name


def prune(
    trie: Trie, counted: Sequence[CountedLevel], *, cutoffs: Sequence[int] = (), max_bytes: int | None = None
) -> Trie:
    """Return the trie without its least useful n-grams; single words always stay.

    ``cutoffs``: one number a length (the last one serves all longer n-grams); an n-gram whose adjusted count is at
    most that goes. ``max_bytes``: what the quantised arrays may take. An n-gram stays while a longer one needs it.
    """
    worth = [np.full(len(trie.levels[0].words), np.inf), *_losses(trie, counted)]
    for depth in range(1, len(worth)):
        if cutoffs:
            cutoff = cutoffs[min(depth, len(cutoffs) - 1)]
            worth[depth] = np.where(counted[depth].adjusted <= cutoff, -np.inf, worth[depth])
    for depth in range(len(worth) - 1, 0, -1):
        np.maximum.at(worth[depth - 1], trie.levels[depth].parents, worth[depth])
    threshold = -np.inf if max_bytes is None else _threshold(worth, max_bytes, trie.size)
    return _kept(trie, [level_worth > threshold for level_worth in worth])


def bytes_each(order: int, size: int) -> list[int]:
    """Return the bytes that one n-gram of each length takes once quantised."""
    word = 2 if size <= 1 << 16 else 4
    mass, first, backoff = 1, 4, 1
    return [word + mass + (first + backoff if length < order else 0) for length in range(1, order + 1)]


def quantise(model: NGram) -> NGram:
    """Return the model with 8-bit masses and backoffs. Rows still sum to one: see ``codelm.ngram``."""
    levels = []
    for level in model.levels:
        weight_table, weights = _codebook(level.weights)
        if level.backoffs is None:
            levels.append(Level(level.words, weights, weight_table))
        else:
            backoff_table, backoffs = _codebook(level.backoffs)
            levels.append(Level(level.words, weights, weight_table, level.first, backoffs, backoff_table))
    return NGram(levels, model.size, model.root_backoff)


def _losses(trie: Trie, counted: Sequence[CountedLevel]) -> list[Masses]:
    """Return, for each level from the second on, the relative entropy that dropping each n-gram costs, in nats."""
    losses = []
    total = counted[0].raw.sum()
    first = trie.levels[0]
    probabilities = first.masses + trie.root_backoff / (trie.size - 1)
    for depth in range(1, len(trie.levels)):
        level, above = trie.levels[depth], trie.levels[depth - 1]
        backoffs = above.backoffs[level.parents]
        lower = probabilities[counted[depth].suffixes]
        probabilities = level.masses + backoffs * lower
        unseen = 1 - np.bincount(level.parents, weights=lower, minlength=len(above.words))
        raised = (level.masses + backoffs) / backoffs
        own = probabilities * (np.log(probabilities) - np.log((level.masses + backoffs) * lower))
        others = backoffs * np.maximum(unseen, 0)[level.parents] * np.log(raised)
        losses.append(counted[depth - 1].raw[level.parents] / total * (own - others))
    return losses


def _threshold(worth: Sequence[Masses], max_bytes: int, size: int) -> float:
    """Return the worth above which the n-grams take at most ``max_bytes``."""
    each = bytes_each(len(worth), size)
    values = np.concatenate(worth[1:])
    cost = np.concatenate([np.full(len(w), b) for w, b in zip(worth[1:], each[1:], strict=True)])
    order = np.argsort(-values, kind="stable")
    taken = np.cumsum(cost[order]) + len(worth[0]) * each[0]
    fitting = int(np.searchsorted(taken, max_bytes, side="right"))
    return float(values[order[fitting]]) if fitting < len(values) else -np.inf


def _kept(trie: Trie, masks: Sequence[NDArray[np.bool_]]) -> Trie:
    """Return the trie of the n-grams that the masks keep; the masses of the others go to their contexts' γ."""
    levels = []
    renumbered: Ids = np.zeros(1, np.int64)
    for depth, (level, keep) in enumerate(zip(trie.levels, masks, strict=True)):
        backoffs = level.backoffs
        if depth + 1 < len(masks):
            longer, kept = trie.levels[depth + 1], masks[depth + 1]
            dropped = np.bincount(longer.parents, weights=np.where(kept, 0, longer.masses), minlength=len(keep))
            backoffs = np.minimum(backoffs + dropped, 1.0)
        levels.append(TrieLevel(level.words[keep], renumbered[level.parents[keep]], level.masses[keep], backoffs[keep]))
        renumbered = np.cumsum(keep) - 1
    return Trie(tuple(levels), trie.size, trie.root_backoff)


def _codebook(values: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    """Return at most 256 values and which of them stands for each of the given ones: Lloyd's algorithm on logarithms.

    It begins with equally many values for each, so that the few masses that most n-grams share stay nearly exact.
    """
    logs = np.log(np.maximum(values, np.float32(1e-12)))
    distinct, counts = np.unique(logs, return_counts=True)
    if len(distinct) <= _TABLE:
        centres = distinct
    else:
        share = (np.cumsum(counts) - counts / 2) / counts.sum()
        centres = np.unique(np.interp((np.arange(_TABLE) + 0.5) / _TABLE, share, distinct))
        for _ in range(20):
            nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, distinct)
            weight = np.bincount(nearest, weights=counts, minlength=len(centres))
            total = np.bincount(nearest, weights=counts * distinct, minlength=len(centres))
            centres = np.unique(total[weight > 0] / weight[weight > 0])
    codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, logs).astype(np.uint8)
    table = np.zeros(_TABLE, np.float32)
    table[: len(centres)] = np.exp(centres)
    return table, codes
