"""Every model keeps the laws of the protocol."""

import laws
import models
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SIZE = 300
# name, model, and how far the sum of a row may be from one
MODELS = {
    "order 1": models.ngram(1, SIZE),
    "order 2": models.ngram(2, SIZE),
    "order 5": models.ngram(5, SIZE),
    "order 5, pruned": models.ngram(5, SIZE, pruned=True),
    "order 5, pruned, quantised": models.ngram(5, SIZE, pruned=True, quantised=True),
    "order 3, quantised": models.ngram(3, SIZE, quantised=True),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
any_word = st.integers(1, SIZE - 1)
few_examples = settings(max_examples=30, deadline=None)


def likely_contexts() -> st.SearchStrategy[np.ndarray]:
    """Pieces of the training data, which long contexts know, or anything."""
    ids, _ = models.encoded(SIZE)
    pieces = st.integers(0, len(ids) - 12).map(lambda at: ids[at : at + 12])
    return pieces | laws.contexts(SIZE)


@each_model
@few_examples
@given(context=likely_contexts())
def test_rows_normalise_and_have_no_zero(model, context):
    laws.rows_normalise(model, SIZE, context, tolerance=1e-5)


@each_model
@few_examples
@given(first=likely_contexts(), second=likely_contexts())
def test_reading_in_pieces_equals_reading_at_once(model, first, second):
    laws.reading_is_stepwise(model, SIZE, first, second, tolerance=1e-7)


@each_model
@few_examples
@given(context=likely_contexts(), words=st.lists(any_word, min_size=1, max_size=5) | st.lists(any_word, min_size=30))
def test_rows_are_independent(model, context, words):
    laws.rows_are_independent(model, SIZE, context, np.array(words), tolerance=1e-6)


@each_model
@few_examples
@given(context=likely_contexts(), word=any_word)
def test_no_call_changes_a_state(model, context, word):
    laws.states_never_change(model, SIZE, context, word)


@each_model
@few_examples
@given(
    context=likely_contexts(),
    k=st.integers(1, SIZE + 5),
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)
def test_proposals_agree_with_scores(model, context, k, allowed):
    laws.proposals_agree_with_scores(model, SIZE, context, k, allowed)
