"""Fitting a reranker: its gradients, and that it finds out what tells the true word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.gate import KINDS_OF_WORDS
from codelm.rerank import FEATURES, LOGS, RANKED, USES, Candidates, features_of
from codelm_train import rerank
from codelm_train.rerank import Choices, fit

SIGNALS = 11


def choices(count: int, seed: int = 0) -> Choices:
    """Places with candidates of which nothing is known; at each third place some are missing."""
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(RANKED), count)).astype(np.float32)
    log_probs[::3, RANKED // 2 :] = -np.inf
    return Choices(
        (np.maximum(log_probs, -16)[:, :, None] * np.ones(LOGS) / 5).astype(np.float16),
        rng.random((count, RANKED, USES)).astype(np.float16),
        rng.integers(0, KINDS_OF_WORDS, (count, RANKED)).astype(np.int8),
        rng.random((count, SIGNALS)).astype(np.float16),
        log_probs,
        rng.integers(0, RANKED // 2, count),
    )


def loss(weights: list[np.ndarray], given_: Choices, rows: np.ndarray, gone: np.ndarray) -> float:
    """By the formula in ``codelm.rerank``, a candidate at a time."""
    total = 0.0
    for number, row in enumerate(rows):
        there = np.flatnonzero(~gone[number])
        logs, uses = given_.logs[row, there].astype(np.float64), given_.uses[row, there].astype(np.float64)
        logits = []
        for place, features in zip(there, features_of(logs, uses), strict=True):
            inner = features @ weights[0] + weights[1][given_.forms[row, place]]
            inner = inner + given_.signals[row].astype(np.float64) @ weights[2] + weights[3]
            logits.append(given_.log_probs[row, place] + np.maximum(inner, 0) @ weights[4])
        true = int(np.flatnonzero(there == given_.true[row])[0])
        total -= logits[true] - np.logaddexp.reduce(logits)
    return total / len(rows)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_gradients_are_what_differences_say(seed):
    rng = np.random.default_rng(seed)
    given_ = choices(4, seed)
    rows = np.arange(4)
    gone = rerank._ruled_out(given_, rows, rng)
    shapes = [(FEATURES, 3), (KINDS_OF_WORDS, 3), (SIGNALS, 3), (3,), (3,)]
    weights = [rng.normal(size=shape) for shape in shapes]
    for weight, gradient in zip(weights, rerank._gradients(weights, given_, rows, gone), strict=True):
        place = tuple(rng.integers(0, size) for size in weight.shape)
        before, step = weight[place], 1e-5
        weight[place] = before + step
        more = loss(weights, given_, rows, gone)
        weight[place] = before - step
        less = loss(weights, given_, rows, gone)
        weight[place] = before
        assert gradient[place] == pytest.approx((more - less) / (2 * step), abs=2e-4)


@pytest.mark.parametrize("what", ["form", "use"])
def test_it_finds_out_what_tells_the_true_word(what):
    given_ = choices(600)
    every = np.arange(600)
    if what == "form":
        given_.forms[given_.forms == 9] = 8
        given_.forms[every, given_.true] = 9
    else:
        given_.uses[:, :, 3] = 0
        given_.uses[every, given_.true, 3] = 1
    fitted = fit(given_, epochs=60)
    right = 0
    for row in every[:200]:
        there = np.isfinite(given_.log_probs[row])
        found = Candidates(
            given_.logs[row, there].astype(float), given_.uses[row, there].astype(float),
            given_.forms[row, there].astype(int), np.zeros(SIGNALS),
        )  # fmt: skip
        right += fitted(found, given_.log_probs[row, there]).argmax() == given_.true[row]
    assert (given_.log_probs[:200].argmax(1) == given_.true[:200]).mean() < 0.2
    assert right > 190
