"""Drawing words from a model: what temperature, top-k and the nucleus make of a distribution, and whole sequences."""

import math
from itertools import pairwise

import models
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codelm.beam import Hypothesis
from codelm.errors import UsageError
from codelm.model import Ids, Scores, log_probs
from codelm.sampling import Sampling, distribution, greedy, sample, search
from codelm.vocabulary import EOS, PAD, UNK

SIZE = 6
END, OTHER_END = 1, 2
ENDS = frozenset([END, OTHER_END])


def log(probabilities: list[float]) -> Scores:
    with np.errstate(divide="ignore"):
        return np.log(np.array(probabilities)).astype(np.float32)


def rows(size: int = SIZE) -> st.SearchStrategy[Scores]:
    """The log probabilities of a model's row: any, but none for [PAD]."""
    weights = st.lists(st.integers(1, 50), min_size=size - 1, max_size=size - 1)
    return weights.map(lambda some: log([0, *(weight / sum(some) for weight in some)]))


class TableModel:
    """A bigram model: row w of ``table`` has the log probabilities of what follows word w. A state: last words."""

    def __init__(self, table: Scores):
        self.table = table

    def start(self) -> Ids:
        return np.array([END])

    def read(self, state: Ids, ids: Ids) -> Ids:
        return np.concatenate([state, ids])[-1:]

    def step(self, state: Ids, rows: Ids, ids: Ids) -> Ids:
        assert rows.max(initial=0) < len(state)
        return ids.copy()

    def propose(self, state: Ids, k: int, allowed: Ids | None = None) -> Ids:
        assert allowed is None
        best = np.argsort(-self.table[state], axis=1, kind="stable")[:, :k]  # [PAD] too, where all are asked for
        return np.pad(best, [(0, 0), (0, k - best.shape[1])], constant_values=-1)

    def score(self, state: Ids, ids: Ids) -> Scores:
        scores = np.take_along_axis(self.table[state], ids, axis=1)
        scores.flags.writeable = False
        return scores


def tables() -> st.SearchStrategy[TableModel]:
    return st.lists(rows(), min_size=SIZE, max_size=SIZE).map(lambda some: TableModel(np.stack(some)))


def drawn(model: TableModel, sampling: Sampling = Sampling(), seed: int = 0, **options: object) -> Hypothesis:  # noqa: B008 - frozen
    settings = {"longest": 8, "ends": ENDS, "never": frozenset()} | options
    return sample(model, model.start(), SIZE, sampling, np.random.default_rng(seed), **settings)


samplings = st.builds(Sampling, st.floats(0.05, 20), st.integers(0, SIZE + 1), st.floats(0.01, 1))


# --- the settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("temperature", [0, -1, math.inf, math.nan]),
        ("top_k", [-1]),
        ("top_p", [0, -0.1, 1.01, math.nan]),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting, values):
    for value in values:
        with pytest.raises(UsageError, match=f"^{setting} {value} is not "):
            Sampling(**{setting: value})


# --- distributions -----------------------------------------------------------------------------------------------


@given(rows())
def test_without_settings_it_is_the_models_own(row):
    np.testing.assert_allclose(distribution(row, Sampling()), np.exp(row.astype(np.float64)), rtol=1e-6)


@given(rows(), samplings)
def test_it_is_a_distribution_and_never_pads(row, sampling):
    probabilities = distribution(row, sampling)
    assert probabilities.dtype == np.float64
    assert probabilities.shape == (SIZE,)
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[PAD] == 0


@given(rows(), samplings)
def test_what_is_more_probable_stays_more_probable(row, sampling):
    probabilities = distribution(row, sampling)
    for better, worse in pairwise(np.argsort(-row, kind="stable")):
        assert probabilities[better] >= probabilities[worse]


@given(rows(), samplings)
def test_what_it_is_given_does_not_change(row, sampling):
    before = row.copy()
    assert distribution(row, sampling).tolist() == distribution(row, sampling).tolist()
    np.testing.assert_array_equal(row, before)


@given(rows(), st.floats(0.05, 20))
def test_a_temperature_is_a_power(row, temperature):
    powers = np.exp(row.astype(np.float64)) ** (1 / temperature)
    np.testing.assert_allclose(distribution(row, Sampling(temperature)), powers / powers.sum(), atol=1e-9)


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_towards_temperature_0_only_the_best_is_drawn(temperature):
    row = log([0, 0.2, 0.41, 0.39])
    assert distribution(row, Sampling(temperature)) == pytest.approx([0, 0, 1, 0])


def test_towards_an_infinite_temperature_all_words_but_pad_are_equal():
    assert distribution(log([0, 0.2, 0.5, 0.3]), Sampling(1e300)) == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


@given(rows(), st.integers(1, SIZE - 1))
def test_top_k_leaves_the_k_best_in_proportion(row, k):
    probabilities = distribution(row, Sampling(top_k=k))
    best = np.argsort(-row, kind="stable")[:k]
    assert np.flatnonzero(probabilities).tolist() == sorted(best.tolist())
    own = np.exp(row[best].astype(np.float64))
    np.testing.assert_allclose(probabilities[best], own / own.sum(), rtol=1e-9)


