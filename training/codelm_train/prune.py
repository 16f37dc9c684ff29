"""Making an n-gram model small: which n-grams to drop, and 8-bit masses for those that stay.

An n-gram's worth is how much the model's predictions suffer without it: the relative entropy between the model with
and without it (Stolcke, *Entropy-based pruning of backoff language models*, 1998, section 3), here for interpolated
models: without n-gram (h, w) its mass a goes to γ(h), so w keeps (a + γ) p(w | h') and all that h never saw gains.

Levels are read in blocks. In memory stays one 32-bit number for each n-gram, its worth, and two more for the n-grams
of two lengths, their probabilities.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codelm.best_lists import WIDE, listed_ids
from codelm.ngram import NGram
from codelm.trie import Floats, Level
from codelm_train.columns import Numbers
from codelm_train.count import BLOCK, CountedLevel, blocks
from codelm_train.progress import Progress, silent
from codelm_train.trie import Trie, TrieLevel

Mask = NDArray[np.bool_]

_TABLE = 256  # values that 8 bits can name


def prune(
    trie: Trie,
    counted: Sequence[CountedLevel],
    *,
    cutoffs: Sequence[int] = (),
    max_bytes: int | None = None,
    progress: Progress = silent,
) -> Trie:
    """Return the trie without its least useful n-grams, in memory; single words always stay.

    ``cutoffs``: one number a length (the last one serves all longer n-grams); an n-gram whose adjusted count is at
    most that goes. ``max_bytes``: what the quantised arrays may take. An n-gram stays while a longer one needs it.
    """
    worth = _losses(trie, counted, progress)
    for depth in range(1, len(worth)):
        if cutoffs:
            _cut(worth[depth], counted[depth].adjusted, cutoffs[min(depth, len(cutoffs) - 1)])
    for depth in range(len(worth) - 1, 0, -1):
        for block in blocks(trie.levels[depth].first):
            above = worth[depth - 1][block.contexts]  # a view
            np.maximum(above, block.greatest(worth[depth][block.ngrams], -np.inf), out=above)
    masks = [level_worth > -np.inf for level_worth in worth]
    if max_bytes is not None:
        masks = _fitting(worth, max_bytes, trie.size)
        # A smaller trie has no more lists than a larger one, so the room that these take is enough.
        masks = _fitting(worth, max_bytes - _bytes_of_lists(trie, masks), trie.size)
    return _kept(trie, masks)


def bytes_each(order: int, size: int) -> list[int]:
    """Return the bytes that one n-gram of each length takes once quantised."""
    word = first = 2 if size <= 1 << 16 else 4
    mass, backoff = 1, 1
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


def _losses(trie: Trie, counted: Sequence[CountedLevel], progress: Progress) -> list[Floats]:
    """Return the relative entropy that dropping each n-gram of each level costs, in nats; infinite for words."""
    losses: list[Floats] = []
    total = sum(int(counted[0].raw[at : at + BLOCK].sum(dtype=np.int64)) for at in range(0, len(counted[0].raw), BLOCK))
    shorter = np.full(1, 1 / (trie.size - 1), np.float32)  # probabilities of the n-grams one word shorter
    backoffs: Numbers = np.full(1, trie.root_backoff)
    occurrences: Numbers = np.full(1, total)
    for level, counts in progress(zip(trie.levels, counted, strict=True), len(counted), "weighing n-grams"):
        worth = np.full(len(level.words), np.inf, np.float32)
        probabilities = np.empty(len(level.words), np.float32)
        for block in blocks(level.first):
            masses = level.masses[block.ngrams].astype(np.float64)
            backoff = backoffs[block.contexts].astype(np.float64)
            lower = shorter[counts.suffixes[block.ngrams]].astype(np.float64)
            freed = block.spread(backoff)
            probability = masses + freed * lower
            probabilities[block.ngrams] = probability
            if losses:
                unseen = np.maximum(1 - block.totals(lower), 0)
                own = probability * (np.log(probability) - np.log((masses + freed) * lower))
                others = block.spread(backoff * unseen) * np.log((masses + freed) / freed)
                worth[block.ngrams] = block.spread(occurrences[block.contexts] / total) * (own - others)
        losses.append(worth)
        shorter, backoffs, occurrences = probabilities, level.backoffs, counts.raw
    return losses


def _cut(worth: Floats, adjusted: Numbers, cutoff: int) -> None:
    for at in range(0, len(worth), BLOCK):
        worth[at : at + BLOCK][adjusted[at : at + BLOCK] <= cutoff] = -np.inf


def _fitting(worth: Sequence[Floats], max_bytes: int, size: int) -> list[Mask]:
    threshold = _threshold(worth, max_bytes, size)
    return [level_worth > threshold for level_worth in worth]


def _bytes_of_lists(trie: Trie, masks: Sequence[Mask]) -> int:
    """Return the bytes of the lists of best words that wide contexts have (``codelm.best_lists``)."""
    word, place, rest, scale = 2 if trie.size <= 1 << 16 else 4, 4, 4, 4
    each = listed_ids(trie.size) * word + place + rest + scale
    wide = 0
    for level, mask in zip(trie.levels[1:], masks[1:], strict=True):
        for block in blocks(level.first):
            wide += int(np.count_nonzero(block.totals(mask[block.ngrams].astype(np.uint32)) > WIDE))
    return each * wide


def _threshold(worth: Sequence[Floats], max_bytes: int, size: int) -> float:
    """Return the worth above which the n-grams take at most ``max_bytes``.

    The worth at which they take more is sought 16 bits after 16 bits of it: numbers are counted, not sorted.
    """
    each = bytes_each(len(worth), size)
    left = max_bytes - len(worth[0]) * each[0]
    if left < 0:
        return float(np.finfo(np.float32).max)  # only the infinite worth of single words is above it
    found = 0
    for shift in (16, 0):
        taken = np.zeros(1 << 16, np.int64)
        for level, cost in zip(worth[1:], each[1:], strict=True):
            for at in range(0, len(level), BLOCK):
                keys = _ordered(level[at : at + BLOCK])
                if shift == 0:
                    keys = keys[keys >> 16 == found >> 16]
                taken += cost * np.bincount(keys >> shift & 0xFFFF, minlength=len(taken))
        from_best = np.cumsum(taken[::-1])
        place = int(np.searchsorted(from_best, left, side="right"))
        if place == len(taken):
            return -np.inf  # all of it fits
        left -= int(from_best[place - 1]) if place else 0
        found |= len(taken) - 1 - place << shift
    return float(_values(np.array([found], np.uint32))[0])


def _ordered(values: Floats) -> NDArray[np.uint32]:
    """Return integers in the order of the values: the bits of IEEE 754, turned where the sign is set."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _values(ordered: NDArray[np.uint32]) -> Floats:
    """Return the values of which these are the ``_ordered`` integers."""
    return np.where(ordered >> 31, ordered & np.uint32((1 << 31) - 1), ~ordered).view(np.float32)


