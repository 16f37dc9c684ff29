"""Fitting a gate: its gradients, and that it finds out which part to trust where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.gate import CONTEXT, CONTEXT_SIGNALS
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL, SIGNALS, WORKSPACE
from codelm_train import gate as fitting
from codelm_train.gate import Said, fit_gate, shares

PARTS = tuple(SIGNALS)


def nothing_said(count: int) -> Said:
    """N words of which no part knows or says anything."""
    return Said(
        {name: np.zeros((count, size)) for name, size in {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}.items()},
        {name: np.zeros(count) for name in PARTS},
        {name: np.zeros(count, bool) for name in PARTS},
    )


def by_turns(count: int, *, with_network: bool = True) -> tuple[Said, np.ndarray]:
    """Words that now one part, now another is right about, and which (N,): the first signal of the file tells."""
    rng = np.random.default_rng(1)
    said, chosen = nothing_said(count), rng.integers(0, 2, count)
    parts = (NETWORK if with_network else BASE, FILE)
    for place, name in enumerate(parts):
        said.there[name][:] = True
        said.probabilities[name][:] = np.where(chosen == place, 0.9, 0.001)
    said.signals[FILE][:, 0] = chosen
    if with_network:
        said.there[BASE][:] = True
        said.probabilities[BASE][:] = 0.05
    return said, chosen


def likelihood(given: Said, found: np.ndarray) -> float:
    return float(np.log((found * np.stack([given.probabilities[name] for name in PARTS], axis=1)).sum(1)).mean())


# --- gradients -----------------------------------------------------------------------------------------------


def loss(weights: list[np.ndarray], x: np.ndarray, given: np.ndarray, there: np.ndarray) -> float:
    """By the formula in ``codelm.gate``, a word at a time."""
    first, bias, second, lasting = weights
    total = 0.0
    for signals, row, is_there in zip(x, given, there, strict=True):
        said = np.exp(lasting + np.tanh(bias + signals @ first) @ second) * is_there
        probability = (said / said.sum()) @ row
        total -= np.log(probability) if probability >= 1e-9 else 0.0
    return total / len(x)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_gradients_are_what_differences_say(seed):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in ((4, 3), (3,), (3, 5), (5,))]
    x, given = rng.normal(size=(6, 4)), rng.uniform(0.01, 1, (6, 5)) * (rng.random((6, 5)) < 0.8)
    there = rng.random((6, 5)) < 0.7
    there[:, 0] = True
    given = given * there
    given[0] = 0  # nobody has foreseen it: it teaches nothing
    gradients = fitting._gradients(weights, x, given, there)
    for weight, gradient in zip(weights, gradients, strict=True):
        for place in np.ndindex(weight.shape):
            kept, sides = weight[place], []
            for step in (1e-5, -1e-5):
                weight[place] = kept + step
                sides.append(loss(weights, x, given, there))
            weight[place] = kept
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-6)


# --- what is fitted ------------------------------------------------------------------------------------------


def test_it_finds_out_from_the_signals_which_part_is_right():
    given, chosen = by_turns(4000)
    found = shares(fit_gate(given), given)
    np.testing.assert_allclose(found.sum(1), 1)
    network, file = PARTS.index(NETWORK), PARTS.index(FILE)
    assert found[chosen == 0, network].min() > 0.9
    assert found[chosen == 1, file].min() > 0.9
    assert likelihood(given, found) > np.log(0.8)


def test_signals_that_tell_nothing_leave_constant_shares():
    """Of 0.9 and 0.001, now one and now the other, a half each is the best that one can do."""
    given, _ = by_turns(4000)
    given.signals[FILE][:] = 0
    given.there[BASE][:] = False
    found = shares(fit_gate(given), given)
    assert np.ptp(found, axis=0).max() < 1e-9
    assert found[0, PARTS.index(NETWORK)] == pytest.approx(0.5, abs=0.05)
    assert found[0, PARTS.index(FILE)] == pytest.approx(0.5, abs=0.05)


def test_without_the_network_the_others_share_well():
    """It serves before the network has answered, though it was fitted to words of which the network said something."""
    given, chosen = by_turns(4000)
    rng = np.random.default_rng(2)
    given.there[FORM][:] = True
    given.probabilities[FORM][:] = np.where(rng.random(4000) < 0.5, 0.2, 1e-6)
    made = fit_gate(given)
    without = Said(given.signals, given.probabilities, {**given.there, NETWORK: np.zeros(4000, bool)})
    found = shares(made, without)
    assert not found[:, PARTS.index(NETWORK)].any()
    assert found[chosen == 1, PARTS.index(FILE)].min() > 0.8
    assert found[chosen == 0, PARTS.index(FILE)].max() < 0.2
    assert likelihood(given, found) > np.log(0.05) / 2 + np.log(0.7) / 2


@pytest.mark.parametrize("with_ngram", [True, False])
def test_the_network_is_left_out_now_and_then_where_an_n_gram_model_can_answer(with_ngram, monkeypatch):
    given, _ = by_turns(2000)
    given.there[BASE][:] = with_ngram
    left_out, gradients = [], fitting._gradients

    def counting(weights, x, given, there):
        left_out.append(1 - there[:, PARTS.index(NETWORK)].mean())
        return gradients(weights, x, given, there)

    monkeypatch.setattr(fitting, "_gradients", counting)
    fit_gate(given)
    assert np.mean(left_out) == pytest.approx(0.25 if with_ngram else 0, abs=0.02)


def test_without_any_network_it_is_fitted_as_well():
    given, chosen = by_turns(4000, with_network=False)
    found = shares(fit_gate(given), given)
    assert found[chosen == 0, PARTS.index(BASE)].min() > 0.9
    assert found[chosen == 1, PARTS.index(FILE)].min() > 0.9


def test_a_part_that_was_not_there_has_no_share():
    given, _ = by_turns(1000)
    given.there[FILE][::2] = False
    found = shares(fit_gate(given, epochs=2), given)
    assert not found[::2, PARTS.index(FILE)].any()
    assert (found[1::2, PARTS.index(FILE)] > 0).all()
    for name in (FORM, WORKSPACE, NEURAL):
        assert not found[:, PARTS.index(name)].any()


def test_shares_are_those_of_the_gate_that_serves():
    given, _ = by_turns(50)
    made = fit_gate(given, epochs=1, hidden=5)
    parts = (BASE, NETWORK, FILE)
    served = made.over(parts)([given.signals[name] for name in (CONTEXT, *parts)])
    np.testing.assert_allclose(shares(made, given)[:, [PARTS.index(name) for name in parts]], served)
    assert made.bias.shape == (5,)


def test_the_same_samples_make_the_same_gate():
    given, _ = by_turns(700)
    one, same, other = fit_gate(given, epochs=1), fit_gate(given, epochs=1), fit_gate(given, epochs=1, seed=2)
    assert one.as_json() == same.as_json()
    assert one.as_json() != other.as_json()


@pytest.mark.parametrize("count", [1, 3])
def test_few_words_are_enough_for_a_gate_and_what_nobody_foresaw_teaches_nothing(count):
    given = nothing_said(count)
    given.there[BASE][:] = True
    found = shares(fit_gate(given), given)
    np.testing.assert_array_equal(found[:, PARTS.index(BASE)], np.ones(count))
