"""What codelm is doing, as an editor may show it: the model, the network, the workspace.

``codelm.status`` answers it, and ``codelm/status`` tells of every change to clients that say in ``initialize`` that
they want to know: ``capabilities.experimental.codelm.status``. On the event loop.
"""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from codelm import __version__

if TYPE_CHECKING:
    from codelm.lsp.server import Server

NOTIFICATION = "codelm/status"
SOON = 0.1
"""Seconds in which changes are told of together: hundreds of files are read in one."""

LOADING, READY, FAILED, NONE = "loading", "ready", "failed", "none"
OFF, READING, FORGOTTEN = "off", "reading", "forgotten"


@dataclass(slots=True)
class Model:
    """The model: its name and folder, whether it is ``loading``, ``ready`` or ``failed``, and why it failed."""

    name: str = ""
    folder: str = ""
    state: str = NONE
    problem: str = ""


@dataclass(slots=True)
class Network:
    """The model's network: ``none``, ``loading``, ``ready`` or ``failed``; on which device; and what is wrong."""

    state: str = NONE
    device: str = ""
    problem: str = ""


@dataclass(slots=True)
class Workspace:
    """The workspace: ``off``, ``reading``, ``ready`` or ``forgotten``; what is learned; files read of those to read."""

    state: str = OFF
    files: int = 0
    words: int = 0
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Status:
    """All of it."""

    enabled: bool = True
    paused: bool = False
    model: Model = field(default_factory=Model)
    network: Network = field(default_factory=Network)
    workspace: Workspace = field(default_factory=Workspace)


class StatusShown:
    """The status of one session, and the telling of it."""

    def __init__(self, server: "Server") -> None:
        self.now = Status()
        self._server = server
        self._told: dict[str, Any] = {}
        self._is_due = False

    def as_json(self) -> dict[str, Any]:
        """Return the status as it is sent."""
        return {"version": __version__, **asdict(self.now)}

    def workspace_is(self, state: str, files: int, words: int, done: int, total: int) -> None:
        """Take over how far the workspace is learned."""
        self.now.workspace = Workspace(state, files, words, done, total)
        self.changed()

    def changed(self) -> None:
        """Tell of a change, soon."""
        loop = self._server.event_loop
        if loop is not None and not self._is_due and self._is_wanted():
            self._is_due = True
            loop.call_later(SOON, self._tell)

    def _is_wanted(self) -> bool:
        # pygls has no types for what is experimental.
        asked: Any = getattr(self._server.client_capabilities, "experimental", None)
        for name in ("codelm", "status"):
            asked = asked.get(name) if isinstance(asked, dict) else getattr(asked, name, None)
        return asked is True

    def _tell(self) -> None:
        self._is_due = False
        status = self.as_json()
        if status != self._told and not self._server.stopped.is_set():
            self._told = status
            self._server.protocol.notify(NOTIFICATION, status)
