"""What is counted, against counting one by one; and the estimate against KenLM's."""

import gzip
import tempfile
from itertools import chain
from pathlib import Path

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.errors import CorpusError
from codelm.ngram import NGram
from codelm.vocabulary import EOS, PAD
from codelm_train.count import CountedLevel, blocks, count, held_out
from codelm_train.smoothing import estimate
from codelm_train.trie import to_model

GOLDEN = Path(__file__).parent / "kenlm-golden"
SPECIAL = 3  # the golden data's word 0 is our id 3
SIZE = 2631 + SPECIAL
ROOT = np.zeros(1, np.int64)


def golden(name: str) -> list[list[int]]:
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [[int(word) + SPECIAL for word in line.split()] for line in lines]


def arrays(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([word for row in rows for word in row], np.int64), np.cumsum([0, *map(len, rows)])


def counted(rows: list[list[int]], size: int, order: int, run: int) -> list[CountedLevel]:
    ids, starts = arrays(rows)
    with tempfile.TemporaryDirectory() as folder:
        levels = count(ids, starts, size=size, order=order, folder=Path(folder), run=run)
        return [models.loaded(level) for level in levels]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[int, NGram]:
    ids, starts = arrays(golden("train.txt"))
    found = {}
    for order, run in ((3, 10_000), (5, 1_000_000)):
        folder = tmp_path_factory.mktemp("work")
        levels = count(ids, starts, size=SIZE, order=order, folder=folder, run=run)
        found[order] = to_model(estimate(levels, SIZE, folder))
    return found


@pytest.mark.parametrize(("order", "perplexity"), [(3, 13.332731514578821), (5, 11.286303659892042)])
def test_every_token_has_the_probability_that_kenlm_gives_it(trained, order, perplexity):
    model, found = trained[order], []
    for row in golden("test.txt"):
        state = model.start()
        for word in [*row, EOS]:
            found.append(float(model.score(state, np.array([[word]]))[0, 0]) / np.log(10))
            state = model.step(state, ROOT, np.array([word]))
    expected = np.array((GOLDEN / f"test.order{order}.log10.txt").read_text(encoding="utf-8").split(), float)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 10 ** -np.mean(found) == pytest.approx(perplexity, rel=1e-5)


def test_every_ngram_of_the_model_has_the_probability_of_kenlms(trained):
    """Every 29th line of the ARPA file, whatever its length."""
    model, special = trained[3], {"<s>": PAD, "</s>": EOS}
    checked = 0
    with gzip.open(GOLDEN / "order3.arpa.gz", "rt", encoding="utf-8") as lines:
        ngrams = [line.rstrip("\n").split("\t") for line in lines if "\t" in line]
    for log10, text, *_ in ngrams[::29]:
        if text in ("<unk>", "<s>"):
            continue
        words = [special[word] if word in special else int(word) + SPECIAL for word in text.split()]
        state = model._nothing(1)  # an ARPA file gives p(w | these words), whatever came before them
        for word in words[:-1]:
            state = model.step(state, ROOT, np.array([word]))
        assert float(model.score(state, np.array([[words[-1]]]))[0, 0]) / np.log(10) == pytest.approx(
            float(log10), abs=1e-5
        )
        checked += 1
    assert checked > 1500


few_words = st.lists(st.lists(st.integers(3, 6), max_size=8), min_size=1, max_size=6).filter(any)


def ngrams_one_by_one(
    rows: list[list[int]], length: int, where: np.ndarray | None = None
) -> dict[tuple[int, ...], int]:
    """How often each n-gram occurs; begins, where ``where`` says so."""
    found: dict[tuple[int, ...], int] = {}
    begin = 0
    for row in rows:
        whole = [PAD, *row, EOS]
        for at in range(len(whole) - length + 1):
            ngram = tuple(whole[at : at + length])
            if where is None or where[begin + at]:
                found[ngram] = found.get(ngram, 0) + 1
        begin += len(whole)
    return found


def ngrams_of(levels: list[CountedLevel]) -> list[list[tuple[int, ...]]]:
    """The n-grams of each level, in its order; that of the empty one is the first."""
    found: list[list[tuple[int, ...]]] = [[()]]
    for level in levels:
        contexts = np.repeat(np.arange(len(level.first) - 1), np.diff(level.first.astype(np.int64)))
        pairs = zip(contexts.tolist(), level.words.tolist(), strict=True)
        found.append([(*found[-1][context], word) for context, word in pairs])
    return found


@given(rows=few_words, order=st.integers(1, 5), run=st.sampled_from([1, 7, 1000]), wide=st.booleans())
def test_counts_are_those_of_counting_one_by_one(rows, order, run, wide):
    """However many runs it takes, and whether an id takes 16 bits or 32."""
    shift = 70_000 if wide else 0
    rows = [[word + shift * (word > 4) for word in row] for row in rows]
    levels = counted(rows, 7 + shift, order, run)
    ngrams = ngrams_of(levels)
    for length, level in enumerate(levels, 1):
        expected = ngrams_one_by_one(rows, length)
        assert dict(zip(ngrams[length], level.raw.tolist(), strict=True)) == expected
        assert ngrams[length] == sorted(expected), "n-grams stand in order"
        assert [ngrams[length - 1][node] for node in level.suffixes] == [ngram[1:] for ngram in ngrams[length]]
        in_held_out = ngrams_one_by_one(rows, length, held_out(len([*chain(*rows)]) + 2 * len(rows)))
        assert level.held.tolist() == [in_held_out.get(ngram, 0) for ngram in ngrams[length]]
        seen_before: dict[tuple[int, ...], int] = {}
        for longer in ngrams_one_by_one(rows, length + 1):
            seen_before[longer[1:]] = seen_before.get(longer[1:], 0) + 1
        for ngram, adjusted in zip(ngrams[length], level.adjusted.tolist(), strict=True):
            if ngram == (PAD,):
                assert adjusted == 0
            elif length == order or ngram[0] == PAD:
                assert adjusted == expected[ngram]
            else:
                assert adjusted == seen_before[ngram]


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=30), size=st.integers(1, 12))
def test_blocks_hold_every_context_once_and_whole(lengths, size):
    first = np.cumsum([0, *lengths])
    contexts, ngrams, totals = 0, 0, []
    for block in blocks(first, size):
        assert (block.contexts.start, block.ngrams.start) == (contexts, ngrams)
        contexts, ngrams = block.contexts.stop, block.ngrams.stop
        assert contexts - block.contexts.start == 1 or ngrams - block.ngrams.start <= size
        ones = np.ones(ngrams - block.ngrams.start)
        totals.extend(block.totals(ones))
        assert block.greatest(ones, -1).tolist() == [1 if n else -1 for n in np.diff(block.edges)]
        np.testing.assert_array_equal(block.spread(np.diff(block.edges)).sum(), (np.diff(block.edges) ** 2).sum())
    assert (contexts, ngrams) == (len(lengths), sum(lengths))
    assert totals == lengths


def test_an_empty_corpus_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="nothing to count"):
        count(np.array([], np.int64), np.array([0]), size=5, order=2, folder=tmp_path)
