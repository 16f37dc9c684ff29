"""What a network's states in the workspace teach: laws, its definition place by place, and what it leaves out."""

import laws
import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.model import log_probs
from codelm.neural.reduction import Reduction, kept
from codelm.neural_workspace import ENOUGH, SIGNALS, THETA, NeuralWorkspace, NeuralWorkspaceState, StatesIndex
from codelm.vocabulary import PAD

SIZE, WIDTH, LISTS = 12, 16, 5
SEEDS = st.integers(0, 2**32 - 1)
WORDS = st.lists(st.integers(1, SIZE - 1), max_size=30).map(lambda words: np.array(words, np.uint32))
SOME_WORDS = WORDS.filter(len)
SPANS = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted).map(tuple)


def random_vectors(seed: int, rows: int) -> np.ndarray:
    """Vectors of any length, some of them equal."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, WIDTH)) * rng.uniform(0.1, 9, (rows, 1))
    found[rng.random(rows) < 0.3] = 1
    return found.astype(np.float32)


def reduction_of(seed: int) -> Reduction:
    return models.random_reduction(np.random.default_rng(seed), WIDTH, lists=LISTS)


def index_of(words: np.ndarray, seed: int) -> StatesIndex:
    """The states of a workspace of these words, random ones."""
    made = reduction_of(seed)
    reduced = made.reduced(random_vectors(seed, len(words)))
    return StatesIndex(made, kept(reduced), made.lists(reduced), words)


def state_of(model: NeuralWorkspace, seed: int, rows: int = 1) -> NeuralWorkspaceState:
    return model.state(random_vectors(seed + 1, rows))


def defined(words: np.ndarray, seed: int, places: np.ndarray, query: np.ndarray) -> np.ndarray:
    """What the definition says of all ids, by some places: (SIZE,), not yet of sum one."""
    made = reduction_of(seed)
    states = kept(made.reduced(random_vectors(seed, len(words))))
    expected = np.zeros(SIZE)
    for place in places.tolist():
        expected[words[place]] += np.exp(THETA * float(made.cosines(states[[place]], query)[0]))
    return expected


# --- the definition ------------------------------------------------------------------------------------------


@given(words=SOME_WORDS, seed=SEEDS, rows=st.integers(0, 4))
def test_a_small_workspace_is_looked_at_all_over(words, seed, rows):
    model = NeuralWorkspace(index_of(words, seed), SIZE)
    state = state_of(model, seed, rows)
    said = np.exp(log_probs(model, state, rows, SIZE).astype(np.float64))
    for row, query in enumerate(state.reduced):
        expected = defined(words, seed, np.arange(len(words)), query)
        np.testing.assert_allclose(said[row], expected / expected.sum(), atol=1e-3)


@settings(max_examples=20)
@given(seed=SEEDS, count=st.integers(ENOUGH // 2, 4 * ENOUGH))
def test_of_a_large_one_the_lists_most_like_the_context_until_enough_places_were_seen(seed, count):
    words = np.random.default_rng(seed).integers(1, SIZE, count).astype(np.uint32)
    made, model = reduction_of(seed), NeuralWorkspace(index_of(words, seed), SIZE)
    state = state_of(model, seed)
    lists = made.lists(made.reduced(random_vectors(seed, count)))
    looked_at = np.zeros(0, np.int64)
    for nearest in np.argsort(-made.alike(state.reduced)[0]).tolist():
        if len(looked_at) < ENOUGH:
            of_list = (lists == nearest).nonzero()[0]
            looked_at = np.concatenate([looked_at, of_list[words[of_list].argsort(kind="stable")]])
    if len(looked_at) > 2 * ENOUGH:
        looked_at = looked_at[np.arange(2 * ENOUGH) * len(looked_at) // (2 * ENOUGH)]
    expected = defined(words, seed, looked_at, state.reduced[0])
    said = np.exp(log_probs(model, state, 1, SIZE)[0].astype(np.float64))
    np.testing.assert_allclose(said, expected / expected.sum(), atol=1e-3)


@given(words=SOME_WORDS, seed=SEEDS)
def test_the_signals_are_the_greatest_cosine_and_the_greatest_share(words, seed):
    made, model = reduction_of(seed), NeuralWorkspace(index_of(words, seed), SIZE)
    state = state_of(model, seed)
    states = kept(made.reduced(random_vectors(seed, len(words))))
    nearest = made.cosines(states, state.reduced[0]).max()
    greatest = np.exp(log_probs(model, state, 1, SIZE)).max()
    np.testing.assert_allclose(model.signals(state), [[1, nearest, greatest]], atol=1e-5)


# --- what is left out ----------------------------------------------------------------------------------------


@given(words=WORDS, seed=SEEDS, span=SPANS)
def test_without_a_file_is_as_if_it_had_never_been_there(words, seed, span):
    begin, end = min(span[0], len(words)), min(span[1], len(words))
    others = words.copy()
    others[begin:end] = PAD
    model, scratch = (
        NeuralWorkspace(index_of(words, seed), SIZE, (begin, end)),
        NeuralWorkspace(index_of(others, seed), SIZE),
    )
    state = state_of(model, seed, 2)
    np.testing.assert_array_equal(
        log_probs(model, state, 2, SIZE), log_probs(scratch, state_of(scratch, seed, 2), 2, SIZE)
    )
    np.testing.assert_array_equal(model.signals(state), scratch.signals(state))
    assert model.empty == scratch.empty == (not others.any())


def test_an_empty_one_says_nothing():
    model = NeuralWorkspace(index_of(np.zeros(3, np.uint32), 0), SIZE)
    state = state_of(model, 0, 2)
    assert model.empty
    assert model.propose(state, 2).tolist() == [[-1, -1]] * 2
    assert model.signals(state).tolist() == [[0] * SIGNALS] * 2
    np.testing.assert_allclose(np.exp(log_probs(model, state, 2, SIZE)[:, 1:]), 1 / (SIZE - 1), rtol=1e-6)


# --- the laws ------------------------------------------------------------------------------------------------


@given(words=SOME_WORDS, seed=SEEDS)
def test_rows_normalise_and_only_its_words_have_a_probability(words, seed):
    model = NeuralWorkspace(index_of(words, seed), SIZE)
    row = np.exp(log_probs(model, state_of(model, seed), 1, SIZE)[0].astype(np.float64))
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert set(np.flatnonzero(row)) <= set(words.tolist())


@given(words=SOME_WORDS, seed=SEEDS, rows=st.integers(1, 5))
def test_rows_are_independent(words, seed, rows):
    model = NeuralWorkspace(index_of(words, seed), SIZE)
    state = state_of(model, seed, rows)
    together = log_probs(model, state, rows, SIZE)
    for row in range(rows):
        alone = NeuralWorkspaceState(state.reduced[[row]])
        np.testing.assert_allclose(together[[row]], log_probs(model, alone, 1, SIZE), atol=1e-4)
        np.testing.assert_allclose(model.signals(state)[[row]], model.signals(alone), atol=1e-5)


@given(
    words=SOME_WORDS, seed=SEEDS, k=st.integers(1, SIZE + 3),
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)  # fmt: skip
def test_proposals_agree_with_scores(words, seed, k, allowed):
    model = NeuralWorkspace(index_of(words, seed), SIZE)
    laws.proposals_agree_with_scores(Standing(model, state_of(model, seed)), SIZE, np.zeros(0, np.int64), k, allowed)


def test_over_more_ids_it_says_the_same():
    model = NeuralWorkspace(index_of(np.array([3, 4, 3], np.uint32), 1), SIZE)
    state = state_of(model, 1)
    more = log_probs(model.over(SIZE + 5), state, 1, SIZE + 5)
    np.testing.assert_array_equal(more[:, :SIZE], log_probs(model, state, 1, SIZE))
    assert np.isneginf(more[:, SIZE:]).all()


class Standing:
    """A model at one state, which no reading moves: what it reads are the vectors of a network."""

    def __init__(self, model: NeuralWorkspace, state: NeuralWorkspaceState):
        self.start = lambda: state
        self.read = lambda state, _: state
        self.propose, self.score = model.propose, model.score
