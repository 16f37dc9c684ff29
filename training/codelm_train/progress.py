"""How long commands show that they are getting on.

A pipeline function takes a ``Progress`` and passes what it loops over through it; ``silent`` is the default,
``bar`` is what the command line gives. A training tells a ``Meter`` instead how far and how fast it is. All of it goes
to standard error: standard output is for results.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Protocol, TypeVar

T = TypeVar("T")

_QUIET = 30.0  # seconds between the lines of a meter that has no terminal


class Progress(Protocol):
    """Yields ``items`` as they are and shows how many of ``total`` (None: unknown) have passed."""

    def __call__(self, items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
        """Pass ``items`` through under the name ``label``."""
        ...


def silent(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:  # noqa: ARG001 - a Progress
    """Show nothing."""
    yield from items


def bar(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    """Show a bar on a terminal, where tqdm is installed, else a line at the beginning and one at the end."""
    if sys.stderr.isatty() and find_spec("tqdm") is not None:
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, unit="", file=sys.stderr, dynamic_ncols=True)
        return
    began = time.monotonic()
    print(label + (f" ({total})" if total is not None else "") + " …", file=sys.stderr, flush=True)  # noqa: T201
    count = 0
    for item in items:
        yield item
        count += 1
    print(f"{label}: {count} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)  # noqa: T201


class Meter(Protocol):
    """Shows how far a work is whose steps are not counted."""

    def __call__(self, done: float, told: str) -> None:
        """Show the share that is ``done``, and a few words."""
        ...


def unseen(done: float, told: str) -> None:
    """Show nothing."""


Meters = Callable[[str], AbstractContextManager[Meter]]
"""Makes a meter under a label."""


@contextmanager
def no_meter(label: str) -> Iterator[Meter]:  # noqa: ARG001 - in the place of ``meter``
    """Show nothing."""
    yield unseen


@contextmanager
def meter(label: str) -> Iterator[Meter]:
    """Show a bar on a terminal, where tqdm is installed, else a line now and then."""
    began = time.monotonic()
    if sys.stderr.isatty() and find_spec("tqdm") is not None:
        from tqdm import tqdm

        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
        with tqdm(total=1.0, desc=label, bar_format=form, file=sys.stderr, dynamic_ncols=True) as shown:

            def show(done: float, told: str) -> None:
                shown.set_postfix_str(told, refresh=False)
                shown.update(done - shown.n)

            yield show
        return
    said = -_QUIET

    def say(done: float, told: str) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _QUIET or done >= 1:
            said = now
            print(f"{label}: {done:.0%} in {now - began:.0f} s, {told}", file=sys.stderr, flush=True)  # noqa: T201

    yield say
