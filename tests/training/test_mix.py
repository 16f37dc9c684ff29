"""Fitting the weights of a mixture: expectation maximisation does what it promises, and the gate shares well."""

from dataclasses import replace
from pathlib import Path

import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.checkpoint import Checkpoint
from codelm.errors import CorpusError
from codelm.gate import CONTEXT, CONTEXT_SIGNALS
from codelm.mixture import Trained
from codelm.weights import (
    BASE,
    CACHES,
    FILE,
    FORM,
    NETWORK,
    NEURAL,
    NEURAL_WORKSPACE,
    SIGNALS,
    WORKSPACE,
    Floats,
    Weights,
    normalised,
    unfitted,
    valid,
)  # fmt: skip
from codelm_train.corpus import Sequences, Split
from codelm_train.mix import Samples, fit, fit_experts, fit_weights, gather, log_likelihood

SEEDS = st.integers(0, 2**32 - 1)
MODELS = (BASE, NETWORK, NEURAL, NEURAL_WORKSPACE)


def assert_possible(caches: dict[str, Floats]) -> None:
    for name, mask in valid().items():
        table = caches[name]
        assert table.shape == mask.shape
        assert (table >= 0).all()
        assert (table[mask == 0] == 0).all()
        assert (table[mask == 1] > 0).all(), "an expert that may be needed is never ruled out"
        np.testing.assert_allclose(table.sum(-1), 1)


def no_signals(count: int) -> dict[str, Floats]:
    return {name: np.zeros((count, size)) for name, size in {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}.items()}


def random_samples(rng: np.random.Generator, count: int) -> Samples:
    """What parts might say of words: nothing where a cache is empty or an expert has no match."""
    lengths, caches = {}, {}
    empty = rng.random(count) < 0.1
    for name, (longest, experts) in CACHES.items():
        alone = rng.random(count) < 0.2 if name == WORKSPACE else empty
        lengths[name] = np.where(alone, -1, rng.integers(0, longest + 1, count))
        said = rng.random((count, experts)) * (rng.random((count, experts)) < 0.5)
        caches[name] = said * valid()[name][np.maximum(lengths[name], 0)] * (lengths[name] >= 0)[:, None]
    there = {name: lengths[name] >= 0 for name in CACHES} | {BASE: np.ones(count, bool)}
    there |= {NETWORK: rng.random(count) < 0.7}
    there |= {NEURAL: there[NETWORK] & ~empty}
    there |= {NEURAL_WORKSPACE: there[NEURAL] & there[WORKSPACE]}
    signals = {name: rng.normal(size=rows.shape) for name, rows in no_signals(count).items()}
    for name in SIGNALS:
        signals[name][~there[name]] = 0
    said_by_models = {name: rng.uniform(1e-6, 0.5, count) * there[name] for name in MODELS}
    return Samples(signals, said_by_models, there, caches, lengths, 0.5)


@settings(max_examples=20)
@given(seed=SEEDS, count=st.integers(1, 300))
def test_what_is_fitted_is_possible(seed, count):
    assert_possible(fit_experts(random_samples(np.random.default_rng(seed), count), rounds=5))


def test_what_is_fitted_is_experts_a_gate_and_the_share_of_words_that_were_seen():
    samples = random_samples(np.random.default_rng(1), 700)
    weights = fit(samples, rounds=5)
    assert weights.seen_again == 0.5
    for name, table in fit_experts(samples, rounds=5).items():
        np.testing.assert_array_equal(weights.caches[name], table)
    weights = replace(weights, states=models.random_reduction(np.random.default_rng(1)))
    assert Weights.from_json(weights.as_json()).gate.as_json() == weights.gate.as_json()
    assert log_likelihood(samples, weights) > log_likelihood(samples, unfitted())


