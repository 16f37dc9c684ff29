"""What the server needs of a completer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from codelm.completion import Completions, Selected, Snapshot, Suggestions

if TYPE_CHECKING:
    from codelm.importable import Importable
    from codelm.workspace import WorkspaceIndex
    from codelm.workspace_states import StatesUpdate, WorkspaceStates


class Completing(Protocol):
    """What a completer does for the server: ``codelm.completer.Completer`` or a stand-in."""

    workspace: Any
    """What ``learned`` returned, None for no workspace. Any thread may assign it; the next completion uses it."""
    importable: "Importable | None"
    """The index of what can be imported. Any thread may assign it."""

    @property
    def has_network(self) -> bool:
        """Whether its model has a network, open or not."""
        ...

    def learned(self, index: "WorkspaceIndex", states: "WorkspaceStates | None") -> Any:
        """Return what completions need of a workspace, and of a network's states in it. Takes long; any thread may
        call it.
        """
        ...

    @property
    def has_prose(self) -> bool:
        """Whether it completes prose."""
        ...

    def learn_prose(self, index: "WorkspaceIndex") -> None:
        """Use the prose of a workspace from now on: none, of an empty index. Takes long; any thread may call it."""
        ...

    @property
    def states_key(self) -> str:
        """What tells the states of the open network from those of all others; "" where none are kept.

        Any thread may ask. Raises ``CodelmError``.
        """
        ...

    def states_update(self, index: "WorkspaceIndex", states: "WorkspaceStates | None") -> "StatesUpdate":
        """Return how states become those of an index's files, if there is a ``states_key``. Any thread may call it."""
        ...

    def forget(self) -> None:
        """Drop all words that were learned since the model was loaded; ``workspace`` becomes None."""
        ...

    def opened(self, snapshot: Snapshot, offset: int | None = None) -> None:
        """Note that a document was opened, or much was put into it before ``offset``: there will be questions about it,
        and it can be read meanwhile, up to there.
        """
        ...

    def close(self, uri: str) -> None:
        """Drop what is kept of a document: it was closed."""
        ...

    def open_network(self, device: str) -> str:
        """Open the model's network on a device: "auto", "cpu", "cuda" or "mps". Completions use it from then on.

        Takes seconds; any thread may call it, one at a time. Returns "", or why the network runs elsewhere or not at
        all, in a sentence for the user. Raises ``CodelmError`` for what users can mend.
        """
        ...

    def idle(self, cancelled: Callable[[], bool]) -> bool:
        """Do a little of what is due, some 10 milliseconds; return whether there is more.

        Returns, or raises ``Cancelled``, soon after ``cancelled()`` turns true.
        """
        ...

    def complete(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        multi_token: bool,
        prose: bool,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> Completions:
        """Return at most ``limit`` completions at an offset by ``deadline`` (of ``time.monotonic``).

        Raises ``Cancelled`` soon after ``cancelled()`` turns true.
        """
        ...

    def suggest(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        selected: Selected | None,
        least: float,
        asked: bool,
        prose: bool,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> Suggestions:
        """Return at most ``limit`` ways in which the line may go on, each of a probability of at least ``least``.

        Where somebody has ``asked``, a little is better than nothing. With an item selected in the editor's list, all
        begin with it. Else as ``complete``.
        """
        ...


Load = Callable[[str], Completing]
"""Loads the checkpoint in a folder ("": the bundled one), but for its network. Raises ``CodelmError`` for what users
can mend."""
