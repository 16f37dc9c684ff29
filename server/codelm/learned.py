"""A workspace as a session knows it: its files' words by the session's ids, sorted, and where each file is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from codelm.session import SessionVocabulary
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache


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


def learned(index: WorkspaceIndex, session: SessionVocabulary) -> LearnedWorkspace:
    """Return a workspace's index sorted, half a second for a million words; the session learns its words."""
    ids = session.learn(index.lexicon)
    paths = [path for path in index.files if len(index.ids_of(path))]
    files = [ids[index.ids_of(path)] if len(ids) else np.zeros(0, np.int64) for path in paths]
    return LearnedWorkspace(session, WorkspaceCache(files), {path: number for number, path in enumerate(paths)})