def likelihood_by_tables(samples: Samples, caches: dict[str, Floats]) -> float:
    """The greatest mean log probability of samples that constant shares of the parts reach, with such experts."""
    said = samples.said(caches)
    given = np.stack([said.probabilities[name] for name in SIGNALS], axis=1)
    rows = [tuple(row) for row in np.stack(samples.table_rows, axis=1).tolist()]
    total = 0.0
    for row in set(rows):
        of_row = given[[number for number, other in enumerate(rows) if other == row]]
        shares = np.ones(len(SIGNALS)) / len(SIGNALS)
        for _ in range(60):
            by_part = of_row * shares
            shares = (by_part / by_part.sum(1, keepdims=True)).mean(0)
        total += float(np.log(of_row @ shares).sum())
    return total / len(rows)


@settings(max_examples=4)
@given(seed=SEEDS)
def test_no_round_lowers_the_likelihood(seed):
    """But for the little by which rows lean on the average of all."""
    samples = few_rows(random_samples(np.random.default_rng(seed), 3_000))
    found = [likelihood_by_tables(samples, fit_experts(samples, rounds)) for rounds in (0, 1, 3, 10, 20)]
    assert (np.diff(found) > -1e-3).all()
    assert found[-1] > found[0]


def few_rows(samples: Samples) -> Samples:
    """The same with matches of two lengths only, and every part there, so that each row has many samples."""
    count = len(samples.lengths[FILE])
    rng = np.random.default_rng(count)
    lengths = {name: rng.choice([2, 5], count) for name in CACHES}
    caches = {name: rng.random((count, CACHES[name][1])) * valid()[name][lengths[name]] for name in CACHES}
    there = {name: np.ones(count, bool) for name in SIGNALS}
    return Samples(
        samples.signals, {name: rng.uniform(1e-6, 0.5, count) for name in MODELS}, there, caches, lengths, 0.5
    )  # fmt: skip


def test_the_likelihood_is_the_mean_log_probability_by_hand():
    weights = models.random_weights(1)
    samples = random_samples(np.random.default_rng(2), 50)
    total = 0.0
    for n in range(50):
        parts = [name for name in SIGNALS if samples.there[name][n]]
        shares = weights.gate.over(parts)([samples.signals[name][[n]] for name in (CONTEXT, *parts)])[0]
        probability = 0.0
        for share, name in zip(shares, parts, strict=True):
            if name in CACHES:
                said = weights.caches[name][max(samples.lengths[name][n], 0)] @ samples.caches[name][n]
            else:
                said = samples.models[name][n]
            probability += share * said
        total += np.log(probability)
    assert log_likelihood(samples, weights) == pytest.approx(total / 50)


