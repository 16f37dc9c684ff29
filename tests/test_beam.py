"""Beam search against brute force, over small models whose probabilities stand in a table."""

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.beam import Hypothesis, Judge, Next, best_next, ending_at, lines
from codelm.errors import Cancelled
from codelm.model import Ids, Scores

SIZE = 5
PAD, END, OTHER_END = 0, 1, 2
ENDS = frozenset([END, OTHER_END])
WORDS = [3, 4]
ALL = 1000  # a width that cuts nothing off here


class TableModel:
    """A bigram model: row w of ``table`` has the log probabilities of what follows word w. A state: last words."""

    def __init__(self, table: Scores):
        self.table = table
        self.calls: list[str] = []

    def start(self) -> Ids:
        return np.array([END])

    def read(self, state: Ids, ids: Ids) -> Ids:
        return np.concatenate([state, ids])[-1:]

    def step(self, state: Ids, rows: Ids, ids: Ids) -> Ids:
        self.calls.append("step")
        assert rows.shape == ids.shape
        assert rows.max(initial=0) < len(state)
        return ids.copy()

    def propose(self, state: Ids, k: int, allowed: Ids | None = None) -> Ids:
        self.calls.append("propose")
        proposed = np.full((len(state), k), -1, np.int64)
        for row, last in enumerate(state):
            candidates = np.arange(1, SIZE) if allowed is None else allowed
            best = candidates[np.argsort(-self.table[last, candidates], kind="stable")][:k]
            proposed[row, : len(best)] = best
        return proposed

    def score(self, state: Ids, ids: Ids) -> Scores:
        self.calls.append("score")
        assert (ids >= 0).all()
        return np.take_along_axis(self.table[state], ids, axis=1)


@st.composite
def models(draw: st.DrawFn) -> TableModel:
    """Draw a model: any probabilities, but none for [PAD]."""
    weights = draw(st.lists(st.integers(1, 1000), min_size=SIZE * SIZE, max_size=SIZE * SIZE))
    table = np.array(weights, np.float64).reshape(SIZE, SIZE)
    table[:, PAD] = 0
    with np.errstate(divide="ignore"):
        return TableModel(np.log(table / table.sum(axis=1, keepdims=True)).astype(np.float32))


def model_of(**after: dict[int, float]) -> TableModel:
    """Return the model in which ``w3={4: 0.5, …}`` says what follows word 3; the rest is spread over all others."""
    table = np.full((SIZE, SIZE), math.nan)
    for word in range(SIZE):
        given_ = after.get(f"w{word}", {})
        rest = [other for other in range(1, SIZE) if other not in given_]
        table[word, PAD] = 0
        table[word, rest] = (1 - sum(given_.values())) / max(1, len(rest))
        table[word, list(given_)] = list(given_.values())
    with np.errstate(divide="ignore"):
        return TableModel(np.log(table).astype(np.float32))


def search(
    model: TableModel,
    first: list[int] = WORDS,
    judge: Judge = ending_at(ENDS),  # noqa: B008 - immutable
    **options: object,
) -> list[Hypothesis]:
    ids = np.array(first, np.int64)
    scores = model.score(model.start(), ids[None, :])[0]
    model.calls.clear()
    return lines(model, model.start(), ids, scores, judge, **{"beams": 3, "longest": 4} | options)


def probability(model: TableModel, ids: tuple[int, ...], *, ended: bool) -> float:
    of_words = sum(float(model.table[last, word]) for last, word in pairwise([END, *ids]))
    return math.exp(of_words) * (sum(math.exp(model.table[ids[-1], end]) for end in ENDS) if ended else 1)


# --- the first step ----------------------------------------------------------------------------------------------


@given(models(), st.integers(1, 9))
def test_the_best_next_words_come_best_first_with_their_log_probabilities(model, k):
    ids, scores = best_next(model, model.start(), k)
    assert len(ids) == len(scores) == min(k, SIZE - 1)
    assert scores.tolist() == model.table[END, ids].tolist()
    assert scores.tolist() == sorted(model.table[END, 1:].tolist(), reverse=True)[:k]


@given(models())
def test_only_allowed_words_come_next(model):
    assert sorted(best_next(model, model.start(), 9, np.array([2, 4]))[0].tolist()) == [2, 4]
    ids, scores = best_next(model, model.start(), 9, np.array([], np.int64))
    assert ids.shape == scores.shape == (0,)


