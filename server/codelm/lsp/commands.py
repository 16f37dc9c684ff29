"""What users can tell codelm to do: to forget and to learn, to pause and to resume, and to say how it is."""

from pathlib import PurePath
from typing import Any, Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from codelm.errors import StorageError, UsageError
from codelm.lsp.learning import Learning
from codelm.lsp.statistics import ACCEPTED, Statistics, as_json, checked
from codelm.lsp.status import StatusShown
from codelm.lsp.uris import path_of
from codelm.settings import Settings

FORGET, LEARN = "codelm.forget", "codelm.learn"
STATISTICS, FORGET_STATISTICS = "codelm.statistics", "codelm.forgetStatistics"
STATUS, PAUSE, RESUME = "codelm.status", "codelm.pause", "codelm.resume"
FILE, WORKSPACE, ALL = "file", "workspace", "all"


class RefusedError(JsonRpcException):
    """A command can't be done, for a reason that its user is told; nothing is wrong with codelm."""

    CODE = types.ErrorCodes.InvalidParams


class Session(Protocol):
    """What commands need of the server. (pygls has to find the types of a command's parameters.)"""

    learning: Learning
    status: StatusShown
    statistics: Statistics
    settings: Settings
    current: str

    def inform(self, message: str) -> None:
        """Show the user what was done."""
        ...

    def pause(self, *, paused: bool) -> None:
        """Propose nothing and learn nothing anew, or go on."""
        ...


async def forget(ls: Session, *arguments: object) -> None:
    """Forget a file, the workspace, or all of them, for good, and say so.

    A document that is open is still completed from its own text: that is read, not learned.
    """
    what, uri = _checked(ls, FORGET, (FILE, WORKSPACE, ALL), arguments)
    try:
        if what == FILE:
            await ls.learning.do(lambda learner: learner.forget_file(uri))
            message = f"codelm forgot {_name(uri)}, and won't learn from it in this workspace."
        elif what == WORKSPACE:
            await ls.learning.do(lambda learner: learner.forget_workspace())
            message = "codelm forgot this workspace, and won't learn from it."
        else:
            await ls.learning.do(lambda learner: learner.forget_all())
            message = "codelm forgot all workspaces, and won't learn from the one that is open."
    except StorageError as error:
        message = f"codelm forgot for this session only, and may learn again in the next: {error}"
        raise RefusedError(message, types.LSPErrorCodes.RequestFailed) from error
    except UsageError as error:
        raise RefusedError(f"{FORGET}: {error}") from error
    ls.inform(message)


async def learn(ls: Session, *arguments: object) -> None:
    """Learn a file again that was forgotten, or the workspace with all its files."""
    what, uri = _checked(ls, LEARN, (FILE, WORKSPACE), arguments or (WORKSPACE,))
    try:
        await ls.learning.do(lambda learner: learner.learn_again(uri if what == FILE else ""))
    except StorageError as error:
        raise RefusedError(f"{LEARN}: {error}", types.LSPErrorCodes.RequestFailed) from error
    except UsageError as error:
        raise RefusedError(f"{LEARN}: {error}") from error
    learned = _name(uri) if what == FILE else "this workspace"
    off = "" if ls.settings.workspace.enabled else " once the setting codelm.workspace.enabled is on"
    ls.inform(f"codelm learns {learned} again{off}.")


async def status(ls: Session, *arguments: object) -> dict[str, Any]:
    """Return what codelm is doing: see ``codelm.lsp.status``."""
    _none(STATUS, arguments)
    return ls.status.as_json()


async def pause(ls: Session, *arguments: object) -> None:
    """Propose nothing, and learn nothing anew, until it is resumed or another session begins."""
    _none(PAUSE, arguments)
    ls.pause(paused=True)


async def resume(ls: Session, *arguments: object) -> None:
    """Go on after a pause."""
    _none(RESUME, arguments)
    ls.pause(paused=False)


async def accepted(ls: Session, *arguments: object) -> None:
    """Count that a proposal was accepted, where the user wants that: editors tell of it, for items say so."""
    told = checked(arguments)
    if told is None:
        raise RefusedError(f'{ACCEPTED} takes {{"kind": "list" or "line", "source": …, "characters": …}}')
    if ls.settings.statistics.enabled:
        ls.statistics.count(*told)


async def statistics(ls: Session, *arguments: object) -> dict[str, Any]:
    """Return what was counted, by day and kind, and the file that holds it."""
    _none(STATISTICS, arguments)
    try:
        counts, file = await ls.statistics.counts()
    except StorageError as error:
        raise RefusedError(f"{STATISTICS}: {error}", types.LSPErrorCodes.RequestFailed) from error
    return {"enabled": ls.settings.statistics.enabled, "file": file, "days": as_json(counts)}


async def forget_statistics(ls: Session, *arguments: object) -> None:
    """Remove what was counted."""
    _none(FORGET_STATISTICS, arguments)
    try:
        await ls.statistics.forget()
    except StorageError as error:
        raise RefusedError(f"{FORGET_STATISTICS}: {error}", types.LSPErrorCodes.RequestFailed) from error
    ls.inform("codelm forgot its statistics.")


def _none(command: str, arguments: tuple[object, ...]) -> None:
    if arguments:
        raise RefusedError(f"{command} takes no arguments")


def _checked(ls: Session, command: str, known: tuple[str, ...], arguments: tuple[object, ...]) -> tuple[str, str]:
    """Return what is meant, and for a file its URI: without one, of the document that was worked on last.

    Raises RefusedError.
    """
    expected = f"{command} takes {', '.join(map(repr, known))}; behind {FILE!r} a file's URI"
    what, *rest = arguments or (None,)
    if what not in known or len(rest) > (what == FILE) or not all(isinstance(uri, str) for uri in rest):
        raise RefusedError(expected)
    uri = str(rest[0]) if rest else ls.current
    if what == FILE and not uri:
        raise RefusedError(f"{expected}; no document is open that could be meant")
    if what == FILE and not path_of(uri):
        raise RefusedError(f"{command}: the document is no file; a file's URI begins with file://")
    return str(what), uri


def _name(uri: str) -> str:
    return PurePath(path_of(uri)).name


COMMANDS = {
    FORGET: forget,
    LEARN: learn,
    STATUS: status,
    PAUSE: pause,
    RESUME: resume,
    ACCEPTED: accepted,
    STATISTICS: statistics,
    FORGET_STATISTICS: forget_statistics,
}
FILES = types.FileOperationRegistrationOptions(
    [
        types.FileOperationFilter(types.FileOperationPattern("**/*.{py,pyi}"), scheme="file"),
        types.FileOperationFilter(
            types.FileOperationPattern("**", matches=types.FileOperationPatternKind.Folder), scheme="file"
        ),
    ]
)
"""The files and folders whose being made, renamed and deleted in the editor matters."""
