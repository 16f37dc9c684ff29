"""Fits the weights of a mixture to files that its models were not trained on.

How a network's states are kept comes first (``codelm_train.states``). Then the experts within each cache, by
expectation maximisation for the weights of a linear interpolation (Jelinek and Mercer, *Interpolated estimation of
Markov source parameters from sparse data*, 1980), a row of weights for each length of the cache's longest match; the
parts share the probability meanwhile by a table of such rows. Then the gate, which shares it in their place, by
``codelm_train.gate``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from codelm.checkpoint import Checkpoint
from codelm.errors import CorpusError
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, Gate
from codelm.neural.reduction import Reduction
from codelm.weights import CACHES, FILE, SIGNALS, WORKSPACE, Weights, normalised, unfitted, valid
from codelm_train.corpus import Split
from codelm_train.gate import Said, fit_gate, shares
from codelm_train.progress import Progress, silent
from codelm_train.replay import NONE, OTHERS, Moment, walk
from codelm_train.states import fit_states

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

SAMPLES = 200_000
"""Words that are looked at, of all: enough for the rarest lengths of matches."""
ROUNDS = 40
# Rows that little is known of lean on the average of all rows, as if it had been seen so often.
_PRIOR = 5.0
_MODELS = tuple(name for name in SIGNALS if name not in CACHES)


@dataclass(frozen=True, eq=False)
class Samples:
    """What each part knew and said of N words.

    ``signals``: of each part and of the context, (N, signals). ``models``: what the other parts than caches gave to
    the word (N,), zero where they were not there; ``there``: whether each part was there (N,). ``caches``: what the
    experts of each cache said (N, experts), and ``lengths`` its longest matches (N,), -1 where it was empty.
    ``seen_again``: the share of the words unknown to the trained models that a cache knew.
    """

    signals: Mapping[str, Floats]
    models: Mapping[str, Floats]
    there: Mapping[str, NDArray[np.bool_]]
    caches: Mapping[str, Floats]
    lengths: Mapping[str, Lengths]
    seen_again: float

    @property
    def table_rows(self) -> tuple[Lengths, Lengths]:
        """The row of the table of the parts' weights that each word is under, while experts are fitted."""
        return self.lengths[FILE] + 1, self.lengths[WORKSPACE] + 1

    def row(self, cache: str) -> Lengths:
        """Return the row of a cache's weights that each word is under; an empty cache says nothing, under any."""
        return np.maximum(self.lengths[cache], 0)

    def said(self, caches: Mapping[str, Floats]) -> Said:
        """Return what the parts said, the experts of each cache by such weights."""
        by_cache = {name: (caches[name][self.row(name)] * self.caches[name]).sum(1) for name in CACHES}
        return Said(self.signals, {name: {**self.models, **by_cache}[name] for name in SIGNALS}, self.there)


