"""The weights of a mixture: how its parts, and the experts of its caches, share the probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm import file_cache, form_cache, neural_cache, neural_workspace, ngram, workspace_cache
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, Gate
from codelm.neural import model as neural_model
from codelm.neural.reduction import Reduction

Floats = NDArray[np.float64]

BASE, NETWORK, FILE, FORM, WORKSPACE, NEURAL = "base", "network", "file", "form", "workspace", "neural"
NEURAL_WORKSPACE = "neural_workspace"
SIGNALS = {
    BASE: ngram.SIGNALS,
    NETWORK: neural_model.SIGNALS,
    FILE: file_cache.SIGNALS,
    FORM: form_cache.SIGNALS,
    WORKSPACE: workspace_cache.SIGNALS,
    NEURAL: neural_cache.SIGNALS,
    NEURAL_WORKSPACE: neural_workspace.SIGNALS,
}
"""The parts of a mixture, in their order, and how many signals each gives of a context."""
CACHES = {
    FILE: (file_cache.LONGEST, file_cache.EXPERTS),
    FORM: (form_cache.LONGEST, form_cache.EXPERTS),
    WORKSPACE: (workspace_cache.LONGEST, workspace_cache.EXPERTS),
}
"""The caches that compare words: the longest match that each tells from longer ones, and how many experts it has."""


@dataclass(frozen=True, eq=False)
class Weights:
    """How parts and experts share the probability.

    ``gate``: of the parts. ``caches``: for each cache, a row of its experts' weights for each length of its longest
    match (longest + 1, experts); every row sums to one. ``seen_again``: how much of the trained models' ``[UNK]`` goes
    to the words of the session. ``states``: how the network's states in a workspace are kept; None, and the gate knows
    nothing of what they recall, where there is no network.
    """

    gate: Gate
    caches: Mapping[str, Floats]
    seen_again: float
    states: Reduction | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        tables = {name: np.round(table, 5).tolist() for name, table in self.caches.items()}
        gate = self.gate.only(_signals(self.states)).as_json()
        states = {} if self.states is None else {"states": self.states.as_json()}
        return {"gate": gate, **tables, "seen_again": round(self.seen_again, 5), **states}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Weights":
        """Return the weights that ``as_json`` made ``raw`` of. Raises ValueError, naming what is wrong."""
        tables = {name: _table(raw, name, (longest + 1, experts)) for name, (longest, experts) in CACHES.items()}
        seen_again = raw.get("seen_again")
        if not isinstance(seen_again, int | float) or not 0 <= seen_again < 1:
            raise ValueError("'seen_again' is no number from 0 to below 1")
        states = Reduction.from_json(raw["states"]) if "states" in raw else None
        return cls(Gate.from_json(raw.get("gate"), _signals(states)), tables, float(seen_again), states)


def _signals(states: Reduction | None) -> Mapping[str, int]:
    """Return how many signals each part gives that a gate knows of."""
    return {name: count for name, count in SIGNALS.items() if states is not None or name != NEURAL_WORKSPACE}


def valid() -> dict[str, Floats]:
    """Return masks of the experts' weights that may be anything but zero, shaped as ``caches``.

    An expert has something to say from the length of match on that it stands for.
    """
    caches = {name: np.zeros((longest + 1, experts)) for name, (longest, experts) in CACHES.items()}
    lengths = np.arange(file_cache.LONGEST + 1)[:, None]
    file = caches[FILE]
    file[:, : file_cache.NEAREST] = lengths >= np.arange(file_cache.NEAREST)
    file[1:, file_cache.NEAREST] = 1
    file[:, file_cache.NEAREST + 1 :] = lengths >= np.arange(file_cache.NEAR_DEPTHS)
    form = caches[FORM]
    form[:] = 1
    form[:, : form_cache.EVEN] = np.arange(form_cache.LONGEST + 1)[:, None] >= np.array(form_cache.DEPTHS)
    caches[WORKSPACE][:] = np.tri(workspace_cache.LONGEST + 1)
    return caches


def normalised(table: Floats, mask: Floats) -> Floats:
    """Return a table with what its mask forbids taken away and its rows made to sum to one."""
    kept = table * mask
    rows: Floats = kept / kept.sum(-1, keepdims=True)
    return rows


def unfitted() -> Weights:
    """Return weights that nobody has fitted, for models that ``codelm_train.mix`` has not seen: longer matches count
    more.
    """
    inputs = {CONTEXT: np.zeros((CONTEXT_SIGNALS, 2))} | {name: np.zeros((count, 2)) for name, count in SIGNALS.items()}
    outputs = {name: np.zeros(2) for name in SIGNALS}
    # A hidden unit each for the lengths of the file's and the workspace's matches, whose signals are a row of zeros
    # with a one.
    for unit, (name, (longest, _)) in enumerate(item for item in CACHES.items() if item[0] != FORM):
        inputs[name][: longest + 1, unit] = np.arange(longest + 1) / 4
        outputs[name][unit] = 2
    shares = dict.fromkeys(SIGNALS, 0.0) | {
        FILE: -1.0,
        FORM: -1.0,
        WORKSPACE: -1.0,
        NEURAL: -1.0,
        NEURAL_WORKSPACE: -1.0,
    }
    tables = {
        name: normalised(np.exp2(np.arange(mask.shape[1], dtype=np.float64)), mask) for name, mask in valid().items()
    }
    return Weights(Gate(inputs, np.zeros(2), outputs, shares), tables, 0.5)


def _table(raw: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    try:
        table = np.array(raw.get(name), np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"'{name}' is no table of numbers") from None
    if table.shape != shape:
        raise ValueError(f"'{name}' has the shape {table.shape}, not {shape}")
    if not ((table >= 0).all() and np.allclose(table.sum(-1), 1, atol=1e-3)):
        raise ValueError(f"a row of '{name}' is no distribution")
    mask = valid()[name]
    if not (table * mask).any(-1).all():
        raise ValueError(f"a row of '{name}' is no distribution: all that it has stands where nothing can be said")
    return normalised(table, mask)
