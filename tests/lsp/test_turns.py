"""One thread's turns: what goes first, and what is done while nothing waits."""

import threading
from collections.abc import Callable, Iterator

import pytest

from codelm.errors import Cancelled
from codelm.lsp.turns import Turns

PATIENCE = 60
"""Seconds to wait for what must come. No test measures time."""
MOMENT = 0.05
"""Seconds in which what must not come would come, most likely."""


class Due:
    """Work that is due while nothing waits: ``steps`` steps. It tells what was done."""

    def __init__(self, steps: int = 0) -> None:
        self.steps = steps
        self.done: list[str] = []
        self.ended = threading.Semaphore(0)

    def __call__(self, _: Callable[[], bool]) -> bool:
        if not self.steps:
            self.ended.release()
            return False
        self.done.append(f"step {self.steps}")
        self.steps -= 1
        return True

    def wait(self) -> None:
        assert self.ended.acquire(timeout=PATIENCE)


@pytest.fixture
def due() -> Due:
    return Due()


@pytest.fixture
def turns(due: Due) -> Iterator[Turns]:
    turns = Turns("test", due)
    yield turns
    turns.stop()


def busy(turns: Turns) -> threading.Event:
    """Keep the thread busy until the event is set."""
    go, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(PATIENCE)

    turns.submit(work)
    assert begun.wait(PATIENCE)
    return go


def test_the_most_urgent_goes_first_and_of_the_same_urgency_what_came_first(turns: Turns):
    go, order = busy(turns), []
    futures = [turns.submit(lambda name=name: order.append(name), int(name[1])) for name in ("a1", "b0", "c1", "d0")]
    assert turns.has_to_yield(1)
    assert not turns.has_to_yield(0)
    go.set()
    for future in futures:
        future.result(PATIENCE)
    assert order == ["b0", "d0", "a1", "c1"]
    assert not turns.has_to_yield()


def test_results_and_exceptions_come_back(turns: Turns):
    assert turns.submit(lambda: 3).result(PATIENCE) == 3
    with pytest.raises(KeyError):
        turns.submit(lambda: {}["x"]).result(PATIENCE)


def test_what_is_cancelled_before_its_turn_never_begins(turns: Turns):
    go, order = busy(turns), []
    assert turns.submit(lambda: order.append("dropped")).cancel()
    last = turns.submit(lambda: order.append("last"))
    go.set()
    last.result(PATIENCE)
    assert order == ["last"]


def test_what_is_due_is_done_behind_a_turn_until_there_is_no_more(turns: Turns, due: Due):
    due.steps = 3
    turns.submit(lambda: due.done.append("turn")).result(PATIENCE)
    due.wait()
    assert due.done == ["turn", "step 3", "step 2", "step 1"]
    assert not due.ended.acquire(timeout=MOMENT), "nothing is asked again and again"
    due.steps = 1
    turns.wake()
    due.wait()
    assert due.done[-1] == "step 1"


def test_a_turn_does_not_wait_for_all_that_is_due():
    asked = threading.Event()

    def forever(has_to_yield: Callable[[], bool]) -> bool:
        asked.set()
        while not has_to_yield():
            pass
        raise Cancelled

    turns = Turns("test", forever)
    for number in range(3):
        assert turns.submit(lambda number=number: number).result(PATIENCE) == number
        assert asked.wait(PATIENCE)
        asked.clear()
    turns.stop()


def test_an_error_in_what_is_due_is_logged_and_ends_it_until_the_next_turn(caplog: pytest.LogCaptureFixture):
    tried = threading.Semaphore(0)

    def broken(_: Callable[[], bool]) -> bool:
        tried.release()
        raise KeyError("secret")

    turns = Turns("test", broken)
    for _ in range(2):
        turns.submit(lambda: None).result(PATIENCE)
        assert tried.acquire(timeout=PATIENCE)
        assert not tried.acquire(timeout=MOMENT)
    turns.stop()
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_begins_after_the_end(turns: Turns):
    go = busy(turns)
    waiting = turns.submit(lambda: pytest.fail("it began"))
    turns.stop()
    assert turns.has_to_yield(0)
    assert waiting.cancelled()
    assert turns.submit(lambda: pytest.fail("it began")).cancelled()
    go.set()
