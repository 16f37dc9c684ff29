"""How states are kept is fitted to a network: its main directions, and centres near which its states are."""

from dataclasses import replace
from pathlib import Path

import models
import networks
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.checkpoint import Checkpoint
from codelm.mixture import Trained
from codelm.neural.table import unit
from codelm.weights import NEURAL_WORKSPACE, SIGNALS, Weights, unfitted
from codelm_train.corpus import Sequences, Split
from codelm_train.mix import fit_weights
from codelm_train.replay import moments, projects
from codelm_train.states import centres, directions, fit_states

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=20)
@given(seed=SEEDS, dimensions=st.integers(1, 6))
def test_the_directions_keep_what_differs_most(seed, dimensions):
    rng = np.random.default_rng(seed)
    scales = np.array([9, 8, 7, 6, 5, 4, 0.1, 0.1, 0.1, 0.1])
    turn, _ = np.linalg.qr(rng.normal(size=(10, 10)))
    vectors = (rng.normal(size=(500, 10)) * scales @ turn.T).astype(np.float32)
    basis = directions(vectors, dimensions)
    np.testing.assert_allclose(basis.T @ basis, np.eye(dimensions), atol=1e-5)
    most = np.sort(np.linalg.eigvalsh(vectors.T.astype(np.float64) @ vectors))[-dimensions:].sum()
    assert np.isclose(np.square(vectors @ basis).sum(), most, rtol=1e-3)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_vectors_of_a_few_kinds_have_a_centre_each(seed):
    rng = np.random.default_rng(seed)
    kinds = np.eye(8, dtype=np.float32)[:4]
    vectors = unit(kinds[rng.integers(0, 4, 400)] + rng.normal(size=(400, 8)).astype(np.float32) * 0.02)
    found = centres(vectors, 40, seed)  # so many that each kind has one
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (vectors @ found.T).max(axis=1).min() > 0.97


VOCABULARY = models.vocabulary(networks.SIZE)
LEXICON = (*VOCABULARY.words, "frobnicate")
NETWORK = networks.opened("lstm, tied", "onnx, int8")


def split_of(*projects: str, words: int = 60) -> Split:
    """A split with a file of random words for each time that a project is named."""
    rng = np.random.default_rng(len(projects))
    files = [rng.integers(3, len(LEXICON), words).astype(np.uint32) for _ in projects]
    return Sequences(files, projects, [str(number) for number in range(len(projects))]).joined()


def test_what_is_fitted_has_the_wanted_sizes_and_lists_that_are_used():
    made = fit_states(NETWORK, VOCABULARY, LEXICON, split_of("a", "b", "b"), dimensions=5, lists=7)
    assert (made.width, made.dimensions, len(made.centres)) == (NETWORK.shape.width, 5, 7)
    vectors = NETWORK.read_along(NETWORK.start(), np.arange(3, 200)[:, None])[1][:, 0]
    assert len(set(made.lists(made.reduced(vectors)).tolist())) > 1


def test_there_are_no_more_lists_than_states():
    made = fit_states(NETWORK, VOCABULARY, LEXICON, split_of("a", words=4), dimensions=5)
    assert len(made.centres) == 4


def test_moments_recall_the_states_of_the_rest_of_the_project():
    split = split_of("a", "b", "b", "b")
    states = fit_states(NETWORK, VOCABULARY, LEXICON, split, dimensions=6, lists=5)
    trained, weights = Trained(len(VOCABULARY), network=NETWORK), replace(unfitted(), states=states)
    alone, several = projects(split, LEXICON, VOCABULARY)
    for moment in moments(alone, split, trained, weights, every=20):
        assert NEURAL_WORKSPACE not in moment.mixture.parts
    for which, expected in (("others", {0, 1, 2}), ("earlier", {1, 2}), ("none", set())):
        found = list(moments(several, split, trained, weights, workspace=which, every=30))
        having = [moment for moment in found if NEURAL_WORKSPACE in moment.mixture.parts]
        assert {(moment.place - 60) // 60 for moment in having} == expected
        for moment in having:
            file = (moment.place - 60) // 60
            others = [
                ids for number, ids in enumerate(several.ids) if number < file or (which == "others" and number != file)
            ]
            proposed = moment.mixture.caches.neural_workspace.propose(moment.state.parts[NEURAL_WORKSPACE], 10)
            assert set(proposed[proposed >= 0].tolist()) <= set(np.concatenate(others).tolist())


def test_fitted_weights_know_of_them_and_those_without_a_network_do_not():
    split = split_of("a", "a", "b", "b")
    network = Checkpoint(Path("nowhere"), "test", "code", VOCABULARY, Trained(len(VOCABULARY), network=NETWORK), {})
    weights = fit_weights(network, LEXICON, split)
    assert weights.states is not None
    assert Weights.from_json(weights.as_json()).gate.shares.keys() == SIGNALS.keys()
    ngram = replace(network, trained=Trained(len(VOCABULARY), models.ngram(2, networks.SIZE)))
    without = Weights.from_json(fit_weights(ngram, LEXICON, split).as_json())
    assert without.states is None
    assert without.gate.shares.keys() == SIGNALS.keys() - {NEURAL_WORKSPACE}
