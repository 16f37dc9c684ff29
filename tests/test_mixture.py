"""The mixture of an n-gram model with what the open file and the workspace teach."""

import laws
import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.file_cache import FileModel
from codelm.file_words import FileWords
from codelm.form_cache import FormModel
from codelm.mixture import Caches, Mixture
from codelm.model import Ids, log_probs
from codelm.vocabulary import PAD, UNK
from codelm.weights import PARTS, Weights
from codelm.workspace_cache import WorkspaceCache

KNOWN = 60  # ids of the base model
SIZE = KNOWN + 8  # those of the session
BASE = models.ngram(3, KNOWN)
FORMS = np.random.default_rng(1).integers(0, 7, SIZE).astype(np.int16)
SEEN = SIZE - 3  # words from here on are in no cache: they were deleted
ANY_WORD = st.integers(1, SIZE - 1)
ANY_CONTEXT = laws.contexts(SIZE)
few_examples = settings(max_examples=50)


def mixed(above: list[int], below: list[int], files: list[list[int]], weights: Weights, size: int = SIZE) -> Mixture:
    words = FileWords()
    words.learn(np.array(above, np.int64))
    words.learn_below(np.array(below, np.int64))
    places = words.snapshot()
    workspace = WorkspaceCache([np.array(ids, np.int64) for ids in files])
    caches = Caches(
        FileModel(places, size, weights.caches["file"]),
        FormModel(places, size, weights.caches["form"], FORMS),
        workspace.model(size, weights.caches["workspace"]),
    )
    return Mixture(BASE, KNOWN, caches, size, weights)


def texts(longest: int = 30) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, SEEN - 1), max_size=longest)


MIXTURES = st.builds(
    mixed, texts(), texts(), st.lists(texts(), max_size=3), st.integers(0, 2**32 - 1).map(models.random_weights)
)


# --- the laws ------------------------------------------------------------------------------------------------


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT)
def test_rows_normalise_and_have_no_zero(mixture, context):
    laws.rows_normalise(mixture, SIZE, context, tolerance=1e-5)


@few_examples
@given(mixture=MIXTURES, first=ANY_CONTEXT, second=ANY_CONTEXT)
def test_reading_in_pieces_equals_reading_at_once(mixture, first, second):
    laws.reading_is_stepwise(mixture, SIZE, first, second, tolerance=1e-6)


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT, words=st.lists(ANY_WORD, min_size=1, max_size=8))
def test_rows_are_independent(mixture, context, words):
    laws.rows_are_independent(mixture, SIZE, context, np.array(words), tolerance=1e-5)


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT, word=ANY_WORD)
def test_no_call_changes_a_state(mixture, context, word):
    laws.states_never_change(mixture, SIZE, context, word)


@few_examples
@given(
    mixture=MIXTURES, context=ANY_CONTEXT, k=st.integers(1, SIZE + 3),
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)  # fmt: skip
def test_proposals_are_the_best_of_what_the_parts_propose(mixture, context, k, allowed):
    state = mixture.read(mixture.start(), context)
    proposed = mixture.propose(state, k, allowed)[0]
    parts = [mixture.base.propose(state.base, k, allowed)]
    parts += [cache.propose(own, k, allowed) for cache, own in zip(mixture.caches.all(), state.caches, strict=True)]
    candidates = {word for part in parts for word in part[0].tolist() if word >= 0}
    listed = proposed[proposed >= 0].tolist()
    assert proposed.shape == (k,)
    assert (proposed[len(listed) :] == -1).all()
    assert len(set(listed)) == len(listed) == min(k, len(candidates))
    assert set(listed) <= candidates
    assert allowed is None or set(listed) <= set(allowed.tolist())
    scores = mixture.score(state, np.array([sorted(candidates)], np.int64))[0]
    np.testing.assert_array_equal(mixture.score(state, np.array([listed], np.int64))[0], -np.sort(-scores)[:k])


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT, words=st.lists(ANY_WORD, min_size=2, max_size=6))
def test_proposals_for_many_rows_are_those_for_each(mixture, context, words):
    state = mixture.read(mixture.start(), context)
    batch = mixture.step(state, np.zeros(len(words), np.int64), np.array(words))
    together = mixture.propose(batch, 9)
    for row, word in enumerate(words):
        alone = mixture.propose(mixture.step(state, np.zeros(1, np.int64), np.array([word])), 9)[0]
        np.testing.assert_array_equal(together[row], alone)


