"""From sequences of ids to an n-gram model: interpolated modified Kneser-Ney.

Formulas: Chen and Goodman (1998), section 3; the treatment of sequence ends is KenLM's (Heafield et al. 2013):
``[PAD]`` stands once before a sequence, ``[EOS]`` once behind it; n-grams that begin with ``[PAD]`` keep their raw
counts below the highest order, because nothing can stand before them; the uniform base is 1 / (ids - 1).

An n-gram is an integer: its place among the sorted distinct n-grams of its length. The n-gram that begins at a
position is the pair (the (n-1)-gram that begins there, the next word), so each level costs one sort of 64-bit keys,
and what comes out is already the forward trie that ``codelm.ngram`` reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CorpusError
from codelm.model import Ids
from codelm.ngram import Level, NGram
from codelm.vocabulary import EOS, PAD
from codelm_train.progress import Progress, silent

Counts = NDArray[np.int64]
Masses = NDArray[np.float64]

# Discounts where the counts are too few or too odd to estimate them from (KenLM's --discount_fallback).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclass(frozen=True, eq=False)
class CountedLevel:
    """All distinct n-grams of one length, n of them, sorted by context, then by last word.

    ``words`` (n,): last words. ``parents`` (n,): the node, one level up, of all but the last word. ``suffixes``
    (n,): the node, one level up, of all but the first word. ``raw`` (n,): how often it was seen. ``adjusted`` (n,):
    how many different words were seen before it; the raw count at the highest order and after ``[PAD]``.
    """

    words: Ids
    parents: Ids
    suffixes: Ids
    raw: Counts
    adjusted: Counts


@dataclass(frozen=True, eq=False)
class TrieLevel:
    """What a model keeps of a level, n n-grams: ``words`` (n,), ``parents`` (n,), ``masses`` a (n,) float64, and
    ``backoffs`` γ (n,) float64 of each n-gram as a context, 1 where nothing followed it.
    """

    words: Ids
    parents: Ids
    masses: Masses
    backoffs: Masses


@dataclass(frozen=True, eq=False)
class Trie:
    """An estimated model: levels, shortest n-grams first; ``size`` ids; γ of the empty context."""

    levels: tuple[TrieLevel, ...]
    size: int
    root_backoff: float


def estimate(counted: Sequence[CountedLevel], size: int) -> Trie:
    """Return the modified Kneser-Ney estimate of counted n-grams over ``size`` ids."""
    masses, backoffs = [], []
    for depth, level in enumerate(counted):
        contexts = 1 if depth == 0 else len(counted[depth - 1].words)
        # [PAD], of adjusted count 0, is in the trie as a context only: it is never predicted.
        discounts = discounts_of(level.adjusted)
        level_masses, freed = _discounted(level, contexts, discounts)
        masses.append(level_masses)
        backoffs.append(freed)
    backoffs.append(np.ones(len(counted[-1].words)))
    levels = (
        TrieLevel(level.words, level.parents, masses[depth], backoffs[depth + 1]) for depth, level in enumerate(counted)
    )
    return Trie(tuple(levels), size, float(backoffs[0][0]))


def count(
    ids: NDArray[np.integer], starts: Ids, *, size: int, order: int, progress: Progress = silent
) -> list[CountedLevel]:
    """Return the counted n-grams of lengths 1 … order: of sequences ids (T,) with starts (sequences + 1,) into
    them, over ``size`` ids. Raises CorpusError when there is nothing to count.
    """
    if len(ids) == 0:
        raise CorpusError("there is nothing to count: the corpus has no words")
    stream, remaining = _stream(ids, starts)
    node_at = np.full(len(stream), -1, np.int64)  # of the n-gram that begins at each position
    sorted_keys: list[tuple[Ids, Ids, Ids, Counts]] = []  # words, parents, suffixes, raw
    for length in progress(range(1, order + 1), order, "counting n-grams"):
        here = np.flatnonzero(remaining >= length)
        keys = stream[here + (length - 1)].astype(np.int64)
        if length > 1:
            keys += node_at[here] * size
        distinct, first_seen, nodes, raw = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        words = distinct % size
        parents = distinct // size if length > 1 else np.zeros(len(distinct), np.int64)
        suffixes = node_at[here[first_seen] + 1] if length > 1 else parents
        sorted_keys.append((words, parents, suffixes, raw.astype(np.int64)))
        node_at = np.full(len(stream), -1, np.int64)
        node_at[here] = nodes
    return _adjusted(sorted_keys)


def discounts_of(adjusted: Counts) -> tuple[float, float, float]:
    """Return D1, D2, D3+ of a level from its adjusted counts (Chen and Goodman 1998, equation 26).

    Falls back to (0.5, 1, 1.5) where the counts of counts give no discounts between 0 and the count.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(adjusted == c)) for c in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    if not (0 < d1 < 1 and 0 < d2 < 2 and 0 < d3 < 3):
        return FALLBACK_DISCOUNTS
    return d1, d2, d3