@given(rows(), st.integers(SIZE, 100))
def test_more_than_all_are_all(row, k):
    assert distribution(row, Sampling(top_k=k)).tolist() == distribution(row, Sampling()).tolist()


@given(rows(), st.floats(0.01, 0.99))
def test_the_nucleus_is_the_smallest_set_that_reaches_p(row, p):
    nucleus = np.flatnonzero(distribution(row, Sampling(top_p=p)))
    own = distribution(row, Sampling())
    mass = own[nucleus].sum()
    assert mass >= p - 1e-9
    assert mass - own[nucleus].min() < p + 1e-9, "it reaches p without its least probable word"
    assert own[nucleus].min() >= np.delete(own, nucleus).max() - 1e-9, "a set of as many words has more"


def test_the_nucleus_is_of_what_temperature_and_top_k_left():
    row = log([0, 0.4, 0.3, 0.2, 0.1])
    # Of 0.4, 0.3 and 0.2 the first two have 7/9; of all, 0.7.
    assert np.flatnonzero(distribution(row, Sampling(top_k=3, top_p=0.75))).tolist() == [1, 2]
    assert np.flatnonzero(distribution(row, Sampling(top_p=0.75))).tolist() == [1, 2, 3]
    # At a temperature of 1/2: 16/30, 9/30, 4/30, 1/30.
    assert np.flatnonzero(distribution(row, Sampling(0.5, top_p=0.75))).tolist() == [1, 2]


def test_a_nucleus_of_everything_keeps_what_is_nearly_impossible():
    row = log([0, 1 - 1e-20, 1e-20, 1e-21])
    assert np.flatnonzero(distribution(row, Sampling(top_p=1))).tolist() == [1, 2, 3]
    assert np.flatnonzero(distribution(row, Sampling(top_k=2, top_p=1))).tolist() == [1, 2]


def test_of_equally_probable_words_the_first_ones_are_kept():
    row = log([0, 0.2, 0.2, 0.2, 0.2, 0.2])
    assert np.flatnonzero(distribution(row, Sampling(top_k=2))).tolist() == [1, 2]
    assert np.flatnonzero(distribution(row, Sampling(top_p=0.5))).tolist() == [1, 2, 3]


def test_the_k_best_are_the_models_whatever_a_temperature_rounds():
    row = log([0, 0.2, 0.5, 0.3])
    for temperature in (1e-300, 1e300):
        assert distribution(row, Sampling(temperature, top_k=1)).tolist() == [0, 0, 1, 0]


# --- drawing sequences -------------------------------------------------------------------------------------------


def test_words_are_drawn_as_often_as_their_probability_says():
    """Pearson's chi-square: with 4 degrees of freedom it is above 18.5 once in a thousand times."""
    row = log([0, 0.35, 0.3, 0.2, 0.1, 0.05])
    model, rng, draws = TableModel(np.tile(row, (SIZE, 1))), np.random.default_rng(7), 5000
    for sampling in (Sampling(), Sampling(temperature=2), Sampling(temperature=0.5)):
        words = [
            sample(model, model.start(), SIZE, sampling, rng, longest=1, ends=frozenset()).ids[0] for _ in range(draws)
        ]
        expected = draws * distribution(row, sampling)[1:]
        found = np.bincount(words, minlength=SIZE)
        assert found[PAD] == 0
        assert ((found[1:] - expected) ** 2 / expected).sum() < 18.5


@given(tables(), samplings, st.integers(0, 1000))
def test_the_same_seed_draws_the_same(model, sampling, seed):
    assert drawn(model, sampling, seed) == drawn(model, sampling, seed)


def test_other_seeds_draw_other_words():
    model = TableModel(np.tile(log([0, 0, 0, 1 / 3, 1 / 3, 1 / 3]), (SIZE, 1)))
    assert len({drawn(model, seed=seed).ids for seed in range(20)}) == 20


@given(tables(), samplings, st.integers(1, 8))
def test_log_probabilities_are_the_models_own_whatever_the_settings(model, sampling, longest):
    found = drawn(model, sampling, longest=longest)
    chain = [END, *found.ids]
    assert found.log_probs == tuple(float(model.table[last, word]) for last, word in pairwise(chain))
    assert len(found.ids) <= longest
    assert not ENDS.intersection(found.ids)
    assert found.ended == (len(found.ids) < longest)
    end = np.logaddexp(*model.table[chain[-1], [END, OTHER_END]]) if found.ended else 0
    assert found.end_log_prob == pytest.approx(end)


@given(tables(), samplings, st.integers(0, 100))
def test_what_must_not_come_never_comes(model, sampling, seed):
    found = drawn(model, sampling, seed, never=frozenset([3, END]))
    assert 3 not in found.ids
    if found.ended:
        assert found.end_log_prob == pytest.approx(float(model.table[[END, *found.ids][-1], OTHER_END]))


