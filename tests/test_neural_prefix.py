"""What is remembered of a document follows its edits: it is what reading it from scratch gives."""

from typing import Any

import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.errors import Cancelled
from codelm.neural.prefix import PrefixCache, Reading
from codelm.neural.table import unit
from codelm.session import SessionVocabulary

SIZE, ALL = networks.SIZE, 10**6
LSTM, CNN = "lstm, tied", "cnn, dilated, gated, residual"
# torch on a CPU takes another way for one word than for many; ONNX Runtime gives the same bits.
TOLERANCE = {"onnx, int8": 0, "torch": 1e-4}


def words(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, SIZE, count)


def from_scratch(network: Any, ids: np.ndarray) -> tuple[Any, np.ndarray]:
    """The state behind the words, and vectors of length one before each of them and behind the last: (T + 1, P)."""
    state, vectors = network.start(), [network.vectors(network.start())]
    if len(ids):
        state, found = network.read_along(state, ids[:, None])
        vectors.append(found[:, 0])
    return state, unit(np.concatenate(vectors))


def is_as_from_scratch(network: Any, reading: Reading[Any], ids: np.ndarray, tolerance: float = 0) -> None:
    state, vectors = from_scratch(network, ids)
    for found, expected in zip(reading.state.core, state.core, strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=tolerance, rtol=0)
    np.testing.assert_allclose(network.vectors(reading.state), network.vectors(state), atol=tolerance, rtol=0)
    assert len(reading.vectors) == len(reading.ids) + 1
    np.testing.assert_allclose(reading.vectors, vectors[-len(reading.vectors) :], atol=tolerance, rtol=0)
    np.testing.assert_array_equal(reading.ids, ids[len(ids) - len(reading.ids) :])
    assert (reading.vectors.dtype, reading.vectors.flags.c_contiguous) == (np.float32, True)


