"""The arrays of an n-gram model: places kept in halves, and what is ready for wide contexts."""

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.best_lists import LISTED, WIDE
from codelm.ngram import NGram
from codelm.trie import Level, carries_of, halved, paths


def level(first: np.ndarray) -> Level:
    return Level(np.zeros(len(first) - 1, np.uint16), np.zeros(0), first=first, carries=carries_of(first))


@given(st.lists(st.sampled_from([0, 1, 7, 60_000, 65_535]), min_size=1, max_size=30))
def test_places_kept_in_halves_come_back(lengths):
    first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)
    kept = halved(first)
    assert kept.dtype == np.uint16
    halves, whole = level(kept), level(first)
    np.testing.assert_array_equal(halves.every_span(), first)
    nodes = np.arange(len(lengths))
    for ours, theirs in zip(halves.spans(nodes), whole.spans(nodes), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for node in range(len(lengths)):
        assert halves.span(node) == whole.span(node) == (first[node], first[node + 1])


def test_places_that_halves_cannot_tell_apart_stay_whole():
    first = np.array([0, 3, 3 + 65_536], np.uint32)
    assert halved(first).dtype == np.uint32
    np.testing.assert_array_equal(level(halved(first)).every_span(), first)


def test_paths_are_the_words_that_lead_to_a_node():
    model = models.ngram(4)
    for depth in (1, 2, 3):
        nodes = np.arange(0, len(model.levels[depth - 1].words), 7)
        for node, words in zip(nodes, paths(model.levels, depth, nodes), strict=True):
            assert model.read(model.start(), words).nodes[0, depth] == node


@pytest.mark.parametrize("quantised", [True, False])
def test_lists_hold_the_best_of_every_wide_context(quantised):
    model = models.ngram(3, quantised=quantised)
    widths = np.diff(model.levels[0].every_span())
    best = model.lists[0]
    np.testing.assert_array_equal(best.contexts, np.flatnonzero(widths > WIDE))
    assert best.ids.shape == (len(best.contexts), LISTED)
    assert (best.scales is not None) == quantised
    every = np.arange(model.size)[None]
    for place, node in enumerate(best.contexts):
        # What the node's word alone says: of a model of order 2.
        bigrams = NGram([model.levels[0], model.levels[1]], model.size, model.root_backoff, [])
        state = bigrams.read(bigrams.start(), model.levels[0].words[[node]].astype(np.int64))
        row = np.exp(NGram(model.levels[:2], model.size, model.root_backoff).score(state, every)[0])
        np.testing.assert_allclose(row[best.ids[place]], np.sort(row)[::-1][:LISTED], rtol=1e-5)
        np.testing.assert_allclose(best.rests[place], np.sort(row)[::-1][LISTED], rtol=1e-5)
