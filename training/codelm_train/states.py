"""Fits how a network's states are kept (``codelm.neural.reduction``) to files that it was not trained on.

The directions are the principal axes of the states, not centred, so that cosines stay what they are; the lists' centres
are found by k-means among vectors of length one (Dhillon and Modha, *Concept decompositions*, 2001).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.neural.model import NeuralModel
from codelm.neural.reduction import Reduction, kept
from codelm.neural.table import Floats, unit
from codelm.vocabulary import Vocabulary
from codelm_train.corpus import Split
from codelm_train.progress import Progress, silent
from codelm_train.replay import Project, projects

DIMENSIONS, LISTS = 32, 1024
SAMPLES = 50_000
"""States that are looked at, at most: some fifty of each list."""
_ROUNDS = 8
_PIECE = 512


def fit_states(
    network: NeuralModel[Any], vocabulary: Vocabulary, words: tuple[str, ...], split: Split, *,
    dimensions: int = DIMENSIONS, lists: int = LISTS, progress: Progress = silent,
) -> Reduction:  # fmt: skip
    """Return the reduction that suits the states of a network in a split of ``words`` best."""
    every = max(1, len(split.ids) // SAMPLES)
    found = progress(_files(network, vocabulary, words, split), len(split), "reading projects")
    vectors = unit(np.concatenate([states[every // 2 :: every] for states in found]))
    basis = directions(vectors, dimensions).astype(np.float16)
    reduced = unit(vectors @ basis.astype(np.float32))
    return Reduction(basis, kept(centres(reduced, min(lists, len(reduced)))))


def directions(vectors: Floats, dimensions: int, seed: int = 0) -> NDArray[np.float64]:
    """Return the principal axes of vectors (N, P), turned at random among themselves, so that each has as much to say
    and one scale suits all: (P, D).
    """
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    kept_axes = axes[:, ::-1][:, :dimensions].astype(np.float64)
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(kept_axes.shape[1],) * 2))
    found: NDArray[np.float64] = kept_axes @ turned
    return found


def centres(vectors: Floats, count: int, seed: int = 0, rounds: int = _ROUNDS) -> Floats:
    """Return the centres, of length one, around which vectors of length one (N, D) lie most closely: (count, D)."""
    rng = np.random.default_rng(seed)
    found = vectors[rng.choice(len(vectors), count, replace=False)]
    for _ in range(rounds):
        nearest = np.concatenate([
            (vectors[at : at + _PIECE] @ found.T).argmax(axis=1) for at in range(0, len(vectors), _PIECE)
        ])  # fmt: skip
        sums = np.zeros_like(found)
        np.add.at(sums, nearest, vectors)
        lonely = np.bincount(nearest, minlength=count) == 0
        sums[lonely] = vectors[rng.choice(len(vectors), np.count_nonzero(lonely))]
        found = unit(sums)
    return found


def _files(network: NeuralModel[Any], vocabulary: Vocabulary, words: tuple[str, ...], split: Split) -> Iterator[Floats]:
    """Yield the states behind each word of each file."""
    for project in projects(split, words, vocabulary):
        yield from _of_project(network.reading(project.words), project)


def _of_project(network: NeuralModel[Any], project: Project) -> Iterator[Floats]:
    for ids in project.ids:
        state, found = network.start(), [np.zeros((0, network.shape.width), np.float32)]
        for at in range(0, len(ids), _PIECE):
            state, vectors = network.read_along(state, ids[at : at + _PIECE, None])
            found.append(vectors[:, 0])
        yield np.concatenate(found)
