"""The estimate against KenLM's, and the laws of counting."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.errors import CorpusError
from codelm.model import log_probs
from codelm.ngram import NGram
from codelm.vocabulary import EOS, PAD
from codelm_train.count import FALLBACK_DISCOUNTS, count, discounts_of, estimate, to_model

GOLDEN = Path(__file__).parent / "kenlm-golden"
SPECIAL = 3  # the golden data's word 0 is our id 3
SIZE = 2631 + SPECIAL
ROOT = np.zeros(1, np.int64)


def golden(name: str) -> list[list[int]]:
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [[int(word) + SPECIAL for word in line.split()] for line in lines]


def trained(rows: list[list[int]], size: int, order: int) -> NGram:
    ids = np.array([word for row in rows for word in row], np.int64)
    starts = np.cumsum([0, *map(len, rows)])
    return to_model(estimate(count(ids, starts, size=size, order=order), size))


@pytest.fixture(scope="module")
def models() -> dict[int, NGram]:
    rows = golden("train.txt")
    return {order: trained(rows, SIZE, order) for order in (3, 5)}


@pytest.mark.parametrize(("order", "perplexity"), [(3, 13.332731514578821), (5, 11.286303659892042)])
def test_every_token_has_the_probability_that_kenlm_gives_it(models, order, perplexity):
    model, found = models[order], []
    for row in golden("test.txt"):
        state = model.start()
        for word in [*row, EOS]:
            found.append(float(model.score(state, np.array([[word]]))[0, 0]) / np.log(10))
            state = model.step(state, ROOT, np.array([word]))
    expected = np.array((GOLDEN / f"test.order{order}.log10.txt").read_text(encoding="utf-8").split(), float)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 10 ** -np.mean(found) == pytest.approx(perplexity, rel=1e-5)


def test_every_ngram_of_the_model_has_the_probability_of_kenlms(models):
    """Every 29th line of the ARPA file, whatever its length."""
    model, special = models[3], {"<s>": PAD, "</s>": EOS}
    checked = 0
    with gzip.open(GOLDEN / "order3.arpa.gz", "rt", encoding="utf-8") as lines:
        ngrams = [line.rstrip("\n").split("\t") for line in lines if "\t" in line]
    for log10, text, *_ in ngrams[::29]:
        if text in ("<unk>", "<s>"):
            continue
        words = [special[word] if word in special else int(word) + SPECIAL for word in text.split()]
        state = model._nothing()  # an ARPA file gives p(w | these words), whatever came before them
        for word in words[:-1]:
            state = model.step(state, ROOT, np.array([word]))
        assert float(model.score(state, np.array([[words[-1]]]))[0, 0]) / np.log(10) == pytest.approx(
            float(log10), abs=1e-5
        )
        checked += 1
    assert checked > 1500


sequences_of_few_words = st.lists(st.lists(st.integers(3, 6), max_size=8), min_size=1, max_size=6).filter(any)


@given(rows=sequences_of_few_words, order=st.integers(1, 5))
def test_counts_are_those_of_counting_one_by_one(rows, order):
    ids, starts = np.array([w for row in rows for w in row]), np.cumsum([0, *map(len, rows)])
    counted = count(ids, starts, size=7, order=order)
    for length, level in enumerate(counted, 1):
        expected: dict[tuple[int, ...], int] = {}
        for row in rows:
            whole = [PAD, *row, EOS]
            for at in range(len(whole) - length + 1):
                ngram = tuple(whole[at : at + length])
                expected[ngram] = expected.get(ngram, 0) + 1
        found = {}
        for node in range(len(level.words)):
            ngram, at = (), node
            for depth in range(length - 1, -1, -1):
                ngram = (int(counted[depth].words[at]), *ngram)
                at = counted[depth].parents[at]
            found[ngram] = int(level.raw[node])
        assert found == expected
        assert list(found) == sorted(found), "n-grams stand in order"


@given(rows=sequences_of_few_words, order=st.integers(1, 5))
def test_any_corpus_however_small_gives_finite_rows_that_sum_to_one(rows, order):
    model = trained(rows, size=8, order=order)
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


def test_an_empty_corpus_is_an_error():
    with pytest.raises(CorpusError, match="nothing to count"):
        count(np.array([], np.int64), np.array([0]), size=5, order=2)
