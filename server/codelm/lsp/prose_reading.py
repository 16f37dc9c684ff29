"""Reads the prose of a workspace's files, a file at a time, when nothing else is due. It is kept in memory alone."""

from collections.abc import Callable, Iterator

from codelm.lsp.completing import Completing
from codelm.workspace import Step, Update, WorkspaceIndex, without
from codelm.workspace_files import Found

_FEW, _MORE = 5_000, 2.0
"""Words that are read before they are used, and how many times as many the next time, and so on."""


class ProseReading:
    """The prose of one workspace, and how far it has come. All methods are called on the learning thread."""

    def __init__(self) -> None:
        self._prose = WorkspaceIndex()
        self._index: WorkspaceIndex | None = None  # of the code, whose files it follows
        self._update: Update | None = None
        self._steps: Iterator[Step] = iter(())
        self._use_at = 0

    def is_due(self, index: WorkspaceIndex) -> bool:
        """Return whether there is anything to do for an index of code."""
        return self._update is not None or self._index is not index

    def look_again(self) -> None:
        """See again what there is to read, and use it: there is another completer, or it has forgotten all."""
        self._index = None

    def forget(self, index: WorkspaceIndex) -> None:
        """Keep nothing but the prose of the files that an index of code has."""
        self._end()
        self._prose, self._index = without(self._prose, self._prose.files.keys() - index.files.keys()), None

    def give_up(self) -> None:
        """Read no more of this index: it fails."""
        self._end()

    def step(self, completer: Completing, index: WorkspaceIndex, pause: Callable[[], None]) -> None:
        """Read a file, or have completions use what has been read. Raises Cancelled where ``pause`` does."""
        if self._index is not index:
            self._begin(index, pause)
        if self._update is None:
            return
        is_done = next(self._steps, None) is None
        if is_done or len(self._update) >= self._use_at:
            self._prose = self._update.index()
            self._use_at = int(_MORE * len(self._update)) + _FEW
            completer.learn_prose(self._prose)
        if is_done:
            self._end()

    def _begin(self, index: WorkspaceIndex, pause: Callable[[], None]) -> None:
        if self._update is not None:
            self._prose = self._update.index()
        self._index = index
        files = [Found(path, file.size, file.mtime_ns) for path, file in index.files.items() if file.start < file.end]
        self._update = Update(self._prose, files, pause, prose=True)
        self._steps = self._update.steps()
        self._use_at = int(_MORE * len(self._update)) + _FEW

    def _end(self) -> None:
        self._update, self._steps = None, iter(())
