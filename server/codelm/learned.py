"""A workspace as a session knows it: its files' words by the session's ids, sorted; where each file is; and what a
network made of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from codelm.neural.reduction import Reduction
from codelm.neural_workspace import NeuralWorkspace, Span, StatesIndex
from codelm.session import SessionVocabulary
from codelm.vocabulary import PAD
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache, sorted_places
from codelm.workspace_states import WorkspaceStates, states_index


@dataclass(frozen=True, eq=False)
class LearnedWorkspace:
    """``session``: whose ids they are. ``cache``: all files. ``numbers``: the number in it of each path's key.

    ``states``: those of a network in files, where it has read any, and ``spans``: where those of each path's key are.
    """

    session: SessionVocabulary
    cache: WorkspaceCache
    numbers: Mapping[str, int]
    states: StatesIndex | None = None
    spans: Mapping[str, Span] = field(default_factory=dict)

    def span(self, path: str) -> tuple[int, int]:
        """Return where a file is in the cache, (0, 0) for one that is not there."""
        number = self.numbers.get(path)
        return (0, 0) if number is None else self.cache.span(number)

    def recalled(self, path: str, size: int) -> NeuralWorkspace | None:
        """Return what the states of all files but one teach, over ``size`` ids; None where there are none."""
        if self.states is None:
            return None
        return NeuralWorkspace(self.states, size, self.spans.get(path, (0, 0)))


def ordered(index: WorkspaceIndex) -> WorkspaceIndex:
    """Return an index with the order of its places: a third of a second for a million words, if it has none yet."""
    if index.order is not None or not len(index):
        return index
    return replace(index, order=sorted_places(index.numbered_files()))


def learned(
    index: WorkspaceIndex,
    session: SessionVocabulary,
    states: WorkspaceStates | None = None,
    reduction: Reduction | None = None,
) -> LearnedWorkspace:
    """Return a workspace's index as completions use it; the session learns its words.

    ``states``: those of a network that were kept by the ``reduction``.
    """
    index = ordered(index)
    ids = np.concatenate([[PAD], session.learn(index.lexicon)])
    paths = [path for path, file in index.files.items() if file.start < file.end]
    cache = WorkspaceCache(index.numbered_files(), ids, index.order)
    numbers = {path: number for number, path in enumerate(paths)}
    if states is None or reduction is None or not len(states):
        return LearnedWorkspace(session, cache, numbers)
    return LearnedWorkspace(session, cache, numbers, *states_index(states, reduction, index, ids[1:]))
