"""Two n-gram models as one: it is either of them where the other has no say, and shares as their counts do."""

import tempfile
from dataclasses import replace
from pathlib import Path

import laws
import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.model import Ids, log_probs
from codelm.ngram import NGram
from codelm.vocabulary import EOS, PAD, UNK
from codelm_train.count import count
from codelm_train.merge import Taught, merged
from codelm_train.prune import prune, quantise
from codelm_train.smoothing import estimate
from codelm_train.trie import to_model

IDS, STARTS = models.encoded()
SIZE = len(models.vocabulary())
HALF = len(STARTS) // 2
PARTS = (IDS[: STARTS[HALF]], STARTS[: HALF + 1]), (IDS[STARTS[HALF] :], STARTS[HALF:] - STARTS[HALF])


def trained(ids: Ids, starts: Ids, size: int, order: int, *, small: bool = False) -> NGram:
    """A model of sequences, pruned and rounded or not."""
    with tempfile.TemporaryDirectory() as folder:
        counted = count(ids, starts, size=size, order=order, folder=Path(folder))
        trie = estimate(counted, size, Path(folder))
        if small:
            return quantise(to_model(prune(trie, counted, max_bytes=20_000)))
        return to_model(replace(trie, levels=tuple(map(models.loaded, trie.levels))))


def taught(part: int, order: int = 3, *, small: bool = False) -> Taught:
    ids, starts = PARTS[part]
    counts = np.bincount(ids, minlength=SIZE).astype(float)
    counts[[PAD, EOS]] = len(starts) - 1
    return Taught(trained(ids, starts, SIZE, order, small=small), counts)


def row(model, *context: int) -> np.ndarray:
    return np.exp(log_probs(model, model.read(model.start(), np.array(context, np.int64)), 1, model.size)[0])


def some_contexts(part: int) -> list[list[int]]:
    ids = PARTS[part][0]
    return [ids[at : at + 4].tolist() for at in range(50, len(ids) - 4, 997)]


GENERAL, OWN = taught(0), taught(1)
MERGED = to_model(merged(GENERAL, OWN, 1.0))
ROUNDED = quantise(to_model(merged(taught(0, small=True), taught(1, small=True), 3.0)))


@given(laws.contexts(SIZE))
def test_rows_sum_to_one(context):
    laws.rows_normalise(MERGED, SIZE, context, 1e-4)


@given(laws.contexts(SIZE))
def test_rows_of_models_that_were_pruned_and_rounded_sum_to_one_too(context):
    laws.rows_normalise(ROUNDED, SIZE, context, 1e-4)


@pytest.mark.parametrize(("weight", "part"), [(0.0, 0), (1e12, 1)])
def test_where_both_know_a_context_a_weight_can_silence_either(weight, part):
    model, alone = to_model(merged(GENERAL, OWN, weight)), (GENERAL, OWN)[part].model
    for context in some_contexts(part):
        np.testing.assert_allclose(row(model, *context), row(alone, *context), rtol=1e-3, atol=1e-7)


def test_a_model_merged_with_itself_is_itself():
    model = to_model(merged(OWN, OWN, 5.0))
    assert [len(level.words) for level in model.levels] == [len(level.words) for level in OWN.model.levels]
    for context in some_contexts(1):
        np.testing.assert_allclose(row(model, *context), row(OWN.model, *context), rtol=1e-4, atol=1e-8)


@given(st.floats(0.1, 50))
def test_single_words_are_shared_by_the_texts_lengths(weight):
    model = to_model(merged(taught(0, 1), taught(1, 1), weight))
    texts = [taught(part, 1).counts.sum() - taught(part, 1).counts[PAD] for part in (0, 1)]
    share = weight * texts[1] / (weight * texts[1] + texts[0])
    expected = (1 - share) * row(taught(0, 1).model) + share * row(taught(1, 1).model)
    np.testing.assert_allclose(row(model), expected, rtol=1e-4)


def test_after_a_word_it_is_shared_by_how_often_both_have_seen_that_word():
    general, own, word = taught(0, 2), taught(1, 2), models.vocabulary().id("self")
    model = to_model(merged(general, own, 2.0))
    share = 2 * own.counts[word] / (2 * own.counts[word] + general.counts[word])
    assert 0.1 < share < 0.9
    expected = np.zeros(SIZE)
    for part, its_share in ((general, 1 - share), (own, share)):
        backoff = part.model.levels[0].backoff(int(np.searchsorted(part.model.levels[0].words, word)))
        of_the_word = row(part.model, word) - backoff * row(part.model, EOS)  # nothing follows [EOS]: no context
        expected += its_share * (of_the_word + backoff * row(model, EOS))
    np.testing.assert_allclose(row(model, word), expected, rtol=1e-3, atol=1e-7)


def test_contexts_that_only_one_has_seen_are_in_it():
    def match(model, context):
        return int(model.match_lengths(model.read(model.start(), np.array(context)))[0])

    (context, *_) = [context for context in some_contexts(1) if match(GENERAL.model, context) < 2]
    assert match(MERGED, context) == 2


def test_words_that_the_larger_one_lacks_are_taught_by_the_other_alone():
    known, own = 60, taught(1, 2)
    ids, starts = PARTS[0]
    fewer = np.where(ids < known, ids, UNK)
    general = Taught(trained(fewer, starts, known, 2), np.bincount(fewer, minlength=SIZE).astype(float))
    model = to_model(merged(general, own, 1.0))
    assert model.size == SIZE
    laws.rows_normalise(model, SIZE, PARTS[1][0][:3], 1e-4)
    word = next(int(word) for word in PARTS[1][0] if word >= known and np.sum(PARTS[1][0] == word) > 5)
    backoff = own.model.levels[0].backoff(int(np.searchsorted(own.model.levels[0].words, word)))
    of_the_word = row(own.model, word) - backoff * row(own.model, EOS)
    np.testing.assert_allclose(row(model, word), of_the_word + backoff * row(model, EOS), rtol=1e-3, atol=1e-7)
