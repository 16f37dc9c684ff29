"""Ranks the best candidates of a mixture once more, by what the mixture doesn't see: all of them side by side.

A small network gives each candidate a number that is added to its logarithm; those of the K best candidates then share
the probability that they had together, so that nothing else changes. It looks at what each part says of a candidate,
also beside what it says of the others, where the candidate stood last in the file and how often, how it is written,
and at the gate's signals, which are the same for all (after Svyatkovskiy et al., *Fast and memory-efficient neural code
completion*, 2021, who rank an analyser's candidates)::

    x = relu(b + features · A + forms[form] + signals · C)
    log p' = log p + x · o + constant

``codelm_train.rerank`` fits it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import Places
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, KINDS_OF_WORDS
from codelm.mixture import Mixture, MixtureState
from codelm.model import Ids, Scores
from codelm.numbers import table_of
from codelm.weights import SIGNALS

Floats = NDArray[np.float64]

RANKED = 40
"""The best candidates, so many, that are ranked once more."""
LOGS = 1 + len(SIGNALS)
USES = 7
FEATURES = 2 * LOGS + USES
_SIGNALS = CONTEXT_SIGNALS + sum(SIGNALS.values())
_SHAPES = {"features": FEATURES, "forms": KINDS_OF_WORDS, "signals": _SIGNALS}
_LEAST = 1e-7
_FAR = 60_000  # words: the distance of what was never used
_NEAR = (3, 10, 40)
_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class Candidates:
    """What is known of K candidates of one row.

    ``logs`` (K, LOGS): the logarithms of what the mixture and each part give to each; ``uses`` (K, USES): where it
    stood last and how often; ``forms`` (K,): how it is written. ``signals`` (_SIGNALS,): the gate's.
    """

    logs: Floats
    uses: Floats
    forms: NDArray[np.int64]
    signals: Floats

    @classmethod
    def of(cls, mixture: Mixture, state: MixtureState, ids: Ids) -> "Candidates":
        """Return what is known of ids (K,), for a state of one row."""
        said = np.zeros((LOGS, len(ids)))
        by_part = mixture.said(state, ids[None, :])[:, 0]
        said[[1 + list(SIGNALS).index(name) for name in mixture.parts]] = by_part
        said[0] = mixture.shares(state)[0] @ by_part
        known = mixture.signals(state)
        sizes = {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}
        signals = np.concatenate([known[name][0] if name in known else np.zeros(size) for name, size in sizes.items()])
        forms = np.minimum(mixture.forms[ids], KINDS_OF_WORDS - 1).astype(np.int64)
        uses = _uses(mixture.caches.file.places, ids, mixture.known)
        return cls(np.log(np.maximum(said, _LEAST)).T / 5, uses, forms, signals)


def features_of(logs: Floats, uses: Floats) -> Floats:
    """Return the features of candidates: logs (…, K, LOGS) and uses (…, K, USES) → (…, K, FEATURES)."""
    return np.concatenate([logs, logs - logs.max(axis=-2, keepdims=True), uses], axis=-1)


@dataclass(frozen=True, eq=False)
class Reranker:
    """``inputs``: of features, forms and signals, tables (…, H); ``bias`` and ``outputs`` (H,)."""

    inputs: Mapping[str, Floats]
    bias: Floats
    outputs: Floats

    def __call__(self, candidates: Candidates, log_probs: Scores) -> Scores:
        """Return the log probabilities of candidates (K,), ranked once more."""
        hidden = features_of(candidates.logs, candidates.uses) @ self.inputs["features"]
        hidden += self.inputs["forms"][candidates.forms]
        hidden += self.bias + candidates.signals @ self.inputs["signals"]
        found = log_probs + np.maximum(hidden, 0) @ self.outputs
        shared = np.logaddexp.reduce(log_probs.astype(np.float64)) - np.logaddexp.reduce(found)
        ranked: Scores = (found + shared).astype(np.float32)
        return ranked

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        tables = {name: np.round(table, _DECIMALS).tolist() for name, table in self.inputs.items()}
        return {
            **tables,
            "bias": np.round(self.bias, _DECIMALS).tolist(),
            "outputs": np.round(self.outputs, _DECIMALS).tolist(),
        }

    @classmethod
    def from_json(cls, raw: Any) -> "Reranker":
        """Return the reranker that ``as_json`` made ``raw`` of. Raises ValueError, naming what is wrong."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("bias"), list):
            raise ValueError("'reranker' is no reranker")
        hidden = len(raw["bias"])
        inputs = {name: table_of(raw.get(name), (rows, hidden), f"reranker.{name}") for name, rows in _SHAPES.items()}
        bias, outputs = (table_of(raw.get(name), (hidden,), f"reranker.{name}") for name in ("bias", "outputs"))
        return cls(inputs, bias, outputs)


def best_next(
    mixture: Mixture, state: MixtureState, k: int, allowed: Ids | None = None, reranker: Reranker | None = None
) -> tuple[Ids, Scores]:
    """Return the k best next words of a state of one row, and their log probabilities, ranked once more."""
    ids = mixture.propose(state, max(k, RANKED) if reranker is not None else k, allowed)
    ids = ids[:, ids[0] >= 0]
    scores = mixture.score(state, ids)[0]
    if reranker is None or not ids.size:
        return ids[0], scores
    scores[:RANKED] = reranker(Candidates.of(mixture, state, ids[0, :RANKED]), scores[:RANKED])
    order = np.argsort(-scores, kind="stable")[:k]
    return ids[0, order], scores[order]


def _uses(places: Places, ids: Ids, known: int) -> Floats:
    """Return where each word stood last above the cursor, how often it stands in the file, and whether no trained model
    knows it: (K, USES).
    """
    numbers = np.array(places.numbers_of(ids.tolist()), np.int64)
    above = places.sequence[: places.gap]
    last = np.full(len(places.words), -_FAR, np.int64)
    is_word = above >= 0
    last[above[is_word]] = is_word.nonzero()[0]  # of several places, the last one stays
    there = numbers >= 0
    distances, counts = np.full(len(ids), _FAR), np.zeros(len(ids))
    distances[there] = np.minimum(places.gap - 1 - last[numbers[there]], _FAR)
    counts[there] = places.counts[numbers[there]]
    near = [distances <= most for most in _NEAR]
    return np.stack([
        np.log1p(distances) / 5, distances < _FAR, np.log1p(counts) / 3, *near, ids >= known
    ], axis=1).astype(np.float64)  # fmt: skip
