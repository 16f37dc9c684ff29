"""From counted n-grams to an interpolated model: three ways to give mass to what was never seen.

    p(w | h) = a(w | h) + γ(h) · p(w | h')        h' is h without its first word

Each way says what a and γ are, for each context h. c is a count, c(h) = Σ c(h w), and rows sum to one because
γ(h) = 1 - Σ a(· | h).

**Modified Kneser-Ney** (Chen and Goodman, *An empirical study of smoothing techniques for language modeling*, 1998,
section 3): a = (c - D(c)) / c(h), on adjusted counts. The treatment of sequence ends is KenLM's (Heafield et al.,
*Scalable modified Kneser-Ney language model estimation*, 2013): ``[PAD]`` stands once before a sequence, ``[EOS]``
once behind it; n-grams that begin with ``[PAD]`` keep their raw counts below the highest order, because nothing can
stand before them; the uniform base is 1 / (ids - 1).

**Witten-Bell** (section 2.6 there): a = c / (c(h) + N(h)), where N(h) is how many different words followed h.

**Jelinek-Mercer** (section 2.3 there): a = λ c / c(h), with one λ for all contexts that occur about equally often.
The λ's are those that predict a tenth of the text best from the counts of the rest: held-out estimation, by
expectation-maximisation. Leaving out one word at a time would make them too great, because code repeats itself
within a file.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from codelm_train.columns import Numbers, Writer, written
from codelm_train.count import BLOCK, Block, CountedLevel, blocks
from codelm_train.progress import Progress, silent
from codelm_train.trie import Trie, TrieLevel

Masses = NDArray[np.float64]
Counts = NDArray[np.int64]

KNESER_NEY, WITTEN_BELL, JELINEK_MERCER = "kneser-ney", "witten-bell", "jelinek-mercer"
SMOOTHINGS = (KNESER_NEY, WITTEN_BELL, JELINEK_MERCER)

# Discounts where the counts are too few or too odd to estimate them from (KenLM's --discount_fallback).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)

# A share of a context's mass: the masses a (m,) of a block's n-grams, and γ (k,) of its contexts.
Share = Callable[[Block], tuple[Masses, Masses]]


class Smoothing(Protocol):
    """A way of smoothing; asked for one level after the other, the shortest n-grams first."""

    def share(self, level: CountedLevel, length: int) -> Share:
        """Return how the level of n-grams of ``length`` words shares its contexts' masses."""
        ...


def estimate(
    counted: Sequence[CountedLevel],
    size: int,
    folder: Path,
    smoothing: str = KNESER_NEY,
    progress: Progress = silent,
) -> Trie:
    """Return the estimate of counted n-grams over ``size`` ids; its masses are kept in ``folder``.

    ``smoothing`` is one of ``SMOOTHINGS``. Raises OSError.
    """
    way = _way(smoothing, size)
    masses: list[Numbers] = []
    backoffs: list[Numbers] = []
    for length, level in enumerate(progress(counted, len(counted), "estimating"), 1):
        made = written(folder, f"estimate-{length}", _DTYPES, partial(_share_out, level, way.share(level, length)))
        masses.append(made["masses"])
        backoffs.append(made["backoffs"])
    root_backoff = float(backoffs.pop(0)[:1][0])
    backoffs.append(np.broadcast_to(np.float32(1), len(counted[-1].words)))
    parts = zip(counted, masses, backoffs, strict=True)
    return Trie(tuple(TrieLevel(level.words, level.first, a, g) for level, a, g in parts), size, root_backoff)


def discounts_of(adjusted: Numbers) -> tuple[float, float, float]:
    """Return D1, D2, D3+ of a level from its adjusted counts (Chen and Goodman 1998, equation 26).

    Falls back to (0.5, 1, 1.5) where the counts of counts give no discounts between 0 and the count.
    """
    of_count = np.zeros(6, np.int64)
    for at in range(0, len(adjusted), BLOCK):
        of_count += np.bincount(np.minimum(adjusted[at : at + BLOCK], 5), minlength=6)
    n1, n2, n3, n4 = of_count[1:5].tolist()
    if not (n1 and n2 and n3):
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    if not (0 < d1 < 1 and 0 < d2 < 2 and 0 < d3 < 3):
        return FALLBACK_DISCOUNTS
    return d1, d2, d3


class _KneserNey:
    def share(self, level: CountedLevel, length: int) -> Share:  # noqa: ARG002 - a Smoothing
        discounts = np.array([0.0, *discounts_of(level.adjusted)])

        def share(block: Block) -> tuple[Masses, Masses]:
            adjusted = level.adjusted[block.ngrams]
            discount = discounts[np.minimum(adjusted, 3)]
            totals = np.maximum(block.totals(adjusted.astype(np.float64)), 1)
            freed = block.totals(discount)
            # Where nothing followed, or only what is never predicted, the shorter context has all the mass.
            backoffs = np.where(freed > 0, freed / totals, 1.0)
            return (adjusted - discount) / block.spread(totals), backoffs

        return share


