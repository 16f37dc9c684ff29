"""Replays the files of projects as an editor sees them: what stands above the cursor, and the rest of the project.

Words have the ids of a session: those of the base model's vocabulary, and behind them those of all other words of the
project. What comes out is the same ``codelm.mixture.Mixture`` that completes in an editor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codelm.caches import caches_of
from codelm.file_words import FileWords
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids
from codelm.neural.prefix import PrefixCache
from codelm.neural.reduction import Reduction
from codelm.neural.remembering import FileStates, remembered
from codelm.neural_workspace import NeuralWorkspace, StatesIndex
from codelm.session import SessionVocabulary
from codelm.vocabulary import EOS, Vocabulary
from codelm.weights import NETWORK, WORKSPACE, Weights
from codelm.workspace_cache import WorkspaceCache, WorkspaceModel
from codelm_train.corpus import Split

Workspace = Literal["others", "earlier", "none"]
"""Which files of its project a file's workspace holds: all others, those before it, or none."""
OTHERS: Workspace = "others"
NONE: Workspace = "none"
WORKSPACES: tuple[Workspace, ...] = (OTHERS, "earlier", NONE)


@dataclass(frozen=True, eq=False, slots=True)
class Project:
    """The files of one project of a split: ``files`` (N,) their numbers in the split, ``ids`` their words."""

    name: str
    files: tuple[int, ...]
    ids: tuple[Ids, ...]
    size: int
    """The ids of the session: those of the vocabulary, and of all other words of the project."""
    forms: NDArray[np.int16]
    """The forms of all ids, as numbers: (size,)."""
    words: tuple[str, ...]
    """The words of the session that the vocabulary lacks, in the order of their ids."""
    beside: tuple[Ids, ...] = ()
    """The words of the project's files that are not replayed: they are in its workspace, behind those that are."""


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """A cursor in a file: what is known before the word at ``place`` (in the split) is read.

    ``word`` is its id in the session; ``[EOS]`` and the place behind the last word at the end of the file.
    """

    place: int
    word: int
    mixture: Mixture
    state: MixtureState


def projects(
    split: Split, words: tuple[str, ...], vocabulary: Vocabulary, beside: Sequence[Split] = ()
) -> Iterator[Project]:
    """Yield the projects of a split of ``words``, in the order of their first files.

    Where a project was divided, the rest of it is found in the splits ``beside``.
    """
    for name in dict.fromkeys(split.projects):
        files, places = _files(split, name)
        rest = [ids for other in beside for ids in _files(other, name)[1]]
        distinct = np.unique(np.concatenate([*places, *rest]))
        session = SessionVocabulary(vocabulary)
        ids = np.zeros(int(distinct.max(initial=0)) + 1, np.int64)
        ids[distinct] = session.learn(words[word] for word in distinct.tolist())
        new = tuple(session.word(number) for number in range(len(vocabulary), len(session)))
        replayed, others = (tuple(ids[part] for part in parts) for parts in (places, rest))
        yield Project(name, files, replayed, len(session), session.forms(), new, others)


def _files(split: Split, project: str) -> tuple[tuple[int, ...], list[NDArray[np.uint32]]]:
    """Return the numbers of a project's files in a split, and their words' places."""
    files = tuple(number for number, name in enumerate(split.projects) if name == project)
    return files, [split.ids[split.starts[number] : split.starts[number + 1]] for number in files]


def walk(
    split: Split,
    words: tuple[str, ...],
    vocabulary: Vocabulary,
    trained: Trained,
    weights: Weights,
    *,
    beside: Sequence[Split] = (),
    workspaces: Sequence[Workspace] = (OTHERS,),
    every: int = 1,
    ends: bool = False,
) -> Iterator[Moment]:
    """Yield the ``moments`` of all projects of a split of ``words``, of each with each of the workspaces.

    ``beside``: the other splits of its corpus, where projects may be divided among them.
    """
    for project in projects(split, words, vocabulary, beside):
        for workspace in workspaces:
            yield from moments(project, split, trained, weights, workspace=workspace, every=every, ends=ends)


def moments(
    project: Project,
    split: Split,
    trained: Trained,
    weights: Weights,
    *,
    workspace: Workspace = "others",
    every: int = 1,
    ends: bool = False,
) -> Iterator[Moment]:
    """Yield each ``every``-th word of a project's files before it is read, and with ``ends`` the ends of the files."""
    trained = trained.reading(project.words)
    cache = WorkspaceCache((*project.ids, *project.beside) if workspace != "none" else ())
    states = _states(trained, project, weights.states) if workspace != "none" else None
    for file, ids in enumerate(project.ids):
        others = _workspace(cache, file, project.size, weights, workspace)
        recalled = None if states is None else _recalled(states, project, file, workspace)
        begin = int(split.starts[project.files[file]])
        above, read = FileWords(), 0
        prefix = None if trained.network is None else PrefixCache(trained.network)
        numbers = np.arange(every // 2, len(ids), every).tolist()
        for number in [*numbers, len(ids)] if ends else numbers:
            above.learn(ids[read:number])
            read = number
            places = above.snapshot()
            read_already, vectors = {}, None
            if prefix is not None:
                prefix.follow(ids[:number])
                found = prefix.state(at_once=number)
                read_already, vectors = {NETWORK: found.state}, found.vectors[:-1]
            caches = caches_of(places, others, weights.caches, project.forms, vectors, recalled)
            mixture = Mixture(trained, caches, project.size, weights, project.forms)
            word = int(ids[number]) if number < len(ids) else EOS
            yield Moment(begin + number, word, mixture, mixture.behind(read_already, ids[:number]))


def _workspace(cache: WorkspaceCache, file: int, size: int, weights: Weights, which: Workspace) -> WorkspaceModel:
    if which == "none":
        return cache.model(size, weights.caches[WORKSPACE])
    begin, end = cache.span(file)
    return cache.model(size, weights.caches[WORKSPACE], (begin, end) if which == "others" else (begin, cache.end))


def _states(trained: Trained, project: Project, reduction: Reduction | None) -> StatesIndex | None:
    """Return the states of the network in all files of a project; None where there is none, or no way to keep them."""
    if trained.network is None or reduction is None:
        return None
    every = (*project.ids, *project.beside)
    found = dict(filter(None, remembered(trained.network, reduction, every)))
    files: list[FileStates] = [found[number] for number in range(len(every))]
    words = np.concatenate(every).astype(np.uint32)
    return StatesIndex(
        reduction,
        np.concatenate([file.states for file in files]),
        np.concatenate([file.lists for file in files]),
        words,
    )


def _recalled(states: StatesIndex, project: Project, file: int, which: Workspace) -> NeuralWorkspace:
    ends = np.cumsum([0, *map(len, (*project.ids, *project.beside))]).tolist()
    return NeuralWorkspace(states, project.size, (ends[file], ends[file + 1] if which == "others" else ends[-1]))
