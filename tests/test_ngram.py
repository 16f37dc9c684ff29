"""What is particular to n-gram models; the laws of all models are in test_model.py."""

import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.best_lists import LISTED, WIDE, no_lists
from codelm.model import Ids, log_probs
from codelm.ngram import NGram, NGramState
from codelm.trie import Level, paths
from codelm.vocabulary import EOS, PAD, UNK
from codelm_train.prune import quantise

ROOT = np.zeros(1, np.int64)

CLOSE = 5e-5
"""How far numbers of 32 bits may be off that were added and multiplied once for each order."""


def hand_made() -> NGram:
    """Ids: [PAD] [UNK] [EOS] a=3 b=4. One bigram is known: after a comes b, mass 0.6."""
    unigrams = Level(
        np.array([PAD, EOS, 3, 4], np.uint16),
        np.array([0, 0.2, 0.3, 0.3], np.float32),
        first=np.array([0, 0, 0, 1, 1], np.uint32),
        backoffs=np.array([1, 1, 0.4, 1], np.float32),
    )
    bigrams = Level(np.array([4], np.uint16), np.array([0.6], np.float32))
    return NGram([unigrams, bigrams], size=5, root_backoff=0.2)


def test_a_row_by_hand():
    model = hand_made()
    after_a = model.read(model.start(), np.array([3]))
    found = np.exp(log_probs(model, after_a, 1, 5)[0])
    uniform = 0.2 / 4
    np.testing.assert_allclose(
        found, [0, 0.4 * uniform, 0.4 * (0.2 + uniform), 0.4 * (0.3 + uniform), 0.6 + 0.4 * (0.3 + uniform)], rtol=1e-6
    )


def test_a_context_without_continuations_backs_off_for_free():
    model = hand_made()
    after_b = log_probs(model, model.read(model.start(), np.array([4])), 1, 5)
    after_unknown = log_probs(model, model.read(model.start(), np.array([UNK])), 1, 5)
    np.testing.assert_array_equal(after_b, after_unknown)


def test_an_id_that_the_model_lacks_is_the_unknown_word():
    model = hand_made()
    state = model.read(model.start(), np.array([3]))
    scores = model.score(state, np.array([[UNK, 5, 999, -1]]))
    assert len(set(scores[0].tolist())) == 1
    stepped = model.step(state, ROOT, np.array([999]))
    np.testing.assert_array_equal(stepped.nodes, model.step(state, ROOT, np.array([UNK])).nodes)


def test_states_cannot_be_written_to():
    state = hand_made().start()
    with pytest.raises(ValueError, match="read-only"):
        state.nodes[0, 0] = 7


def test_match_lengths_count_the_words_that_made_a_known_context():
    model = models.ngram(4)
    words = models.vocabulary()
    known = model.read(model.start(), words.ids(["for", "i", "in"]))
    strange = model.read(model.start(), words.ids(["in", "in", "in"]))
    assert model.match_lengths(known)[0] > model.match_lengths(strange)[0]


def test_the_best_of_many_allowed_words_equal_the_best_of_the_dense_row():
    """More allowed words than are scored one by one take another way to the same answer."""
    rng = np.random.default_rng(1)
    size = 20_000
    weights = rng.random(size).astype(np.float32)
    words = np.arange(size, dtype=np.uint16)
    model = NGram([Level(words, weights / weights.sum() * np.float32(0.9))], size, 0.1)
    allowed = np.sort(rng.choice(size, 9_000, replace=False))
    expected = allowed[np.argsort(-weights[allowed], kind="stable")][:50]
    np.testing.assert_array_equal(model.propose(model.start(), 50, allowed)[0], expected)


def test_allowed_ids_that_the_model_lacks_are_not_proposed():
    model = hand_made()
    assert model.propose(model.start(), 3, np.array([4, 5, 9]))[0].tolist() == [4, -1, -1]


# --- dense and sparse answers -------------------------------------------------------------------------------


def random_model(seed: int, *, size: int, quantised: bool) -> NGram:
    """Return a model of random order and masses, with wide and narrow contexts; many say nothing."""
    rng = np.random.default_rng(seed)
    order = int(rng.integers(1, 5))
    words, firsts, masses, backoffs = [np.arange(size)], [], [], []
    root_backoff = rng.uniform(0.05, 0.5)
    unigrams = rng.dirichlet(np.full(size, 0.1))
    unigrams[PAD] = 0
    masses.append(unigrams / unigrams.sum() * (1 - root_backoff))
    for _ in range(order - 1):
        count = len(words[-1])
        lengths = np.where(rng.random(count) < 0.3, rng.integers(1, 8, count), 0)
        wide = rng.choice(count, min(count, 5), replace=False)
        lengths[wide] = rng.integers(WIDE - 2, 4 * WIDE, len(wide))
        lengths = np.minimum(lengths, size - 1)
        lengths[int(rng.integers(count))] = 1  # so that no level is empty
        backoffs.append(np.where(lengths > 0, rng.uniform(0.01, 1, count), 1))
        firsts.append(np.concatenate([[0], np.cumsum(lengths)]))
        longer = [np.sort(rng.choice(np.arange(1, size), n, replace=False)) for n in lengths]
        shares = [rng.dirichlet(np.full(n, 0.3)) * (1 - g) for n, g in zip(lengths, backoffs[-1], strict=True) if n]
        words.append(np.concatenate(longer))
        masses.append(np.concatenate(shares))
    levels = [
        Level(
            words[depth].astype(np.uint16), masses[depth].astype(np.float32),
            first=firsts[depth].astype(np.uint32), backoffs=backoffs[depth].astype(np.float32),
        ) if depth < order - 1 else Level(words[depth].astype(np.uint16), masses[depth].astype(np.float32))
        for depth in range(order)
    ]  # fmt: skip
    model = NGram(levels, size, root_backoff)
    return quantise(model) if quantised else model


