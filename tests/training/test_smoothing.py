"""Three estimates from the same counts: their laws, and their formulas."""

import tempfile
from itertools import pairwise
from pathlib import Path

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.model import log_probs
from codelm.ngram import NGram
from codelm_train.count import count
from codelm_train.prune import prune
from codelm_train.smoothing import (
    FALLBACK_DISCOUNTS,
    JELINEK_MERCER,
    KNESER_NEY,
    SMOOTHINGS,
    WITTEN_BELL,
    discounts_of,
    estimate,
)
from codelm_train.trie import to_model

ROOT = np.zeros(1, np.int64)
few_words = st.lists(st.lists(st.integers(3, 6), max_size=8), min_size=1, max_size=6).filter(any)


def trained(
    rows: list[list[int]], size: int, order: int, smoothing: str = KNESER_NEY, max_bytes: int | None = None
) -> NGram:
    ids, starts = np.array([word for row in rows for word in row], np.int64), np.cumsum([0, *map(len, rows)])
    with tempfile.TemporaryDirectory() as folder:
        counted = count(ids, starts, size=size, order=order, folder=Path(folder))
        trie = estimate(counted, size, Path(folder), smoothing)
        return to_model(trie if max_bytes is None else prune(trie, counted, max_bytes=max_bytes))


def row_after(model: NGram, words: list[int]) -> np.ndarray:
    return np.exp(log_probs(model, model.read(model.start(), np.array(words, np.int64)), 1, model.size)[0])


@given(
    rows=few_words,
    order=st.integers(1, 5),
    smoothing=st.sampled_from(SMOOTHINGS),
    max_bytes=st.none() | st.integers(0, 200),
)
def test_any_corpus_however_small_gives_finite_rows_that_sum_to_one(rows, order, smoothing, max_bytes):
    model = trained(rows, 8, order, smoothing, max_bytes)
    state = model.start()
    for word in [*rows[0], 7]:  # 7 was never seen
        row = np.exp(log_probs(model, state, 1, 8)[0].astype(np.float64))
        assert np.isfinite(row).all()
        assert (row[1:] > 0).all()
        assert row.sum() == pytest.approx(1, abs=1e-5)
        state = model.step(state, ROOT, np.array([word]))


def test_discounts_follow_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 10, 5])
    y = 100 / (100 + 2 * 40)
    assert discounts_of(counts) == pytest.approx((1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 10 / 20))


@pytest.mark.parametrize("counts", [[1, 1, 1], [5, 6, 7], [1, 2, 3, *[4] * 6], []])
def test_discounts_fall_back_where_counts_are_too_few_or_too_odd(counts):
    assert discounts_of(np.array(counts, np.int64)) == FALLBACK_DISCOUNTS


def test_witten_bell_by_hand():
    """After [PAD] or 3 came 3 twice, 4 once and the end once; 4, 4 words in all, of 3 kinds; ids 1 to 5."""
    model = trained([[3, 3], [4]], 6, 2, WITTEN_BELL)
    uniform = 1 / 5
    unigrams = np.array([0, 0, 2, 2, 1, 0]) / 8 + 3 / 8 * uniform  # two ends, two 3s, one 4: five words of three kinds
    np.testing.assert_allclose(row_after(model, [])[1:], (np.array([0, 0, 1, 1, 0]) + 2 * unigrams[1:]) / 4, rtol=1e-5)


def test_the_weight_of_jelinek_mercer_is_the_best_for_what_is_held_out(tmp_path):
    words = np.random.default_rng(0).zipf(1.3, 5000)
    words = words[words < 4000] + 2
    size = 4003
    level = count(words, np.array([0, len(words)]), size=size, order=1, folder=tmp_path)[0]
    held, rest = level.held[:][1:], (level.raw[:] - level.held[:])[1:]
    weights = np.linspace(0.001, 0.999, 999)[:, None]
    likelihood = np.log(weights * rest / rest.sum() + (1 - weights) / (size - 1)) @ held
    trie = estimate([level], size, tmp_path, JELINEK_MERCER)
    assert 0.01 < trie.root_backoff < 0.99
    assert trie.root_backoff == pytest.approx(1 - float(weights[np.argmax(likelihood), 0]), abs=0.003)


def test_kneser_ney_predicts_other_code_best():
    """What is known of the three (Chen and Goodman 1998, section 5) holds for code."""
    ids, starts = models.encoded()
    held_out = ids[starts[-2] :]
    found = {}
    for smoothing in (KNESER_NEY, JELINEK_MERCER, WITTEN_BELL):
        rows = [ids[start:end].tolist() for start, end in pairwise(starts[:-1])]
        model = trained(rows, len(models.vocabulary()), 4, smoothing)
        state, total = model.start(), 0.0
        for word in held_out[:1500]:
            total += float(model.score(state, np.array([[word]]))[0, 0])
            state = model.step(state, ROOT, np.array([word]))
        found[smoothing] = -total
    assert min(found, key=found.__getitem__) == KNESER_NEY
