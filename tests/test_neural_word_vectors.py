"""Vectors that are remembered are those that the tables give, whatever was asked for before."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.neural.word_vectors import WordVectors
from codelm.session import SessionVocabulary
from codelm.vocabulary import UNK

SIZE = networks.SIZE
NAMES = ("lstm with few outputs", "lstm of two layers, all words are outputs and have no pieces")


def made(name: str, most: int) -> tuple[WordVectors, SessionVocabulary]:
    session = SessionVocabulary(models.vocabulary(SIZE))
    model: Any = networks.opened(name, "onnx, int8").reading(session.own_words)
    return WordVectors(model._tables, model._readings, most), session


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(
    asked=st.lists(st.lists(st.integers(-2, SIZE + 150), max_size=40), max_size=8),
    grows=st.lists(st.integers(0, 100), max_size=8), most=st.sampled_from([1, 20, 8192]),
)  # fmt: skip
def test_they_are_those_of_the_tables(name, asked, grows, most):
    vectors, session = made(name, most)
    for ids, count in zip(asked, [*grows, *[0] * 8], strict=False):
        known = [number if 0 <= number < len(session) else UNK for number in ids]
        expected = vectors.looked_up(np.array(known, np.int64))
        for _ in range(2):
            np.testing.assert_array_equal(vectors.of(np.array(ids, np.int64)), expected)
        session.learn(f"word_{number}" for number in range(len(session), len(session) + count))


def test_nothing_is_looked_up_twice(monkeypatch):
    vectors, _ = made(NAMES[0], 8192)
    asked: list[int] = []
    looked_up = vectors.looked_up
    monkeypatch.setattr(vectors, "looked_up", lambda ids: asked.extend(ids.tolist()) or looked_up(ids))
    for ids in ([5, 6, 5], [6, 7], [5, 6, 7], [-3, SIZE + 9, UNK]):
        vectors.of(np.array(ids))
    assert sorted(asked) == [UNK, 5, 6, 7]


def test_a_word_that_the_session_meets_later_has_its_own_vector_then():
    vectors, session = made(NAMES[0], 8192)
    before = vectors.of(np.array([SIZE, UNK]))
    np.testing.assert_array_equal(before[0], before[1])
    session.learn(["read_headers"])
    assert (vectors.of(np.array([SIZE])) != before[0]).any()


@pytest.mark.parametrize("most", [30, 8192])
def test_several_threads_may_ask(most):
    vectors, session = made(NAMES[0], most)

    def ask(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        session.learn([f"word_{seed}"])
        ids = rng.integers(0, SIZE, 25)
        return bool((vectors.of(ids) == vectors.looked_up(ids)).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))
