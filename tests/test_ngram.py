"""What is particular to n-gram models; the laws of all models are in test_model.py."""

import models
import numpy as np
import pytest

from codelm.model import log_probs
from codelm.ngram import Level, NGram
from codelm.vocabulary import EOS, PAD, UNK

ROOT = np.zeros(1, np.int64)


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