class Steps:
    """A network that counts the words it reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = LSTM):
        self.network = networks.opened(name, "onnx, int8")
        self.read: list[int] = []
        run = self.network._run
        monkeypatch.setattr(self.network, "_run", lambda ids, core: self.read.append(ids.size) or run(ids, core))

    def taken(self) -> int:
        """How many words were read since this was last asked."""
        count = sum(self.read)
        self.read.clear()
        return count


# --- the law ------------------------------------------------------------------------------------------------------

# What happens to a document: at a place (a share of the words above the cursor), so many words are removed and others
# put there. Or the cursor moves to another share of all words; time passes, in which words are read; or a completion is
# asked for.
edits = st.tuples(st.just("edit"), st.floats(0, 1), st.integers(0, 300), st.integers(0, 200))
typing = st.tuples(st.just("edit"), st.just(1.0), st.integers(0, 2), st.integers(0, 3))
events = st.one_of(
    edits,
    typing,
    st.tuples(st.just("move"), st.floats(0, 1)),
    st.tuples(st.just("time"), st.integers(1, 150)),
    st.tuples(st.just("ask"), st.integers(0, 400)),
)


@pytest.mark.parametrize("runner", TOLERANCE)
@pytest.mark.parametrize("name", [LSTM, "lstm of two layers, all words are outputs and have no pieces", CNN])
@settings(max_examples=15)
@given(
    happens=st.lists(events, max_size=12), size=st.integers(0, 600), most=st.sampled_from([1, 30, 4096]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_whatever_was_edited_it_is_what_reading_from_scratch_gives(name, runner, happens, size, most, seed):
    network = networks.opened(name, runner)
    cache = PrefixCache(network, most_vectors=most)
    ids, below = words(size, seed), words(0)
    cache.follow(ids)
    shown = []
    for number, (what, *how) in enumerate(happens):
        if what == "edit":
            place, removed, added = how
            at = max(0, round(place * len(ids)) - removed)
            ids = np.concatenate([ids[:at], words(added, seed + number), ids[at + removed :]])
            cache.follow(ids)
        elif what == "move":
            every = np.concatenate([ids, below])
            ids, below = np.split(every, [round(how[0] * len(every))])
            cache.follow(ids)
        elif what == "time":
            cache.catch_up(how[0])
        else:
            reading = cache.state(how[0])
            seen = ids if reading.whole else ids[len(ids) - len(reading.ids) :]
            if reading.whole or most > 600:
                is_as_from_scratch(network, reading, seen, TOLERANCE[runner])
            shown.append((reading, reading.vectors.copy(), reading.ids.copy()))
    reading = cache.state(ALL)
    assert reading.whole
    is_as_from_scratch(network, reading, ids, TOLERANCE[runner])
    if most > 600:
        assert len(reading.ids) == len(ids)
    for reading, vectors, before in shown:  # and what was given away stays as it was
        np.testing.assert_array_equal(reading.vectors, vectors)
        np.testing.assert_array_equal(reading.ids, before)


def test_vectors_have_the_length_of_one():
    cache = PrefixCache(networks.opened(LSTM, "onnx, int8"))
    cache.follow(words(20))
    np.testing.assert_allclose(np.linalg.norm(cache.state(ALL).vectors, axis=1), 1, rtol=1e-6)


# --- what it costs ------------------------------------------------------------------------------------------------


def test_a_keystroke_costs_nothing_and_a_word_one_step(monkeypatch):
    steps, ids = Steps(monkeypatch), words(500)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    cache.state(ALL)
    first = cache.state(ALL).state
    steps.taken()
    cache.follow(ids.copy())
    assert cache.state(ALL).state is first  # so what the head said of it is there too
    assert steps.taken() == 0
    cache.follow(np.append(ids, 7))
    cache.state(ALL)
    assert steps.taken() == 1


def test_a_cursor_that_moves_up_and_down_again_costs_what_is_new(monkeypatch):
    steps, ids = Steps(monkeypatch), words(1500)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    cache.state(ALL)
    steps.taken()
    for place in (300, 900, 600, 1495, 1500, 100):
        cache.follow(np.append(ids[:place], 7))
        cache.follow(ids[:place])
        reading = cache.state(ALL)
        assert steps.taken() < 64
        is_as_from_scratch(steps.network, reading, ids[:place])
        steps.taken()
    cache.follow(np.concatenate([ids[:400], [7], ids[400:]]))  # an edit: all below is read anew
    cache.state(ALL)
    assert 1500 - 400 <= steps.taken() <= 1500 - 400 + 64


def test_what_is_missing_is_what_was_not_read_yet_of_the_whole_or_its_tail():
    network, ids = networks.opened(LSTM, "onnx, int8"), words(1000)
    cache = PrefixCache(network)
    assert cache.network is network
    assert cache.missing == 0
    cache.follow(ids[:900])
    assert cache.missing == 900
    cache.catch_up(100)
    assert cache.missing == 800
    cache.state(200)
    assert cache.missing == 0
    cache.follow(ids)
    assert cache.missing == 100
    cache.state(200)
    cache.follow(ids[:968])
    assert cache.missing == 0  # a state is kept at each 8th of the last words
    cache.follow(np.append(ids[:50], ids[60:]))
    assert 990 - 50 <= cache.missing <= 990


def test_an_edit_replays_few_words_before_it_and_all_behind(monkeypatch):
    steps, ids = Steps(monkeypatch), words(1000)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    cache.state(ALL)
    for count, most in ((5, 8), (40, 8), (500, 64)):
        cache.state(ALL)
        steps.taken()
        edited = ids.copy()
        edited[-count] = edited[-count] % (SIZE - 1) + 1
        cache.follow(edited)
        cache.state(ALL)
        assert count <= steps.taken() <= count + most
        cache.follow(ids)


def test_among_the_words_that_were_just_typed_every_state_is_kept(monkeypatch):
    steps, ids = Steps(monkeypatch), words(200)
    cache = PrefixCache(steps.network)
    for count in range(100, 200):
        cache.follow(ids[:count])
        cache.state(ALL)
    steps.taken()
    for count in range(199, 140, -1):
        cache.follow(ids[:count])
        cache.state(ALL)
    assert steps.taken() == 0


def test_the_tail_of_a_long_document_is_read_first_and_the_rest_when_there_is_time(monkeypatch):
    steps, ids = Steps(monkeypatch), words(3000)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    reading = cache.state(512)
    assert (reading.whole, len(reading.ids), steps.taken()) == (False, 512, 512)
    is_as_from_scratch(steps.network, reading, ids[-512:])
    steps.taken()
    for _ in range(20):  # typing goes on meanwhile
        assert cache.catch_up(100)
        ids = np.append(ids, 9)
        cache.follow(ids)
        assert not cache.state(512).whole
        assert steps.taken() == 101
    while cache.catch_up(100):
        assert steps.taken() == 100
    steps.taken()
    assert cache.state(0).whole
    assert steps.taken() == 0
    is_as_from_scratch(steps.network, cache.state(0), ids)


def test_a_tail_that_became_short_is_read_again_with_more_words_before_it(monkeypatch):
    steps, ids = Steps(monkeypatch), words(3000)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    cache.state(400)
    cache.follow(ids[:2850])
    assert len(cache.state(400).ids) == 2850 - 2600
    cache.follow(ids[:2700])
    assert len(cache.state(400).ids) == 400


def test_far_above_what_is_kept_some_vectors_are_found_again(monkeypatch):
    steps, ids = Steps(monkeypatch), words(1500)
    cache = PrefixCache(steps.network, most_vectors=200)
    cache.follow(ids)
    cache.state(ALL)
    steps.taken()
    cache.follow(ids[:700])
    reading = cache.state(512)
    assert reading.whole
    assert len(reading.vectors) == 200
    assert steps.taken() < 350
    is_as_from_scratch(steps.network, reading, ids[:700])


def test_what_the_head_said_is_kept_at_the_cursor_only():
    """It is larger than all else: a number for each output."""
    network, ids = networks.opened(LSTM, "onnx, int8"), words(50)
    cache = PrefixCache(network)
    for count in range(50):
        cache.follow(ids[:count])
        network.propose(cache.state(ALL).state, 3)
    assert len([state for _, state in cache._front._recent if state.said]) == 1


def test_states_are_few_however_long_the_document(monkeypatch):
    monkeypatch.setattr("codelm.neural.prefix._MOST_STATES", 10)
    network, ids = networks.opened(LSTM, "onnx, int8"), words(3000)
    cache = PrefixCache(network)
    cache.follow(ids)
    cache.state(ALL)
    assert len(cache._front._old) + len(cache._front._recent) < 10 + 65
    for size in (2500, 1000):
        cache.follow(ids[:size])
        is_as_from_scratch(network, cache.state(ALL), ids[:size])


def test_a_cancelled_reading_keeps_what_it_has_read(monkeypatch):
    steps, ids = Steps(monkeypatch), words(400)
    cache = PrefixCache(steps.network)
    cache.follow(ids)
    steps.taken()
    with pytest.raises(Cancelled):
        cache.state(ALL, lambda: sum(steps.read) >= 200)
    before = steps.taken()
    assert 200 <= before < 264
    is_as_from_scratch(steps.network, cache.state(ALL), ids)


# --- words of the session -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LSTM, CNN])
def test_words_that_the_session_meets_later_are_read_by_their_pieces(name):
    session = SessionVocabulary(models.vocabulary(SIZE))
    network = networks.opened(name, "onnx, int8").reading(session.own_words)
    cache = PrefixCache(network)
    ids = session.learn([session.word(5), "read_headers", session.word(7)])
    cache.follow(ids)
    first = cache.state(ALL)
    ids = np.concatenate([ids, session.learn(["read_headers", "send_body"])])
    cache.follow(ids)
    fixed = networks.opened(name, "onnx, int8").reading(["read_headers", "send_body"])
    is_as_from_scratch(fixed, first, ids[:3])
    is_as_from_scratch(fixed, cache.state(ALL), ids)
    unknown = networks.opened(name, "onnx, int8")
    assert (unknown.vectors(unknown.read(unknown.start(), ids)) != network.vectors(cache.state(ALL).state)).any()
