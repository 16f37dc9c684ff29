"""The cache of the open file: laws, a reference that follows its definition word by word, and what it is good for."""

from collections.abc import Sequence

import laws
import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import SEEDS, SIZE, WORDS, file_model, learned

from codelm import file_cache, file_words, places_model
from codelm.file_cache import EXPERTS, LONGEST, NEAR_DEPTHS, NEAREST, FileModel
from codelm.file_words import FileWords
from codelm.model import Ids, log_probs
from codelm.places_model import NEAR, Floats
from codelm.vocabulary import PAD
from codelm.weights import unfitted

WEIGHTS = unfitted().caches["file"]


# --- the definition ------------------------------------------------------------------------------------------


def by_definition(above: Sequence[int], below: Sequence[int], context: Sequence[int]) -> tuple[int, Floats]:
    """Return the length of the longest match, and what each expert says of each id: (experts, ids)."""
    # What stands before each place, its word, and where it is from the cursor. Nothing matches "gap".
    start, gap = "start", "gap"
    places = [([start, *above[:n]], word, n - len(above)) for n, word in enumerate(above)]
    places += [([gap, *below[:n]], word, n + 1) for n, word in enumerate(below)]
    read = [start, *context]
    said = np.zeros((EXPERTS, SIZE))
    length = 0
    for depth in range(min(LONGEST, len(read)) + 1):
        matching = [place for place in places if depth == 0 or place[0][-depth:] == read[-depth:]]
        if not matching:
            break
        length = depth
        for _, word, distance in matching:
            said[depth, word] += 1 / len(matching)
            if depth < NEAR_DEPTHS:
                said[NEAREST + 1 + depth, word] += np.exp(-abs(distance) / NEAR) + 1e-4
        said[NEAREST] = 0
        if depth:
            nearest = [word for _, word, distance in matching if distance < 0][-1:] or [matching[0][1]]
            said[NEAREST, nearest[0]] = 1
    total = said[NEAREST + 1 :].sum(1, keepdims=True)
    said[NEAREST + 1 :] /= np.where(total > 0, total, 1)
    return length, said


@given(
    above=WORDS.filter(bool), below=WORDS, back=st.integers(0, 15), more=laws.contexts(SIZE, 3), seed=SEEDS,
    few=st.sampled_from([0, 2, 100]),
)  # fmt: skip
def test_what_it_says_is_what_its_definition_says(above, below, back, more, seed, few):
    """Contexts are the beginning of the file, or pieces of it that other words may follow."""
    context = [*above[:back], *more.tolist()]
    model = file_model(above, below, seed)
    state = model.read(model.start(), np.array(context, np.int64))
    length, said = by_definition(above, below, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places_model, "_FEW_PLACES", few)  # fewer are compared in another way
        assert model.match_lengths(state).tolist() == [length]
        for word in range(SIZE):
            np.testing.assert_allclose(model.experts(state, word), said[:, word], atol=1e-12)
        expected = models.random_weights(seed).caches["file"][length] @ said
        np.testing.assert_allclose(np.exp(log_probs(model, state, 1, SIZE)[0]), expected, atol=1e-6)


@given(above=WORDS, below=WORDS, first=st.integers(0, SIZE))
def test_it_counts_the_words_from_an_id_on(above, below, first):
    counts = file_model(above, below).counts_from(first)
    assert counts.tolist() == [[*above, *below].count(word) for word in range(first, SIZE)]


# --- examples ------------------------------------------------------------------------------------------------


class Example:
    """Words between blanks, the cursor drawn as a bar, and a model that has read all before the cursor."""

    def __init__(self, text: str, weights: Floats = WEIGHTS):
        above, bar, below = (part.split() for part in text.partition("|"))
        assert bar, "no cursor in the text"
        self.words = dict.fromkeys([*above, *below])
        self.ids = {word: number for number, word in enumerate(self.words, 3)}
        self.model = FileModel(learned(self.numbers(above), self.numbers(below)), len(self.ids) + 3, weights)
        self.state = self.model.read(self.model.start(), np.array(self.numbers(above), np.int64))

    def numbers(self, words: Sequence[str]) -> list[int]:
        return [self.ids[word] for word in words]

    def best(self, k: int = 1) -> list[str]:
        words = list(self.words)
        return [words[number - 3] for number in self.model.propose(self.state, k)[0].tolist() if number >= 0]

    def probability(self, word: str) -> float:
        return float(np.exp(self.model.score(self.state, np.array([[self.ids[word]]]))[0, 0]))


