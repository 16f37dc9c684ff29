"""The gate of a mixture: how its parts share the probability by what each knows of a context."""

import json
from typing import Any

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.gate import CONTEXT, CONTEXT_SIGNALS, KINDS_OF_WORDS, LOOKED_AT, Gate, context_signals, one_hot
from codelm.weights import BASE, NETWORK, SIGNALS
from codelm.words import COMMON_FORMS

SEEDS = st.integers(0, 2**32 - 1)
# Some of the parts, in their order, at least one.
SOME_PARTS = st.sets(st.sampled_from(list(SIGNALS)), min_size=1).map(
    lambda names: tuple(name for name in SIGNALS if name in names)
)


def gate(seed: int = 0, hidden: int = 3) -> Gate:
    return models.random_gate(np.random.default_rng(seed), hidden)


def random_signals(seed: int, parts: tuple[str, ...], rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(rows, {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}[name])) for name in (CONTEXT, *parts)}


# --- what it says --------------------------------------------------------------------------------------------


@given(seed=SEEDS, parts=SOME_PARTS, rows=st.integers(0, 5), hidden=st.integers(0, 4))
def test_the_shares_are_those_of_its_formula_and_sum_to_one(seed, parts, rows, hidden):
    made, signals = gate(seed, hidden), random_signals(seed, parts, rows)
    shares = made.over(parts)(list(signals.values()))
    assert shares.shape == (rows, len(parts))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for row in range(rows):
        units = np.tanh(made.bias + sum(given[row] @ made.inputs[name] for name, given in signals.items()))
        said = np.array([np.exp(made.shares[name] + units @ made.outputs[name]) for name in parts])
        np.testing.assert_allclose(shares[row], said / said.sum())


@given(seed=SEEDS, parts=SOME_PARTS)
def test_a_part_that_is_not_there_is_neither_heard_nor_given_a_share(seed, parts):
    """What it is given without some parts is what it is given when they say nothing and get what they get."""
    made, every = gate(seed), tuple(SIGNALS)
    signals = random_signals(seed, every, 4)
    without = {name: given if name in (CONTEXT, *parts) else np.zeros_like(given) for name, given in signals.items()}
    among_all = made.over(every)(list(without.values()))[:, [every.index(name) for name in parts]]
    found = made.over(parts)([signals[name] for name in (CONTEXT, *parts)])
    np.testing.assert_allclose(found, among_all / among_all.sum(axis=1, keepdims=True))


def test_a_part_that_is_alone_has_all():
    signals = random_signals(1, (NETWORK,), 3)
    np.testing.assert_array_equal(gate().over([NETWORK])(list(signals.values())), np.ones((3, 1)))


def test_shares_are_numbers_however_sure_the_gate_is():
    sure = models.always(BASE)
    signals = random_signals(1, tuple(SIGNALS), 2)
    shares = sure.over(list(SIGNALS))(list(signals.values()))
    np.testing.assert_array_equal(shares, [[1, *[0] * (len(SIGNALS) - 1)]] * 2)


# --- signals -------------------------------------------------------------------------------------------------


@given(lengths=st.lists(st.integers(0, 9), max_size=5), count=st.integers(1, 7))
def test_numbers_become_rows_of_zeros_with_a_one(lengths, count):
    rows = one_hot(np.array(lengths, np.int64), count)
    assert rows.shape == (len(lengths), count)
    expected = [[float(place == min(length, count - 1)) for place in range(count)] for length in lengths]
    assert rows.tolist() == expected


def test_a_context_is_the_kinds_of_its_last_words_the_rare_ones_as_one():
    rare, other = len(COMMON_FORMS), len(COMMON_FORMS) + 70
    signals = context_signals(np.array([[0, 2], [rare, 1], [other, 1]], np.int16))
    assert signals.shape == (3, LOOKED_AT * KINDS_OF_WORDS)
    assert [np.flatnonzero(row).tolist() for row in signals] == [
        [0, KINDS_OF_WORDS + 2],
        [rare, KINDS_OF_WORDS + 1],
        [rare, KINDS_OF_WORDS + 1],
    ]
    assert set(signals.ravel()) == {0.0, 1.0}


# --- as JSON -------------------------------------------------------------------------------------------------


def as_json(made: Gate) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(made.as_json()))
    return found


@given(seed=SEEDS, hidden=st.integers(1, 5))
def test_a_gate_survives_json(seed, hidden):
    made = gate(seed, hidden)
    again = Gate.from_json(as_json(made), SIGNALS)
    signals = list(random_signals(seed, tuple(SIGNALS), 3).values())
    np.testing.assert_allclose(again.over(list(SIGNALS))(signals), made.over(list(SIGNALS))(signals), atol=0.02)
    assert as_json(again) == as_json(made)


@pytest.mark.parametrize("raw", [None, 1, "gate", [], {}, {"bias": 1}, {"bias": {}}])
def test_what_is_no_gate_is_refused(raw):
    with pytest.raises(ValueError, match="'gate' is no gate"):
        Gate.from_json(raw, SIGNALS)


@pytest.mark.parametrize("name", ["inputs", "outputs", "shares"])
@pytest.mark.parametrize("spoil", ["missing", "no mapping", "a part is missing", "a part too many"])
def test_tables_of_other_parts_are_refused_by_name(name, spoil):
    raw = as_json(gate())
    if spoil == "missing":
        del raw[name]
    elif spoil == "no mapping":
        raw[name] = [1, 2]
    elif spoil == "a part is missing":
        del raw[name]["form"]
    else:
        raw[name]["oracle"] = raw[name]["form"]
    with pytest.raises(ValueError, match=f"'gate.{name}' is not of the parts .*base, network, file"):
        Gate.from_json(raw, SIGNALS)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("much", "no table of numbers"),
        ({}, "no table of numbers"),
        ([[1, 2], [3]], "no table of numbers"),
        (10**400, "no table of numbers"),
        ([], "no table of "),
        ([[[0.5]]], "no table of "),
        (float("nan"), "no table of "),
        (float("inf"), "no table of "),
        (None, "no table of "),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("name", ["bias", "inputs.context", "inputs.file", "outputs.network", "shares.base"])
def test_numbers_that_are_none_are_refused_by_name(name, value, problem):
    raw = as_json(gate())
    first, _, part = name.partition(".")
    if part:
        raw[first][part] = value
    else:
        raw[first][0] = value
    with pytest.raises(ValueError, match=problem) as caught:
        Gate.from_json(raw, SIGNALS)
    assert f"'gate.{name}'" in str(caught.value)


def test_how_large_a_table_should_be_is_told():
    raw = as_json(gate(hidden=3))
    del raw["inputs"]["base"][0]
    with pytest.raises(ValueError, match=r"'gate\.inputs\.base' is no table of 6 x 3 numbers"):
        Gate.from_json(raw, SIGNALS)
    raw = as_json(gate(hidden=3))
    raw["shares"]["base"] = [1.0]
    with pytest.raises(ValueError, match=r"'gate\.shares\.base' is no table of one numbers"):
        Gate.from_json(raw, SIGNALS)
