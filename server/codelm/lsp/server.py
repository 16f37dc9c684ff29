"""codelm's language server: what it answers, and what it does when settings and documents change.

Threads: everything here runs on the event loop. ``worker`` owns the one thread where models are loaded and
run; it is given immutable snapshots, and a flag that it polls. ``learning`` owns the one that reads the workspace.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter
from pygls.uris import from_fs_path

from codelm import __version__
from codelm.completion import Snapshot
from codelm.errors import Cancelled, CodelmError
from codelm.lsp import commands
from codelm.lsp.completing import Completing, Load
from codelm.lsp.convert import FIRST_KINDS, JsonList, ask_again, nothing, to_completion_list, to_offset
from codelm.lsp.documents import Document, changed, end_of_change, opened
from codelm.lsp.inline import moved, no_suggestions, to_inline_list, to_selected
from codelm.lsp.learning import Learning, Wanted
from codelm.lsp.lines import Encoding
from codelm.lsp.log import LOG, where
from codelm.lsp.notebooks import Notebook, changed_notebook, opened_notebook
from codelm.lsp.progress import Progress
from codelm.lsp.protocol import Protocol
from codelm.lsp.quiet import is_quiet
from codelm.lsp.statistics import Statistics, tell_of_lines, tell_of_list
from codelm.lsp.status import FAILED, LOADING, NONE, READY, Model, Network, StatusShown
from codelm.lsp.worker import Worker
from codelm.settings import Settings, merge, parse

SECTION = "codelm"
"""The name of our settings in an editor's configuration."""

# A list opens by itself after these, where a name has to follow: an attribute or a decorator. Not after
# brackets, commas, colons and "=": many press Enter next, which would take the first item instead of ending
# the line. Not after blanks, which would open a list after every word, nor after quotes, for the closing one
# would open it too.
TRIGGERS = (".", "@")

WATCHED = ("**/*.py", "**/*.pyi", "**/.gitignore")

NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [types.NotebookDocumentFilterWithCells(cells=[types.NotebookCellLanguage("python")], notebook="*")]
)

_MUCH = 200  # characters that a change adds, from which it is read ahead
SETTINGS_WAIT = 2.0
"""Seconds after which the model is loaded although the client has not told its settings yet."""


def load(model: str) -> Completing:
    """Load the completer of the checkpoint in a folder; "" is the bundled one. Raises ``CheckpointError``."""
    # Imported here, on the worker's thread: numpy takes longer than an editor should wait for its server.
    from codelm import checkpoint
    from codelm.completer import Completer

    completer = Completer(checkpoint.load(checkpoint.find(model), network=False))
    completer.warm_up()
    return completer