def fit_weights(
    trained: Checkpoint, words: tuple[str, ...], split: Split, *,
    beside: Sequence[Split] = (), start: Weights | None = None, samples: int = SAMPLES, progress: Progress = silent,
) -> Weights:  # fmt: skip
    """Return the weights that fit a split of ``words`` best. Raises CorpusError when it is empty.

    Half of the ``samples`` that are looked at have the rest of their project for a workspace, the others have none.
    ``beside``: the other splits of the corpus, where the rest may be. ``start``: weights that were fitted to other
    words, whose gate is the one to begin with.
    """
    if len(split.ids) == 0:
        raise CorpusError("there is nothing to fit the mixture to: the split has no words")
    every = max(1, 2 * len(split.ids) // samples)
    network, states = trained.trained.network, None
    if network is not None:
        states = fit_states(network, trained.vocabulary, words, split, progress=progress)
    found = gather(trained, words, split, beside=beside, every=every, states=states, progress=progress)
    return replace(fit(found, start=None if start is None else start.gate), states=states)


def gather(
    trained: Checkpoint, words: tuple[str, ...], split: Split, *,
    every: int, beside: Sequence[Split] = (), states: Reduction | None = None, progress: Progress = silent,
) -> Samples:  # fmt: skip
    """Return what the parts say of each ``every``-th word, once with and once without a workspace.

    ``states``: how those of a network are kept, where they are.
    """
    weights = replace(unfitted(), states=states)
    found = walk(
        split, words, trained.vocabulary, trained.trained, weights,
        beside=beside, workspaces=(OTHERS, NONE), every=every,
    )  # fmt: skip
    return _samples([
        _sample(moment) for moment in progress(found, 2 * len(split.ids) // every, "replaying projects")
    ])  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class _Sample:
    """What the parts knew and said of one word, each by its name; a part that was not there is in none of it."""

    signals: Mapping[str, Floats]
    said: Mapping[str, float]
    experts: Mapping[str, Floats]
    lengths: Mapping[str, int]
    seen_again: bool | None
    """Whether a cache knew the word; None for one that the trained models know."""


def _sample(moment: Moment) -> _Sample:
    mixture, state, word = moment.mixture, moment.state, moment.word
    probabilities = mixture.said(state, np.array([[word]]))[:, 0, 0]
    caches = {name: (cache, state.parts[name]) for name, cache in mixture.learned.items()}
    experts = {name: cache.experts(own, word) for name, (cache, own) in caches.items()}
    seen = any(bool(experts[name][0]) for name in (FILE, WORKSPACE) if name in experts)
    return _Sample(
        {name: rows[0] for name, rows in mixture.signals(state).items()},
        dict(zip(mixture.parts, probabilities.tolist(), strict=True)),
        experts,
        {name: int(cache.match_lengths(own)[0]) for name, (cache, own) in caches.items()},
        None if word < mixture.known else seen,
    )


def _samples(found: Sequence[_Sample]) -> Samples:
    sizes = {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}
    unknown = [sample.seen_again for sample in found if sample.seen_again is not None]
    return Samples(
        {
            name: np.array([sample.signals.get(name, np.zeros(size)) for sample in found], np.float32)
            for name, size in sizes.items()
        },
        {name: np.array([sample.said.get(name, 0.0) for sample in found]) for name in _MODELS},
        {name: np.array([name in sample.said for sample in found]) for name in SIGNALS},
        {
            name: np.array([sample.experts.get(name, np.zeros(experts)) for sample in found])
            for name, (_, experts) in CACHES.items()
        },
        {name: np.array([sample.lengths.get(name, -1) for sample in found]) for name in CACHES},
        (sum(unknown) + 0.5) / (len(unknown) + 1),
    )


def fit(samples: Samples, rounds: int = ROUNDS, start: Gate | None = None) -> Weights:
    """Return the weights that fit the samples best; those of the experts as EM finds them in so many rounds.

    ``start``: the gate to begin with (``codelm_train.gate.fit_gate``).
    """
    caches = fit_experts(samples, rounds)
    return Weights(fit_gate(samples.said(caches), start=start), caches, samples.seen_again)


def fit_experts(samples: Samples, rounds: int = ROUNDS) -> dict[str, Floats]:
    """Return the weights of the caches' experts, as EM finds them in so many rounds."""
    rows = samples.table_rows
    there = np.stack([samples.there[name] for name in SIGNALS], axis=1)
    parts_mask = np.zeros((CACHES[FILE][0] + 2, CACHES[WORKSPACE][0] + 2, len(SIGNALS)))
    np.maximum.at(parts_mask, rows, there)
    parts_mask[~parts_mask.any(-1)] = 1
    parts, masks = normalised(np.ones_like(parts_mask), parts_mask), valid()
    caches = {name: normalised(np.ones_like(mask), mask) for name, mask in masks.items()}
    for _ in range(rounds):
        by_expert = {name: caches[name][samples.row(name)] * samples.caches[name] for name in CACHES}
        said = [by_expert[name].sum(1) if name in CACHES else samples.models[name] for name in SIGNALS]
        share = parts[rows] * there
        by_part = share * np.stack(said, axis=1)
        total = np.maximum(by_part.sum(1), 1e-300)[:, None]
        parts = _expected(by_part / total, rows, parts_mask)
        caches = {
            name: _expected(by_expert[name] * share[:, [part]] / total, (samples.row(name),), masks[name])
            for part, name in enumerate(SIGNALS)
            if name in CACHES
        }
    return caches


def log_likelihood(samples: Samples, weights: Weights) -> float:
    """Return the mean log probability, in nats, of the samples under weights."""
    said = samples.said(weights.caches)
    probabilities = np.stack([said.probabilities[name] for name in SIGNALS], axis=1)
    return float(np.log((shares(weights.gate, said) * probabilities).sum(1)).mean())


def _expected(responsibilities: Floats, at: tuple[Lengths, ...], mask: Floats) -> Floats:
    """Return the weights that the shares (N, E) of the samples ask for, a row for each of the lengths."""
    total = np.zeros_like(mask)
    np.add.at(total, at, responsibilities)
    average = total.reshape(-1, total.shape[-1]).sum(0)
    # A little for all: an expert that the average has never needed may be the only one that a length has.
    return normalised(total + _PRIOR * average / max(average.sum(), 1e-300) + 1e-6, mask)