# --- lines -------------------------------------------------------------------------------------------------------


@given(models(), st.integers(1, 4))
def test_a_beam_wide_enough_finds_every_line_with_its_probability_best_first(model, longest):
    found = search(model, beams=ALL, longest=longest)
    expected = {
        (ids, ended): probability(model, ids, ended=ended)
        for length in range(1, longest + 1)
        for ids in product(WORDS, repeat=length)
        for ended in [length < longest]
    }
    assert {(hypothesis.ids, hypothesis.ended) for hypothesis in found} == expected.keys()
    assert len(found) == len(expected)
    for hypothesis in found:
        assert math.exp(hypothesis.log_prob) == pytest.approx(expected[hypothesis.ids, hypothesis.ended], rel=1e-4)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)


@given(models(), st.integers(1, 5))
def test_a_beam_of_one_is_greedy(model, longest):
    ids, last = [3], 3
    while len(ids) < longest and (last := int(model.table[last, 1:].argmax()) + 1) not in ENDS:
        ids.append(last)
    (found,) = search(model, [3], beams=1, longest=longest)
    assert found.ids == tuple(ids)
    assert found.ended == (last in ENDS)


@given(models(), st.integers(1, 4), st.integers(1, 4))
def test_a_narrow_beam_finds_some_of_what_a_wide_one_does(model, beams, longest):
    every = {hypothesis.ids: hypothesis for hypothesis in search(model, beams=ALL, longest=longest)}
    found = search(model, beams=beams, longest=longest)
    assert len({hypothesis.ids for hypothesis in found}) == len(found)
    for hypothesis in found:
        assert hypothesis.log_probs == every[hypothesis.ids].log_probs


@given(models())
def test_the_log_probability_of_a_line_is_the_sum_of_its_words_and_its_end(model):
    for hypothesis in search(model):
        assert len(hypothesis.log_probs) == len(hypothesis.ids)
        assert hypothesis.log_prob == pytest.approx(sum(hypothesis.log_probs) + hypothesis.end_log_prob)
        assert hypothesis.ended or hypothesis.end_log_prob == 0


def test_greedy_is_misled_where_a_beam_of_two_is_not():
    model = model_of(w1={3: 0.6, 4: 0.4}, w3={3: 0.3, 4: 0.3, END: 0.2, OTHER_END: 0.2}, w4={END: 0.9})
    assert search(model, [3, 4], beams=2)[0].ids == (4,)
    assert search(model, [3], beams=1)[0].ids[:2] == (3, 3)


def test_it_does_not_matter_which_end_ends_a_line():
    model = model_of(w3={END: 0.5, OTHER_END: 0.25})
    ended = [hypothesis for hypothesis in search(model, [3]) if hypothesis.ids == (3,)]
    assert [round(math.exp(hypothesis.end_log_prob), 4) for hypothesis in ended] == [0.75]


def test_an_unlikely_end_ranks_a_line_behind_its_likely_continuation():
    model = model_of(w3={4: 0.98}, w4={END: 0.98})
    assert [hypothesis.ids for hypothesis in search(model, [3])][:2] == [(3, 4), (3,)]


def test_a_line_that_only_ends_is_not_lengthened():
    model = model_of(w3={END: 1.0})
    (found,) = search(model, [3], beams=1, longest=9)
    assert found == Hypothesis((3,), found.log_probs, ended=True)
    assert model.calls.count("step") == 1


def test_a_line_has_at_most_the_greatest_length():
    model = model_of(w3={3: 1.0})
    (found,) = search(model, [3], beams=1, longest=6)
    assert found == Hypothesis((3,) * 6, found.log_probs, ended=False)


def test_nothing_to_begin_with_is_no_line():
    model = model_of()
    assert search(model, []) == []
    assert model.calls == []


# --- what a judge says --------------------------------------------------------------------------------------------


def judging(**says: Next) -> Judge:
    """Return the judge who says ``w4=Next.CUTS`` of word 4, and of all others what ``ending_at`` does."""

    def after(ids: Sequence[int]) -> Callable[[int], Next]:
        return lambda word: says.get(f"w{word}", ending_at(ENDS)(ids)(word))

    return after


def test_a_line_may_end_behind_a_word():
    model = model_of(w3={4: 0.7, END: 0.3})
    found = search(model, [3], judging(w4=Next.ENDS_BEHIND))
    assert [(hypothesis.ids, hypothesis.ended) for hypothesis in found] == [((3, 4), True), ((3,), True)]
    assert found[0].end_log_prob == 0