def row_by_definition(model: NGram, context: Ids) -> np.ndarray:
    """Return p(w | h) of every id at the beginning of a sequence and a context, straight from the formula: (size,)."""
    row = np.full(model.size, model.root_backoff / (model.size - 1))
    unigrams = model.levels[0].weights_at(slice(None)).astype(np.float64)
    row[model.levels[0].words] += unigrams * (1 - model.root_backoff) / unigrams.sum()
    row[PAD] = 0
    context = np.concatenate([[PAD], context])
    for depth in range(1, min(len(context), model.order - 1) + 1):
        begin, end, node = 0, len(model.levels[0].words), -1
        for level, word in zip(model.levels, context[-depth:], strict=False):
            found = np.flatnonzero(level.words[begin:end] == word)
            node = begin + int(found[0]) if len(found) else -1
            begin, end = level.first[node : node + 2].tolist() if len(found) else (0, 0)
        if begin == end:
            continue
        freed = float(model.levels[depth - 1].backoffs_at(slice(node, node + 1))[0])
        masses = model.levels[depth].weights_at(slice(begin, end)).astype(np.float64)
        row *= freed
        row[model.levels[depth].words[begin:end]] += masses * (1 - freed) / masses.sum()
    return row


def contexts_of(model: NGram, rng: np.random.Generator, count: int) -> list[Ids]:
    """Return contexts that the model knows at least in part."""
    contexts = []
    for _ in range(count):
        depth = int(rng.integers(1, model.order + 1))
        node = rng.integers(len(model.levels[depth - 1].words), size=1)
        known = paths(model.levels, depth, node)[0]
        contexts.append(np.concatenate([rng.integers(1, model.size, int(rng.integers(3))), known]))
    return contexts


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([4, 60, 200, 5000]),
    quantised=st.booleans(),
    k=st.integers(1, 200),
    data=st.data(),
)
def test_dense_and_sparse_answers_are_those_of_the_formula(seed, size, quantised, k, data):
    """All ids at once, some of them, one for each of many rows, and the best: the same probabilities."""
    model = random_model(seed, size=size, quantised=quantised)
    bare = NGram(model.levels, model.size, model.root_backoff, [no_lists()] * (model.order - 1))
    rng = np.random.default_rng(seed)
    contexts = contexts_of(model, rng, 30)
    rows = np.array([row_by_definition(model, context) for context in contexts])
    asked = rng.integers(-2, model.size + 3, data.draw(st.sampled_from([1, 5, 64, 300])))
    known = np.where((asked >= 0) & (asked < model.size), asked, UNK)
    share = data.draw(st.sampled_from([0.0, 0.05, 0.5, 0.9]))
    allowed = None if share == 0 else np.flatnonzero(rng.random(model.size + 3) < share)
    candidates = np.arange(1, model.size) if allowed is None else allowed[(allowed > PAD) & (allowed < model.size)]
    for row, context in zip(rows, contexts, strict=True):
        for way in (model, bare):
            state = way.read(way.start(), context)
            every = np.exp(way.score(state, np.arange(model.size)[None])[0].astype(np.float64))
            np.testing.assert_allclose(every, row, rtol=CLOSE, atol=1e-12)
            some = np.exp(way.score(state, asked[None])[0].astype(np.float64))
            np.testing.assert_allclose(some, row[known], rtol=CLOSE, atol=1e-12)
            proposed = way.propose(state, k, allowed)[0]
            best = proposed[proposed >= 0]
            assert len(best) == len(set(best.tolist())) == min(k, len(candidates))
            assert np.isin(best, candidates).all()
            np.testing.assert_allclose(row[best], np.sort(row[candidates])[::-1][: len(best)], rtol=CLOSE)
    every_node = np.concatenate([model.read(model.start(), context).nodes for context in contexts])
    one = rng.integers(0, model.size, len(contexts))
    each = np.exp(model.score(NGramState(every_node), one[:, None])[:, 0].astype(np.float64))
    np.testing.assert_allclose(each, rows[np.arange(len(one)), one], rtol=CLOSE, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), left_out=st.integers(0, 2 * LISTED), k=st.integers(1, 20))
def test_the_best_are_found_when_those_that_are_listed_are_ruled_out(seed, left_out, k):
    model = random_model(seed, quantised=True, size=5000)
    for context in contexts_of(model, np.random.default_rng(seed), 10):
        row = row_by_definition(model, context)
        allowed = np.sort(np.argsort(-row)[left_out:])
        best = model.propose(model.read(model.start(), context), k, allowed)[0]
        assert np.isin(best, allowed).all()
        np.testing.assert_allclose(row[best], np.sort(row[allowed])[::-1][:k], rtol=1e-5)
