"""Fits the weights of a mixture to files that its base model was not trained on.

Expectation maximisation for the weights of a linear interpolation (Jelinek and Mercer, *Interpolated estimation of
Markov source parameters from sparse data*, 1980), here of two levels: the parts share the probability, and so do the
experts within a cache. Each level has a row of weights for each length of a cache's longest match.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CorpusError
from codelm.model import LanguageModel
from codelm.vocabulary import Vocabulary
from codelm.weights import CACHES, Weights, normalised, unfitted, valid
from codelm_train.corpus import Split
from codelm_train.progress import Progress, silent
from codelm_train.replay import Workspace, moments, projects

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

SAMPLES = 200_000
"""Words that are looked at, of all: enough for the rarest lengths of matches."""
ROUNDS = 40
# Rows that little is known of lean on the average of all rows, as if it had been seen so often.
_PRIOR = 5.0


@dataclass(frozen=True, eq=False)
class Samples:
    """What each part said of N words.

    ``base`` (N,); ``caches``: what the experts of each cache said (N, experts), and ``lengths`` its longest matches
    (N,), -1 where it was empty. ``seen_again``: the share of the words unknown to the base model that a cache knew.
    """

    base: Floats
    caches: Mapping[str, Floats]
    lengths: Mapping[str, Lengths]
    seen_again: float

    @property
    def gate(self) -> tuple[Lengths, Lengths]:
        """The row of the parts' weights that each word is under."""
        return self.lengths["file"] + 1, self.lengths["workspace"] + 1

    def row(self, cache: str) -> Lengths:
        """Return the row of a cache's weights that each word is under; an empty cache says nothing, under any."""
        return np.maximum(self.lengths[cache], 0)


def fit_weights(
    model: LanguageModel[Any],
    vocabulary: Vocabulary,
    words: tuple[str, ...],
    split: Split,
    *,
    samples: int = SAMPLES,
    progress: Progress = silent,
) -> Weights:
    """Return the weights that fit a split best. Raises CorpusError when it is empty.

    Half of the ``samples`` that are looked at have the rest of their project for a workspace, the others have none.
    """
    if len(split.ids) == 0:
        raise CorpusError("there is nothing to fit the mixture to: the split has no words")
    every = max(1, 2 * len(split.ids) // samples)
    return fit(gather(model, vocabulary, words, split, every=every, progress=progress))


def gather(
    model: LanguageModel[Any],
    vocabulary: Vocabulary,
    words: tuple[str, ...],
    split: Split,
    *,
    every: int,
    progress: Progress = silent,
) -> Samples:
    """Return what the parts say of each ``every``-th word, once with and once without a workspace."""
    kinds: tuple[Workspace, ...] = ("others", "none")
    walk = (
        moment
        for project in projects(split, words, vocabulary)
        for kind in kinds
        for moment in moments(project, split, model, vocabulary, unfitted(), workspace=kind, every=every)
    )
    base: list[float] = []
    said: dict[str, list[Floats]] = {name: [] for name in CACHES}
    lengths: dict[str, list[int]] = {name: [] for name in CACHES}
    unknown = seen = 0
    for moment in progress(walk, len(kinds) * len(split.ids) // every, "replaying projects"):
        mixture, state, word = moment.mixture, moment.state, moment.word
        for name, cache, own in zip(CACHES, mixture.caches.all(), state.caches, strict=True):
            said[name].append(cache.experts(own, word))
            lengths[name].append(int(cache.match_lengths(own)[0]))
        if word >= len(vocabulary):
            unknown += 1
            seen += bool(said["file"][-1][0] or said["workspace"][-1][0])
        base.append(float(mixture.base_probabilities(state, np.array([[word]]))[0, 0]))
    return Samples(
        np.array(base),
        {name: np.array(rows) for name, rows in said.items()},
        {name: np.array(found) for name, found in lengths.items()},
        (seen + 0.5) / (unknown + 1),
    )


def fit(samples: Samples, rounds: int = ROUNDS) -> Weights:
    """Return the weights under which the samples are most probable, as EM finds them in so many rounds."""
    gate = samples.gate
    parts_mask, masks = valid()
    parts = normalised(np.ones_like(parts_mask), parts_mask)
    caches = {name: normalised(np.ones_like(mask), mask) for name, mask in masks.items()}
    for _ in range(rounds):
        shares = parts[gate]
        by_expert = {name: caches[name][samples.row(name)] * samples.caches[name] for name in CACHES}
        by_part = shares * np.stack([samples.base, *(said.sum(1) for said in by_expert.values())], axis=1)
        total = np.maximum(by_part.sum(1), 1e-300)[:, None]
        parts = _expected(by_part / total, gate, parts_mask)
        caches = {
            name: _expected(by_expert[name] * shares[:, part : part + 1] / total, (samples.row(name),), masks[name])
            for part, name in enumerate(CACHES, 1)
        }
    return Weights(parts, caches, samples.seen_again)


def log_likelihood(samples: Samples, weights: Weights) -> float:
    """Return the mean log probability, in nats, of the samples under weights."""
    said = [(weights.caches[name][samples.row(name)] * samples.caches[name]).sum(1) for name in CACHES]
    return float(np.log((weights.parts[samples.gate] * np.stack([samples.base, *said], axis=1)).sum(1)).mean())


def _expected(responsibilities: Floats, at: tuple[Lengths, ...], mask: Floats) -> Floats:
    """Return the weights that the shares (N, E) of the samples ask for, a row for each of the lengths."""
    total = np.zeros_like(mask)
    np.add.at(total, at, responsibilities)
    average = total.reshape(-1, total.shape[-1]).sum(0)
    # A little for all: an expert that the average has never needed may be the only one that a length has.
    return normalised(total + _PRIOR * average / max(average.sum(), 1e-300) + 1e-6, mask)
