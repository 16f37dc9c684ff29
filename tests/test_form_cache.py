"""The cache of the file's form: laws, a reference that follows its definition word by word, and what it is good for."""

from collections.abc import Sequence

import laws
import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import FORMS, SEEDS, SIZE, WORDS, form_model, learned

from codelm import form_cache, places_model
from codelm.file_words import FileWords
from codelm.form_cache import DEPTHS, EVEN, EXPERTS, LONGEST, NEAREST, FormModel
from codelm.model import log_probs
from codelm.places_model import NEAR, Floats
from codelm.session import SessionVocabulary
from codelm.vocabulary import SPECIAL_WORDS, UNK, Vocabulary
from codelm.weights import unfitted

WEIGHTS = unfitted().caches["form"]


# --- the definition ------------------------------------------------------------------------------------------


def by_definition(above: Sequence[int], below: Sequence[int], context: Sequence[int]) -> tuple[int, Floats]:
    """Return the length of the longest match, and what each expert says of each id: (experts, ids)."""
    forms = FORMS.tolist()
    # The forms before each place, its word, and where it is from the cursor. Nothing matches "gap".
    places = [(["start", *(forms[word] for word in above[:n])], above[n], n - len(above)) for n in range(len(above))]
    places += [(["gap", *(forms[word] for word in below[:n])], below[n], n + 1) for n in range(len(below))]
    read = ["start", *(forms[word] for word in context)]
    matching = {
        depth: [place for place in places if depth == 0 or place[0][-depth:] == read[-depth:]]
        for depth in range(min(LONGEST, len(read)) + 1)
    }
    length = max(depth for depth, found in matching.items() if found)
    said = np.zeros((EXPERTS, SIZE))
    for expert, depth in enumerate(DEPTHS):
        if depth <= length:
            weighed = [(word, np.exp(-abs(distance) / NEAR) + 1e-4) for _, word, distance in matching[depth]]
            for word, weight in weighed:
                said[expert, word] += weight / sum(weight for _, weight in weighed)
    for _, word, _ in matching[length]:
        said[EVEN, word] += 1 / len(matching[length])
    nearest = [word for _, word, distance in matching[length] if distance < 0][-1:] or [matching[length][0][1]]
    said[NEAREST, nearest[0]] = 1
    return length, said


@given(
    above=WORDS.filter(bool), below=WORDS, back=st.integers(0, 20), more=laws.contexts(SIZE, 3), seed=SEEDS,
    few=st.sampled_from([0, 2, 100]),
)  # fmt: skip
def test_what_it_says_is_what_its_definition_says(above, below, back, more, seed, few):
    """Contexts are the beginning of the file, or pieces of it that other words may follow."""
    context = [*above[:back], *more.tolist()]
    model = form_model(above, below, seed)
    state = model.read(model.start(), np.array(context, np.int64))
    length, said = by_definition(above, below, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places_model, "_FEW_PLACES", few)  # fewer are compared in another way
        assert model.match_lengths(state).tolist() == [length]
        for word in range(SIZE):
            np.testing.assert_allclose(model.experts(state, word), said[:, word], atol=1e-12)
        expected = models.random_weights(seed).caches["form"][length] @ said
        np.testing.assert_allclose(np.exp(log_probs(model, state, 1, SIZE)[0]), expected, atol=1e-6)


# --- examples ------------------------------------------------------------------------------------------------


class Example:
    """Words between blanks, the cursor drawn as a bar, and a model that has read all before the cursor."""

    def __init__(self, text: str, weights: Floats = WEIGHTS):
        above, bar, below = (part.split() for part in text.partition("|"))
        assert bar, "no cursor in the text"
        self.session = SessionVocabulary(Vocabulary(SPECIAL_WORDS))
        read = self.session.learn(above)
        places = learned(read.tolist(), self.session.learn(below).tolist())
        self.model = FormModel(places, len(self.session), weights, self.session.forms())
        self.state = self.model.read(self.model.start(), read)

    def best(self, k: int = 1) -> list[str]:
        return [self.session.word(number) for number in self.model.propose(self.state, k)[0].tolist() if number >= 0]

    def match(self) -> int:
        return int(self.model.match_lengths(self.state)[0])