# --- the definition ------------------------------------------------------------------------------------------


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT, seed=st.integers(0, 2**32 - 1))
def test_the_parts_share_the_probability_by_the_lengths_of_the_matches(mixture, context, seed):
    state = mixture.read(mixture.start(), context)
    every = np.arange(SIZE)[None, :]
    file, _, workspace = (int(cache.match_lengths(own)[0]) for cache, own in zip_caches(mixture, state))
    shares = mixture._weights.parts[file + 1, workspace + 1]
    said = [mixture.base_probabilities(state, every)[0]]
    said += [np.exp(cache.score(own, every)[0].astype(np.float64)) for cache, own in zip_caches(mixture, state)]
    np.testing.assert_allclose(np.exp(log_probs(mixture, state, 1, SIZE)[0]), shares @ np.stack(said), atol=1e-6)


def zip_caches(mixture, state):
    return zip(mixture.caches.all(), state.caches, strict=True)


@pytest.mark.parametrize(
    ("above", "files", "row"),
    [
        ([], [], (0, 0)),  # nothing there
        ([3, 4], [], (1, 0)),  # there, but nothing found again
        ([3, 4, 5, 3, 4], [], (3, 0)),
        ([], [[3, 4, 5]], (0, 3)),  # "[start] 3 4" would be 4
        ([9, 4], [[3, 4, 5]], (1, 2)),
        ([3, 4], [[3, 4, 5]], (1, 4)),
    ],
)
def test_which_row_of_weights_counts(above, files, row):
    weights = models.random_weights(3)
    parts = np.zeros_like(weights.parts)
    parts[..., PARTS.index("workspace" if files else "base")] = 1
    parts[row] = 0
    parts[row][PARTS.index("base")] = 1
    mixture = mixed(above, [], files, Weights(parts, weights.caches, 0.5))
    context = np.array(above or [9, 3, 4], np.int64)
    state = mixture.read(mixture.start(), context)
    base = mixture.base_probabilities(state, np.arange(SIZE)[None, :])[0]
    np.testing.assert_allclose(np.exp(log_probs(mixture, state, 1, SIZE)[0]), base, rtol=1e-5)


# --- words that the base model lacks -------------------------------------------------------------------------


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT)
def test_what_the_base_model_gives_to_the_unknown_word_is_spread(mixture, context):
    state = mixture.read(mixture.start(), context)
    base = np.exp(BASE.score(state.base, np.arange(KNOWN)[None, :])[0].astype(np.float64))
    spread = mixture.base_probabilities(state, np.arange(SIZE)[None, :])[0]
    assert spread[UNK] + spread[KNOWN:].sum() == pytest.approx(base[UNK], rel=1e-5)
    others = np.delete(np.arange(KNOWN), UNK)
    np.testing.assert_allclose(spread[others], base[others], rtol=1e-6)


def unknown_shares(mixture: Mixture) -> tuple[float, np.ndarray]:
    """Return of the base model's [UNK] what it keeps, and what each word from KNOWN on gets."""
    state = mixture.start()
    unknown = float(
        np.exp(
            BASE.score(
                state.base,
                np.array([[UNK]]),
            )[0, 0]
        )
    )
    spread = mixture.base_probabilities(state, np.arange(mixture.size)[None, :])[0] / unknown
    return float(spread[UNK]), spread[KNOWN:]


def test_a_word_gets_its_share_by_how_often_the_caches_have_seen_it():
    first, second, third = KNOWN, KNOWN + 1, KNOWN + 2
    mixture = mixed([first, 3, first], [first], [[first, second], [third, third]], models.random_weights(1))
    _, shares = unknown_shares(mixture)
    assert shares[0] / shares[1] == pytest.approx(4)
    assert shares[2] / shares[1] == pytest.approx(2)
    assert 0 < shares[3] < shares[1] / 10


