"""What words are made of, and the buckets of that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.neural.pieces import LONGEST, buckets_of, picked, pieces_of
from codelm.vocabulary import SPECIAL_WORDS

WORDS = st.lists(st.text(min_size=1, max_size=20), max_size=8)


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("readHttpHeaders", ("read", "http", "headers", "<name>")),
        ("_max_retries_2", ("_", "max", "retries", "2", "<name>")),
        ("HTTPServer", ("http", "server", "<Name>")),
        ("MAX_SIZE", ("max", "size", "<NAME>")),
        ("__init__", ("__", "init", "<name>")),
        ("größe", ("größe", "<name>")),
        ("x", ("x", "<name>")),
        ("_", ("_", "<name>")),
        ("self", ("self", "<self>")),
        ("(", ("<(>",)),
        ('"utf-8"', ("utf", "8", "<<STR>>")),
        ("1e5", ("1", "e", "5", "<<NUM>>")),
        ("[PAD]", ()),
        ("[UNK]", ()),
    ],
)
def test_pieces_are_sub_words_and_the_form(word, pieces):
    assert pieces_of(word) == pieces


def test_of_a_very_long_word_the_first_pieces_and_the_form_count():
    pieces = pieces_of("_".join(f"a{n}" for n in range(100)))
    assert len(pieces) == LONGEST
    assert pieces[-1] == "<name>"


def test_a_bucket_is_the_same_in_every_process_and_version():
    """They are trained, so that another hash would make noise of every checkpoint."""
    buckets, starts = buckets_of(["read_http", "("], 16_384)
    assert buckets.tolist() == [359, 3506, 9477, 14055]  # CRC-32, modulo 16,384
    assert starts.tolist() == [0, 3, 4]


@given(words=WORDS, buckets=st.integers(1, 50))
def test_every_piece_has_a_bucket(words, buckets):
    found, starts = buckets_of(words, buckets)
    assert np.diff(starts).tolist() == [len(pieces_of(word)) for word in words]
    assert starts[-1] == len(found)
    assert ((found >= 0) & (found < buckets)).all()
    for number, word in enumerate(words):
        np.testing.assert_array_equal(found[starts[number] : starts[number + 1]], buckets_of([word], buckets)[0])


def test_without_buckets_words_have_no_pieces():
    buckets, starts = buckets_of(["read_http", "("], 0)
    assert (buckets.tolist(), starts.tolist()) == ([], [0, 0, 0])


def test_text_that_is_no_unicode_has_pieces_too():
    assert len(buckets_of(["a\ud800"], 9)[0]) > 0


@given(words=WORDS, choose=st.lists(st.integers(0, 7), max_size=10))
def test_those_of_some_words_can_be_picked(words, choose):
    buckets, starts = buckets_of([*SPECIAL_WORDS, *words], 50)
    chosen = [number for number in choose if number < len(words) + 3]
    found, begins = picked(buckets, starts, chosen)
    ends = [*begins.tolist(), len(found)][1:]
    for number, begin, end in zip(chosen, begins, ends, strict=True):
        assert found[begin:end].tolist() == buckets[starts[number] : starts[number + 1]].tolist()


@pytest.mark.parametrize("word", SPECIAL_WORDS)
def test_special_words_have_none(word):
    assert pieces_of(word) == ()
