"""What each part of a mixture adds: the same words, ranked by mixtures of more and more of its parts.

Each of these mixtures has weights of its own, fitted to another split; up to the step that is called so they are
constant, a weight for each part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codelm.checkpoint import Checkpoint, default_weights
from codelm.errors import CorpusError
from codelm.gate import CONTEXT
from codelm.mixture import Mixture, MixtureState
from codelm.vocabulary import PAD, UNK
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL, NEURAL_WORKSPACE, SIGNALS, WORKSPACE
from codelm_train.corpus import Split
from codelm_train.evaluate import kind_of
from codelm_train.gate import Said, fit_gate, shares
from codelm_train.progress import Progress, silent
from codelm_train.replay import walk

_WORDS = (BASE, FILE, FORM, WORKSPACE)
STEPS: Sequence[tuple[str, tuple[str, ...], bool]] = (
    ("n-gram model", (BASE,), False),
    ("+ open file", (BASE, FILE, FORM), False),
    ("+ project", _WORDS, False),
    ("+ network", (*_WORDS, NETWORK), False),
    ("+ learned weights", (*_WORDS, NETWORK), True),
    ("+ neural cache, file", (*_WORDS, NETWORK, NEURAL), True),
    ("+ neural cache, project", (*_WORDS, NETWORK, NEURAL, NEURAL_WORKSPACE), True),
)
"""What a step is called, the parts of its mixture, and whether their weights depend on the context."""
_EACH = 24  # words that each part proposes


@dataclass(frozen=True, eq=False)
class Ranked:
    """How often the true word was first, and among the first five, in percent: of all words, and of identifiers."""

    name: str
    all: tuple[float, float]
    identifiers: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the parts knew and said at N places. ``said`` (N, C, parts): of the true word, and then of others that some
    part proposes; ``identifier`` (N,): whether the true word is one.
    """

    signals: Mapping[str, NDArray[np.float32]]
    there: Mapping[str, NDArray[np.bool_]]
    said: NDArray[np.float32]
    identifier: NDArray[np.bool_]

    def to_fit(self, parts: Sequence[str], *, constant: bool) -> Said:
        """Return what the gate of some of the parts is fitted to; ``constant``: it sees nothing of the context."""
        signals = {
            name: np.zeros_like(rows) if constant or name not in (CONTEXT, *parts) else rows
            for name, rows in self.signals.items()
        }
        probabilities = {name: self.said[:, 0, place].astype(np.float64) for place, name in enumerate(SIGNALS)}
        there = {name: rows if name in parts else np.zeros_like(rows) for name, rows in self.there.items()}
        return Said(signals, probabilities, there)


def what_parts_add(
    trained: Checkpoint, words: tuple[str, ...], fitted_to: Split, split: Split, *, every: int,
    progress: Progress = silent,
) -> list[Ranked]:  # fmt: skip
    """Return how each step ranks the words of a split, with weights that are fitted to another one.

    All other files of a project are learned. Of both splits, each ``every``-th word is looked at. Raises CorpusError
    when there are none.
    """
    if not (len(fitted_to.ids) and len(split.ids)):
        raise CorpusError("there is nothing to evaluate: a split has no words")
    to_fit = _gather(trained, words, fitted_to, max(1, every * len(fitted_to.ids) // len(split.ids)), progress)
    seen = _gather(trained, words, split, every, progress)
    found = []
    for name, parts, learned in STEPS:
        there = [part for part in parts if to_fit.there[part].any()]
        gate = fit_gate(to_fit.to_fit(there, constant=not learned))
        by_part = shares(gate, seen.to_fit(there, constant=not learned)).astype(np.float32)
        ranks = _ranks(np.einsum("ncp,np->nc", seen.said, by_part))
        found.append(Ranked(name, _percent(ranks), _percent(ranks[seen.identifier])))
    return found


def _gather(trained: Checkpoint, words: tuple[str, ...], split: Split, every: int, progress: Progress) -> _Seen:
    weights = trained.weights or default_weights()
    said: list[NDArray[np.float32]] = []
    signals: dict[str, list[NDArray[np.float64]]] = {name: [] for name in (CONTEXT, *SIGNALS)}
    there: dict[str, list[bool]] = {name: [] for name in SIGNALS}
    places: list[int] = []
    found = walk(split, words, trained.vocabulary, trained.trained, weights, every=every)
    for moment in progress(found, len(split.ids) // every, "replaying projects"):
        said.append(_said(moment.mixture, moment.state, moment.word))
        known = moment.mixture.signals(moment.state)
        for name, rows in signals.items():
            rows.append(known[name][0] if name in known else np.zeros(SIGNALS.get(name, 0)))
        for name, rows_there in there.items():
            rows_there.append(name in known)
        places.append(moment.place)
    is_identifier = np.array([kind_of(word) == "identifier" for word in words])
    return _Seen(
        {name: np.array(rows, np.float32) for name, rows in signals.items()},
        {name: np.array(rows) for name, rows in there.items()},
        _padded(said),
        is_identifier[split.ids[places]],
    )


def _said(mixture: Mixture, state: MixtureState, word: int) -> NDArray[np.float32]:
    """Return what each part gives to the true word, and then to others that some part proposes: (C, parts)."""
    others = mixture.candidates(state, _EACH)[0]
    others = others[(others != word) & (others > PAD) & (others != UNK)]
    said = mixture.said(state, np.concatenate([[word], others])[None, :])[:, 0]
    found = np.zeros((said.shape[1], len(SIGNALS)), np.float32)
    found[:, [list(SIGNALS).index(name) for name in mixture.parts]] = said.T
    return found


def _padded(said: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    found = np.zeros((len(said), max(map(len, said)), len(SIGNALS)), np.float32)
    for row, some in enumerate(said):
        found[row, : len(some)] = some
    return found


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rank, from 1, of the first candidate of each row; that of one that nobody thought of is the last."""
    ranks: NDArray[np.int64] = (scores[:, 1:] >= scores[:, :1]).sum(axis=1) + 1
    return ranks


def _percent(ranks: NDArray[np.int64]) -> tuple[float, float]:
    count = max(len(ranks), 1)
    return 100 * float((ranks == 1).sum()) / count, 100 * float((ranks <= 5).sum()) / count
