"""The laws of all models, kept by what an open file teaches: by its words, and by its form."""

import laws
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import CONTEXTS, SEEDS, SIZE, WORDS, file_model, form_model

MODELS = pytest.mark.parametrize("model_of", [file_model, form_model])


@MODELS
@given(above=WORDS, below=WORDS, context=CONTEXTS, seed=SEEDS)
def test_rows_normalise_and_only_the_files_words_have_a_probability(model_of, above, below, context, seed):
    seen = {*above, *below} or set(range(1, SIZE))
    laws.rows_normalise(model_of(above, below, seed), SIZE, context, 1e-5, seen)


@MODELS
@given(above=WORDS, below=WORDS, first=laws.contexts(SIZE, 20), second=CONTEXTS)
def test_reading_in_pieces_equals_reading_at_once(model_of, above, below, first, second):
    laws.reading_is_stepwise(model_of(above, below), SIZE, first, second, tolerance=0)


@MODELS
@given(above=WORDS, below=WORDS, context=CONTEXTS, words=st.lists(st.integers(1, SIZE - 1), min_size=1))
def test_rows_are_independent(model_of, above, below, context, words):
    laws.rows_are_independent(model_of(above, below), SIZE, context, np.array(words), tolerance=0)


@MODELS
@given(above=WORDS, below=WORDS, context=CONTEXTS, word=st.integers(1, SIZE - 1))
def test_no_call_changes_a_state(model_of, above, below, context, word):
    laws.states_never_change(model_of(above, below), SIZE, context, word)


@MODELS
@given(
    above=WORDS.filter(bool), below=WORDS, context=CONTEXTS, k=st.integers(1, SIZE + 3),
    allowed=st.none() | st.sets(st.integers(0, SIZE - 1)).map(lambda ids: np.array(sorted(ids), np.int64)),
)  # fmt: skip
def test_proposals_agree_with_scores(model_of, above, below, context, k, allowed):
    laws.proposals_agree_with_scores(model_of(above, below), SIZE, context, k, allowed)