def to_model(trie: Trie) -> NGram:
    """Return an estimate as a model in memory, unrounded (float32)."""
    levels = []
    word_type = np.uint16 if trie.size <= 1 << 16 else np.uint32
    for depth, level in enumerate(trie.levels):
        words, masses = level.words.astype(word_type), level.masses.astype(np.float32)
        if depth + 1 == len(trie.levels):
            levels.append(Level(words, masses))
        else:
            children = trie.levels[depth + 1].parents
            first = np.searchsorted(children, np.arange(len(words) + 1)).astype(np.uint32)
            levels.append(Level(words, masses, first=first, backoffs=level.backoffs.astype(np.float32)))
    return NGram(levels, trie.size, trie.root_backoff)


def _stream(ids: NDArray[np.integer], starts: Ids) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the sequences one after another, each between [PAD] and [EOS], and how many words remain at each place.

    For the sequences a b | c::

        stream     [PAD] a b [EOS] [PAD] c [EOS]
        remaining  4     3 2 1     3     2 1
    """
    lengths = np.diff(starts)
    ends = np.cumsum(lengths + 2)
    total = int(ends[-1])
    stream = np.empty(total, np.uint32)
    is_word = np.ones(total, bool)
    is_word[ends - 1] = is_word[ends - lengths - 2] = False
    stream[ends - 1], stream[ends - lengths - 2] = EOS, PAD
    stream[is_word] = ids[: starts[-1]]
    remaining = (np.repeat(ends, lengths + 2) - np.arange(total)).astype(np.uint32)
    return stream, remaining


def _adjusted(levels: list[tuple[Ids, Ids, Ids, Counts]]) -> list[CountedLevel]:
    counted = []
    after_pad = levels[0][0] == PAD
    for depth, (words, parents, suffixes, raw) in enumerate(levels):
        if depth:
            after_pad = after_pad[parents]
        adjusted = raw
        if depth + 1 < len(levels):
            # Each distinct (n+1)-gram is one word seen before the n-gram that ends it.
            seen_before = np.bincount(levels[depth + 1][2], minlength=len(words))
            adjusted = np.where(after_pad, raw, seen_before)
        if depth == 0:
            adjusted = np.where(words == PAD, 0, adjusted)
        counted.append(CountedLevel(words, parents, suffixes, raw, adjusted.astype(np.int64)))
    return counted


def _discounted(level: CountedLevel, contexts: int, discounts: tuple[float, float, float]) -> tuple[Masses, Masses]:
    """Return the masses a (n,) of n-grams, and γ of each of their contexts (contexts,)."""
    discount = np.array([0.0, *discounts])[np.minimum(level.adjusted, 3)]
    totals = np.bincount(level.parents, weights=level.adjusted, minlength=contexts)
    freed = np.bincount(level.parents, weights=discount, minlength=contexts)
    backoffs = np.where(totals > 0, freed / np.maximum(totals, 1), 1.0)
    return (level.adjusted - discount) / np.maximum(totals, 1)[level.parents], backoffs
