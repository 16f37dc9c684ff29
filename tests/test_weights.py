"""The weights of a mixture: what they may be, and how a checkpoint keeps them."""

import json
from pathlib import Path

import laws
import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.checkpoint import load, save
from codelm.errors import CheckpointError
from codelm.file_cache import FileModel
from codelm.file_words import FileWords
from codelm.form_cache import FormModel
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, Gate
from codelm.weights import CACHES, FILE, FORM, NEURAL, SIGNALS, WORKSPACE, Weights, normalised, unfitted, valid
from codelm.workspace_cache import WorkspaceCache

SEEDS = st.integers(0, 2**32 - 1)


def assert_possible(weights: Weights, tolerance: float = 1e-9) -> None:
    """Assert that every row is a distribution over what its mask allows."""
    for name, mask in valid().items():
        table = weights.caches[name]
        assert table.shape == mask.shape
        assert (table >= 0).all()
        assert (table[mask == 0] == 0).all()
        np.testing.assert_allclose(table.sum(-1), 1, atol=tolerance)
    assert 0 <= weights.seen_again < 1


# --- masks ---------------------------------------------------------------------------------------------------


def test_every_row_may_say_something():
    assert tuple(valid()) == tuple(CACHES)
    for mask in valid().values():
        assert (mask.sum(-1) > 0).all()
        assert set(np.unique(mask)) == {0, 1}


@given(
    above=st.lists(st.integers(1, 6), max_size=40),
    below=st.lists(st.integers(1, 6), max_size=20),
    back=st.integers(0, 20),
    more=laws.contexts(9, 2),
)
def test_an_expert_that_has_something_to_say_may_have_a_weight(above, below, back, more):
    words = FileWords()
    words.learn(np.array(above, np.int64))
    words.learn_below(np.array(below, np.int64))
    weights, masks = unfitted().caches, valid()
    forms = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3], np.int16)
    caches = {
        "file": FileModel(words.snapshot(), 9, weights["file"]),
        "form": FormModel(words.snapshot(), 9, weights["form"], forms),
        "workspace": WorkspaceCache([np.array(above, np.int64)]).model(9, weights["workspace"]),
    }
    context = np.concatenate([np.array(above[:back], np.int64), more])
    for name, cache in caches.items():
        state = cache.read(cache.start(), context)
        length = int(cache.match_lengths(state)[0])
        said = np.stack([cache.experts(state, word) for word in range(9)])
        if length < 0:
            assert not said.any()
            continue
        # What the mask allows says of all words together that one of them comes; the rest says nothing.
        np.testing.assert_allclose(said.sum(0), masks[name][length], atol=1e-9)


def unfitted_share(part: str, lengths: dict[str, int]) -> float:
    """How much of the probability a part has before anything was fitted, by the lengths of the matches."""
    parts = tuple(SIGNALS)
    signals = {name: np.zeros((1, count)) for name, count in {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}.items()}
    for name, length in lengths.items():
        signals[name][0, length] = 1
    return float(unfitted().gate.over(parts)(list(signals.values()))[0, parts.index(part)])


@pytest.mark.parametrize("part", [FILE, WORKSPACE])
def test_unfitted_weights_are_possible_and_a_longer_match_counts_more(part):
    assert_possible(unfitted())
    shares = [unfitted_share(part, {part: length}) for length in range(CACHES[part][0] + 1)]
    assert (np.diff(shares) > 0).all()
    for other in set(SIGNALS) - {part}:
        taken = [unfitted_share(other, {part: length}) for length in range(CACHES[part][0] + 1)]
        assert (np.diff(taken) < 0).all()
    assert unfitted_share(FORM, {FORM: 9}) == unfitted_share(FORM, {FORM: 0})
    assert unfitted_share(NEURAL, {}) == pytest.approx(unfitted_share(FORM, {}))


def test_what_a_mask_forbids_goes_to_the_others():
    found = normalised(np.array([[1.0, 1.0, 2.0]]), np.array([[1.0, 0.0, 1.0]]))
    np.testing.assert_allclose(found, [[1 / 3, 0, 2 / 3]])


# --- as JSON -------------------------------------------------------------------------------------------------


def assert_same_gate(gate: Gate, other: Gate) -> None:
    for found, expected in ((gate.inputs, other.inputs), (gate.outputs, other.outputs), (gate.shares, other.shares)):
        assert found.keys() == expected.keys()
        for name, numbers in expected.items():
            np.testing.assert_allclose(found[name], numbers, atol=1e-4)
    np.testing.assert_allclose(gate.bias, other.bias, atol=1e-4)


def as_json(weights: Weights) -> dict:
    return json.loads(json.dumps(weights.as_json()))