def _kept(trie: Trie, masks: Sequence[Mask]) -> Trie:
    """Return the trie of the n-grams that the masks keep; the masses of the others go to their contexts' γ."""
    levels: list[TrieLevel] = []
    above = np.ones(1, bool)
    dropped: list[NDArray[np.float32]] = []
    for level, keep in zip(trie.levels, masks, strict=True):
        # Never nothing to join: a level that is longer than every sequence has no contexts.
        words, masses = [level.words[:0]], [level.masses[:0]]
        kept_each, lost = [np.zeros(0, np.uint32)], [np.zeros(0, np.float32)]
        for block in blocks(level.first):
            mask, mass = keep[block.ngrams], level.masses[block.ngrams]
            words.append(level.words[block.ngrams][mask])
            masses.append(mass[mask])
            contexts = above[block.contexts]
            kept_each.append(block.totals(mask.astype(np.uint32))[contexts])
            lost.append(block.totals(np.where(mask, 0, mass).astype(np.float64))[contexts].astype(np.float32))
        first = np.concatenate([np.zeros(1, np.uint32), np.cumsum(np.concatenate(kept_each), dtype=np.uint32)])
        dropped.append(np.concatenate(lost))
        levels.append(TrieLevel(np.concatenate(words), first, np.concatenate(masses), level.backoffs[:][keep]))
        above = keep
    dropped.append(np.zeros(len(levels[-1].words), np.float32))
    return Trie(
        tuple(
            TrieLevel(level.words, level.first, level.masses, np.minimum(level.backoffs[:] + freed, np.float32(1)))
            for level, freed in zip(levels, dropped[1:], strict=True)
        ),
        trie.size,
        trie.root_backoff,
    )


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