class _WittenBell:
    def share(self, level: CountedLevel, length: int) -> Share:
        def share(block: Block) -> tuple[Masses, Masses]:
            counts = _predicted(level.raw, length, block)
            followers = block.totals((counts > 0).astype(np.float64))
            totals = block.totals(counts) + followers
            backoffs = np.where(totals > 0, followers / np.maximum(totals, 1), 1.0)
            return counts / block.spread(np.maximum(totals, 1)), backoffs

        return share


class _JelinekMercer:
    """Remembers, of each n-gram of the level before, its probability by what is not held out."""

    def __init__(self, size: int):
        self._shorter: NDArray[np.floating[Any]] = np.array([1 / (size - 1)])

    def share(self, level: CountedLevel, length: int) -> Share:
        weights = self._weights(level, length)
        self._shorter = self._probabilities(level, length, weights)

        def share(block: Block) -> tuple[Masses, Masses]:
            counts = _predicted(level.raw, length, block)
            totals = block.totals(counts)
            own = np.where(totals > 0, weights[_bucket(totals)], 0.0)
            return counts * block.spread(own / np.maximum(totals, 1)), 1 - own

        return share

    def _weights(self, level: CountedLevel, length: int) -> Masses:
        """Return λ of each bucket of contexts: (_BUCKETS,)."""
        # How much the likelihood gains by λ depends on the ratio of the two estimates alone: log(1 + λ (ratio - 1)).
        seen = np.zeros((_BUCKETS, len(_RATIOS)))
        for block in blocks(level.first):
            own, shorter, totals = self._without_held(level, length, block)
            held = np.where(totals > 0, _predicted(level.held, length, block), 0)
            with np.errstate(divide="ignore"):  # of an n-gram that is only in what is held out, the ratio is 0
                places = np.searchsorted(_LOG_RATIOS, np.log(own / shorter))
            cells = _bucket(totals) * len(_RATIOS) + places
            seen += np.bincount(cells, held, minlength=seen.size).reshape(seen.shape)
        return _maximised(seen)

    def _probabilities(self, level: CountedLevel, length: int, weights: Masses) -> NDArray[np.floating[Any]]:
        found = np.empty(len(level.words), np.float32)
        for block in blocks(level.first):
            own, shorter, totals = self._without_held(level, length, block)
            weight = np.where(totals > 0, weights[_bucket(totals)], 0)
            found[block.ngrams] = weight * own + (1 - weight) * shorter
        return found

    def _without_held(self, level: CountedLevel, length: int, block: Block) -> tuple[Masses, Masses, Masses]:
        """Return, by what is not held out, of each n-gram of a block (m,): its share of its context, the probability
        of the n-gram without its first word, and how often its context occurs.
        """
        counts = _predicted(level.raw, length, block) - _predicted(level.held, length, block)
        totals = block.spread(block.totals(counts))
        shorter = self._shorter[level.suffixes[block.ngrams]].astype(np.float64)
        return counts / np.maximum(totals, 1), shorter, totals


_DTYPES = {"masses": "<f4", "backoffs": "<f4"}
# Two buckets for each doubling of a context's count, up to 2^32.
_BUCKETS = 65
# The ratios of two estimates that are told apart, 5 % from one to the next, by their bounds; the first one is 0.
_STEP = 0.05
_LOG_RATIOS = np.arange(-30, 30, _STEP)
_RATIOS = np.concatenate([[0.0], np.exp(_LOG_RATIOS + _STEP / 2)])
_ROUNDS = 200
# No λ is 0 or 1: no word is impossible, and what was seen counts for something.
_LEAST_WEIGHT = 0.001


def _way(smoothing: str, size: int) -> Smoothing:
    if smoothing == JELINEK_MERCER:
        return _JelinekMercer(size)
    return _WittenBell() if smoothing == WITTEN_BELL else _KneserNey()


def _share_out(level: CountedLevel, share: Share, writers: Mapping[str, Writer]) -> None:
    for block in blocks(level.first):
        masses, backoffs = share(block)
        writers["masses"].append(masses)
        writers["backoffs"].append(backoffs)


def _predicted(counted: Numbers, length: int, block: Block) -> Masses:
    """Return the counts of a block's n-grams as something to predict, which [PAD] never is: (m,)."""
    counts: Masses = counted[block.ngrams].astype(np.float64)
    if length == 1:
        counts[0] = 0
    return counts


def _bucket(totals: Masses) -> Counts:
    """Return the bucket of contexts that occur so often, 0 where they don't: (k,)."""
    found: Counts = (2 * np.log2(np.maximum(totals, 1))).astype(np.int64)
    return found


def _maximised(seen: Masses) -> Masses:
    """Return the λ of each bucket that maximises Σ seen · log(λ ratio + 1 - λ), by expectation-maximisation: (b,).

    A bucket of which nothing was seen takes that of the bucket before it, of rarer contexts.
    """
    weights = np.full(len(seen), 0.5)
    totals = seen.sum(axis=1)
    for _ in range(_ROUNDS):
        own = weights[:, None] * _RATIOS
        share = (seen * (own / (own + 1 - weights[:, None]))).sum(axis=1) / np.maximum(totals, 1)
        weights = np.clip(np.where(totals > 0, share, weights), _LEAST_WEIGHT, 1 - _LEAST_WEIGHT)
    last = np.maximum.accumulate(np.where(totals > 0, np.arange(len(seen)), 0))
    return weights[last]
