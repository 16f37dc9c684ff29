"""Fits a reranker (``codelm.rerank``) to projects that nothing was trained on, by Adam, on the true words' rank.

The loss is the cross-entropy of the true word among the candidates that a mixture proposes; places where it is not
among them teach nothing. Someone who types rules out candidates: so does fitting, at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codelm.checkpoint import Checkpoint, default_weights
from codelm.errors import CorpusError
from codelm.gate import KINDS_OF_WORDS
from codelm.rerank import FEATURES, LOGS, RANKED, USES, Candidates, Reranker, features_of
from codelm_train.adam import Adam
from codelm_train.corpus import Split
from codelm_train.progress import Progress, silent
from codelm_train.replay import NONE, OTHERS, walk

Floats = NDArray[np.float64]

SAMPLES = 40_000
"""Words that are looked at."""
HIDDEN, EPOCHS = 32, 8
_BATCH = 256
_RATE, _DECAY = 3e-3, 1e-3
_RULED_OUT, _KEPT = 0.4, 0.3  # at so many places candidates are ruled out, all but such a share
_NEVER = -1e30


@dataclass(frozen=True, eq=False)
class Choices:
    """N places with K candidates each, their arrays as in ``codelm.rerank.Candidates``; where there are fewer than K,
    the rest has ``log_probs`` of minus infinity. ``true`` (N,): which is the true one.
    """

    logs: NDArray[np.float16]
    uses: NDArray[np.float16]
    forms: NDArray[np.int8]
    signals: NDArray[np.float16]
    log_probs: NDArray[np.float32]
    true: NDArray[np.int64]


def fit_reranker(
    trained: Checkpoint, words: tuple[str, ...], split: Split, *,
    beside: Sequence[Split] = (), start: Reranker | None = None, samples: int = SAMPLES, progress: Progress = silent,
) -> Reranker | None:  # fmt: skip
    """Return a reranker for a mixture with its weights, fitted to a split of ``words``; None where nothing teaches it.

    Half of the ``samples`` have the rest of their project for a workspace, ``beside`` being the other splits of the
    corpus. ``start``: see ``fit``. Raises CorpusError when the split is empty.
    """
    if len(split.ids) == 0:
        raise CorpusError("there is nothing to fit the reranker to: the split has no words")
    every = max(1, 2 * len(split.ids) // samples)
    found = gather(trained, words, split, beside=beside, every=every, progress=progress)
    return fit(found, start=start) if len(found.true) else start


def gather(
    trained: Checkpoint, words: tuple[str, ...], split: Split, *,
    every: int, beside: Sequence[Split] = (), progress: Progress = silent,
) -> Choices:  # fmt: skip
    """Return what there is to choose from at each ``every``-th word, once with and once without a workspace."""
    weights = trained.weights or default_weights()
    found = walk(
        split, words, trained.vocabulary, trained.trained, weights,
        beside=beside, workspaces=(OTHERS, NONE), every=every,
    )  # fmt: skip
    rows = []
    for moment in progress(found, 2 * len(split.ids) // every, "ranking candidates"):
        ids = moment.mixture.propose(moment.state, RANKED)
        ids = ids[:, ids[0] >= 0]
        true = (ids[0] == moment.word).nonzero()[0]
        if len(true):
            candidates = Candidates.of(moment.mixture, moment.state, ids[0])
            rows.append((candidates, moment.mixture.score(moment.state, ids)[0], int(true[0])))
    count = len(rows)
    logs, uses = np.zeros((count, RANKED, LOGS), np.float16), np.zeros((count, RANKED, USES), np.float16)
    forms, log_probs = np.zeros((count, RANKED), np.int8), np.full((count, RANKED), -np.inf, np.float32)
    for row, (candidates, scores, _) in enumerate(rows):
        size = len(scores)
        logs[row, :size], uses[row, :size] = candidates.logs, candidates.uses
        forms[row, :size], log_probs[row, :size] = candidates.forms, scores
    signals = np.array([candidates.signals for candidates, _, _ in rows], np.float16)
    return Choices(logs, uses, forms, signals, log_probs, np.array([true for _, _, true in rows], np.int64))


def fit(
    choices: Choices, *, start: Reranker | None = None, seed: int = 0, hidden: int = HIDDEN, epochs: int = EPOCHS
) -> Reranker:
    """Return the reranker under which the true words are most probable among their candidates.

    ``start``: one that was fitted to other words, to begin with; it is moved by a tenth of the rate.
    """
    rng = np.random.default_rng(seed)
    sizes = {"features": FEATURES, "forms": KINDS_OF_WORDS, "signals": choices.signals.shape[1]}
    if start is None:
        weights = [rng.normal(0, 1 / np.sqrt(size), (size, hidden)) for size in sizes.values()]
        weights[1:] = [weight * 0.1 for weight in weights[1:]]
        weights += [np.zeros(hidden), np.zeros(hidden)]  # at first it changes nothing
    else:
        weights = [start.inputs[name].copy() for name in sizes] + [start.bias.copy(), start.outputs.copy()]
    rate = _RATE if start is None else _RATE / 10
    adam = Adam(weights, rate=rate, decay=_DECAY, steps=max(1, epochs * len(choices.true) // _BATCH))
    for _ in range(adam.steps):
        rows = rng.integers(0, len(choices.true), _BATCH)
        adam.step(_gradients(weights, choices, rows, _ruled_out(choices, rows, rng)))
    tables = dict(zip(sizes, weights, strict=False))
    return Reranker(tables, weights[3], weights[4])


def _ruled_out(choices: Choices, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which candidates (B, K) are not there: fillers, and what letters rule out."""
    gone = rng.random((len(rows), RANKED)) > _KEPT
    gone &= (rng.random(len(rows)) < _RULED_OUT)[:, None]
    gone[np.arange(len(rows)), choices.true[rows]] = False
    out: NDArray[np.bool_] = gone | np.isneginf(choices.log_probs[rows])
    return out


def _gradients(
    weights: list[Floats], choices: Choices, rows: NDArray[np.int64], gone: NDArray[np.bool_]
) -> list[Floats]:
    """Return the gradients of the mean cross-entropy of a batch, by the weights."""
    of_features, of_forms, of_signals, bias, outputs = weights
    logs = np.where(gone[:, :, None], _NEVER, choices.logs[rows].astype(np.float64))
    features = np.where(gone[:, :, None], 0.0, features_of(logs, choices.uses[rows].astype(np.float64)))
    forms, signals = choices.forms[rows].astype(np.int64), choices.signals[rows].astype(np.float64)
    inner = features @ of_features + of_forms[forms] + (signals @ of_signals)[:, None, :] + bias
    hidden = np.maximum(inner, 0)
    logits = np.where(gone, _NEVER, choices.log_probs[rows] + hidden @ outputs)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(rows)), choices.true[rows]] -= 1
    shares /= len(rows)
    by_inner = shares[:, :, None] * outputs * (inner > 0)
    by_forms = np.zeros_like(of_forms)
    np.add.at(by_forms, forms, by_inner)
    by_row = by_inner.sum(axis=1)
    return [
        np.tensordot(features, by_inner, axes=((0, 1), (0, 1))), by_forms, signals.T @ by_row, by_row.sum(axis=0),
        np.tensordot(shares, hidden, axes=((0, 1), (0, 1))),
    ]  # fmt: skip