class Server(LanguageServer):
    """The state of one session with an editor."""

    protocol: Protocol

    def __init__(self, load: Load = load, model: str = "") -> None:
        """Make a server that completes with ``model`` where the settings name none."""
        super().__init__(
            "codelm", __version__, protocol_cls=Protocol, converter_factory=default_converter,
            notebook_document_sync=NOTEBOOKS,
        )  # fmt: skip
        self.worker = Worker(load)
        self.learning = Learning(self.worker.gate, _Surroundings(self))
        self.progress_shown = Progress(self)
        self.status = StatusShown(self)
        self.statistics = Statistics(partial(self.show, types.MessageType.Warning))
        self.stopped = threading.Event()  # set when no more messages are to be read
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self.exit_status = 1  # as the protocol has it: 0 only after ``shutdown``
        self.documents: dict[str, Document] = {}
        self.notebooks: dict[str, Notebook] = {}
        self.notebook_of: dict[str, str] = {}  # the notebook's URI by each cell's
        self.current = ""  # the URI of the document that was worked on last
        self.folders: dict[str, str] = {}  # the workspace's, by their URIs
        self.settings = Settings()
        self.configured = asyncio.Event()  # the settings are the user's, as far as they are known
        self.encoding = Encoding.UTF16
        self.initial_settings: object = None
        self._model = model
        self._problems: list[str] = []
        self._background: set[asyncio.Task[None]] = set()
        _register(self)

    def client_can(self, capability: str) -> bool:
        """Whether the client says that it has a capability, such as ``workspace.configuration``."""
        return bool(get_capability(self.client_capabilities, capability, False))

    @property
    def shows_ghost_text(self) -> bool:
        """Whether the client asks for inline completions."""
        return get_capability(self.client_capabilities, "text_document.inline_completion", None) is not None

    def configure(self, raw: object) -> None:
        """Take settings over: tell the user what is wrong with them, load another model if they name one."""
        self.settings, problems = parse(merge(self.initial_settings, raw))
        if problems and problems != self._problems:
            # One problem is one line: an editor may stop to have several lines read.
            begins = "codelm: " if len(problems) == 1 else "codelm: please correct these settings.\n"
            self.show(types.MessageType.Warning, begins + "\n".join(problems))
        self._problems = problems
        self.status.now.enabled = self.settings.enabled
        self.status.changed()
        model = self.settings.model or self._model
        if self.settings.enabled and model != self.worker.model:
            self.start(self._tell_of(model, self.worker.load(model)))
        elif self.settings.enabled:
            self.start(self._open_network())
        self.learn()
        self.configured.set()

    @property
    def is_on(self) -> bool:
        """Whether anything is to be proposed."""
        return self.settings.enabled and not self.status.now.paused

    def pause(self, *, paused: bool) -> None:
        """Propose nothing and learn nothing anew, or go on."""
        self.status.now.paused = paused
        self.learning.pause(paused=paused)
        self.status.changed()

    def learn(self) -> None:
        """Learn from the workspace as it is, and as the settings want it."""
        if not (self.settings.enabled or self.learning.is_running):
            return
        enabled = self.settings.enabled and self.settings.workspace.enabled
        neural = self.settings.workspace.neural
        self.learning.open(Wanted(tuple(self.folders), enabled, self.settings.interpreter, neural))

    async def pull_settings(self) -> None:
        """Ask the client for its settings and take them over."""
        item = types.ConfigurationItem(section=SECTION)
        try:
            answers = await self.workspace_configuration_async(types.ConfigurationParams([item]))
        except JsonRpcException as error:
            LOG.warning("the client does not tell its settings (error %s)", error.code)
            answers = []
        self.configure(answers[0] if answers else None)

    def document(self, uri: str) -> Document | None:
        """Return an open document, or a cell of an open notebook."""
        notebook = self.notebooks.get(self.notebook_of.get(uri, ""))
        return self.documents.get(uri) if notebook is None else notebook.documents.get(uri)

    def seen(self, document: Document) -> tuple[Snapshot, int]:
        """Return what a completer sees where a document is worked on, and where in it the document begins."""
        notebook = self.notebooks.get(self.notebook_of.get(document.uri, ""))
        return (document.snapshot, 0) if notebook is None else notebook.snapshot(document.uri)

    def keep_notebook(self, notebook: Notebook) -> None:
        """Keep a notebook's newest version."""
        self.drop_notebook(notebook.uri)
        self.notebooks[notebook.uri] = notebook
        self.notebook_of |= dict.fromkeys(notebook.cells, notebook.uri)

    def drop_notebook(self, uri: str) -> None:
        """Keep a notebook no longer."""
        old = self.notebooks.pop(uri, None)
        for cell in old.cells if old is not None else ():
            self.notebook_of.pop(cell, None)

    def show(self, kind: types.MessageType, message: str) -> None:
        """Show the user a message that needs an action."""
        LOG.warning("%s", message)
        self.window_show_message(types.ShowMessageParams(kind, message))

    def inform(self, message: str) -> None:
        """Show the user what was done."""
        LOG.info("%s", message)
        self.window_show_message(types.ShowMessageParams(types.MessageType.Info, message))

    def soon(self, action: Callable[..., None], *arguments: object) -> None:
        """Do something on the event loop. Any thread may call it."""
        if self.event_loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the session ended
                self.event_loop.call_soon_threadsafe(action, *arguments)

    def stop_work(self) -> None:
        """End all threads' work."""
        self.learning.stop()
        self.worker.stop()
        self.statistics.stop()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside all else; what it raises is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)  # the event loop itself would let it be collected
        task.add_done_callback(self._ended)
        return task

    def report_server_error(self, error: Exception, source: type[PyglsError | JsonRpcException]) -> None:
        """Log what went wrong. Nothing is sent: where sending is what fails, that would not end."""
        cause = sys.exception() or error
        if isinstance(cause, JsonRpcMethodNotFound):
            LOG.info("the client asked for a method that codelm doesn't have")
        elif isinstance(cause, commands.RefusedError):
            LOG.info("a command was refused")
        else:
            LOG.error("%s\n%s", source.__name__, where(cause))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            LOG.error("internal error\n%s", where(error))

    async def _tell_of(self, model: str, loading: asyncio.Future[Completing]) -> None:
        name = model or "the bundled model"
        self._tell_model(Model(name, model, LOADING))
        try:
            self.learning.use(await loading)
        except Cancelled:
            LOG.info("did not load %s: another is wanted by now", name)
            return
        except CodelmError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user has to know
            LOG.error("loading %s failed\n%s", name, where(error))
            problem = f"loading {name} failed ({type(error).__name__}; its log says where)"
        else:
            LOG.info("loaded %s", name)
            self._tell_model(Model(name, model, READY))
            for document in self.documents.values():
                self.read_when_idle(document)
            await self._open_network()
            return
        self._tell_model(Model(name, model, FAILED, problem))
        self.show(types.MessageType.Error, f"codelm has no model to complete with: {problem}")

    def _tell_model(self, model: Model) -> None:
        self.status.now.model, self.status.now.network = model, Network()
        self.status.changed()

    async def _open_network(self) -> None:
        """Have the network opened on the device of the settings; tell the user where that can't be done."""
        status = self.status.now.network = Network(LOADING, self.settings.device)
        self.status.changed()
        try:
            problem = await self.worker.open_network(self.settings.device)
            self.learning.network_opened()
            if self.worker.has_network:
                on_cpu = problem or self.settings.device == "auto"
                status.state, status.device = READY, "cpu" if on_cpu else self.settings.device
            else:
                status.state, status.device = NONE, ""
        except CodelmError as error:
            problem = f"completing without a network: {error}"
            status.state = FAILED
        except Exception as error:  # noqa: BLE001 - whatever it is, the user has to know
            LOG.error("opening the network failed\n%s", where(error))
            problem = f"completing without a network: opening it failed ({type(error).__name__}; its log says where)"
            status.state = FAILED
        status.problem = problem
        self.status.changed()
        if problem:
            self.show(types.MessageType.Warning, f"codelm: {problem}")

    def read_when_idle(self, document: Document) -> None:
        """Have a document that was opened read before anything is asked about it."""
        if document.is_python:
            self.worker.opened(document.snapshot)


