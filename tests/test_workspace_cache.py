"""The cache of the workspace: laws, a reference that follows its definition, and how its places are sorted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import laws
import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm import workspace_cache
from codelm.model import log_probs
from codelm.vocabulary import PAD, UNK
from codelm.weights import Floats, unfitted
from codelm.workspace_cache import (
    EXPERTS,
    LONGEST,
    WorkspaceCache,
    WorkspaceModel,
    has_all_places,
    laid_out,
    sorted_places,
)

SIZE = 10
FILES = st.lists(st.lists(st.integers(1, SIZE - 3), max_size=25), max_size=5)
SEEDS = st.integers(0, 2**32 - 1)
ANY_CONTEXT = laws.contexts(SIZE)
# From which size on a range's words are counted and kept, and up to which it is narrowed at once.
LIMITS = st.sampled_from([(512, 2048), (3, 2), (0, 0)])


def cache_of(files: Sequence[Sequence[int]]) -> WorkspaceCache:
    return WorkspaceCache([np.array(ids, np.int64) for ids in files])


def model_of(files: Sequence[Sequence[int]], seed: int = 0, without: int | None = None) -> WorkspaceModel:
    cache = cache_of(files)
    span = (0, 0) if without is None else cache.span(without)
    return cache.model(SIZE, models.random_weights(seed).caches["workspace"], span)


@contextmanager
def limited(limits: tuple[int, int]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace_cache, "_WIDE", limits[0])
        patch.setattr(workspace_cache, "_GATHERED", limits[1])
        patch.setattr(workspace_cache, "_KEPT", 2)
        yield


# --- the laws ------------------------------------------------------------------------------------------------


@given(files=FILES, context=ANY_CONTEXT, seed=SEEDS)
def test_rows_normalise_and_only_words_of_files_have_a_probability(files, context, seed):
    seen = {word for words in files for word in words} or set(range(1, SIZE))
    laws.rows_normalise(model_of(files, seed), SIZE, context, 1e-5, seen)


@given(files=FILES, first=laws.contexts(SIZE, 20), second=ANY_CONTEXT)
def test_reading_in_pieces_equals_reading_at_once(files, first, second):
    laws.reading_is_stepwise(model_of(files), SIZE, first, second, tolerance=0)


@given(files=FILES, context=ANY_CONTEXT, words=st.lists(st.integers(1, SIZE - 1), min_size=1))
def test_rows_are_independent(files, context, words):
    laws.rows_are_independent(model_of(files), SIZE, context, np.array(words), tolerance=0)


@given(files=FILES, context=ANY_CONTEXT, word=st.integers(1, SIZE - 1))
def test_no_call_changes_a_state(files, context, word):
    laws.states_never_change(model_of(files), SIZE, context, word)


@given(
    files=FILES.filter(any), context=ANY_CONTEXT, k=st.integers(1, SIZE + 3), limits=LIMITS,
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)  # fmt: skip
def test_proposals_agree_with_scores(files, context, k, limits, allowed):
    with limited(limits):
        laws.proposals_agree_with_scores(model_of(files), SIZE, context, k, allowed)


# --- the definition ------------------------------------------------------------------------------------------


def by_definition(files: Sequence[Sequence[int]], context: Sequence[int]) -> tuple[int, Floats]:
    """Return the length of the longest match, and what each expert says of each id: (experts, ids)."""
    places = [(["start", *words[:n]], word) for words in files for n, word in enumerate(words)]
    read = ["start", *context]
    said = np.zeros((EXPERTS, SIZE))
    length = -1
    for depth in range(min(LONGEST, len(read)) + 1):
        following = [word for before, word in places if depth == 0 or before[-depth:] == read[-depth:]]
        if not following:
            break
        length = depth
        said[depth] = np.bincount(following, minlength=SIZE) / len(following)
    return length, said


def assert_says(model: WorkspaceModel, files: Sequence[Sequence[int]], context: Sequence[int], seed: int) -> None:
    state = model.read(model.start(), np.array(context, np.int64))
    length, said = by_definition(files, context)
    assert model.match_lengths(state).tolist() == [length]
    for word in range(SIZE):
        np.testing.assert_allclose(model.experts(state, word), said[:, word], atol=1e-12)
    words = [word for words in files for word in words]
    assert model.counts_from(2).tolist() == [words.count(word) for word in range(2, SIZE)]
    if length >= 0:
        expected = models.random_weights(seed).caches["workspace"][length] @ said
        np.testing.assert_allclose(np.exp(log_probs(model, state, 1, SIZE)[0]), expected, atol=1e-6)


def contexts_of(files: Sequence[Sequence[int]], back: int) -> list[list[int]]:
    """The beginning of every file."""
    return [list(words[:back]) for words in files]


@given(files=FILES, back=st.integers(0, 12), more=laws.contexts(SIZE, 2), seed=SEEDS, limits=LIMITS)
def test_what_it_says_is_what_its_definition_says(files, back, more, seed, limits):
    """However wide the ranges are, and however often their counts are kept and dropped."""
    with limited(limits):
        model = model_of(files, seed)
        for context in (*contexts_of(files, back), []):
            assert_says(model, files, [*context, *more.tolist()], seed)


@given(
    files=FILES.filter(bool), without=st.integers(0, 4), back=st.integers(0, 12), more=laws.contexts(SIZE, 2),
    seed=SEEDS, limits=LIMITS,
)  # fmt: skip
def test_without_a_file_it_is_as_if_the_file_had_never_been_there(files, without, back, more, seed, limits):
    with limited(limits):
        without %= len(files)
        others = [*files[:without], *files[without + 1 :]]
        model = model_of(files, seed, without)
        for context in contexts_of(files, back):
            assert_says(model, others, [*context, *more.tolist()], seed)
            scratch = model_of(others, seed)
            state = model.read(model.start(), np.array(context, np.int64))
            same = scratch.read(scratch.start(), np.array(context, np.int64))
            np.testing.assert_array_equal(log_probs(model, state, 1, SIZE), log_probs(scratch, same, 1, SIZE))
            np.testing.assert_array_equal(model.propose(state, SIZE), scratch.propose(same, SIZE))


@given(files=FILES)
def test_leaving_a_file_out_changes_nothing_for_others_who_use_the_cache(files):
    cache = cache_of(files)
    weights = models.random_weights(0).caches["workspace"]
    with limited((0, 0)):
        for file in range(len(files)):
            left_out = cache.model(SIZE, weights, cache.span(file))
            log_probs(left_out, left_out.start(), 1, SIZE)
            whole = cache.model(SIZE, weights)
            for context in contexts_of(files, 3):
                assert_says(whole, files, context, 0)


# --- the order of the places ---------------------------------------------------------------------------------


@given(files=FILES)
def test_places_are_sorted_by_the_words_before_them_the_last_first(files):
    cache = cache_of(files)
    ids = cache.ids.tolist()
    every = [place for place in range(LONGEST, len(ids)) if ids[place] != PAD]
    naive = sorted(every, key=lambda place: ids[place - LONGEST : place][::-1])  # in their order where all are equal
    assert len(cache) == len(every) == sum(map(len, files))
    assert cache.following(0, len(cache)).tolist() == [ids[place] for place in naive]


@given(files=FILES)
def test_a_span_holds_the_words_of_its_file(files):
    cache = cache_of(files)
    for number, words in enumerate(files):
        begin, end = cache.span(number)
        assert cache.ids[begin:end].tolist() == [PAD, *words]


@given(files=FILES, context=st.lists(st.integers(-1, SIZE + 3), max_size=LONGEST), limits=LIMITS)
def test_ranges_lie_in_each_other_and_hold_what_matches(files, context, limits):
    with limited(limits):
        cache = cache_of(files)
        before = (0, len(cache))
        for depth, (low, high) in enumerate(cache.ranges(context), 1):
            assert before[0] <= low < high <= before[1]
            wanted = context[-depth:]
            ids = [[PAD, *words] for words in files]
            following = [w[n] for w in ids for n in range(1, len(w)) if n >= depth and w[n - depth : n] == wanted]
            if all(word > PAD for word in wanted):  # a word that is no word matches what begins a file, or nothing
                assert sorted(cache.following(low, high).tolist()) == sorted(following)
            before = low, high


# --- other numbers than the session's ids ---------------------------------------------------------------------


@given(
    files=FILES, ids=st.permutations(range(1, SIZE)), back=st.integers(0, 12), more=ANY_CONTEXT, seed=SEEDS,
    limits=LIMITS,
)  # fmt: skip
def test_however_words_are_numbered_it_says_the_same(files, ids, back, more, seed, limits):
    """And whether it is given the order of its places or sorts them."""
    table = np.array([PAD, *ids])
    numbers = np.argsort(table)
    numbered = [numbers[np.array(words, np.int64)] for words in files]
    weights = models.random_weights(seed).caches["workspace"]
    with limited(limits):
        for order in (None, sorted_places(numbered)):
            model = WorkspaceCache(numbered, table, order).model(SIZE, weights)
            for context in (*contexts_of(files, back), []):
                assert_says(model, files, [*context, *more.tolist()], seed)
                state = model.read(model.start(), np.array([*context, *more], np.int64))
                by_ids = model_of(files, seed)
                same = by_ids.read(by_ids.start(), np.array([*context, *more], np.int64))
                np.testing.assert_allclose(
                    log_probs(model, state, 1, SIZE), log_probs(by_ids, same, 1, SIZE), rtol=1e-6
                )


def test_words_that_the_session_has_no_room_for_are_not_taken_for_each_other():
    cache = WorkspaceCache([np.array([1, 2, 3, 2])], np.array([PAD, UNK, 5, UNK]))
    assert cache.ids.tolist()[LONGEST:] == [PAD, UNK, 5, UNK, 5]
    assert cache.ranges([UNK]) == cache.ranges([5, UNK]) == []
    ((low, high),) = cache.ranges([5])
    assert cache.following(low, high).tolist() == [UNK]


@given(files=FILES, chance=st.randoms(use_true_random=False), context=ANY_CONTEXT, limits=LIMITS)
def test_an_order_that_is_not_sorted_leads_nowhere_else(files, chance, context, limits):
    """Such an order comes from the disk, where all but its places is taken on trust."""
    arrays = [np.array(words, np.int64) for words in files]
    order = sorted_places(arrays)
    chance.shuffle(places := order.tolist())
    unsorted = np.array(places, np.uint32)
    assert has_all_places(unsorted, arrays)
    with limited(limits):
        model = WorkspaceCache(arrays, order=unsorted).model(SIZE, models.random_weights(0).caches["workspace"])
        laws.rows_normalise(model, SIZE, context, 1e-5, {w for words in files for w in words} or set(range(1, SIZE)))
        model.propose(model.read(model.start(), context), SIZE)


@given(files=FILES.filter(any), chance=st.integers(0, 1000), place=st.integers(0, 200) | st.just(2**32 - 1))
def test_an_order_with_other_places_is_recognised(files, chance, place):
    arrays = [np.array(words, np.int64) for words in files]
    order = sorted_places(arrays)
    assert has_all_places(order, arrays)
    assert not has_all_places(order[1:], arrays)
    assert not has_all_places(np.concatenate([order, order[:1]]), arrays)
    changed = order.copy()
    changed[chance % len(order)] = place
    assert has_all_places(changed, arrays) == (changed.tolist() == order.tolist())
    assert sorted(order.tolist()) == np.flatnonzero(laid_out(arrays)).tolist()


# --- examples ------------------------------------------------------------------------------------------------


class Example:
    """Files of words between blanks, and a model over them."""

    def __init__(self, *files: str):
        self.words = list(dict.fromkeys(word for file in files for word in file.split()))
        self.cache = cache_of([self.ids(file).tolist() for file in files])
        self.size = len(self.words) + 3

    def ids(self, text: str) -> np.ndarray:
        return np.array([self.words.index(word) + 3 for word in text.split()], np.int64)

    def best(self, text: str, k: int = 1, without: tuple[int, int] = (0, 0)) -> list[str]:
        model = self.cache.model(self.size, unfitted().caches["workspace"], without)
        found = model.propose(model.read(model.start(), self.ids(text)), k)[0].tolist()
        return [self.words[number - 3] for number in found if number >= 0]


def test_what_followed_in_other_files_follows_again():
    example = Example("self . area ; self . area", "self . width")
    assert example.best("; self .") == ["area"]


def test_a_longer_match_counts_more_than_frequency():
    example = Example("x . a x . a x . a x . a", "shape y . b")
    assert example.best("shape y .", 2) == ["b", "a"]


def test_files_do_not_run_into_each_other():
    example = Example("a b", "c d")
    model = example.cache.model(example.size, models.only("workspace", 1))
    assert model.match_lengths(model.read(model.start(), example.ids("a b"))).tolist() == [0]
    assert example.best("", 2) == ["a", "c"]


def test_the_open_file_is_left_out():
    example = Example("self . mine ; self . mine", "self . theirs")
    assert example.best("self .") == ["mine"]
    assert example.best("self .", 9, without=example.cache.span(0)) == ["theirs", "self", "."]


@pytest.mark.parametrize("files", [[], [[]], [[], []]])
def test_a_workspace_without_words_knows_nothing_and_says_so(files):
    assert_empty(model_of(files))


def test_a_workspace_of_nothing_but_the_open_file_knows_nothing():
    assert_empty(model_of([[3, 4, 5]], without=0))


def assert_empty(model: WorkspaceModel) -> None:
    assert model.empty
    laws.an_empty_cache_says_nothing(model, SIZE)


def test_words_of_the_session_that_came_later_have_no_probability_and_no_count():
    model = model_of([[3, 4, 3]]).over(SIZE + 5)
    state = model.read(model.start(), np.array([SIZE + 2]))
    assert model.match_lengths(state).tolist() == [0]
    assert model.score(state, np.array([[SIZE + 2]])).tolist() == [[-np.inf]]
    assert model.counts_from(SIZE).tolist() == [0] * 5
    assert model.propose(state, 3)[0].tolist() == [3, 4, -1]


def test_many_words_in_wide_ranges_have_their_probabilities():
    rng = np.random.default_rng(1)
    ids = np.where(np.arange(20_000) % 2, 3, rng.zipf(1.3, 20_000).clip(max=900) + 3)
    model = WorkspaceCache([ids]).model(1000, models.only("workspace", 1))
    state = model.read(model.start(), np.array([5, 3]))
    following = ids[1:][ids[:-1] == 3]
    expected = np.bincount(following, minlength=1000) / len(following)
    np.testing.assert_allclose(np.exp(log_probs(model, state, 1, 1000)[0]), expected, atol=1e-6)
    best = model.propose(state, 20)[0]
    np.testing.assert_allclose(expected[best], np.sort(expected)[::-1][:20])