def drawn(rng: np.random.Generator, parts: dict[str, float], caches: dict[str, Floats], length: int) -> Samples:
    """Samples of words that a mixture of parts draws, all at matches of one length.

    There are as many words as experts in all, and each speaks of one word only, but the models of all.
    """
    count, names = 20_000, list(CACHES)
    sizes = [CACHES[name][1] for name in names]
    chosen = rng.choice(len(parts), count, p=list(parts.values()))
    words = rng.integers(0, sum(sizes), count)
    first = dict(zip(names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    for place, name in enumerate(parts):
        if name in CACHES:
            of_part = chosen == place
            words[of_part] = first[name] + rng.choice(CACHES[name][1], int(of_part.sum()), p=caches[name][length])
    said = {name: np.zeros((count, size)) for name, size in zip(names, sizes, strict=True)}
    for name, size in zip(names, sizes, strict=True):
        mine = (words >= first[name]) & (words < first[name] + size)
        said[name][mine, words[mine] - first[name]] = 1
        said[name] *= valid()[name][length]
    there = {name: np.full(count, name in parts) for name in SIGNALS}
    given = {name: np.full(count, 1 / sum(sizes)) * there[name] for name in MODELS}
    return Samples(no_signals(count), given, there, said, {name: np.full(count, length) for name in names}, 0.5)


@pytest.mark.parametrize("length", [0, 4, 8])
def test_weights_are_found_again_in_what_they_drew(length):
    rng = np.random.default_rng(length)
    caches = models.random_weights(length).caches
    parts = dict(zip((BASE, *CACHES), rng.dirichlet(np.full(4, 5.0)).tolist(), strict=True))
    samples = drawn(rng, parts, caches, length)
    weights = fit(samples, rounds=60)
    for name in CACHES:
        np.testing.assert_allclose(weights.caches[name][length], caches[name][length], atol=0.03)
    signals = [rows[:1] for name, rows in samples.signals.items() if name in (CONTEXT, *parts)]
    shares = weights.gate.over(list(parts))(signals)[0]
    np.testing.assert_allclose(shares, list(parts.values()), atol=0.03)


def test_experts_at_a_length_that_was_never_seen_lean_on_the_others():
    caches = models.random_weights(3).caches
    samples = drawn(np.random.default_rng(1), {BASE: 0.4, FILE: 0.3, FORM: 0.1, WORKSPACE: 0.2}, caches, 4)
    found = fit_experts(samples)
    for name in CACHES:
        expected = normalised(found[name][[4]], valid()[name][[2]])
        np.testing.assert_allclose(found[name][[2]], expected, atol=0.01)


# --- of a corpus ---------------------------------------------------------------------------------------------

VOCABULARY = models.vocabulary(60)
NGRAM = models.checkpoint(60)
NETWORK_TOO = Checkpoint(
    Path("nowhere"), "both", "code", models.vocabulary(networks.SIZE),
    Trained(networks.SIZE, models.ngram(2, networks.SIZE), networks.opened("lstm, tied", "onnx, int8")), {},
)  # fmt: skip


def small_split() -> tuple[tuple[str, ...], Split]:
    """Two projects of real modules, cut short."""
    words = tuple(dict.fromkeys(word for sequence in models.sequences() for word in sequence[:400]))
    number = {word: n for n, word in enumerate(words)}
    ids = [np.array([number[word] for word in sequence[:400]], np.uint32) for sequence in models.sequences()]
    projects = ["a", "a", "a", "b", "b", "b"]
    return words, Sequences(ids, projects, [str(n) for n in range(6)]).joined()


@pytest.mark.parametrize("trained", [NGRAM, NETWORK_TOO], ids=["an n-gram model", "with a network"])
def test_half_of_the_samples_have_a_workspace(trained):
    words, split = small_split()
    samples = gather(trained, words, split, every=20)
    count = 2 * len(split) * 20
    assert (samples.models[BASE] > 0).all()
    alone = ~samples.there[WORKSPACE]
    assert alone.mean() == 0.5
    np.testing.assert_array_equal(alone, samples.lengths[WORKSPACE] < 0)
    assert not samples.caches[WORKSPACE][alone].any()
    for name, size in {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}.items():
        assert samples.signals[name].shape == (count, size)
    for name in CACHES:
        assert (samples.caches[name][valid()[name][samples.row(name)] == 0] == 0).all()
    for name in SIGNALS:
        assert samples.there[name].shape == (count,)
        assert not samples.signals[name][~samples.there[name]].any()
    with_network = trained is NETWORK_TOO
    assert samples.there[NETWORK].tolist() == [with_network] * count
    assert samples.there[NEURAL].tolist() == (samples.there[FILE] & with_network).tolist()
    assert 0 < samples.seen_again < 1


@pytest.mark.parametrize("trained", [NGRAM, NETWORK_TOO], ids=["an n-gram model", "with a network"])
def test_fitted_to_a_corpus_the_mixture_knows_it_better(trained):
    words, split = small_split()
    weights = fit_weights(trained, words, split, samples=600)
    assert_possible(weights.caches)
    samples = gather(trained, words, split, every=17)
    alone = Weights(models.always(BASE), weights.caches, weights.seen_again)
    assert log_likelihood(samples, weights) > log_likelihood(samples, unfitted())
    assert log_likelihood(samples, weights) > log_likelihood(samples, alone)


def test_there_must_be_something_to_fit_to():
    empty = Sequences([], [], []).joined()
    with pytest.raises(CorpusError, match="nothing to fit the mixture to"):
        fit_weights(NGRAM, (), empty)
    no_words = Sequences([np.zeros(0, np.uint32)], ["p"], ["a"]).joined()
    with pytest.raises(CorpusError, match="nothing to fit the mixture to"):
        fit_weights(NGRAM, (), no_words)