class _Surroundings:
    """What the learning thread needs of the server: brought to the event loop, where it concerns the editor."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def progress(self, done: int, total: int) -> None:
        self._server.soon(self._server.progress_shown.show, done, total)

    def finished(self) -> None:
        self._server.soon(self._server.progress_shown.end)

    def learned(self, state: str, files: int, words: int, done: int, total: int) -> None:
        self._server.soon(self._server.status.workspace_is, state, files, words, done, total)

    def warn(self, message: str) -> None:
        self._server.soon(self._server.show, types.MessageType.Warning, message)

    def forget_session(self) -> Future[None]:
        return self._server.worker.forget()


def _register(server: Server) -> None:
    server.feature(types.INITIALIZE)(initialize)
    server.feature(types.INITIALIZED)(initialized)
    server.feature(types.SHUTDOWN)(shutdown)
    server.feature(types.EXIT)(exit_)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(did_close)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(did_open_notebook)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(did_change_notebook)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(did_close_notebook)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE, types.SaveOptions(include_text=False))(did_save)
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(did_change_watched_files)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)
    server.feature(types.WORKSPACE_DID_CREATE_FILES, commands.FILES)(did_create_or_delete_files)
    server.feature(types.WORKSPACE_DID_DELETE_FILES, commands.FILES)(did_create_or_delete_files)
    server.feature(types.WORKSPACE_DID_RENAME_FILES, commands.FILES)(did_rename_files)
    server.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)(progress_cancel)
    for name, command in commands.COMMANDS.items():
        server.command(name)(command)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=list(TRIGGERS)))(
        completion
    )
    # Without options pygls would not tell of it.
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions(False))(inline_completion)


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Note what the client brings; nothing slow, an editor waits."""
    ls.initial_settings = params.initialization_options
    folders = params.workspace_folders or []
    ls.folders = {folder.uri: folder.name for folder in folders}
    if not folders and (root := params.root_uri or (params.root_path and from_fs_path(params.root_path))):
        ls.folders[root] = ""
    ls.encoding = Encoding(ls.workspace.position_encoding)