def test_what_followed_twice_follows_again():
    assert Example("self . area ; self . area ; x = self . |").best() == ["area"]


def test_the_words_below_the_cursor_are_as_good():
    assert Example("x = self . | ; self . area ; self . area").best() == ["area"]


def test_a_longer_match_counts_more_than_frequency():
    assert Example("x . a x . a x . a y . b y . |").best(2) == ["b", "a"]


def test_an_expert_says_the_word_at_the_nearest_place():
    text = "x . a x . a x . b x . | x . c"
    frequent, nearest = Example(text, models.only("file", 2)), Example(text, models.only("file", NEAREST))
    assert frequent.best(3) == ["a", "b", "c"]
    assert frequent.probability("a") == pytest.approx(1 / 2)
    assert nearest.best(3) == ["b"]
    assert nearest.probability("b") == pytest.approx(1)


def test_the_nearest_place_is_below_only_when_none_matches_above():
    assert Example("y . a x | ; x d x e", models.only("file", NEAREST)).best() == ["d"]


def test_of_places_that_match_alike_the_nearer_weigh_more():
    text = "x . a " + "; " * 200 + "x . b x . |"
    near, even = Example(text, models.only("file", NEAREST + 1 + 2)), Example(text, models.only("file", 2))
    assert near.probability("b") > 3 * near.probability("a")
    assert even.probability("b") == even.probability("a")


def test_the_start_of_the_file_is_a_context_of_its_own():
    example = Example("import a ; import b |", models.only("file", 1))
    assert example.model.match_lengths(example.model.start()).tolist() == [1]
    assert example.model.propose(example.model.start(), 2)[0].tolist() == [example.ids["import"], -1]


def test_what_stands_below_the_cursor_does_not_continue_what_stands_above():
    example = Example("a b | c", models.only("file", 0))
    assert example.model.match_lengths(example.state).tolist() == [0]


def test_an_empty_file_knows_nothing_and_says_so():
    model = FileModel(learned([]), SIZE, WEIGHTS)
    laws.an_empty_cache_says_nothing(model, SIZE)


def test_a_word_that_is_new_to_the_file_matches_nothing_and_has_no_probability():
    model = FileModel(learned([3, 4, 3, 4]), SIZE, WEIGHTS)
    state = model.read(model.start(), np.array([3, 9]))
    assert model.match_lengths(state).tolist() == [0]
    assert model.score(state, np.array([[9, PAD]])).tolist() == [[-np.inf, -np.inf]]


# --- large files ---------------------------------------------------------------------------------------------


@given(above=WORDS, below=WORDS, context=laws.contexts(SIZE), most=st.integers(1, 8), seed=SEEDS)
def test_of_a_long_file_the_words_next_to_the_cursor_are_kept(above, below, context, most, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_words, "MOST_WORDS", most)
        long = file_model(above, below, seed)
    short = file_model(above[-most:], below[:most], seed)
    context = np.concatenate([context, [1]])  # not at the start, which a long file has lost
    states = [model.read(model.start(), np.concatenate([[2] * LONGEST, context])) for model in (long, short)]
    np.testing.assert_array_equal(log_probs(long, states[0], 1, SIZE), log_probs(short, states[1], 1, SIZE))


def test_a_long_file_has_lost_its_start(monkeypatch):
    monkeypatch.setattr(file_words, "MOST_WORDS", 4)
    kept, lost = FileModel(learned([3, 4, 5, 6]), SIZE, WEIGHTS), FileModel(learned([3, 4, 5, 6, 7]), SIZE, WEIGHTS)
    assert kept.match_lengths(kept.start()).tolist() == [1]
    assert lost.match_lengths(lost.start()).tolist() == [0]


@pytest.mark.parametrize(
    ("text", "looked_at"),
    [
        ("x a x b x c x d x e x | ; x f x g x h", "c d e f"),
        ("x a x b x c x d x e x |", "b c d e"),
        ("x a x | ; x f x g x h x i", "a f g h"),
        ("x | ; x f x g x h x i x j", "f g h i"),
    ],
)
def test_of_very_many_places_that_match_the_nearest_are_looked_at_most_of_them_above(monkeypatch, text, looked_at):
    monkeypatch.setattr(places_model, "_MOST_PLACES", 4)
    assert sorted(Example(text, models.only("file", 1)).best(9)) == looked_at.split()


