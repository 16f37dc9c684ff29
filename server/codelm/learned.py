"""A workspace as a session knows it: its files' words by the session's ids, sorted, and where each file is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from codelm.session import SessionVocabulary
from codelm.vocabulary import PAD
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache, sorted_places


@dataclass(frozen=True, eq=False)
class LearnedWorkspace:
    """``session``: whose ids they are. ``cache``: all files. ``numbers``: the number in it of each path's key."""

    session: SessionVocabulary
    cache: WorkspaceCache
    numbers: Mapping[str, int]

    def span(self, path: str) -> tuple[int, int]:
        """Return where a file is in the cache, (0, 0) for one that is not there."""
        number = self.numbers.get(path)
        return (0, 0) if number is None else self.cache.span(number)


def ordered(index: WorkspaceIndex) -> WorkspaceIndex:
    """Return an index with the order of its places: a third of a second for a million words, if it has none yet."""
    if index.order is not None or not len(index):
        return index
    return replace(index, order=sorted_places(index.numbered_files()))


def learned(index: WorkspaceIndex, session: SessionVocabulary) -> LearnedWorkspace:
    """Return a workspace's index as completions use it; the session learns its words."""
    index = ordered(index)
    ids = np.concatenate([[PAD], session.learn(index.lexicon)])
    paths = [path for path, file in index.files.items() if file.start < file.end]
    cache = WorkspaceCache(index.numbered_files(), ids, index.order)
    return LearnedWorkspace(session, cache, {path: number for number, path in enumerate(paths)})