async def initialized(ls: Server, _: types.InitializedParams) -> None:
    """Find out the settings, which may name a model, and load it."""
    ls.event_loop = asyncio.get_running_loop()
    ls.start(_ask_to_be_told_of_changes(ls))
    if not ls.client_can("workspace.configuration"):
        ls.configure(None)
        return
    pulling = ls.start(ls.pull_settings())
    await asyncio.wait({pulling}, timeout=SETTINGS_WAIT)
    if not ls.configured.is_set():
        LOG.warning("the client takes long to tell its settings; going on without them")
        ls.configure(None)


async def _ask_to_be_told_of_changes(ls: Server) -> None:
    settings = types.DidChangeConfigurationRegistrationOptions(SECTION)
    files = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(pattern) for pattern in WATCHED])
    if ls.client_can("workspace.did_change_configuration.dynamic_registration"):
        await _register_at_client(ls, "codelm-settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION, settings)
    if ls.client_can("workspace.did_change_watched_files.dynamic_registration"):
        ls.learning.is_told_of_changes = await _register_at_client(
            ls, "codelm-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, files
        )


async def _register_at_client(ls: Server, name: str, method: str, options: object) -> bool:
    """Ask the client to tell of changes; return whether it will."""
    try:
        await ls.client_register_capability_async(
            types.RegistrationParams([types.Registration(name, method, options)])
        )  # fmt: skip
    except JsonRpcException as error:
        LOG.warning("the client won't send %s (error %s)", method, error.code)
        return False
    return True


async def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    """Take over changed settings: asked for where the client answers that, else as they were sent."""
    if ls.client_can("workspace.configuration"):
        await ls.pull_settings()
    elif isinstance(params.settings, Mapping) and SECTION in params.settings:
        ls.configure(params.settings[SECTION])


def shutdown(ls: Server, _: None) -> None:
    """Stop working before anything else ends."""
    ls.stop_work()
    ls.exit_status = 0


def exit_(ls: Server, _: None) -> None:
    """End the reading loop."""
    ls.stopped.set()


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Keep the document."""
    ls.current = params.text_document.uri
    document = ls.documents[ls.current] = opened(params.text_document)
    ls.read_when_idle(document)
    ls.learning.set_open_files(ls.documents)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Keep the document's next version."""
    uri = params.text_document.uri
    if (document := ls.documents.get(uri)) is None:
        LOG.warning("a change of a document that is not open: %s", uri)
        return
    ls.worker.gate.expect()
    ls.worker.leave_line(uri)
    ls.current = uri
    new = ls.documents[uri] = changed(document, params.text_document.version, params.content_changes, ls.encoding)
    if len(new.lines.text) - len(document.lines.text) >= _MUCH and new.is_python:
        # Pasted, say, or put back: the cursor is most likely behind it.
        ls.worker.opened(new.snapshot, end_of_change(document.lines.text, new.lines.text))


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Let the document go, and all work on it."""
    ls.documents.pop(params.text_document.uri, None)
    if ls.current == params.text_document.uri:
        ls.current = ""
    ls.worker.close(params.text_document.uri)
    ls.learning.set_open_files(ls.documents)


def did_open_notebook(ls: Server, params: types.DidOpenNotebookDocumentParams) -> None:
    """Keep the notebook."""
    ls.keep_notebook(opened_notebook(params.notebook_document, params.cell_text_documents))


def did_change_notebook(ls: Server, params: types.DidChangeNotebookDocumentParams) -> None:
    """Keep the notebook's next version."""
    uri = params.notebook_document.uri
    if (notebook := ls.notebooks.get(uri)) is None:
        LOG.warning("a change of a notebook that is not open: %s", uri)
        return
    ls.worker.gate.expect()
    ls.worker.leave_line(uri)
    ls.keep_notebook(changed_notebook(notebook, params.notebook_document.version, params.change, ls.encoding))


def did_close_notebook(ls: Server, params: types.DidCloseNotebookDocumentParams) -> None:
    """Let the notebook go, and all work on it."""
    ls.drop_notebook(params.notebook_document.uri)
    ls.worker.close(params.notebook_document.uri)


def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    """Learn what was saved."""
    ls.learning.changed([params.text_document.uri])


def did_change_watched_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """Follow the files."""
    ls.learning.changed(change.uri for change in params.changes)


def did_create_or_delete_files(ls: Server, params: types.CreateFilesParams | types.DeleteFilesParams) -> None:
    """Follow the files, where the client watches none."""
    ls.learning.changed(file.uri for file in params.files)


def did_rename_files(ls: Server, params: types.RenameFilesParams) -> None:
    """Follow the files, where the client watches none."""
    ls.learning.changed(uri for file in params.files for uri in (file.old_uri, file.new_uri))


def did_change_workspace_folders(ls: Server, params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Learn from the folders that there are now."""
    for folder in params.event.removed:
        ls.folders.pop(folder.uri, None)
    for folder in params.event.added:
        ls.folders[folder.uri] = folder.name
    if ls.configured.is_set():
        ls.learn()


def progress_cancel(ls: Server, params: types.WorkDoneProgressCancelParams) -> None:
    """Read no more files."""
    if ls.progress_shown.is_shown(params.token):
        ls.learning.cancel()


async def completion(ls: Server, params: types.CompletionParams) -> JsonList:
    """Answer with what may follow at the cursor."""
    # The document comes before the first await: a request carries no version, and the document moves on.
    document, encoding = ls.document(params.text_document.uri), ls.encoding
    if document is None or not document.is_python:
        return nothing()
    snapshot, begin = ls.seen(document)
    await ls.configured.wait()
    settings = ls.settings
    if not (ls.is_on and settings.completion.enabled):
        return nothing()
    ls.current = document.uri
    cursor = to_offset(document.lines, params.position, encoding)
    wanted = settings.completion
    if settings.inline.enabled and ls.shows_ghost_text:  # it says how the line goes on, and better
        wanted = replace(wanted, multi_token=False)
    try:
        completions = await ls.worker.complete(snapshot, begin + cursor, wanted)
    except Cancelled:
        return ask_again()
    finally:
        ls.learning.completed()
    completions = replace(completions, start=completions.start - begin)
    known = get_capability(ls.client_capabilities, "text_document.completion.completion_item_kind.value_set", None)
    details = ls.client_can("text_document.completion.completion_item.label_details_support")
    found = to_completion_list(
        completions, document.lines, cursor, encoding, known or FIRST_KINDS, ranking=wanted.ranking, details=details
    )
    if settings.statistics.enabled:
        tell_of_list(found["items"], completions, cursor - completions.start)
    return found


async def inline_completion(ls: Server, params: types.InlineCompletionParams) -> types.InlineCompletionList | None:
    """Answer with how the line at the cursor may go on, as ghost text; None where the request is out of date.

    Neovim hides what it shows when there is nothing to suggest, and leaves it when there is no answer.
    """
    document, encoding = ls.document(params.text_document.uri), ls.encoding
    if document is None or not document.is_python:
        return no_suggestions()
    snapshot, begin = ls.seen(document)
    await ls.configured.wait()
    inline = ls.settings.inline
    if not (ls.is_on and inline.enabled):
        return no_suggestions()
    lines, cursor = document.lines, to_offset(document.lines, params.position, encoding)
    unasked = params.context.trigger_kind is not types.InlineCompletionTriggerKind.Invoked
    chosen = params.context.selected_completion_info
    selected = to_selected(chosen, lines, cursor, encoding) if chosen else None
    if (chosen and selected is None) or is_quiet(*lines.around(cursor), inline if unasked else None):
        ls.worker.leave_line(snapshot.uri)  # what was asked before is out of date all the same
        return no_suggestions()
    ls.current = document.uri
    try:
        chosen_there = selected and replace(selected, start=begin + selected.start)
        suggestions = await ls.worker.suggest(snapshot, begin + cursor, inline, chosen_there, unasked=unasked)
    except Cancelled:
        return None
    finally:
        ls.learning.completed()
    found = to_inline_list(moved(suggestions, -begin), lines, cursor, encoding)
    if ls.settings.statistics.enabled:
        tell_of_lines(found.items, suggestions)
    return found