def test_a_line_that_is_written_like_another_goes_on_like_it():
    example = Example("self . equal ( area ( square ) , 4 ) <NEWLINE> self . equal ( length ( |")
    assert example.best() == ["square"]
    assert Example("self . equal ( area ( square ) , 4 ) <NEWLINE> self . equal ( length ( line |").best() == [")"]


def test_names_match_names_and_numbers_match_numbers_and_strings_match_strings():
    for first, second in (("x", "y"), ("1", "3.5"), ("'a'", '"b"')):
        assert Example(f"( {first} , c ) ; ( {second} |").match() == 2
    for first, second in (("x", "1"), ("1", "'a'"), ("x", "'a'")):
        assert Example(f"( {first} , c ) ; ( {second} |").match() == 0


def test_keywords_and_operators_match_themselves():
    assert Example("return + a ; yield - |").match() == 0
    assert Example("return + a ; yield + |").match() == 1


def test_classes_constants_and_self_are_no_other_names():
    for word in ("Shape", "SHAPE", "self"):
        assert Example(f"( {word} ) ; ( shape |").match() == 0
    assert Example("( Shape ) ; ( Square |").match() == 2


def test_the_nearest_place_is_an_expert():
    text = "( a ; ( a , ( b . ( |"
    assert Example(text, models.only("form", EVEN)).best(2) == ["a", "b"]
    assert Example(text, models.only("form", NEAREST)).best(2) == ["b"]


def test_the_words_below_the_cursor_are_as_good():
    assert Example("g ( | ; f ( x )").best() == ["x"]


def test_an_empty_file_knows_nothing_and_says_so():
    model = FormModel(learned([]), SIZE, WEIGHTS, FORMS)
    state = model.read(model.start(), np.array([3, 4]))
    assert model.match_lengths(state).tolist() == [-1]
    assert model.propose(state, 3).tolist() == [[-1, -1, -1]]
    np.testing.assert_allclose(np.exp(log_probs(model, state, 1, SIZE)[0, 1:]), 1 / (SIZE - 1), rtol=1e-6)
    assert not model.experts(state, 3).any()


def test_the_form_of_a_word_that_nobody_has_learned_matches_nothing_else():
    """What no session can tell apart is [UNK], which is written like no name."""
    session = SessionVocabulary(Vocabulary(SPECIAL_WORDS))
    words = session.learn(["(", "a", ")", "("])
    model = FormModel(learned(words.tolist()), len(session), WEIGHTS, session.forms())
    assert model.match_lengths(model.read(model.start(), np.array([words[0], UNK]))).tolist() == [0]


@given(above=WORDS, below=WORDS)
def test_places_far_from_the_cursor_are_not_looked_at(above, below):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(form_cache, "_ABOVE", 5)
        patch.setattr(form_cache, "_BELOW", 3)
        model = form_model(above, below)
        near = {*above[-5:], *below[:3]} or set(range(1, SIZE))
        laws.rows_normalise(model, SIZE, np.array(above, np.int64), 1e-5, near)


# --- unlearning ----------------------------------------------------------------------------------------------


@given(first=WORDS, gone=WORDS, above=WORDS, below=WORDS, context=laws.contexts(SIZE))
def test_what_was_unlearned_leaves_no_trace(first, gone, above, below, context):
    words = FileWords()
    words.learn(np.array([*first, *gone], np.int64))
    words.learn_below(np.array(gone, np.int64))
    words.unlearn(len(gone))
    words.learn(np.array(above, np.int64))
    words.learn_below(np.array(below, np.int64))
    model = FormModel(words.snapshot(), SIZE, models.random_weights(0).caches["form"], FORMS)
    scratch = form_model([*first, *above], below)
    state, same = model.read(model.start(), context), scratch.read(scratch.start(), context)
    np.testing.assert_array_equal(model.match_lengths(state), scratch.match_lengths(same))
    np.testing.assert_array_equal(log_probs(model, state, 1, SIZE), log_probs(scratch, same, 1, SIZE))
    np.testing.assert_array_equal(model.propose(state, SIZE), scratch.propose(same, SIZE))
