"""The mixture of trained models with what the open file and the workspace teach."""

from collections.abc import Callable
from typing import Any

import laws
import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.caches import caches_of, without_caches
from codelm.file_words import FileWords
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, context_signals
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids, log_probs
from codelm.neural.prefix import PrefixCache
from codelm.vocabulary import PAD, UNK
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL, SIGNALS, WORKSPACE, Weights, unfitted
from codelm.workspace_cache import WorkspaceCache

KNOWN = 60  # ids of the trained model
NEW = 8  # those of the session behind them
SIZE = KNOWN + NEW
NGRAM = models.ngram(3, KNOWN)
TRAINED = Trained(KNOWN, NGRAM)
FORMS = np.random.default_rng(1).integers(0, 7, KNOWN + 6000).astype(np.int16)
DELETED = 3  # of the last words of the session: they are in no cache
few_examples = settings(max_examples=50)

WIDE = networks.SIZE  # ids of a trained network
NETWORK_ALONE = Trained(WIDE, None, networks.opened("lstm, tied", "onnx, int8"))
BOTH = Trained(WIDE, models.ngram(3, WIDE), NETWORK_ALONE.network)
WITH_NETWORK = (NETWORK_ALONE, BOTH)


def mixed(
    above: list[int], below: list[int], files: list[list[int]], weights: Weights,
    size: int = SIZE, trained: Trained = TRAINED, recalled: int = 99,
) -> Mixture:  # fmt: skip
    """A mixture over ``size`` ids. With a network, so many words above the cursor at most are in the neural cache."""
    words = FileWords()
    words.learn(np.array(above, np.int64))
    words.learn_below(np.array(below, np.int64))
    places = words.snapshot()
    workspace = WorkspaceCache([np.array(ids, np.int64) for ids in files])
    trained = trained.reading([f"new_{number}" for number in range(NEW)])
    vectors = None
    if trained.network is not None:
        prefix = PrefixCache(trained.network, most_vectors=recalled + 1)
        prefix.follow(np.array(above, np.int64))
        vectors = prefix.state(len(above)).vectors[:-1]
    caches = caches_of(places, workspace.model(size, weights.caches[WORKSPACE]), weights.caches, FORMS[:size], vectors)
    return Mixture(trained, caches, size, weights, FORMS[:size])


def mixtures(trained: Trained = TRAINED) -> st.SearchStrategy[Mixture]:
    size = trained.known + NEW
    # Few different words, and those of the session among them, so that much is found again.
    word = st.integers(1, 20) | st.integers(trained.known, size - DELETED - 1)
    text = st.lists(word, max_size=30)
    weights = st.integers(0, 2**32 - 1).map(models.random_weights)
    return st.builds(
        mixed, text, text, st.lists(text, max_size=3), weights, st.just(size), st.just(trained), st.integers(0, 30)
    )


def contexts(trained: Trained = TRAINED) -> st.SearchStrategy[Ids]:
    return laws.contexts(21) | laws.contexts(trained.known + NEW)


def some_words(trained: Trained = TRAINED, least: int = 1, most: int = 8) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, trained.known + NEW - 1), min_size=least, max_size=most)


def choices(trained: Trained = TRAINED) -> st.SearchStrategy[Ids | None]:
    some = st.sets(st.integers(0, trained.known + NEW - 1))
    return st.none() | some.map(lambda ids: np.array(sorted(ids), np.int64))


# Without a network answers are equal but for the order in which parts are added up; networks are less exact.
KINDS = {"of an n-gram model": (TRAINED, 1e-5), "of a network": (NETWORK_ALONE, 1e-3), "of both": (BOTH, 1e-3)}
each_kind = pytest.mark.parametrize("kind", KINDS)
MIXTURES, ANY_CONTEXT = mixtures(), contexts()


def any_of(kind: str, draw: Callable[[Any], Any]) -> tuple[Mixture, Ids, float]:
    """A mixture of a kind, a context, and how exact its answers are."""
    trained, tolerance = KINDS[kind]
    return draw(mixtures(trained)), draw(contexts(trained)), tolerance


def with_states(mixture: Mixture, state: MixtureState) -> list[tuple[str, Any, Any]]:
    """Every part, by its name, and its state."""
    caches = mixture.caches
    every = {
        BASE: mixture.trained.ngram, NETWORK: mixture.trained.network, FILE: caches.file, FORM: caches.form,
        WORKSPACE: caches.workspace, NEURAL: caches.neural,
    }  # fmt: skip
    return [(name, every[name], state.parts[name]) for name in mixture.parts]


