"""How long commands show that they are getting on.

A pipeline function takes a ``Progress`` and passes what it loops over through it; ``silent`` is the default,
``bar`` is what the command line gives. Progress goes to standard error: standard output is for results.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Protocol, TypeVar

T = TypeVar("T")


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
