"""What a network makes of a workspace: it follows an index, whatever became of that, and comes back from the disk."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import models
import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.neural.model import NeuralModel
from codelm.neural.reduction import kept
from codelm.workspace import IndexedFile, WorkspaceIndex, canonical
from codelm.workspace_states import (
    HEADER,
    BrokenStatesError,
    StatesUpdate,
    WorkspaceStates,
    decoded_states,
    digests,
    encoded_states,
    nothing,
    states_index,
)  # fmt: skip

REDUCTION = models.random_reduction(np.random.default_rng(3))
VOCABULARY = models.vocabulary(networks.SIZE)
LEXICON = (*VOCABULARY.words[5:30], "frobnicate", "frobnicated")
FILES = st.lists(st.sampled_from(LEXICON), max_size=60)
WORKSPACES = st.dictionaries(st.sampled_from("abcde"), FILES, max_size=5)


def network() -> NeuralModel:
    return networks.opened("lstm, tied", "onnx, fp32")


def index_of(files: Mapping[str, list[str]]) -> WorkspaceIndex:
    """An index of files with these words."""
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(word, len(numbers)) for words in files.values() for word in words]
    ends = np.cumsum([0, *map(len, files.values())]).tolist()
    indexed = {path: IndexedFile(1, 1, *ends[place : place + 2]) for place, path in enumerate(files)}
    return WorkspaceIndex(tuple(numbers), np.array(ids, np.uint32), MappingProxyType(indexed))


def update_of(states: WorkspaceStates | None, index: WorkspaceIndex, **limits: int) -> StatesUpdate:
    states = states or nothing("key", REDUCTION.dimensions)
    return StatesUpdate(states, index, network(), VOCABULARY, REDUCTION, **limits)


def read(index: WorkspaceIndex, states: WorkspaceStates | None = None) -> WorkspaceStates:
    update = update_of(states, index)
    for _ in update.steps():
        pass
    return update.states()


def assert_same(found: WorkspaceStates, expected: WorkspaceStates) -> None:
    """Assert that two have the same states of the same files, but for the last bit of what is read side by side."""
    assert found.files.keys() == expected.files.keys()
    assert found.key == expected.key
    for digest, (begin, end) in expected.files.items():
        a, b = found.files[digest]
        np.testing.assert_allclose(found.states[a:b].astype(int), expected.states[begin:end].astype(int), atol=1)
        reduced = expected.states[begin:end].astype(np.float32)
        alike, rows = REDUCTION.alike(reduced / np.linalg.norm(reduced, axis=1, keepdims=True)), np.arange(b - a)
        chosen = alike[rows, found.lists[a:b]], alike[rows, expected.lists[begin:end]]
        np.testing.assert_allclose(*chosen, atol=0.05)


# --- the definition ------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(files=WORKSPACES)
def test_they_are_what_the_network_says_before_each_word(files):
    index = index_of(files)
    states, model = read(index), network()
    assert set(states.files) == set(digests(index).values())
    for path, digest in digests(index).items():
        words = files[path]
        unknown = list(dict.fromkeys(word for word in words if word not in VOCABULARY.words))
        reading, state = model.reading(unknown), model.start()
        vectors = [model.vectors(state)]
        for word in words[:-1]:
            known = word in VOCABULARY.words
            number = VOCABULARY.ids([word])[0] if known else len(VOCABULARY) + unknown.index(word)
            state = reading.read(state, np.array([number]))
            vectors.append(reading.vectors(state))
        begin, end = states.files[digest]
        expected = kept(REDUCTION.reduced(np.concatenate(vectors)))
        np.testing.assert_allclose(states.states[begin:end].astype(int), expected.astype(int), atol=1)


# --- how they follow -----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(changes=st.lists(st.tuples(WORKSPACES, st.integers(0, 9)), max_size=4), files=WORKSPACES)
def test_they_are_those_of_their_files_whatever_changes_led_to_them(changes, files):
    """Also where an update was left for the next one."""
    states = None
    for before, steps in changes:
        update = update_of(states, index_of(before))
        for _ in zip(range(steps), update.steps(), strict=False):
            pass
        states = update.states()
    assert_same(read(index_of(files), states), read(index_of(files)))


@given(files=WORKSPACES, others=WORKSPACES)
def test_what_has_been_read_is_not_read_again(files, others):
    index, states = index_of({**others, **files}), read(index_of(files))
    known = set(digests(index_of(files)).values())
    assert set(update_of(states, index).pending) == set(digests(index).values()) - known
    assert update_of(read(index, states), index).pending == ()


@given(files=WORKSPACES)
def test_an_index_that_numbers_its_words_otherwise_is_the_same(files):
    index = index_of(files)
    assert digests(canonical(index)) == dict(sorted(digests(index).items()))


def test_only_the_first_files_are_read_of_too_many():
    index = index_of({"a": ["x"] * 5, "b": ["y"] * 6, "c": ["z"] * 4, "d": ["x"]})
    assert list(update_of(None, index, most_words=10).files) == ["a", "c", "d"]


def test_words_that_join_to_the_same_text_are_other_words():
    found = digests(index_of({"a": ["ab", "c"], "b": ["a", "bc"], "c": ["ab", "c"]}))
    assert found["a"] == found["c"] != found["b"]


# --- what completions see of them ----------------------------------------------------------------------------


@given(files=WORKSPACES, more=WORKSPACES)
def test_completions_see_the_words_of_the_indexs_files_alone(files, more):
    states, index = read(index_of({**more, **files})), index_of(files)
    ids = np.arange(len(index.lexicon), dtype=np.uint32) + 100
    found, spans = states_index(states, REDUCTION, index, ids)
    assert set(spans) == {path for path, words in files.items() if words}
    assert {path: states.files[digest] for path, digest in digests(index).items()} == spans
    every = np.arange(len(REDUCTION.centres))
    distinct = {tuple(words) for words in files.values()}
    assert len(found) == sum(map(len, distinct))
    for path, (begin, end) in spans.items():
        others = Counter(found.looked_into(every, (begin, end))[1].tolist())
        of_file = Counter(found.looked_into(every, (0, 0))[1].tolist()) - others
        assert Counter({index.lexicon[number - 100]: count for number, count in of_file.items()}) == Counter(
            files[path]
        )


# --- as bytes ------------------------------------------------------------------------------------------------


@given(files=WORKSPACES)
def test_they_survive_being_written(files):
    states = read(index_of(files))
    again = decoded_states(encoded_states(states))
    assert (again.key, dict(again.files)) == (states.key, dict(states.files))
    np.testing.assert_array_equal(again.states, states.states)
    np.testing.assert_array_equal(again.lists, states.lists)


SOME = encoded_states(read(index_of({"a": ["x", "y"], "b": ["z"]})))


@given(at=st.integers(0, len(SOME) - 1), bit=st.integers(0, 7))
def test_a_bit_that_flips_is_found(at, bit):
    broken = bytearray(SOME)
    broken[at] ^= 1 << bit
    with pytest.raises(BrokenStatesError):
        decoded_states(bytes(broken))


@given(end=st.integers(0, len(SOME) - 1))
def test_what_is_cut_is_found(end):
    with pytest.raises(BrokenStatesError):
        decoded_states(SOME[:end])


@pytest.mark.parametrize("content", [b"", b"\n", HEADER.encode(), b"codelm states 0 00\n{}\n"])
def test_something_else_is_none(content):
    with pytest.raises(BrokenStatesError, match="it does not begin with"):
        decoded_states(content)
