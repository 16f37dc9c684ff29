"""How far learning is, as editors show it. On the event loop."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from codelm.lsp.log import LOG

if TYPE_CHECKING:
    from codelm.lsp.server import Server

TITLE = "Learning your code"


class Progress:
    """One progress at a time, which its user may cancel. A client that shows none is sent nothing."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._token = ""  # of what is shown or about to be; empty for nothing
        self._begun = False
        self._last = (0, 0)

    def show(self, done: int, total: int) -> None:
        """Show that so many files were read."""
        if not self._server.client_can("window.work_done_progress"):
            return
        self._last = (done, total)
        if not self._token:
            self._token, self._begun = f"codelm-{uuid4()}", False
            self._server.start(self._begin(self._token))
        elif self._begun:
            self._send(types.WorkDoneProgressReport(message=_files(done, total), percentage=_percentage(done, total)))

    def end(self) -> None:
        """Show no more."""
        if self._begun:
            self._send(types.WorkDoneProgressEnd())
        self._token, self._begun = "", False

    def is_shown(self, token: str | int) -> bool:
        """Whether a token is that of what is shown."""
        return token == self._token

    async def _begin(self, token: str) -> None:
        try:
            await self._server.window_work_done_progress_create_async(types.WorkDoneProgressCreateParams(token))
        except JsonRpcException as error:
            LOG.info("the client shows no progress (error %s)", error.code)
            return
        if token == self._token:  # else it ended meanwhile
            self._begun = True
            done, total = self._last
            self._send(
                types.WorkDoneProgressBegin(
                    TITLE, cancellable=True, message=_files(done, total), percentage=_percentage(done, total)
                )
            )

    def _send(self, value: Any) -> None:
        self._server.progress(types.ProgressParams(self._token, value))


def _files(done: int, total: int) -> str:
    return f"{done:,} of {total:,} files"


def _percentage(done: int, total: int) -> int:
    return done * 100 // max(total, 1)