def test_places_beyond_the_horizon_are_not_weighed_by_nearness_when_all_match(monkeypatch):
    monkeypatch.setattr(file_cache, "_HORIZON", 2)
    example = Example("a b c d | e f g", models.only("file", NEAREST + 1))
    assert sorted(example.best(9)) == ["c", "d", "e", "f"]
    assert example.probability("d") == example.probability("e")
    assert example.probability("c") < example.probability("d")


@pytest.mark.parametrize("seed", range(8))
def test_of_many_words_none_is_preferred_for_having_been_learned_earlier(seed):
    """A word's number is by when it was first seen: not even the last bit of a probability may depend on it."""
    rng = np.random.default_rng(seed)
    every = np.arange(3, 1003)
    ids = rng.permutation(every)[: int(rng.integers(300, 1000))]
    edited = FileWords()
    edited.learn(every)
    edited.unlearn(len(every))
    edited.learn(ids)
    for weights in (models.only("file", 0), models.only("file", NEAREST + 1)):
        model, scratch = (FileModel(places, 6003, weights) for places in (edited.snapshot(), learned(ids)))
        for allowed in (None, np.arange(3, 1003, 2), np.arange(3, 6003, 1)):
            proposals = model.propose(model.start(), 20, allowed)
            np.testing.assert_array_equal(proposals, scratch.propose(scratch.start(), 20, allowed))
        for word in ids.tolist():
            said = model.experts(model.start(), word)
            np.testing.assert_array_equal(said, scratch.experts(scratch.start(), word))


# --- unlearning ----------------------------------------------------------------------------------------------


class Edits:
    """Learns and unlearns as an editor would; ``above`` and ``below`` are what is left."""

    def __init__(self) -> None:
        self.words, self.above, self.below = FileWords(), list[int](), list[int]()

    def make(self, edit: tuple[str, list[int]]) -> None:
        what, ids = edit
        if what == "learn":
            self.words.learn(np.array(ids, np.int64))
            self.above += ids
        elif what == "unlearn":
            count = min(len(ids), len(self.above))
            self.words.unlearn(count)
            self.above = self.above[: len(self.above) - count]
        else:
            self.words.learn_below(np.array(ids, np.int64))
            self.below = ids


EDITS = st.lists(st.tuples(st.sampled_from(["learn", "unlearn", "below"]), WORDS), max_size=12)


@given(edits=EDITS, context=laws.contexts(SIZE), seed=SEEDS)
def test_an_edit_unlearns_exactly_what_it_removed(edits, context, seed):
    """Bit by bit: however words came and went, what is left predicts as if nothing else had ever been there."""
    edited = Edits()
    for edit in edits:
        edited.make(edit)
        scratch = file_model(edited.above, edited.below, seed)
        model = FileModel(edited.words.snapshot(), SIZE, models.random_weights(seed).caches["file"])
        assert len(edited.words) == len(edited.above)
        assert_same(model, scratch, context)


def assert_same(model: FileModel, other: FileModel, context: Ids) -> None:
    state, same = model.read(model.start(), context), other.read(other.start(), context)
    np.testing.assert_array_equal(model.match_lengths(state), other.match_lengths(same))
    np.testing.assert_array_equal(log_probs(model, state, 1, SIZE), log_probs(other, same, 1, SIZE))
    np.testing.assert_array_equal(model.propose(state, SIZE), other.propose(same, SIZE))
    np.testing.assert_array_equal(model.counts_from(0), other.counts_from(0))


@given(edits=EDITS, later=EDITS, context=laws.contexts(SIZE))
def test_later_edits_leave_a_snapshot_as_it_is(edits, later, context):
    edited = Edits()
    for edit in edits:
        edited.make(edit)
    places, scratch = edited.words.snapshot(), file_model(edited.above, edited.below)
    for edit in later:
        edited.make(edit)
    assert_same(FileModel(places, SIZE, models.random_weights(0).caches["file"]), scratch, context)