@given(tables())
def test_what_is_left_out_leaves_its_share_to_all_others(model):
    """Of two words the better one is left out: the nucleus and the k best are of what remains."""
    never = frozenset([END, int(model.table[END, 2:].argmax()) + 2])
    best = max(set(range(1, SIZE)) - never, key=lambda word: (model.table[END, word], -word))
    assert drawn(model, Sampling(top_k=1), longest=1, ends=frozenset(), never=never).ids == (best,)


@given(tables(), st.integers(1, 8))
def test_top_k_of_one_is_greedy(model, longest):
    one = drawn(model, Sampling(top_k=1), longest=longest)
    best = greedy(model, model.start(), longest, ENDS)
    assert (one.ids, one.log_probs, one.ended) == (best.ids, best.log_probs, best.ended)


@given(tables(), st.integers(1, 8))
def test_a_temperature_near_0_is_greedy(model, longest):
    for row in model.table:
        assume(len(set(row.tolist())) == SIZE)
    assert drawn(model, Sampling(1e-9), longest=longest).ids == greedy(model, model.start(), longest, ENDS).ids


def test_where_nothing_is_possible_it_is_cut():
    model = TableModel(np.tile(log([0, 0.5, 0.5, 0, 0, 0]), (SIZE, 1)))
    every = frozenset(range(SIZE))
    assert drawn(model, never=ENDS) == Hypothesis((), ())
    assert greedy(model, model.start(), 3, ENDS, every) == Hypothesis((), ())
    assert search(model, model.start(), 3, 3, ENDS, every) == []


@given(tables(), samplings)
def test_the_state_is_as_it_was(model, sampling):
    state = model.start()
    sample(model, state, SIZE, sampling, np.random.default_rng(0), 5, ENDS)
    greedy(model, state, 5, ENDS)
    search(model, state, 2, 5, ENDS)
    assert state.tolist() == [END]


# --- greedy and beams --------------------------------------------------------------------------------------------


@given(tables(), st.integers(1, 8), st.sets(st.integers(1, SIZE - 1), max_size=SIZE - 2))
def test_greedy_takes_the_best_word_again_and_again(model, longest, never):
    found = greedy(model, model.start(), longest, ENDS, never)
    possible = [word for word in range(1, SIZE) if word not in never]
    ids, last = [], END
    while len(ids) < longest:
        last = max(possible, key=lambda word: (model.table[last, word], -word))
        if last in ENDS:
            break
        ids.append(last)
    assert found.ids == tuple(ids)
    assert found.ended == (last in ENDS)


@given(tables(), st.integers(1, 8), st.sets(st.integers(1, SIZE - 1), max_size=SIZE - 2))
def test_greedy_is_a_beam_of_one(model, longest, never):
    assert search(model, model.start(), 1, longest, ENDS, never) == [greedy(model, model.start(), longest, ENDS, never)]


@given(st.lists(st.integers(1, 200), max_size=8), st.integers(1, 12))
def test_of_an_n_gram_model_too(context, longest):
    model = models.ngram(size=300)
    state = model.read(model.start(), np.array(context, np.int64))
    ends, never = frozenset([EOS]), frozenset([UNK])
    assert search(model, state, 1, longest, ends, never) == [greedy(model, state, longest, ends, never)]


@given(tables(), st.integers(1, 3), st.sets(st.integers(3, SIZE - 1), max_size=2))
def test_a_beam_wide_enough_finds_every_sequence_with_its_probability_best_first(model, longest, never):
    found = search(model, model.start(), 1000, longest, ENDS, never)
    words = [word for word in range(3, SIZE) if word not in never]
    sequences, of_length = {((), True)}, [()]
    for length in range(1, longest + 1):
        of_length = [(*ids, word) for ids in of_length for word in words]
        sequences |= {(ids, length < longest) for ids in of_length}
    assert {(hypothesis.ids, hypothesis.ended) for hypothesis in found} == sequences
    assert len(found) == len(sequences)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)
    for hypothesis in found:
        chain = [END, *hypothesis.ids]
        expected = sum(float(model.table[last, word]) for last, word in pairwise(chain))
        if hypothesis.ended:
            expected += float(np.logaddexp(*model.table[chain[-1], [END, OTHER_END]]))
        assert hypothesis.log_prob == pytest.approx(expected, abs=1e-5)
    if not never:
        assert sum(math.exp(hypothesis.log_prob) for hypothesis in found) == pytest.approx(1, abs=1e-5)


def test_a_real_model_draws_from_the_row_that_it_scores():
    model = models.ngram(size=100)
    state = model.read(model.start(), models.vocabulary(100).ids(["import"]))
    row = log_probs(model, state, 1, 100)[0]
    found = sample(model, state, 100, Sampling(), np.random.default_rng(3), 1, frozenset([EOS]), frozenset([UNK]))
    assert found.log_probs == (float(row[found.ids[0]]),)
