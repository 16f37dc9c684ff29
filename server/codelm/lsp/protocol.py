"""The protocol as pygls speaks it, where pygls would be slow, silent or talkative.

- Documents: pygls keeps texts of its own, with wrong lines after a form feed. Here only our handlers do.
- A request that cannot be read, or that comes before ``initialize`` or after ``shutdown``, gets an answer.
- ``exit`` is left to our handler: pygls raises ``SystemExit`` amid its reading loop.
- An internal error is answered without its text: that may quote the user's source, and editors log answers.
"""

import json
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidRequest
from pygls.protocol import LanguageServerProtocol, lsp_method


class Protocol(LanguageServerProtocol):
    """pygls's protocol with the differences that the module's head lists."""

    def handle(self, body: bytes) -> None:
        """Handle a message as it came. Raises what pygls raises for one that cannot be handled, and ``ValueError``."""
        self.handle_message(self.structure_message(json.loads(body)))

    def structure_message(self, data: Any) -> Any:
        """Return the message that some JSON is; answer a request that is none, and raise as pygls does."""
        if not isinstance(data, dict):
            raise JsonRpcInvalidRequest
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), int | str):
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: Any) -> None:
        """Handle a message, or refuse a request that comes before ``initialize`` or after ``shutdown``."""
        method, is_request = getattr(message, "method", None), hasattr(message, "id")
        if method is None or method == types.EXIT:
            super().handle_message(message)
        elif (self._workspace is None) != (method == types.INITIALIZE) or self._shutdown:
            if is_request:
                early = self._workspace is None
                code = types.ErrorCodes.ServerNotInitialized if early else types.ErrorCodes.InvalidRequest
                reason = "before initialize" if early else "after initialize or shutdown"
                self._send_response(message.id, error=types.ResponseError(code, f"{method} {reason}"))
        else:
            super().handle_message(message)

    def _send_response(self, msg_id: str | int, result: Any = None, error: types.ResponseError | None = None) -> None:
        if error is not None and error.code == types.ErrorCodes.InternalError:
            error = types.ResponseError(error.code, "an internal error of codelm; its log says where")
        super()._send_response(msg_id, result, error)

    # pygls's own of these are generators, and it keeps a future of each such notification for ever: some
    # kilobyte for every key that is typed. Plain functions leave nothing behind.

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> None:  # type: ignore[override]
        """Leave it to our handler."""
        self.fm.features[types.EXIT](*args)

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def lsp_workspace__did_change_workspace_folders(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS](params)

    @lsp_method(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def lsp_work_done_progress_cancel(self, params: types.WorkDoneProgressCancelParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.WINDOW_WORK_DONE_PROGRESS_CANCEL](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE](params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.NOTEBOOK_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: types.DidChangeNotebookDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.NOTEBOOK_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: types.DidCloseNotebookDocumentParams) -> None:
        """Leave it to our handler."""
        self.fm.features[types.NOTEBOOK_DOCUMENT_DID_CLOSE](params)
