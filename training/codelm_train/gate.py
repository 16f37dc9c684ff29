"""Fits a mixture's gate to what its parts said of words, by Adam, on the words' log probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.gate import CONTEXT, Gate
from codelm.weights import BASE, NETWORK, NEURAL, NEURAL_WORKSPACE, SIGNALS
from codelm_train.adam import Adam

Floats = NDArray[np.float64]

HIDDEN = 32
EPOCHS = 12
_BATCH = 512
_RATE, _DECAY = 1e-2, 1e-4
_LEAST = 1e-9  # a word that no part has foreseen teaches nothing
# Beside an n-gram model the gate also serves before the network has answered, and before it has read the workspace: so
# often, in fitting, these parts are not there.
_WITHOUT = {(NETWORK, NEURAL, NEURAL_WORKSPACE): 0.25, (NEURAL_WORKSPACE,): 0.1}
_NEVER = -1e30


@dataclass(frozen=True, eq=False)
class Said:
    """What parts knew and said of N words.

    ``signals``: of each part and of the context, (N, signals), zeros where it was not there. ``probabilities``: what
    each part gave to the word (N,). ``there``: whether it was there (N,). All by the parts' names.
    """

    signals: Mapping[str, NDArray[np.floating[Any]]]
    probabilities: Mapping[str, Floats]
    there: Mapping[str, NDArray[np.bool_]]


def fit_gate(
    said: Said, *, start: Gate | None = None, seed: int = 0, epochs: int = EPOCHS, hidden: int = HIDDEN
) -> Gate:
    """Return the gate under which the words are most probable.

    ``start``: a gate that was fitted to other words, to begin with: with few words, all that is known of the rare cases
    is in it. It is moved by a tenth of the rate.
    """
    rng = np.random.default_rng(seed)
    parts = list(SIGNALS)
    names = [CONTEXT, *parts]
    ends = np.cumsum([0, *(said.signals[name].shape[1] for name in names)])
    spans = {name: slice(*ends[place : place + 2]) for place, name in enumerate(names)}
    signals = np.concatenate([said.signals[name] for name in names], axis=1).astype(np.float32)
    given = np.stack([said.probabilities[name] for name in parts], axis=1)
    there = np.stack([said.there[name] for name in parts], axis=1)
    if start is None:
        weights = [
            rng.normal(0, 1 / np.sqrt(len(names)), (ends[-1], hidden)), np.zeros(hidden),
            rng.normal(0, 1 / np.sqrt(hidden), (hidden, len(parts))), np.zeros(len(parts)),
        ]  # fmt: skip
    else:
        weights = _tables(start, {name: said.signals[name].shape[1] for name in names}, parts)
    base = parts.index(BASE)
    rate = _RATE if start is None else _RATE / 10
    adam = Adam(weights, rate=rate, decay=_DECAY, steps=max(1, epochs * len(given) // _BATCH))
    for _ in range(adam.steps):
        rows = rng.integers(0, len(given), _BATCH)
        x, mask = signals[rows].astype(np.float64), there[rows]
        for dropped_parts, share in _WITHOUT.items():
            without = [parts.index(name) for name in dropped_parts]
            if mask[:, without].any():
                dropped = ((rng.random(_BATCH) < share) & mask[:, base]).nonzero()[0]
                mask[dropped[:, None], without] = False
                for name in dropped_parts:
                    x[dropped, spans[name]] = 0
        adam.step(_gradients(weights, x, given[rows], mask))
    first, bias, second, shares = weights
    return Gate(
        {name: first[spans[name]] for name in names},
        bias,
        {name: second[:, place] for place, name in enumerate(parts)},
        {name: float(shares[place]) for place, name in enumerate(parts)},
    )


def _tables(gate: Gate, sizes: Mapping[str, int], parts: Sequence[str]) -> list[Floats]:
    """Return the weights of a gate as they are fitted; a part that it does not know has none, at first."""
    hidden = len(gate.bias)
    inputs = [gate.inputs.get(name, np.zeros((size, hidden))) for name, size in sizes.items()]
    outputs = [gate.outputs.get(name, np.zeros(hidden)) for name in parts]
    lasting = np.array([gate.shares.get(name, 0.0) for name in parts])
    return [np.concatenate(inputs), gate.bias.copy(), np.stack(outputs, axis=1), lasting]


def shares(gate: Gate, said: Said) -> Floats:
    """Return how a gate shares the probability among the parts, in the order of ``SIGNALS``: (N, parts)."""
    over = gate.over(list(SIGNALS))
    signals = np.concatenate([said.signals[name] for name in (CONTEXT, *SIGNALS)], axis=1)
    there = np.stack([said.there[name] for name in SIGNALS], axis=1)
    return _softmax(np.tanh(signals @ over.inputs + over.bias) @ over.outputs + over.shares, there)


def _gradients(weights: list[Floats], x: Floats, given: Floats, there: NDArray[np.bool_]) -> list[Floats]:
    """Return the gradients of the mean negative log probability of a batch, by the weights."""
    first, bias, second, lasting = weights
    hidden = np.tanh(x @ first + bias)
    share = _softmax(hidden @ second + lasting, there)
    joint = share * given
    # ∂ -log Σ λ p / ∂ logit_i = λ_i - λ_i p_i / Σ λ p
    by_logit = (share - joint / np.maximum(joint.sum(1, keepdims=True), _LEAST)) / len(x)
    by_logit[joint.sum(1) < _LEAST] = 0
    by_hidden = (by_logit @ second.T) * (1 - hidden**2)
    return [x.T @ by_hidden, by_hidden.sum(0), hidden.T @ by_logit, by_logit.sum(0)]


def _softmax(logits: Floats, there: NDArray[np.bool_]) -> Floats:
    masked = np.where(there, logits, _NEVER)
    found = np.exp(masked - masked.max(axis=1, keepdims=True))
    shares: Floats = found / found.sum(axis=1, keepdims=True)
    return shares
