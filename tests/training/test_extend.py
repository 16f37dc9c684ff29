"""A vocabulary that words of one's own are added to."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from codelm.vocabulary import SPECIAL_WORDS, Vocabulary
from codelm_train.extend import extended

BASE = Vocabulary([*SPECIAL_WORDS, "self", "def", "return"], [0, 0, 0, 90, 50, 40])


def test_new_words_stand_behind_those_that_were_there_the_most_frequent_first():
    counts = Counter({"self": 7, "invoice": 5, "ledger": 9})
    assert extended(BASE, counts).words == (*BASE.words, "ledger", "invoice")


def test_what_was_counted_of_its_own_words_is_added():
    assert extended(BASE, {"self": 7, "invoice": 5}).counts == (0, 0, 0, 97, 50, 40, 5)


def test_rare_words_and_those_beyond_the_size_are_left_out():
    counts = {"once": 1, "invoice": 5, "ledger": 9, "tax": 4}
    assert extended(BASE, counts, size=8, min_count=2).words == (*BASE.words, "ledger", "invoice")
    assert extended(BASE, counts, size=3).words == BASE.words


def test_words_that_are_written_like_special_ones_are_none():
    assert extended(BASE, {"[PAD]": 4, "[EOS]": 9}).words == BASE.words
    assert extended(BASE, {"[EOS]": 9}).counts == BASE.counts


@given(st.dictionaries(st.sampled_from(["self", "a", "b", "c", "d"]), st.integers(1, 9)), st.integers(0, 12))
def test_ids_stay_what_they_are(counts, size):
    found = extended(BASE, counts, size)
    assert found.words[: len(BASE)] == BASE.words
    assert len(found) <= max(size, len(BASE)) or size == 0
