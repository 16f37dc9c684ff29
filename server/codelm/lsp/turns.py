"""A thread on which one thing is done at a time: the most urgent that waits and, while nothing waits, what is due."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

from codelm.errors import Cancelled
from codelm.lsp.log import LOG, where

T = TypeVar("T")


class Turns:
    """Takes turns on a thread of its own, which the first turn starts. Any thread may call all methods.

    Between two turns ``idle`` is called as long as it returns that there is more to do. It is given a function that
    tells when something waits: then it has to return, or to raise ``Cancelled``, at once.
    """

    def __init__(self, name: str, idle: Callable[[Callable[[], bool]], bool]) -> None:
        self._name, self._idle = name, idle
        self._changed = threading.Condition()
        # A heap: the smallest urgency first, then what came first.
        self._waiting: list[tuple[int, int, Future[Any], Callable[[], Any]]] = []
        self._numbers = count()
        self._is_idle_due = self._is_stopped = False
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], T], urgency: int = 0) -> "Future[T]":
        """Do something when it is its turn: 0 goes before 1. Once the thread has been told to end, it is cancelled.

        Work that was cancelled before its turn is never begun.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._is_stopped:
                future.cancel()
                return future
            heappush(self._waiting, (urgency, next(self._numbers), future, work))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name)
                self._thread.start()
        return future

    def has_to_yield(self, urgency: float = math.inf) -> bool:
        """Whether something more urgent waits, or the thread is to end."""
        with self._changed:
            return self._is_stopped or bool(self._waiting and self._waiting[0][0] < urgency)

    def wake(self) -> None:
        """Look for something to do while nothing waits: there may be some by now."""
        with self._changed:
            self._is_idle_due = True
            self._changed.notify()

    def stop(self) -> None:
        """Begin nothing more. What is at work is not waited for."""
        with self._changed:
            self._is_stopped = True
            dropped, self._waiting = self._waiting, []
            self._changed.notify()
        for _, _, future, _ in dropped:
            future.cancel()

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            turn()
            del turn  # it holds a document, and the next turn may be far away

    def _next(self) -> Callable[[], None] | None:
        """Return what to do now, when there is something; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_idle_due or self._is_stopped)
            if self._is_stopped:
                return None
            if not self._waiting:
                self._is_idle_due = False
                return self._do_what_is_due
            self._is_idle_due = True
            _, _, future, work = heappop(self._waiting)
            return lambda: fulfil(future, work)

    def _do_what_is_due(self) -> None:
        try:
            is_more = self._idle(self.has_to_yield)
        except Cancelled:
            is_more = True
        except Exception as error:  # noqa: BLE001 - nobody waits for it; the next turn tries again
            LOG.error("internal error while idle\n%s", where(error))
            is_more = False
        if is_more:
            self.wake()


def fulfil(promise: "Future[T]", work: Callable[[], T]) -> None:
    """Do some work, unless it was cancelled, and give its result, or what it raised, to whoever waits for it."""
    if promise.set_running_or_notify_cancel():
        try:
            promise.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it handles it
            promise.set_exception(error)
        finally:
            del promise, work  # the exception knows this frame: it would keep itself and all frames above alive
