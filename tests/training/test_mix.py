"""Fitting the weights of a mixture: expectation maximisation does what it promises."""

import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.errors import CorpusError
from codelm.weights import CACHES, PARTS, Weights, normalised, unfitted, valid
from codelm_train.corpus import Sequences, Split
from codelm_train.mix import Samples, fit, fit_weights, gather, log_likelihood

SEEDS = st.integers(0, 2**32 - 1)


def assert_possible(weights: Weights) -> None:
    parts, caches = valid()
    for table, mask in ((weights.parts, parts), *((weights.caches[name], caches[name]) for name in CACHES)):
        assert table.shape == mask.shape
        assert (table >= 0).all()
        assert (table[mask == 0] == 0).all()
        assert (table[mask == 1] > 0).all(), "an expert that may be needed is never ruled out"
        np.testing.assert_allclose(table.sum(-1), 1)


def random_samples(rng: np.random.Generator, count: int) -> Samples:
    """What parts might say of words: nothing where a cache is empty or an expert has no match."""
    masks = valid()[1]
    lengths, caches = {}, {}
    empty = rng.random(count) < 0.1
    for name, (longest, experts) in CACHES.items():
        alone = rng.random(count) < 0.2 if name == "workspace" else empty
        lengths[name] = np.where(alone, -1, rng.integers(0, longest + 1, count))
        said = rng.random((count, experts)) * (rng.random((count, experts)) < 0.5)
        caches[name] = said * masks[name][np.maximum(lengths[name], 0)] * (lengths[name] >= 0)[:, None]
    return Samples(rng.uniform(1e-6, 0.5, count), caches, lengths, 0.5)


@settings(max_examples=20)
@given(seed=SEEDS, count=st.integers(1, 300))
def test_what_is_fitted_is_possible(seed, count):
    weights = fit(random_samples(np.random.default_rng(seed), count), rounds=5)
    assert_possible(weights)
    assert weights.seen_again == 0.5


@settings(max_examples=10)
@given(seed=SEEDS)
def test_no_round_lowers_the_likelihood(seed):
    """But for the little by which rows lean on the average of all."""
    samples = random_samples(np.random.default_rng(seed), 5_000)
    found = [log_likelihood(samples, fit(samples, rounds)) for rounds in (0, 1, 2, 3, 5, 10, 20)]
    assert (np.diff(found) > -1e-3).all()
    assert found[-1] > found[0]


def test_the_likelihood_is_the_mean_log_probability_by_hand():
    weights = models.random_weights(1)
    samples = random_samples(np.random.default_rng(2), 50)
    total = 0.0
    for n in range(50):
        row = weights.parts[samples.lengths["file"][n] + 1, samples.lengths["workspace"][n] + 1]
        probability = row[0] * samples.base[n]
        for part, name in enumerate(CACHES, 1):
            expert = weights.caches[name][max(samples.lengths[name][n], 0)]
            probability += row[part] * (expert @ samples.caches[name][n])
        total += np.log(probability)
    assert log_likelihood(samples, weights) == pytest.approx(total / 50)


def drawn(rng: np.random.Generator, weights: Weights, count: int, length: int) -> Samples:
    """Samples of words that a mixture of these weights draws, all at matches of one length.

    There are as many words as parts and experts in all, and each speaks of one word only, but the base of all.
    """
    names = list(CACHES)
    row = weights.parts[length + 1, length + 1]
    sizes = [CACHES[name][1] for name in names]
    base = 1 / sum(sizes)
    chosen = rng.choice(len(PARTS), count, p=row)
    words = np.where(chosen == 0, rng.integers(0, sum(sizes), count), 0)
    first = dict(zip(names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    for part, name in enumerate(names, 1):
        of_part = chosen == part
        experts = rng.choice(CACHES[name][1], int(of_part.sum()), p=weights.caches[name][length])
        words[of_part] = first[name] + experts
    caches = {name: np.zeros((count, size)) for name, size in zip(names, sizes, strict=True)}
    for name, size in zip(names, sizes, strict=True):
        mine = (words >= first[name]) & (words < first[name] + size)
        caches[name][mine, words[mine] - first[name]] = 1
        caches[name] *= valid()[1][name][length]
    return Samples(np.full(count, base), caches, {name: np.full(count, length) for name in names}, 0.5)


@pytest.mark.parametrize("length", [0, 4, 8])
def test_weights_are_found_again_in_what_they_drew(length):
    rng = np.random.default_rng(length)
    weights = models.random_weights(length)
    samples = drawn(rng, weights, 20_000, length)
    found = fit(samples, rounds=60)
    np.testing.assert_allclose(found.parts[length + 1, length + 1], weights.parts[length + 1, length + 1], atol=0.02)
    for name in CACHES:
        np.testing.assert_allclose(found.caches[name][length], weights.caches[name][length], atol=0.03)
    assert log_likelihood(samples, found) >= log_likelihood(samples, weights) - 1e-4


def test_a_row_that_was_never_seen_leans_on_the_others():
    samples = drawn(np.random.default_rng(1), models.random_weights(3), 10_000, 4)
    found = fit(samples)
    seen, unseen = found.parts[5, 5], found.parts[9, 2]
    np.testing.assert_allclose(unseen, seen, atol=0.01)
    empty = found.parts[0, 0]
    assert empty.tolist() == [1, 0, 0, 0]


# --- of a corpus ---------------------------------------------------------------------------------------------

VOCABULARY = models.vocabulary(60)
BASE = models.ngram(2, 60)


def small_split() -> tuple[tuple[str, ...], Split]:
    """Two projects of real modules, cut short."""
    words = tuple(dict.fromkeys(word for sequence in models.sequences() for word in sequence[:400]))
    number = {word: n for n, word in enumerate(words)}
    ids = [np.array([number[word] for word in sequence[:400]], np.uint32) for sequence in models.sequences()]
    projects = ["a", "a", "a", "b", "b", "b"]
    return words, Sequences(ids, projects, [str(n) for n in range(6)]).joined()


def test_half_of_the_samples_have_a_workspace():
    words, split = small_split()
    samples = gather(BASE, VOCABULARY, words, split, every=10)
    assert len(samples.base) == 2 * len(split) * 40
    assert (samples.base > 0).all()
    alone = samples.lengths["workspace"] < 0
    assert alone.mean() == 0.5
    assert not samples.caches["workspace"][alone].any()
    masks = valid()[1]
    for name in CACHES:
        assert (samples.caches[name][masks[name][samples.row(name)] == 0] == 0).all()
    assert 0 < samples.seen_again < 1


def test_fitted_to_a_corpus_the_mixture_knows_it_better():
    words, split = small_split()
    weights = fit_weights(BASE, VOCABULARY, words, split, samples=1_000)
    assert_possible(weights)
    samples = gather(BASE, VOCABULARY, words, split, every=7)
    assert log_likelihood(samples, weights) > log_likelihood(samples, unfitted())
    alone = np.zeros_like(weights.parts)
    alone[..., PARTS.index("base")] = 1
    base = Weights(normalised(alone, valid()[0]), weights.caches, weights.seen_again)
    assert log_likelihood(samples, weights) > log_likelihood(samples, base)


def test_there_must_be_something_to_fit_to():
    empty = Sequences([], [], []).joined()
    with pytest.raises(CorpusError, match="nothing to fit the mixture to"):
        fit_weights(BASE, VOCABULARY, (), empty)
    no_words = Sequences([np.zeros(0, np.uint32)], ["p"], ["a"]).joined()
    with pytest.raises(CorpusError, match="nothing to fit the mixture to"):
        fit_weights(BASE, VOCABULARY, (), no_words)
