"""Smaller models: what is dropped, what it costs, and that rows still sum to one (test_model.py has that law)."""

from dataclasses import replace

import models
import numpy as np
import pytest

from codelm_train.evaluate import evaluate
from codelm_train.prune import bytes_each, prune, quantise
from codelm_train.trie import to_model


def ngrams(trie) -> list[int]:
    return [len(level.words) for level in trie.levels]


def perplexity(model) -> float:
    ids, _ = models.encoded()
    words = models.vocabulary().words
    return evaluate(model, models.vocabulary(), words, ids[:3000], np.array([0, 3000]), every=100).all.perplexity


@pytest.mark.parametrize("limit", [20_000, 60_000, 100_000])
def test_the_size_asked_for_is_kept_and_nearly_used_up(limit):
    trie, counted = models.estimated(5)
    small = prune(trie, counted, max_bytes=limit)
    size = sum(n * b for n, b in zip(ngrams(small), bytes_each(5, trie.size), strict=True))
    lists = sum(array.nbytes for best in quantise(to_model(small)).lists for array in vars(best).values())
    assert 0.97 * limit < size + lists <= limit


def test_a_limit_that_everything_fits_in_drops_nothing():
    trie, counted = models.estimated(3)
    assert ngrams(prune(trie, counted, max_bytes=10**9)) == ngrams(trie)


def test_single_words_stay_whatever_the_limit():
    trie, counted = models.estimated(3)
    assert ngrams(prune(trie, counted, max_bytes=0)) == [len(trie.levels[0].words), 0, 0]


def test_cutoffs_drop_rare_ngrams_and_the_last_one_serves_all_longer_ones():
    trie, counted = models.estimated(4)
    kept = ngrams(prune(trie, counted, cutoffs=(0, 0, 1)))
    assert kept[:2] == ngrams(trie)[:2]
    assert kept[3] == np.count_nonzero(counted[3].adjusted > 1)
    # A trigram seen once stays only where a longer one that is kept needs it.
    kept_of = np.add.reduceat(counted[3].adjusted > 1, counted[3].first[:-1], dtype=int)
    needed = (kept_of > 0) & (np.diff(counted[3].first) > 0)
    assert kept[2] == np.count_nonzero((counted[2].adjusted > 1) | needed)


def test_the_least_useful_ngrams_go_first():
    """At the same size, dropping by relative entropy costs less than dropping n-grams at random does."""
    trie, counted = models.estimated(3)
    by_worth = prune(trie, counted, max_bytes=40_000)
    rng = np.random.default_rng(0)
    shuffled = [replace(level, raw=rng.permutation(level.raw)) for level in counted]
    at_random = prune(trie, shuffled, max_bytes=40_000)
    assert perplexity(to_model(by_worth)) < perplexity(to_model(at_random))


def test_eight_bits_cost_little():
    model = models.ngram(4)
    assert perplexity(quantise(model)) == pytest.approx(perplexity(model), rel=0.02)
