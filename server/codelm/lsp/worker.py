"""What loads models and completes, on threads of their own, so that the event loop never waits.

All work on models takes turns on one thread; only networks are opened on another, because that takes seconds in which
the rest can complete already.

Of each document only the newest request of each kind is worked on: a newer one takes the place of older ones, whose
work stops at the next look at its flag and, if it has not begun, never begins. A list goes before ghost text, for it is
waited for, and ends that of an older version. Ghost text ends no list: an editor that waits for one while its user
types on asks for no other, and narrows what comes. All methods are called on the event loop, but for ``forget``.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from codelm.completion import Completions, Selected, Snapshot, Suggestions
from codelm.errors import Cancelled
from codelm.lsp.completing import Completing, Load
from codelm.lsp.gate import Gate
from codelm.lsp.log import LOG, where
from codelm.lsp.turns import Turns
from codelm.settings import CompletionSettings, InlineSettings

T = TypeVar("T")


_YOUNG = 20_000
"""Objects that are made before garbage is looked for among them."""


class _Kind(IntEnum):
    """What is asked for; the smaller number is the more urgent."""

    LIST = 0
    LINE = 1


@dataclass(eq=False)
class _Job:
    """One request at work, on one version of a document."""

    task: "asyncio.Task[Any]"
    version: int | None
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
        self._turns = Turns("codelm-worker", self._idle)
        self._jobs: dict[tuple[str, _Kind], _Job] = {}
        self._wanted: str | None = None
        self._loading: asyncio.Future[Completing] | None = None
        self._asked = asyncio.Event()
        self._opener = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codelm-network")
        self._network: tuple[Completing, str] | None = None  # whose was last asked for, and on which device
        self._stopped = False

    # --- loading ------------------------------------------------------------------------------------------

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
        self._loading = asyncio.wrap_future(self._turns.submit(lambda: self._load_if_wanted(model)))
        self._asked.set()
        return self._loading

    @property
    def has_network(self) -> bool:
        """Whether the model that is loaded has a network."""
        completer = self._loaded()
        return completer is not None and completer.has_network

    async def open_network(self, device: str) -> str:
        """Open the loaded model's network on a device, where that was not done; return what to tell the user, or "".

        Raises what opening raises. While a model is being loaded there is nothing to open: its turn comes then.
        """
        completer = self._loaded()
        if completer is None or self._stopped or self._network == (completer, device):
            return ""
        wanted = self._network = completer, device
        problem = await asyncio.get_running_loop().run_in_executor(self._opener, self._open_if_wanted, wanted)
        self._turns.wake()  # the network can read what was opened before
        return problem if self._network is wanted else ""

    def _load_if_wanted(self, model: str) -> Completing:
        if model != self._wanted:
            raise Cancelled
        self._completer = self._load(model)
        # What is loaded stays: to look for garbage in it again and again would hold up all threads. And what a
        # completion makes is hardly ever garbage that refers to itself: to look for it often took a tenth of the time.
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 20)
        return self._completer

    def _open_if_wanted(self, wanted: tuple[Completing, str]) -> str:
        completer, device = wanted
        return completer.open_network(device) if self._network is wanted else ""

    def _loaded(self) -> Completing | None:
        """Return the completer of the model last asked for, if it is loaded."""
        loading = self._loading
        if loading is None or not loading.done() or loading.cancelled() or loading.exception():
            return None
        return loading.result()

    async def _when_loaded(self) -> Completing | None:
        """Return the completer of the model last asked for, when it is loaded; ``None`` where that failed."""
        await self._asked.wait()
        while True:
            loading = self._loading
            assert loading is not None
            # The wait is what ends when this request does; others go on waiting for the same model.
            await asyncio.wait({loading})
            if loading is self._loading:
                return self._loaded()

    # --- requests -----------------------------------------------------------------------------------------

    async def complete(self, snapshot: Snapshot, offset: int, settings: CompletionSettings) -> Completions:
        """Return completions at an offset; none where the model could not be loaded.

        Raises ``Cancelled`` at once where a newer request of the same document takes over. When the awaiting
        task is cancelled, so is the work.
        """

        def work(completer: Completing, cancelled: Callable[[], bool]) -> Completions:
            return completer.complete(
                snapshot,
                offset,
                limit=settings.max_items,
                multi_token=settings.multi_token,
                prose=settings.prose,
                deadline=_deadline(settings.deadline),
                cancelled=cancelled,
            )

        return await self._answer(snapshot, _Kind.LIST, work) or Completions((), offset, complete=True)

    async def suggest(
        self, snapshot: Snapshot, offset: int, settings: InlineSettings, selected: Selected | None, *, unasked: bool
    ) -> Suggestions:
        """Return suggestions for the line at an offset, as ``complete`` returns completions.

        Unasked, only good ones, and after a delay: both as the settings have it. ``leave_line`` ends the work, too.
        """

        def work(completer: Completing, cancelled: Callable[[], bool]) -> Suggestions:
            return completer.suggest(
                snapshot,
                offset,
                limit=settings.max_items,
                selected=selected,
                least=settings.confidence / 100 if unasked else 0.0,
                asked=not unasked,
                prose=settings.prose,
                deadline=_deadline(settings.deadline),
                cancelled=cancelled,
            )

        delay = settings.delay / 1000 if unasked else 0.0
        return await self._answer(snapshot, _Kind.LINE, work, delay) or Suggestions(())

    async def _answer(
        self,
        snapshot: Snapshot,
        kind: _Kind,
        work: Callable[[Completing, Callable[[], bool]], T],
        delay: float = 0.0,
    ) -> T | None:
        """Return what some work on a document gives; None where the model could not be loaded.

        The work begins after ``delay`` seconds. Where something more urgent comes, it makes way and begins anew.
        """
        task = asyncio.current_task()
        assert task is not None
        job = _Job(task, snapshot.version)
        self._make_way(snapshot, kind)
        self._jobs[snapshot.uri, kind] = job
        try:
            if delay:
                await asyncio.sleep(delay)
            completer = await self._when_loaded()
            if completer is None:
                return None
            with self.gate.closed():
                while True:
                    try:
                        return await self._turn(completer, kind, work, job)
                    except Cancelled:
                        if job.stop.is_set():
                            raise
        except asyncio.CancelledError:
            job.stop.set()
            if job.superseded:
                raise Cancelled from None
            raise
        finally:
            if self._jobs.get((snapshot.uri, kind)) is job:
                del self._jobs[snapshot.uri, kind]

    def _turn(
        self, completer: Completing, kind: _Kind, work: Callable[[Completing, Callable[[], bool]], T], job: _Job
    ) -> "asyncio.Future[T]":
        """Do some work on the thread. Raises ``Cancelled`` where the job is to stop, or to make way."""

        def cancelled() -> bool:
            return job.stop.is_set() or self._turns.has_to_yield(kind)

        def on_thread() -> T:
            if job.stop.is_set():
                raise Cancelled
            return work(completer, cancelled)

        return asyncio.wrap_future(self._turns.submit(on_thread, kind))

    # --- documents ----------------------------------------------------------------------------------------

    def opened(self, snapshot: Snapshot, offset: int | None = None) -> None:
        """Have a document read, up to an offset, while nothing else is to be done, if a model is loaded that can."""
        if self._loaded() is not None:
            self._submit(lambda completer: completer.opened(snapshot, offset))

    def leave_line(self, uri: str) -> None:
        """End the work on a document's line, for it changed or the cursor left it: its request raises ``Cancelled``.

        A list may still be of use: editors narrow it by what was typed since.
        """
        self._supersede(uri, _Kind.LINE)

    def close(self, uri: str) -> None:
        """End the work on a document, and drop what is kept of it."""
        for kind in _Kind:
            self._supersede(uri, kind)
        self._submit(lambda completer: completer.close(uri))

    def _make_way(self, snapshot: Snapshot, kind: _Kind) -> None:
        """End the work that a new request makes useless: of its kind, and on ghost text of other versions."""
        self._supersede(snapshot.uri, kind)
        line = self._jobs.get((snapshot.uri, _Kind.LINE))
        if line is not None and line.version != snapshot.version:
            self._supersede(snapshot.uri, _Kind.LINE)

    def _supersede(self, uri: str, kind: _Kind) -> None:
        if (job := self._jobs.pop((uri, kind), None)) is not None:
            job.supersede()

    # --- the thread ---------------------------------------------------------------------------------------

    def forget(self) -> "Future[None]":
        """Drop all words that the session has learned. Any thread may call it and wait."""
        return self._submit(lambda completer: completer.forget())

    def stop(self) -> None:
        """End all work and begin no more. A model that is being loaded is not waited for."""
        self._stopped = True
        for job in self._jobs.values():
            job.stop.set()
        if self._loading is not None:
            self._loading.cancel()
        self._turns.stop()
        self._opener.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[Completing], None]) -> "Future[None]":
        """Do something with the loaded completer, if there is one, between completions; what it raises is logged."""

        def on_thread() -> None:
            if self._completer is not None:
                work(self._completer)

        future: Future[None]
        if self._wanted is None:  # nothing was loaded: there is no thread yet, and nothing that it could do
            future = Future()
            future.set_result(None)
        else:
            future = self._turns.submit(on_thread)
            future.add_done_callback(_log_error)
        return future

    def _idle(self, cancelled: Callable[[], bool]) -> bool:
        return self._completer is not None and self._completer.idle(cancelled)


def _deadline(milliseconds: int) -> float:
    """Return when work that begins now has to end. What waited for its turn or its model has still its full time."""
    return time.monotonic() + milliseconds / 1000


def _log_error(done: "Future[None]") -> None:
    try:
        done.result()
    except CancelledError:
        pass  # the server ends
    except Exception as error:  # noqa: BLE001 - nobody else waits for it, perhaps
        LOG.error("internal error\n%s", where(error))
