"""The one thread that loads models and completes, so that the event loop never waits.

Of each document only the newest request is worked on: a newer one takes the place of an older one, whose work
stops at the next look at its flag and, if it has not begun, never begins. All methods are called on the event
loop, but for ``forget``.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from codelm.completion import Completions, Snapshot
from codelm.errors import Cancelled
from codelm.lsp.gate import Gate
from codelm.lsp.log import LOG, where
from codelm.settings import CompletionSettings

if TYPE_CHECKING:
    from codelm.importable import Importable
    from codelm.workspace import WorkspaceIndex


_YOUNG = 20_000
"""Objects that are made before garbage is looked for among them."""


class Completing(Protocol):
    """What a completer does for the server: ``codelm.completer.Completer`` or a stand-in."""

    workspace: Any
    """What ``learned`` returned, None for no workspace. Any thread may assign it; the next completion uses it."""
    importable: "Importable | None"
    """The index of what can be imported. Any thread may assign it."""

    def learned(self, index: "WorkspaceIndex") -> Any:
        """Return what completions need of a workspace. Takes long; any thread may call it."""
        ...

    def forget(self) -> None:
        """Drop all words that were learned since the model was loaded; ``workspace`` becomes None."""
        ...

    def close(self, uri: str) -> None:
        """Drop what is kept of a document: it was closed."""
        ...

    def complete(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        multi_token: bool,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> Completions:
        """Return at most ``limit`` completions at an offset by ``deadline`` (of ``time.monotonic``).

        Raises ``Cancelled`` soon after ``cancelled()`` turns true.
        """
        ...


Load = Callable[[str], Completing]
"""Loads the checkpoint in a folder ("": the bundled one). Raises ``CodelmError`` for what users can mend."""


@dataclass(eq=False)
class _Job:
    """One request at work."""

    task: "asyncio.Task[Any]"
    stop: threading.Event = field(default_factory=threading.Event)
    superseded: bool = False

    def supersede(self) -> None:
        self.superseded = True
        self.stop.set()
        self.task.cancel()


class Worker:
    """Loads and completes on a thread of its own."""

    def __init__(self, load: Load) -> None:
        self.gate = Gate()
        """Closed while a completion is made."""
        self._load = load
        self._completer: Completing | None = None  # what was loaded; used on the thread
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codelm-worker")
        self._jobs: dict[str, _Job] = {}
        self._wanted: str | None = None
        self._loading: asyncio.Future[Completing] | None = None
        self._asked = asyncio.Event()

    @property
    def model(self) -> str | None:
        """The model that was last asked for; ``None`` before the first."""
        return self._wanted

    def load(self, model: str) -> "asyncio.Future[Completing]":
        """Begin to load a model; requests from now on wait for it.

        The future raises what loading raises, and ``Cancelled`` where another model is asked for before this
        one's turn.
        """
        self._wanted = model
        loop = asyncio.get_running_loop()
        self._loading = loop.run_in_executor(self._thread, self._load_if_wanted, model)
        self._asked.set()
        return self._loading

    async def complete(self, snapshot: Snapshot, offset: int, settings: CompletionSettings) -> Completions:
        """Return completions at an offset; none where the model could not be loaded.

        Raises ``Cancelled`` at once where a newer request of the same document takes over. When the awaiting
        task is cancelled, so is the work.
        """
        task = asyncio.current_task()
        assert task is not None
        job = _Job(task)
        self.supersede(snapshot.uri)
        self._jobs[snapshot.uri] = job
        try:
            completer = await self._loaded()
            if completer is None:
                return Completions((), offset, complete=True)
            loop = asyncio.get_running_loop()
            with self.gate.closed():
                return await loop.run_in_executor(self._thread, _work, completer, snapshot, offset, settings, job)
        except asyncio.CancelledError:
            job.stop.set()
            if job.superseded:
                raise Cancelled from None
            raise
        finally:
            if self._jobs.get(snapshot.uri) is job:
                del self._jobs[snapshot.uri]

    def supersede(self, uri: str) -> None:
        """End the work on a document: its request raises ``Cancelled``."""
        if (job := self._jobs.pop(uri, None)) is not None:
            job.supersede()

    def close(self, uri: str) -> None:
        """End the work on a document, and drop what is kept of it."""
        self.supersede(uri)
        self._submit(lambda completer: completer.close(uri))

    def forget(self) -> "Future[None]":
        """Drop all words that the session has learned. Any thread may call it and wait."""
        return self._submit(lambda completer: completer.forget())

    def stop(self) -> None:
        """End all work and begin no more. A model that is being loaded is not waited for."""
        for job in self._jobs.values():
            job.stop.set()
        if self._loading is not None:
            self._loading.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[Completing], None]) -> "Future[None]":
        """Do something with the loaded completer, if there is one, between completions; what it raises is logged."""

        def on_thread() -> None:
            if self._completer is not None:
                work(self._completer)

        try:
            future = self._thread.submit(on_thread)
        except RuntimeError:  # it was stopped: nothing is kept any longer
            future = Future()
            future.set_result(None)
        future.add_done_callback(_log_error)
        return future

    async def _loaded(self) -> Completing | None:
        """Return the completer of the model last asked for, when it is loaded; ``None`` where that failed."""
        await self._asked.wait()
        while True:
            loading = self._loading
            assert loading is not None
            # The wait is what ends when this request does; others go on waiting for the same model.
            await asyncio.wait({loading})
            if loading is self._loading:
                return None if loading.cancelled() or loading.exception() else loading.result()

    def _load_if_wanted(self, model: str) -> Completing:
        if model != self._wanted:
            raise Cancelled
        self._completer = self._load(model)
        # What is loaded stays: to look for garbage in it again and again would hold up all threads. And what a
        # completion makes is hardly ever garbage that refers to itself: to look for it often took a tenth of the time.
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 20)
        return self._completer


def _work(
    completer: Completing, snapshot: Snapshot, offset: int, settings: CompletionSettings, job: _Job
) -> Completions:
    """Complete, on the worker's thread."""
    if job.stop.is_set():
        raise Cancelled
    return completer.complete(
        snapshot,
        offset,
        limit=settings.max_items,
        multi_token=settings.multi_token,
        # Counted from here: a request that waited for its model has still its full time.
        deadline=time.monotonic() + settings.deadline / 1000,
        cancelled=job.stop.is_set,
    )


def _log_error(done: "Future[None]") -> None:
    try:
        done.result()
    except CancelledError:
        pass  # the server ends
    except Exception as error:  # noqa: BLE001 - nobody else waits for it, perhaps
        LOG.error("internal error\n%s", where(error))
