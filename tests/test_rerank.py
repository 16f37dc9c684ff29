"""Ranking the best candidates of a mixture once more."""

import json

import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm import beam
from codelm.caches import caches_of
from codelm.file_words import FileWords
from codelm.gate import KINDS_OF_WORDS
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.rerank import FEATURES, RANKED, Candidates, Reranker, best_next
from codelm.weights import WORKSPACE
from codelm.workspace_cache import WorkspaceCache

KNOWN, SIZE = 300, 304
NGRAM = models.ngram(3, KNOWN)
FORMS = np.random.default_rng(1).integers(0, KINDS_OF_WORDS + 5, SIZE).astype(np.int16)
SEEDS = st.integers(0, 2**32 - 1)
TEXTS = st.lists(st.integers(3, SIZE - 1), min_size=1, max_size=40)


def asked(above: list[int], seed: int = 1) -> tuple[Mixture, MixtureState]:
    """A mixture of n-grams and of a file, behind the file's words."""
    weights = models.random_weights(seed)
    words = FileWords()
    words.learn(np.array(above, np.int64))
    workspace = WorkspaceCache(()).model(SIZE, weights.caches[WORKSPACE])
    caches = caches_of(words.snapshot(), workspace, weights.caches, FORMS)
    mixture = Mixture(Trained(KNOWN, NGRAM), caches, SIZE, weights, FORMS)
    return mixture, mixture.read(mixture.start(), np.array(above, np.int64))


def some(seed: int, hidden: int = 3) -> Reranker:
    rng = np.random.default_rng(seed)
    mixture, state = asked([5])
    signals = len(Candidates.of(mixture, state, np.array([5])).signals)
    shapes = {"features": FEATURES, "forms": KINDS_OF_WORDS, "signals": signals}
    inputs = {name: rng.normal(size=(rows, hidden)) for name, rows in shapes.items()}
    return Reranker(inputs, rng.normal(size=hidden), rng.normal(size=hidden))


def preferring(use: int) -> Reranker:
    """One that likes what has a great number in one of the columns of ``Candidates.uses``."""
    found = some(0, 1)
    inputs = {name: np.zeros_like(table) for name, table in found.inputs.items()}
    inputs["features"][FEATURES - 7 + use, 0] = 50
    return Reranker(inputs, np.zeros(1), np.ones(1))


@settings(max_examples=30)
@given(above=TEXTS, seed=SEEDS)
def test_the_best_candidates_share_what_they_had_and_the_others_keep_theirs(above, seed):
    mixture, state = asked(above, seed)
    before = dict(zip(*(found.tolist() for found in beam.best_next(mixture, state, 60)), strict=True))
    ids, scores = best_next(mixture, state, 60, reranker=some(seed))
    assert sorted(ids.tolist()) == sorted(before)
    assert np.exp(scores).sum() == pytest.approx(np.exp(list(before.values())).sum(), rel=1e-4)
    best = list(before)[:RANKED]
    for number, score in zip(ids.tolist(), scores.tolist(), strict=True):
        if number not in best:
            assert score == pytest.approx(before[number], abs=1e-6)
    assert (np.diff(scores) <= 0).all()


@settings(max_examples=20)
@given(above=TEXTS, seed=SEEDS)
def test_one_that_says_nothing_changes_nothing(above, seed):
    mixture, state = asked(above, seed)
    silent = Reranker(some(seed).inputs, some(seed).bias, np.zeros(3))
    expected = beam.best_next(mixture, state, 30)
    for reranker in (None, silent):
        found = best_next(mixture, state, 30, reranker=reranker)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


@pytest.mark.parametrize(
    ("above", "use", "first"),
    [
        ([20, 21, 22, 20, 20, 23], 2, 20),  # the one that stands in the file most often
        ([20, 21, 22, 20, 20, 23], 3, 20),  # within three words; 23 itself, and 20 …
        ([25, 302, 25], 6, 302),  # the one that no trained model knows
    ],
)
def test_what_it_sees_of_a_candidate(above, use, first):
    mixture, state = asked(above)
    found = best_next(mixture, state, 10, np.array(sorted(set(above))), preferring(use))[0]
    assert found[0] == first or (use == 3 and found[0] in (20, 23))


def test_only_what_is_allowed_is_ranked():
    mixture, state = asked([20, 21, 22])
    found = best_next(mixture, state, 10, np.array([21, 22]), some(3))[0]
    assert sorted(found.tolist()) == [21, 22]
    assert best_next(mixture, state, 10, np.zeros(0, np.int64), some(3))[0].tolist() == []


def test_it_survives_json():
    mixture, state = asked([20, 21, 22, 20])
    again = Reranker.from_json(json.loads(json.dumps(some(7).as_json())))
    np.testing.assert_allclose(
        best_next(mixture, state, 9, reranker=again)[1], best_next(mixture, state, 9, reranker=some(7))[1], atol=0.05
    )


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda raw: raw.pop("bias"), "'reranker' is no reranker"),
        (lambda raw: raw.pop("forms"), "'reranker.forms' is no table of numbers|'reranker.forms' is no table of"),
        (lambda raw: raw["features"].pop(), "'reranker.features' is no table of"),
        (lambda raw: raw["outputs"].append(0.5), "'reranker.outputs' is no table of 3 numbers"),
        (lambda raw: raw["signals"][0].__setitem__(0, "much"), "'reranker.signals' is no table of numbers"),
        (lambda raw: raw["bias"].__setitem__(0, float("nan")), "'reranker.bias' is no table of 3 numbers"),
    ],
)
def test_what_is_broken_is_named(spoil, problem):
    raw = json.loads(json.dumps(some(1).as_json()))
    spoil(raw)
    with pytest.raises(ValueError, match=problem):
        Reranker.from_json(raw)
    with pytest.raises(ValueError, match="'reranker' is no reranker"):
        Reranker.from_json([raw])