# --- the laws ------------------------------------------------------------------------------------------------


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_rows_normalise_and_have_no_zero(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    laws.rows_normalise(mixture, mixture.size, context, tolerance=1e-5)


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_reading_in_pieces_equals_reading_at_once(kind, data):
    mixture, first, tolerance = any_of(kind, data.draw)
    second = data.draw(contexts(mixture.trained))
    laws.reading_is_stepwise(mixture, mixture.size, first, second, tolerance=tolerance / 10)


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_rows_are_independent(kind, data):
    mixture, context, tolerance = any_of(kind, data.draw)
    words = data.draw(some_words(mixture.trained))
    laws.rows_are_independent(mixture, mixture.size, context, np.array(words), tolerance)


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_no_call_changes_a_state(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    [word] = data.draw(some_words(mixture.trained, most=1))
    laws.states_never_change(mixture, mixture.size, context, word)


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_proposals_are_the_best_of_what_the_parts_propose(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    k, allowed = data.draw(st.integers(1, 20) | st.integers(1, mixture.size + 3)), data.draw(choices(mixture.trained))
    state = mixture.read(mixture.start(), context)
    proposed = mixture.propose(state, k, allowed)[0]
    parts = [part.propose(own, k, allowed) for _, part, own in with_states(mixture, state)]
    candidates = {word for part in parts for word in part[0].tolist() if word >= 0}
    listed = proposed[proposed >= 0].tolist()
    assert proposed.shape == (k,)
    assert (proposed[len(listed) :] == -1).all()
    assert len(set(listed)) == len(listed) == min(k, len(candidates))
    assert set(listed) <= candidates
    assert allowed is None or set(listed) <= set(allowed.tolist())
    scores = mixture.score(state, np.array([sorted(candidates)], np.int64))[0]
    np.testing.assert_array_equal(mixture.score(state, np.array([listed], np.int64))[0], -np.sort(-scores)[:k])


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_proposals_for_many_rows_are_those_for_each(kind, data):
    mixture, context, tolerance = any_of(kind, data.draw)
    words = data.draw(some_words(mixture.trained, least=2, most=6))
    state = mixture.read(mixture.start(), context)
    batch = mixture.step(state, np.zeros(len(words), np.int64), np.array(words))
    together = mixture.propose(batch, 9)
    for row, word in enumerate(words):
        stepped = mixture.step(state, np.zeros(1, np.int64), np.array([word]))
        alone = mixture.propose(stepped, 9)
        if mixture.trained.network is None:
            np.testing.assert_array_equal(together[row], alone[0])
        else:  # words that are equally probable may change places, within the exactness of a network
            found, expected = (mixture.score(stepped, ids) for ids in (together[[row]], alone))
            np.testing.assert_allclose(found, expected, atol=tolerance)


@each_kind
def test_scores_may_be_changed_by_who_asked_for_them(kind):
    trained, _ = KINDS[kind]
    mixture = mixed([3, 4, 5, 3], [], [[3, 4]], unfitted(), trained.known + NEW, trained)
    state = mixture.read(mixture.start(), np.array([3]))
    best = mixture.propose(state, 5)
    asked = best.copy()
    best[:] = 1  # what was proposed, too
    found = mixture.score(state, asked)
    expected = found.copy()
    found[:] = 0
    np.testing.assert_array_equal(mixture.score(state, asked), expected)


@each_kind
def test_no_rows_are_no_work(kind):
    trained, _ = KINDS[kind]
    mixture = mixed([3, 4], [], [[3, 4]], unfitted(), trained.known + NEW, trained)
    none = np.zeros(0, np.int64)
    state = mixture.step(mixture.start(), none, none)
    assert mixture.score(state, np.zeros((0, 3), np.int64)).shape == (0, 3)
    assert mixture.propose(state, 4).shape == (0, 4)


# --- the parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trained", "above", "below", "files", "parts"),
    [
        (TRAINED, [], [], [], (BASE,)),
        (TRAINED, [3], [], [], (BASE, FILE, FORM)),
        (TRAINED, [], [3], [], (BASE, FILE, FORM)),
        (TRAINED, [], [], [[3]], (BASE, WORKSPACE)),
        (BOTH, [], [], [], (BASE, NETWORK)),
        (BOTH, [3], [], [], (BASE, NETWORK, FILE, FORM, NEURAL)),
        (BOTH, [], [3], [], (BASE, NETWORK, FILE, FORM)),
        (NETWORK_ALONE, [3], [], [[3]], (NETWORK, FILE, FORM, WORKSPACE, NEURAL)),
    ],
)
def test_what_has_learned_nothing_is_no_part(trained, above, below, files, parts):
    mixture = mixed(above, below, files, unfitted(), trained.known + NEW, trained)
    assert mixture.parts == parts
    assert tuple(mixture.learned) == tuple(name for name in parts if name in (FILE, FORM, WORKSPACE))
    state = mixture.start()
    assert tuple(mixture.signals(state)) == (CONTEXT, *parts)
    assert mixture.shares(state).shape == (1, len(parts))


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_the_parts_share_the_probability_as_the_gate_says_from_their_signals(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    weights = models.random_weights(data.draw(st.integers(0, 2**32 - 1)))
    mixture = Mixture(mixture.trained, mixture.caches, mixture.size, weights, FORMS[: mixture.size])
    state = mixture.read(mixture.start(), context)
    last = FORMS[np.concatenate([[PAD, PAD], context])[-2:]]
    signals = [context_signals(last[None, :])]
    signals += [part.signals(own) for _, part, own in with_states(mixture, state)]
    shares = weights.gate.over(mixture.parts)(signals)[0]
    every = np.arange(mixture.size)[None, :]
    said = mixture.said(state, every)[:, 0]
    np.testing.assert_allclose(np.exp(log_probs(mixture, state, 1, mixture.size)[0]), shares @ said, atol=1e-6)
    np.testing.assert_allclose(mixture.contributions(state, every)[:, 0], shares[:, None] * said, atol=1e-12)
    for (name, part, own), row in zip(with_states(mixture, state), said, strict=True):
        assert row.sum() == pytest.approx(1, abs=1e-5), name
        if name in (FILE, FORM, WORKSPACE, NEURAL):
            np.testing.assert_allclose(row, np.exp(part.score(own, every)[0]), rtol=1e-6)


@each_kind
@settings(max_examples=15)
@given(data=st.data())
def test_of_each_part_come_as_many_signals_as_a_gate_hears(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    state = mixture.step(mixture.read(mixture.start(), context), np.zeros(3, np.int64), np.array([3, 4, 3]))
    for name, signals in mixture.signals(state).items():
        assert signals.shape == (3, {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}[name])
        assert np.isfinite(signals).all()
        np.testing.assert_allclose(signals[0], signals[2], atol=1e-5)


@pytest.mark.parametrize("part", [BASE, NETWORK, FILE, FORM, WORKSPACE, NEURAL])
def test_a_gate_that_trusts_one_part_gives_what_that_says(part):
    text = [3, 4, 5, 3, 4, 6, 3]
    weights = Weights(models.always(part), unfitted().caches, 0.5)
    mixture = mixed(text, [], [text], weights, WIDE + NEW, BOTH)
    state = mixture.read(mixture.start(), np.array(text))
    said = mixture.said(state, np.arange(WIDE + NEW)[None, :])[mixture.parts.index(part), 0]
    np.testing.assert_allclose(np.exp(log_probs(mixture, state, 1, WIDE + NEW)[0]), said, atol=1e-6)


def test_the_kinds_of_the_last_two_words_are_signals_however_they_were_read():
    mixture = mixed([3, 4], [], [], unfitted())
    ids = np.array([5, SIZE - 1])
    expected = context_signals(FORMS[ids][None, :])
    read = mixture.read(mixture.start(), ids)
    at_once = mixture.behind({}, np.array([9, 9, 5, SIZE - 1]))
    stepped = mixture.step(mixture.read(mixture.start(), ids[:1]), np.zeros(1, np.int64), ids[1:])
    for state in (read, at_once, stepped):
        np.testing.assert_array_equal(mixture.signals(state)[CONTEXT], expected)
    first = context_signals(FORMS[[PAD, 5]][None, :])
    np.testing.assert_array_equal(mixture.signals(mixture.behind({}, ids[:1]))[CONTEXT], first)
    np.testing.assert_array_equal(mixture.signals(mixture.read(mixture.start(), ids[:1]))[CONTEXT], first)


def test_the_quickest_trained_model_is_the_n_gram_model_if_there_is_one():
    assert BOTH.quickest is BOTH.ngram
    assert TRAINED.quickest is NGRAM
    assert NETWORK_ALONE.quickest is NETWORK_ALONE.network


def test_without_caches_the_trained_models_are_mixed_alone():
    mixture = without_caches(BOTH, models.vocabulary(WIDE), models.random_weights(4))
    assert (mixture.parts, mixture.size) == ((BASE, NETWORK), WIDE)
    laws.rows_normalise(mixture, WIDE, np.array([3, 4]), tolerance=1e-5)


# --- words that the trained models lack ----------------------------------------------------------------------


@each_kind
@settings(max_examples=30)
@given(data=st.data())
def test_what_a_trained_model_gives_to_the_unknown_word_is_spread(kind, data):
    mixture, context, _ = any_of(kind, data.draw)
    known, state = mixture.known, mixture.read(mixture.start(), context)
    for part, (name, model, own) in enumerate(with_states(mixture, state)):
        if name in (BASE, NETWORK):
            said = np.exp(model.score(own, np.arange(known)[None, :])[0].astype(np.float64))
            spread = mixture.said(state, np.arange(mixture.size)[None, :])[part, 0]
            assert spread[UNK] + spread[known:].sum() == pytest.approx(said[UNK], rel=1e-5)
            others = np.delete(np.arange(known), UNK)
            np.testing.assert_allclose(spread[others], said[others], rtol=1e-6)


def unknown_shares(mixture: Mixture) -> tuple[float, np.ndarray]:
    """Return of the n-gram model's [UNK] what it keeps, and what each word from KNOWN on gets."""
    state = mixture.start()
    unknown = float(np.exp(NGRAM.score(state.parts[BASE], np.array([[UNK]]))[0, 0]))
    spread = mixture.said(state, np.arange(mixture.size)[None, :])[0, 0] / unknown
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


def test_an_n_gram_model_reads_a_word_that_it_lacks_as_the_unknown_one():
    mixture = mixed([3, 4], [], [], models.random_weights(1))
    read = mixture.read(mixture.start(), np.array([3, SIZE - 1])).parts[BASE]
    same = NGRAM.read(NGRAM.start(), np.array([3, UNK]))
    stepped = mixture.step(mixture.start(), np.zeros(1, np.int64), np.array([SIZE - 1])).parts[BASE]
    expected = NGRAM.step(NGRAM.start(), np.zeros(1, np.int64), np.array([UNK]))
    np.testing.assert_array_equal(log_probs(NGRAM, read, 1, KNOWN), log_probs(NGRAM, same, 1, KNOWN))
    np.testing.assert_array_equal(stepped.nodes, expected.nodes)


def test_a_network_reads_words_of_the_session_as_they_are_written():
    mixture = mixed([3], [], [], unfitted(), WIDE + NEW, NETWORK_ALONE)
    found = mixture.read(mixture.start(), np.array([3, WIDE + 2])).parts[NETWORK]
    network = NETWORK_ALONE.network.reading(["", "", "new_2"])
    expected = network.read(network.start(), np.array([3, WIDE + 2]))
    unknown = network.read(network.start(), np.array([3, UNK]))
    np.testing.assert_array_equal(found.projected, expected.projected)
    assert (found.projected != unknown.projected).any()


def test_a_trained_model_is_given_the_ids_of_the_session(monkeypatch):
    mixture = mixed([3, 4], [], [], models.random_weights(1))
    given = []
    monkeypatch.setattr(NGRAM, "read", lambda state, ids: given.extend(ids.tolist()) or state)
    monkeypatch.setattr(NGRAM, "step", lambda state, _, ids: given.extend(ids.tolist()) or state)
    state = mixture.read(mixture.start(), np.array([3, SIZE - 1]))
    given.remove(PAD)  # the start's
    mixture.step(state, np.zeros(1, np.int64), np.array([SIZE - 2]))
    assert given == [3, SIZE - 1, SIZE - 2]


@few_examples
@given(mixture=MIXTURES, context=ANY_CONTEXT)
def test_behind_the_state_of_a_part_the_others_read_the_rest(mixture, context):
    state = mixture.behind({BASE: NGRAM.read(NGRAM.start(), context)}, context)
    whole = mixture.read(mixture.start(), context)
    np.testing.assert_array_equal(log_probs(mixture, state, 1, SIZE), log_probs(mixture, whole, 1, SIZE))


def test_a_network_that_has_read_more_than_the_others_is_not_asked_to_read_again(monkeypatch):
    text = np.array([3, 4, WIDE, 5, 3, 4])
    mixture = mixed(text.tolist(), [], [], unfitted(), WIDE + NEW, BOTH)
    network = mixture.trained.network
    state, whole = network.read(network.start(), text), mixture.read(mixture.start(), text)
    monkeypatch.setattr(network, "read", lambda *_: pytest.fail("it was"))
    short = mixture.behind({NETWORK: state}, text)
    every = WIDE + NEW
    np.testing.assert_allclose(log_probs(mixture, short, 1, every), log_probs(mixture, whole, 1, every), atol=1e-4)


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