def test_a_line_is_known_up_to_a_word_that_cuts_it():
    model = model_of(w3={4: 0.7, END: 0.3})
    found = search(model, [3], judging(w4=Next.CUTS))
    assert [(hypothesis.ids, hypothesis.ended) for hypothesis in found] == [((3,), False), ((3,), True)]


def test_the_probability_of_words_that_cannot_come_is_that_of_the_others():
    model = model_of(w3={4: 0.5, 3: 0.25, END: 0.25}, w4={END: 1.0})
    (_, *found) = search(model, [3], judging(w4=Next.CANNOT), longest=2)
    ended = next(hypothesis for hypothesis in search(model, [3], judging(w4=Next.CANNOT)) if hypothesis.ended)
    assert ended.ids == (3,)
    assert math.exp(ended.end_log_prob) == pytest.approx(0.5)
    assert all(4 not in hypothesis.ids for hypothesis in found)


def test_a_judge_knows_the_words_so_far():
    seen = []

    def after(ids: Sequence[int]) -> Callable[[int], Next]:
        seen.append(tuple(ids))
        return lambda _: Next.GOES_ON if len(ids) < 3 else Next.ENDS

    (found,) = search(model_of(w3={3: 1.0}), [3], after, beams=1, longest=9)
    assert found.ids == (3, 3, 3)
    assert seen == [(3,), (3, 3), (3, 3, 3)]


# --- bounds ------------------------------------------------------------------------------------------------------


@given(models(), st.floats(0.01, 1))
def test_nothing_is_lengthened_to_what_is_less_probable_than_asked_for(model, least):
    every = {hypothesis.ids for hypothesis in search(model, beams=ALL)}
    for hypothesis in search(model, beams=ALL, least_of_all=math.log(least)):
        assert hypothesis.ids in every or not hypothesis.ended
        assert len(hypothesis.ids) == 1 or sum(hypothesis.log_probs) >= math.log(least)


def test_the_search_stops_once_nothing_can_become_more_probable():
    model = model_of(w3={END: 0.8, 3: 0.2}, w4={4: 1.0})
    first = np.log(np.array([0.9, 0.1], np.float32))
    options = {"beams": 2, "longest": 9}
    model.calls.clear()
    found = lines(model, model.start(), np.array([3, 4]), first, ending_at(ENDS), wanted=1, **options)
    assert found[0].ids == (3,)
    assert found[0].ended
    assert model.calls.count("step") == 1
    every = lines(model, model.start(), np.array([3, 4]), first, ending_at(ENDS), **options)
    assert model.calls.count("step") > 2
    assert every[0] == found[0]


# --- cost, deadline and cancelling -------------------------------------------------------------------------------


def test_each_further_word_costs_one_step_for_all_hypotheses():
    model = model_of(w3={3: 0.5, 4: 0.5}, w4={3: 0.5, 4: 0.5})
    search(model, longest=5)
    assert model.calls == ["step", "propose", "score"] * 4


def test_single_words_cost_nothing():
    model = model_of()
    assert [hypothesis.ids for hypothesis in search(model, longest=1)] == [(3,), (4,)]
    assert model.calls == []


def test_past_the_deadline_there_is_what_was_found_until_then():
    model = model_of()
    assert {hypothesis.ids for hypothesis in search(model, deadline=time.monotonic() - 1)} == {(3,), (4,)}
    assert model.calls == []


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_it_stops_before_the_next_step_once_it_is_cancelled(steps):
    model = model_of(w3={3: 0.5, 4: 0.5}, w4={3: 0.5, 4: 0.5})
    with pytest.raises(Cancelled):
        search(model, longest=9, cancelled=lambda: model.calls.count("step") >= steps)
    assert model.calls.count("step") == steps


@given(models())
def test_searching_changes_neither_what_it_is_given_nor_its_answer(model):
    state, first, scores = model.start(), np.array(WORDS), model.table[END, WORDS].copy()
    before = state.copy(), first.copy(), scores.copy(), model.table.copy()
    once, again = (lines(model, state, first, scores, ending_at(ENDS), beams=2, longest=4) for _ in range(2))
    assert once == again
    for array, earlier in zip((state, first, scores, model.table), before, strict=True):
        np.testing.assert_array_equal(array, earlier)
