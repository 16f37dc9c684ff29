"""Has the network read the workspace, a little at a time: its states become those of the index's files."""

from collections.abc import Iterator

from codelm.errors import CodelmError, StorageError
from codelm.lsp.completing import Completing
from codelm.lsp.log import LOG
from codelm.workspace import WorkspaceIndex
from codelm.workspace_states import StatesUpdate, WorkspaceStates, digests
from codelm.workspace_store import WorkspaceStore

_FEW, _LITTLE = 2_000, 0.05
"""Words that it takes no time to read again, and the share of all that is not worth to be saved by itself."""
_MORE = 1.5
"""How many times as many words have been read when what is there so far is used: the next time, and so on."""


class Recalling:
    """The states of one workspace, and how far they have come. All methods are called on the learning thread."""

    def __init__(self) -> None:
        self.states: WorkspaceStates | None = None
        """Those of the files that have been read by now."""
        self._index: WorkspaceIndex | None = None  # which they follow
        self._update: StatesUpdate | None = None
        self._steps: Iterator[None] = iter(())
        self._is_new = False  # the states that are there, to completions
        self._use_at = 0
        self._saved: dict[str, int] = {}  # how many words each file on the disk has, by its digest

    def is_due(self, index: WorkspaceIndex) -> bool:
        """Return whether there is anything to do for an index."""
        return self._update is not None or self._index is not index

    def look_again(self) -> None:
        """See again whether there is a network, and what there is to read."""
        self._index = None

    def go_on(self, before: WorkspaceIndex, index: WorkspaceIndex) -> None:
        """Take an index for one that has the same words: there is nothing new to read."""
        if self._index is before:
            self._index = index

    def give_up(self) -> None:
        """Read no more of this index: it fails."""
        self._end()

    def step(self, completer: Completing | None, index: WorkspaceIndex, store: WorkspaceStore) -> bool:
        """Do a little for an index, some 10 ms or what looking up its files takes; return whether completions are to
        use the states that are there now.
        """
        if self._index is not index:
            self._begin(completer, index, store)
            return False
        if self._update is None:
            return False
        if next(self._steps, self) is self:
            self._take()
            files = self._update.files
            self._end()
            self._save(store, files)
        elif len(self._update) >= self._use_at:
            self._take()
            self._use_at = int(_MORE * len(self._update))
            self._save(store, self._update.files)
        is_new, self._is_new = self._is_new, False
        return is_new

    def forget(self, index: WorkspaceIndex) -> None:
        """Keep what an index has, and nothing else; none of it is on the disk any more."""
        if self.states is not None:
            self.states = self.states.only(digests(index).values())
        self._index, self._saved = None, {}
        self._end()

    def _begin(self, completer: Completing | None, index: WorkspaceIndex, store: WorkspaceStore) -> None:
        if self._update is not None:
            self._take()
        self._index = index
        self._end()
        try:
            key = completer.states_key if completer is not None and len(index) else ""
        except CodelmError as error:
            LOG.warning("the network does not read the workspace: %s", error)
            return
        if completer is None or not key:
            return
        if self.states is None or self.states.key != key:
            self.states, reason = store.load_states(key)
            self._saved, self._is_new = _sizes(self.states), True
            if reason:
                LOG.warning("%s", reason)
        self._update = completer.states_update(index, self.states)
        self._steps = self._update.steps()
        self._take()
        self._use_at = int(_MORE * len(self._update)) + _FEW

    def _end(self) -> None:
        """Let go of what reading needs, which is megabytes."""
        self._update, self._steps = None, iter(())

    def _take(self) -> None:
        """Take over what was read."""
        assert self._update is not None
        states = self._update.states()
        self._is_new = self._is_new or states is not self.states
        self.states = states

    def _save(self, store: WorkspaceStore, files: dict[str, str]) -> None:
        """Write the states, where they have become others by so many that it is worth it."""
        sizes = _sizes(self.states)
        changed = sum(
            size for digest, size in (sizes | self._saved).items() if (digest in sizes) != (digest in self._saved)
        )
        if self.states is None or changed <= max(_FEW, int(_LITTLE * len(self.states))):
            return
        try:
            if store.save_states(self.states, files):
                self._saved = sizes
        except StorageError as error:
            LOG.warning("%s", error)


def _sizes(states: WorkspaceStates | None) -> dict[str, int]:
    """Return how many words each file has, by its digest."""
    return {digest: end - begin for digest, (begin, end) in states.files.items()} if states is not None else {}
