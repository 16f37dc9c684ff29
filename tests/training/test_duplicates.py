"""Duplicates: the same words whatever the layout, and nearly the same."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codelm.words import words
from codelm_train.duplicates import SHINGLE, band_keys, duplicates, fingerprint, jaccard, shingles
from codelm_train.lexing import Lexed, numbered


def text_of(seed: int, length: int = 400) -> list[str]:
    """Return random words that share hardly any shingle with those of another seed."""
    return [f"name{number}" for number in random.Random(seed).choices(range(1000), k=length)]


def changed(text: list[str], places: int, seed: int = 0) -> list[str]:
    text = list(text)
    for place in random.Random(seed).sample(range(len(text)), places):
        text[place] = "changed"
    return text


def dropped(texts: list[list[str]], order: list[int] | None = None, similarity: float = 0.8) -> dict[int, str]:
    lexed: list[Lexed] = [numbered(tuple(text)) for text in texts]
    numbers: dict[str, int] = {}
    ids = [np.array([numbers.setdefault(w, len(numbers)) for w in text], dtype=np.uint32) for text in texts]
    keys = np.array([one.keys for one in lexed])
    return duplicates([one.fingerprint for one in lexed], keys, ids, order or list(range(len(texts))), similarity)


def test_layout_comments_and_quotes_make_no_difference() -> None:
    one = "def f(a, b):\n    return a['x'] + b\n"
    two = '# copied\ndef f(a,b) :\n\n\treturn a["x"]+b  # sum\n'
    assert fingerprint(words(one)) == fingerprint(words(two))
    assert fingerprint(words(one)) != fingerprint(words(one.replace("b", "c")))


def test_the_first_of_equal_documents_stays() -> None:
    assert dropped([text_of(1), text_of(2), text_of(1), text_of(1)]) == {2: "duplicate", 3: "duplicate"}


def test_the_order_says_which_is_first() -> None:
    assert dropped([text_of(1), text_of(2), text_of(1)], order=[2, 0, 1]) == {0: "duplicate"}


def test_a_copy_with_a_few_changes_is_a_near_duplicate() -> None:
    assert dropped([text_of(1), changed(text_of(1), 3)]) == {1: "near-duplicate"}


def test_the_threshold_is_kept_exactly() -> None:
    """Candidates are found by chance, but what is dropped is decided by the true similarity."""
    for places in (5, 7, 9, 11, 15, 20):
        pair = [text_of(3), changed(text_of(3), places)]
        a, b = (shingles(np.array([hash(word) % 2**32 for word in text], dtype=np.uint64)) for text in pair)
        assert (dropped(pair) == {1: "near-duplicate"}) == (jaccard(a, b) >= 0.8)


def test_nearly_every_pair_above_the_threshold_is_found() -> None:
    found = sum(1 in dropped([text_of(seed), changed(text_of(seed), 8, seed)]) for seed in range(100))
    assert found >= 98


def test_a_chain_of_small_steps_does_not_drop_what_is_unlike() -> None:
    steps = [text_of(5)]
    for step in range(6):
        steps.append(changed(steps[-1], 8, step))
    reasons = dropped(steps)
    assert 1 in reasons
    assert not set(range(len(steps))) - {0} <= set(reasons)


def test_short_documents_are_compared_as_wholes() -> None:
    assert dropped([["pass"], ["pass", "<NEWLINE>"], ["pass"]]) == {2: "duplicate"}
    assert len(shingles(np.array([1, 2], dtype=np.uint32))) == 1


@given(st.lists(st.integers(0, 5), min_size=SHINGLE, max_size=60))
def test_shingles_are_the_distinct_runs_of_five(ids: list[int]) -> None:
    runs = {tuple(ids[i : i + SHINGLE]) for i in range(len(ids) - SHINGLE + 1)}
    assert len(shingles(np.array(ids, dtype=np.uint32))) == len(runs)


def test_keys_are_the_same_in_every_process_and_release() -> None:
    """They come from fixed seeds and CRC-32, not from ``hash``, which differs between processes."""
    keys = band_keys(shingles(np.arange(100, dtype=np.uint32)))
    assert f"{keys[0]:016x}" == "5a29480f4bf5f3d2"
