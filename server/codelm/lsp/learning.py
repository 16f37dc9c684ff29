"""The thread that learns the workspace, as the event loop sees it: it is told what happened, and never waited for.

What the thread does is in ``learner``, which it imports itself: numpy takes longer than an editor should wait.
"""

import asyncio
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from codelm.errors import Cancelled
from codelm.lsp.completing import Completing
from codelm.lsp.gate import Gate
from codelm.lsp.log import LOG, where
from codelm.lsp.turns import fulfil

if TYPE_CHECKING:
    from codelm.lsp.learner import Learner

T = TypeVar("T")
Job = Callable[["Learner"], object]

SWITCH = 0.0005
"""Seconds for which the thread may keep others waiting, once it computes. An answer takes several turns of threads,
and Python's own 5 milliseconds would be waited for in each."""
LOOK_AGAIN = 20.0
"""Seconds after which a completion makes the files be listed again, where the client doesn't tell of changed ones."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which folders (URIs) are to be learned from, and whether; the interpreter that the user has configured; and
    whether the network is to read the files too.
    """

    folders: tuple[str, ...] = ()
    enabled: bool = True
    interpreter: str = ""
    neural: bool = True


class Surroundings(Protocol):
    """What the thread needs of the server. All may be called from any thread."""

    def progress(self, done: int, total: int) -> None:
        """So many files were read of those to read; shown to the user."""
        ...

    def finished(self) -> None:
        """No more progress is to be shown."""
        ...

    def learned(self, state: str, files: int, words: int, done: int, total: int) -> None:
        """What ``codelm.lsp.status.Workspace`` has is now this."""
        ...

    def warn(self, message: str) -> None:
        """Show the user a warning."""
        ...

    def forget_session(self) -> "Future[None]":
        """Drop all words that the session has learned."""
        ...


class Learning:
    """Runs a ``Learner`` on a thread of its own. All methods are called on the event loop, and none waits."""

    def __init__(self, gate: Gate, surroundings: Surroundings) -> None:
        self.is_told_of_changes = False
        """Whether the client watches the files."""
        self._gate, self._surroundings = gate, surroundings
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._learner: Learner | None = None  # the thread's, once it runs
        self._open_files: tuple[str, ...] = ()
        self._wanted: Wanted | None = None
        self._is_paused = False
        self._looked = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether there is a thread already."""
        return self._thread is not None

    def open(self, wanted: Wanted) -> None:
        """Learn this workspace from now on, in place of another."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._do(lambda learner: learner.open(wanted))

    def use(self, completer: Completing) -> None:
        """Give what is learned to this completer from now on."""
        self._do(lambda learner: learner.use(completer))

    def network_opened(self) -> None:
        """Have the network read the files, where its states are kept and the user wants it."""
        self._tell(lambda learner: learner.recall())

    def set_open_files(self, uris: Iterable[str]) -> None:
        """Read first what is near these files."""
        listed = self._open_files = tuple(uris)
        self._tell(lambda learner: learner.set_open_files(listed))

    def changed(self, uris: Iterable[str]) -> None:
        """Follow files or folders that were written, made, moved or deleted."""
        listed = tuple(uris)
        self._tell(lambda learner: learner.changed(listed))

    def completed(self) -> None:
        """Go on with what completions left to be read, and look for changes if nobody tells of them."""
        now = time.monotonic()
        if self.is_told_of_changes or now - self._looked < LOOK_AGAIN:
            if self._learner is not None and self._learner.is_owed():  # else the thread sleeps on
                self._tell(lambda learner: learner.completed())
        else:
            self._looked = now
            self._tell(lambda learner: learner.list_again())

    def pause(self, *, paused: bool) -> None:
        """Do nothing but what is asked for, or go on."""
        self._is_paused = paused
        self._tell(lambda _: None)  # the thread may sleep

    def cancel(self) -> None:
        """Read no more files, and keep what is learned."""
        self._tell(lambda learner: learner.cancel())

    async def do(self, job: Callable[["Learner"], T]) -> T:
        """Do something on the thread; return what it returns, or raise what it raises."""
        answer: Future[T] = Future()
        self._do(lambda learner: fulfil(answer, lambda: job(learner)))
        return await asyncio.wrap_future(answer)

    def stop(self) -> None:
        """Do no more. What is at work ends soon."""
        self._stopping.set()
        self._jobs.put(None)

    def _tell(self, job: Job) -> None:
        """Do something on the thread, if there is one."""
        if self._thread is not None:
            self._do(job)

    def _do(self, job: Job) -> None:
        if self._stopping.is_set():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="codelm-learning")
            self._thread.start()
            open_files = self._open_files
            self._jobs.put(lambda learner: learner.set_open_files(open_files))
        self._jobs.put(job)

    def _run(self) -> None:
        try:
            from codelm.lsp.learner import Learner

            sys.setswitchinterval(SWITCH)
            learner = self._learner = Learner(self._gate, self._surroundings, self._stopping.is_set)
            while not self._stopping.is_set():
                self._step(learner)
        except Exception as error:  # noqa: BLE001 - a thread's exception would be printed with its source lines
            LOG.error("the workspace is not learned from\n%s", where(error))

    def _step(self, learner: "Learner") -> None:
        job: Any
        try:
            wait = math.inf if self._is_paused else max(0.0, learner.due() - time.monotonic())
            # Any number of seconds is more than some systems can wait.
            job = self._jobs.get(timeout=min(wait, 3600)) if wait else self._jobs.get_nowait()
        except queue.Empty:
            job = None if self._is_paused or learner.due() > time.monotonic() else type(learner).step
        if job is None:
            return
        try:
            job(learner)
        except Cancelled:
            pass  # the server ends
        except Exception as error:  # noqa: BLE001 - whatever it is, completions go on without it
            LOG.error("internal error while learning\n%s", where(error))
            learner.give_up()