@given(seed=SEEDS)
def test_they_survive_json(seed):
    weights = models.random_weights(seed)
    again = Weights.from_json(as_json(weights))
    assert_possible(again)
    assert_same_gate(again.gate, weights.gate)
    for name in CACHES:
        np.testing.assert_allclose(again.caches[name], weights.caches[name], atol=1e-4)
    assert again.seen_again == pytest.approx(weights.seen_again, abs=1e-5)


def test_what_a_mask_forbids_is_not_believed():
    raw = as_json(unfitted())
    raw["file"][0] = [1 / len(raw["file"][0])] * len(raw["file"][0])
    raw["seen_again"] = 0
    weights = Weights.from_json(raw)
    assert_possible(weights)
    assert weights.seen_again == 0.0


TABLES = tuple(CACHES)


def without_row(table):
    del table[-1]


def without_number(table):
    del table[-1][-1]


def with_number(number):
    def spoil(table):
        table[-1][-1] = number

    return spoil


def with_row_of_zeros(table):
    table[-1][:] = [0] * len(table[-1])


def with_negative_number(table):
    row = table[-1]
    row[0], row[1] = row[0] + row[1] + 1, -1


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (without_row, "has the shape"),
        (without_number, "is no table of numbers"),
        (with_number("much"), "is no table of numbers"),
        (with_number([0.5]), "is no table of numbers"),
        (with_number({}), "is no table of numbers"),
        (with_number(7), "is no distribution"),
        (with_number(float("nan")), "is no distribution"),
        (with_number(float("inf")), "is no distribution"),
        (with_number(None), "is no distribution"),
        (with_negative_number, "is no distribution"),
        (with_row_of_zeros, "is no distribution"),
    ],
)
def test_a_table_that_is_none_is_named(name, spoil, problem):
    raw = as_json(unfitted())
    spoil(raw[name])
    with pytest.raises(ValueError, match=problem) as caught:
        Weights.from_json(raw)
    assert f"'{name}'" in str(caught.value)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("value", [None, 1, "table", [], {}, [[]], True, 10**400], ids=lambda value: repr(value)[:9])
def test_something_else_in_the_place_of_a_table_is_named(name, value):
    raw = {**as_json(unfitted()), name: value}
    with pytest.raises(ValueError, match=f"'{name}'"):
        Weights.from_json(raw)


@pytest.mark.parametrize("name", [*TABLES, "gate", "seen_again"])
def test_what_is_missing_is_named(name):
    raw = as_json(unfitted())
    del raw[name]
    with pytest.raises(ValueError, match=f"'{name}'"):
        Weights.from_json(raw)


@pytest.mark.parametrize("value", [None, "0.5", [0.5], -0.1, 1, 1.5, float("nan"), float("inf"), True])
def test_a_share_that_is_none_is_named(value):
    with pytest.raises(ValueError, match="'seen_again' is no number from 0 to below 1"):
        Weights.from_json({**as_json(unfitted()), "seen_again": value})


@pytest.mark.parametrize("name", CACHES)
def test_a_row_of_nothing_but_what_its_mask_forbids_is_no_distribution(name):
    raw = as_json(unfitted())
    raw[name][0] = normalised(np.ones(len(raw[name][0])), 1 - valid()[name][0]).tolist()
    with pytest.raises(ValueError, match=f"a row of '{name}' is no distribution"):
        Weights.from_json(raw)


# --- in a checkpoint -----------------------------------------------------------------------------------------


def saved(folder: Path, weights: Weights | None) -> Path:
    save(
        folder, models.ngram(2, 50), models.vocabulary(50),
        name="small", stream="code", facts={}, weights=weights,
    )  # fmt: skip
    return folder


def test_a_checkpoint_keeps_its_weights(tmp_path):
    weights = models.random_weights(7)
    loaded = load(saved(tmp_path / "m", weights))
    assert loaded.weights is not None
    assert_possible(loaded.weights)
    assert_same_gate(loaded.weights.gate, weights.gate)
    assert "mixture" not in loaded.facts


def test_a_model_that_was_not_mixed_has_none(tmp_path):
    assert load(saved(tmp_path / "m", None)).weights is None


@pytest.mark.parametrize(
    ("mixture", "problem"),
    [
        (None, "'mixture' is missing or of the wrong type"),
        ([], "'mixture' is missing or of the wrong type"),
        ({}, "'mixture': 'file'"),
        ({**unfitted().as_json(), "form": "many"}, "'mixture': 'form' is no table of numbers"),
        ({**unfitted().as_json(), "seen_again": 1}, "'mixture': 'seen_again' is no number"),
        ({**unfitted().as_json(), "gate": 1}, "'mixture': 'gate' is no gate"),
    ],
)
def test_a_broken_mixture_is_an_error_that_names_the_manifest(tmp_path, mixture, problem):
    manifest = saved(tmp_path / "m", unfitted()) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "mixture": mixture}))
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "m")
    assert problem in str(caught.value)
    assert str(manifest) in str(caught.value)
