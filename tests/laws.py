"""The laws of ``codelm.model.LanguageModel``, as checks that any model must pass."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from codelm.model import Ids, LanguageModel, log_probs

Model = LanguageModel[Any]


def contexts(size: int, longest: int = 12) -> st.SearchStrategy[Ids]:
    """Words of a context: any ids but [PAD]."""
    return st.lists(st.integers(1, size - 1), max_size=longest).map(lambda ids: np.array(ids, np.int64))


def row_of(model: Model, state: object, size: int) -> np.ndarray:
    return np.exp(log_probs(model, state, 1, size)[0].astype(np.float64))


def rows_normalise(model: Model, size: int, context: Ids, tolerance: float, seen: set[int] | None = None) -> None:
    """``seen``: the words that a cache holds, which alone have a probability; None: all words have one."""
    row = row_of(model, model.read(model.start(), context), size)
    possible = np.isin(np.arange(size), list(range(1, size) if seen is None else seen))
    assert not np.isnan(row).any()
    assert (row[~possible] == 0).all()
    assert (row[possible] > 0).all()
    assert abs(row.sum() - 1) < tolerance


def reading_is_stepwise(model: Model, size: int, first: Ids, second: Ids, tolerance: float) -> None:
    whole = model.read(model.start(), np.concatenate([first, second]))
    pieces = model.read(model.read(model.start(), first), second)
    stepped = model.start()
    for word in np.concatenate([first, second]):
        stepped = model.step(stepped, np.zeros(1, np.int64), np.array([word]))
    expected = row_of(model, whole, size)
    np.testing.assert_allclose(row_of(model, pieces, size), expected, atol=tolerance)
    np.testing.assert_allclose(row_of(model, stepped, size), expected, atol=tolerance)


def rows_are_independent(model: Model, size: int, context: Ids, words: Ids, tolerance: float) -> None:
    """A batch of rows, in any order, with any repeated, answers as each row alone does."""
    start = model.read(model.start(), context)
    every = np.zeros(len(words), np.int64)
    batch = model.step(start, every, words)
    together = log_probs(model, batch, len(words), size)
    for place, word in enumerate(words):
        alone = log_probs(model, model.step(start, np.zeros(1, np.int64), np.array([word])), 1, size)[0]
        np.testing.assert_allclose(together[place], alone, atol=tolerance)
    # One candidate a row, as an evaluation asks for it, may take another way to the same answer.
    np.testing.assert_allclose(
        model.score(batch, words[:, None])[:, 0], together[np.arange(len(words)), words], atol=tolerance
    )
    turned = np.arange(len(words))[::-1].copy()
    again = model.step(batch, turned, words[turned])
    np.testing.assert_allclose(
        log_probs(model, again, len(words), size),
        log_probs(model, model.step(batch, turned[::-1].copy(), words), len(words), size)[::-1],
        atol=tolerance,
    )


def states_never_change(model: Model, size: int, context: Ids, word: int) -> None:
    state = model.read(model.start(), context)
    before = row_of(model, state, size)
    model.step(state, np.zeros(3, np.int64), np.array([word, word, 1]))
    model.read(state, np.array([word, word]))
    model.propose(state, 5)
    model.score(state, np.array([[word]]))
    np.testing.assert_array_equal(row_of(model, state, size), before)


def proposals_agree_with_scores(model: Model, size: int, context: Ids, k: int, allowed: Ids | None) -> None:
    state = model.read(model.start(), context)
    scores = log_probs(model, state, 1, size)[0]
    proposed = model.propose(state, k, allowed)[0]
    assert proposed.shape == (k,)
    listed = proposed[proposed >= 0]
    candidates = np.arange(size) if allowed is None else allowed
    candidates = candidates[scores[candidates] > -np.inf]  # not [PAD], and in a cache only what it has seen
    assert len(listed) == min(k, len(candidates))
    assert (proposed[len(listed) :] == -1).all()
    assert len(set(listed.tolist())) == len(listed)
    assert np.isin(listed, candidates).all()
    best = np.sort(scores[candidates])[::-1][: len(listed)]
    np.testing.assert_allclose(scores[listed], best, atol=1e-5)


def an_empty_cache_says_nothing(model: Any, size: int) -> None:
    """A cache of file or workspace that has learned nothing matches nothing, proposes nothing and has no favourites."""
    state = model.read(model.start(), np.array([3, 4]))
    assert model.match_lengths(state).tolist() == [-1]
    assert model.propose(state, 3).tolist() == [[-1, -1, -1]]
    np.testing.assert_allclose(np.exp(log_probs(model, state, 1, size)[0, 1:]), 1 / (size - 1), rtol=1e-6)
    assert not model.experts(state, 3).any()
    assert not model.counts_from(0).any()