@pytest.mark.parametrize("deleted", [1, 7, 5_000])
def test_words_that_were_deleted_take_nothing_from_those_that_are_there(deleted):
    """How many words a session has seen is no matter to a text: only what it says now."""
    weights = models.random_weights(1)
    text = [KNOWN, 3, KNOWN, KNOWN + 1]
    _, before = unknown_shares(mixed(text, [], [], weights, KNOWN + 2))
    kept, after = unknown_shares(mixed(text, [], [], weights, KNOWN + 2 + deleted))
    np.testing.assert_array_equal(after[:2], before)
    assert (after[2:] > 0).all()
    assert (after[2:] < before.min()).all()
    assert kept >= 1 - weights.seen_again
    assert kept + after.sum() == pytest.approx(1)


def test_without_words_of_the_session_nothing_is_spread():
    kept, shares = unknown_shares(mixed([3, 4], [], [], models.random_weights(1), KNOWN))
    assert kept == pytest.approx(1)
    assert shares.shape == (0,)


def test_the_base_model_reads_a_word_that_it_lacks_as_the_unknown_one():
    mixture = mixed([3, 4], [], [], models.random_weights(1))
    read = mixture.read(mixture.start(), np.array([3, SIZE - 1]))
    same = BASE.read(BASE.start(), np.array([3, UNK]))
    stepped = mixture.step(mixture.start(), np.zeros(1, np.int64), np.array([SIZE - 1])).base
    np.testing.assert_array_equal(log_probs(BASE, read.base, 1, KNOWN), log_probs(BASE, same, 1, KNOWN))
    np.testing.assert_array_equal(stepped.nodes, BASE.step(BASE.start(), np.zeros(1, np.int64), np.array([UNK])).nodes)


def test_a_base_model_that_can_read_words_of_the_session_is_given_them(monkeypatch):
    mixture = mixed([3, 4], [], [], models.random_weights(1))
    given = []
    monkeypatch.setattr(BASE, "read", lambda state, ids: given.extend(ids.tolist()) or state)
    monkeypatch.setattr(BASE, "step", lambda state, _, ids: given.extend(ids.tolist()) or state)
    state = mixture.read(mixture.start(), np.array([3, SIZE - 1]))
    given.remove(PAD)  # the start's
    mixture.step(state, np.zeros(1, np.int64), np.array([SIZE - 2]))
    assert given == [3, SIZE - 1, SIZE - 2]


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT)
def test_behind_a_base_state_the_caches_read_the_rest(mixture, context):
    state = mixture.behind(BASE.read(BASE.start(), context), context)
    whole = mixture.read(mixture.start(), context)
    np.testing.assert_array_equal(log_probs(mixture, state, 1, SIZE), log_probs(mixture, whole, 1, SIZE))


def test_a_word_of_the_session_is_proposed_where_it_was_seen():
    new = KNOWN + 1
    mixture = mixed([3, 4, new, 5, 3, 4], [], [], models.random_weights(1))
    assert new in mixture.propose(mixture.read(mixture.start(), np.array([3, 4])), 3)[0]


def test_only_what_is_allowed_is_proposed_words_of_the_session_too():
    first, second = KNOWN + 1, KNOWN + 2
    mixture = mixed([3, first, 3, second], [], [], models.random_weights(1))
    state = mixture.read(mixture.start(), np.array([3]))
    assert sorted(proposed(mixture, state, [4, first])) == [4, first]
    assert proposed(mixture, state, [second]) == [second]
    assert proposed(mixture, state, [SIZE - 1]) == []  # no part has seen it
    assert proposed(mixture, state, [PAD]) == []
    assert proposed(mixture, state, []) == []


def proposed(mixture: Mixture, state, allowed: list[int]) -> list[int]:
    found: Ids = mixture.propose(state, 5, np.array(allowed, np.int64))[0]
    return found[found >= 0].tolist()
