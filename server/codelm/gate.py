"""How the parts of a mixture share the probability: by what each knows of a context before the answer is known.

A small network of one hidden layer (a mixture of experts' gate: Jacobs et al., *Adaptive mixtures of local experts*,
1991). Each part gives *signals* of a row: how long a context it has found again, how sure it is. So does the context
itself: what kinds of words the last two are. A part that is not there gives none, and has no share::

    h = tanh(b + Σ signals_i · A_i)        over the parts that are there, and the context
    λ = softmax(c + h · C)                 of the parts that are there

``codelm_train.mix`` fits it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.numbers import table_of
from codelm.words import COMMON_FORMS

Floats = NDArray[np.float64]

CONTEXT = "context"
"""What the signals of the last words themselves are called."""
LOOKED_AT = 2
"""Words before the cursor whose kinds are signals."""
KINDS_OF_WORDS = len(COMMON_FORMS) + 1
"""The forms of nearly all words, and one for all others."""
CONTEXT_SIGNALS = LOOKED_AT * KINDS_OF_WORDS
_DECIMALS = 4  # of the numbers in a manifest


def context_signals(forms: NDArray[np.integer[Any]]) -> Floats:
    """Return the signals of contexts by the forms of their last words: (B, LOOKED_AT) → (B, CONTEXT_SIGNALS)."""
    signals = np.zeros((len(forms), CONTEXT_SIGNALS))
    kinds = np.minimum(forms, KINDS_OF_WORDS - 1) + np.arange(LOOKED_AT) * KINDS_OF_WORDS
    signals[np.arange(len(forms))[:, None], kinds] = 1
    return signals


def one_hot(lengths: NDArray[np.integer[Any]], count: int) -> Floats:
    """Return numbers (B,) from 0 on as rows of zeros with a one: (B, count); greater ones as the greatest."""
    rows: Floats = np.eye(count)[np.minimum(lengths, count - 1)]
    return rows


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate of ``H`` hidden units, over parts in an order that ``outputs`` has.

    ``inputs``: A_i of each part and of ``CONTEXT`` (signals, H). ``bias`` (H,). ``outputs``: of each part its column
    of C (H,), ``shares``: its c.
    """

    inputs: Mapping[str, Floats]
    bias: Floats
    outputs: Mapping[str, Floats]
    shares: Mapping[str, float]

    def over(self, parts: Sequence[str]) -> "GateOver":
        """Return the gate of those parts that are there."""
        return GateOver(
            tuple(parts),
            np.concatenate([self.inputs[name] for name in (CONTEXT, *parts)]),
            self.bias,
            np.stack([self.outputs[name] for name in parts], axis=1),
            np.array([self.shares[name] for name in parts]),
        )

    def only(self, parts: Collection[str]) -> "Gate":
        """Return the gate that knows of some parts only."""
        return Gate(
            {name: self.inputs[name] for name in (CONTEXT, *parts)},
            self.bias,
            {name: self.outputs[name] for name in parts},
            {name: self.shares[name] for name in parts},
        )

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        return {
            "inputs": {name: np.round(table, _DECIMALS).tolist() for name, table in self.inputs.items()},
            "bias": np.round(self.bias, _DECIMALS).tolist(),
            "outputs": {name: np.round(column, _DECIMALS).tolist() for name, column in self.outputs.items()},
            "shares": {name: round(value, _DECIMALS) for name, value in self.shares.items()},
        }

    @classmethod
    def from_json(cls, raw: Any, signals: Mapping[str, int]) -> "Gate":
        """Return the gate that ``as_json`` made ``raw`` of, for parts with so many signals each.

        Raises ValueError, naming what is wrong.
        """
        if not isinstance(raw, Mapping) or not isinstance(raw.get("bias"), list):
            raise ValueError("'gate' is no gate")
        hidden = len(raw["bias"])
        inputs = _tables(
            raw, "inputs", {CONTEXT: (CONTEXT_SIGNALS, hidden)} | {n: (s, hidden) for n, s in signals.items()}
        )
        outputs = _tables(raw, "outputs", dict.fromkeys(signals, (hidden,)))
        shares = {name: float(value) for name, value in _tables(raw, "shares", dict.fromkeys(signals, ())).items()}
        return cls(inputs, table_of(raw["bias"], (hidden,), "gate.bias"), outputs, shares)


@dataclass(frozen=True, eq=False, slots=True)
class GateOver:
    """A gate of some parts: ``inputs`` (signals of the context and the parts, H), ``outputs`` (H, parts)."""

    parts: tuple[str, ...]
    inputs: Floats
    bias: Floats
    outputs: Floats
    shares: Floats

    def __call__(self, signals: Sequence[Floats]) -> Floats:
        """Return λ for B rows, (B, parts), from the signals of the context and of each part, each (B, signals)."""
        hidden = np.tanh(np.concatenate(signals, axis=1) @ self.inputs + self.bias)
        found = hidden @ self.outputs + self.shares
        found = np.exp(found - found.max(axis=1, keepdims=True))
        shares: Floats = found / found.sum(axis=1, keepdims=True)
        return shares


def _tables(raw: Mapping[str, Any], name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    said = raw.get(name)
    if not isinstance(said, Mapping) or said.keys() != shapes.keys():
        raise ValueError(f"'gate.{name}' is not of the parts {', '.join(shapes)}")
    return {part: table_of(said[part], shape, f"gate.{name}.{part}") for part, shape in shapes.items()}
