"""What a network's earlier states teach: laws, its definition word by word, and what it is good for."""

from collections.abc import Sequence

import laws
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import SEEDS, SIZE, WORDS, learned

from codelm.file_words import FileWords, Places
from codelm.model import log_probs
from codelm.neural.table import unit
from codelm.neural_cache import SIGNALS, THETA, NeuralCache, NeuralCacheState
from codelm.vocabulary import PAD

WIDTH = 4
SOME_WORDS = WORDS.filter(bool)


def random_vectors(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Vectors of any length, some of them equal."""
    found = rng.normal(size=(rows, WIDTH)) * rng.uniform(0.1, 9, (rows, 1))
    found[rng.random(rows) < 0.3] = 1
    return found.astype(np.float32)


def cache_of(places: Places, above: Sequence[int], seed: int, last: int = 99, size: int = SIZE) -> NeuralCache:
    """A cache of the last words above the cursor, with random vectors before them."""
    vectors = unit(random_vectors(np.random.default_rng(seed), len(above)))
    return NeuralCache(places, vectors[max(0, len(above) - last) :], size)


def state_of(cache: NeuralCache, seed: int, rows: int = 1) -> NeuralCacheState:
    return cache.state(random_vectors(np.random.default_rng(seed + 1), rows))


# --- the definition ------------------------------------------------------------------------------------------


@given(above=SOME_WORDS, below=WORDS, seed=SEEDS, last=st.integers(1, 50), rows=st.integers(1, 4))
def test_what_it_says_is_what_its_definition_says(above, below, seed, last, rows):
    cache = cache_of(learned(above, below), above, seed, last)
    state = state_of(cache, seed, rows)
    remembered = list(zip(above, random_vectors(np.random.default_rng(seed), len(above)), strict=True))[-last:]
    said = np.exp(log_probs(cache, state, rows, SIZE).astype(np.float64))
    for row, vector in enumerate(state.vectors.astype(np.float64)):
        expected, nearest = np.zeros(SIZE), -1.0
        for word, before in remembered:
            cosine = vector @ before / np.linalg.norm(vector) / np.linalg.norm(before.astype(np.float64))
            expected[word] += np.exp(THETA * cosine)
            nearest = max(nearest, cosine)
        expected /= expected.sum()
        np.testing.assert_allclose(said[row], expected, atol=1e-4)
        np.testing.assert_allclose(cache.signals(state)[row], [1, nearest, expected.max()], atol=1e-4)


@given(above=SOME_WORDS, seed=SEEDS, last=st.integers(1, 50))
def test_rows_normalise_and_only_the_remembered_words_have_a_probability(above, seed, last):
    cache = cache_of(learned(above), above, seed, last)
    row = np.exp(log_probs(cache, state_of(cache, seed), 1, SIZE)[0].astype(np.float64))
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert set(np.flatnonzero(row)) == set(above[-last:])


@given(above=SOME_WORDS, seed=SEEDS, rows=st.integers(1, 5))
def test_rows_are_independent(above, seed, rows):
    cache = cache_of(learned(above), above, seed)
    state = state_of(cache, seed, rows)
    together = log_probs(cache, state, rows, SIZE)
    for row in range(rows):
        alone = cache.state(state.vectors[[row]])
        np.testing.assert_allclose(together[[row]], log_probs(cache, alone, 1, SIZE), atol=1e-4)
        np.testing.assert_allclose(cache.signals(state)[[row]], cache.signals(alone), atol=1e-5)


@given(
    above=SOME_WORDS, below=WORDS, seed=SEEDS, k=st.integers(1, SIZE + 3), last=st.integers(1, 50),
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)  # fmt: skip
def test_proposals_agree_with_scores(above, below, seed, k, last, allowed):
    cache = cache_of(learned(above, below), above, seed, last)
    state = state_of(cache, seed)
    laws.proposals_agree_with_scores(Standing(cache, state), SIZE, np.zeros(0, np.int64), k, allowed)


class Standing:
    """A cache at one state, which no reading moves: what it reads are the vectors of a network."""

    def __init__(self, cache: NeuralCache, state: NeuralCacheState):
        self.start = lambda: state
        self.read = lambda state, _: state
        self.propose, self.score = cache.propose, cache.score


# --- examples ------------------------------------------------------------------------------------------------


def test_what_followed_where_the_network_saw_nearly_the_same_follows_again():
    vectors = unit(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32))
    cache = NeuralCache(learned([5, 6, 7]), vectors, SIZE)
    seen = cache.state(np.array([[0.1, 30, 0.2, 0], [2, 0, 0, 0.1]], np.float32))
    assert cache.propose(seen, 1).tolist() == [[6], [5]]


def test_only_the_last_words_have_vectors_where_these_are_fewer():
    vectors = unit(np.ones((2, WIDTH), np.float32))
    cache = NeuralCache(learned([5, 6, 7, 8], [9]), vectors, SIZE)
    state = cache.state(np.ones((1, WIDTH), np.float32))
    assert cache.propose(state, 4).tolist() == [[7, 8, -1, -1]]
    np.testing.assert_allclose(np.exp(cache.score(state, np.array([[7, 8, 5, 9]])))[0], [0.5, 0.5, 0, 0])


def test_a_vector_of_zeros_is_like_nothing_and_no_error():
    cache = NeuralCache(learned([5, 6]), unit(np.ones((2, WIDTH), np.float32)), SIZE)
    state = cache.state(np.zeros((1, WIDTH), np.float32))
    np.testing.assert_allclose(np.exp(cache.score(state, np.array([[5, 6]])))[0], [0.5, 0.5])
    assert cache.signals(state).tolist() == [[1, 0, 0.5]]


@pytest.mark.parametrize("below", [[], [3, 4]])
def test_an_empty_cache_says_nothing(below):
    cache = NeuralCache(learned([], below), np.zeros((0, WIDTH), np.float32), SIZE)
    state = cache.state(np.ones((1, WIDTH), np.float32))
    assert cache.empty
    assert cache.propose(state, 3).tolist() == [[-1, -1, -1]]
    assert cache.score(state, np.array([[PAD]])) == -np.inf
    np.testing.assert_allclose(np.exp(log_probs(cache, state, 1, SIZE)[0, 1:]), 1 / (SIZE - 1), rtol=1e-6)
    assert cache.signals(state).tolist() == [[0] * SIGNALS]


@given(ids=st.permutations(range(1, SIZE)), seed=SEEDS)
def test_none_is_preferred_for_having_been_learned_earlier(ids, seed):
    """A word's number is by when it was first seen: not even the last bit of a probability may depend on it."""
    edited = FileWords()
    edited.learn(np.arange(1, SIZE))
    edited.unlearn(SIZE - 1)
    edited.learn(np.array(ids))
    cache, scratch = (cache_of(places, ids, seed) for places in (edited.snapshot(), learned(ids)))
    state, same = state_of(cache, seed, 2), state_of(scratch, seed, 2)
    np.testing.assert_array_equal(log_probs(cache, state, 2, SIZE), log_probs(scratch, same, 2, SIZE))
    np.testing.assert_array_equal(cache.propose(state, SIZE), scratch.propose(same, SIZE))
    np.testing.assert_array_equal(cache.signals(state), scratch.signals(same))
    state = state_of(cache, seed)
    alike = NeuralCache(edited.snapshot(), unit(np.ones((len(ids), WIDTH), np.float32)), SIZE)
    assert sorted(alike.propose(state, SIZE - 1)[0].tolist()) == sorted(ids)
    np.testing.assert_allclose(log_probs(alike, state, 1, SIZE)[0, 1:], -np.log(SIZE - 1), atol=1e-4)
