"""Counting what is accepted, where the user wants it: proposals carry a command by which the editor tells.

What is told are numbers and where a proposal came from, never what it was.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from typing import Any, TypeVar

from lsprotocol import types

from codelm.completion import Completions, Source, Suggestions
from codelm.errors import StorageError
from codelm.lsp.log import LOG
from codelm.statistics_store import Count, Counts, Place, StatisticsStore, added

T = TypeVar("T")

ACCEPTED = "codelm.accepted"
LIST, LINE = "list", "line"
LATER = 1.0
"""Seconds from an acceptance to its being written, with those that follow meanwhile."""
MOST_CHARACTERS = 100_000
_SOURCES = frozenset(source.value for source in Source)


def tell_of_list(items: Sequence[dict[str, Any]], completions: Completions, typed: int) -> None:
    """Have the items of a list told of when they are accepted; ``typed``: how many characters they replace."""
    for item, completion in zip(items, completions.items, strict=True):
        command = _command(LIST, completion.source, len(completion.text) - typed)
        item["command"] = {"title": command.title, "command": command.command, "arguments": command.arguments}


def tell_of_lines(items: Sequence[types.InlineCompletionItem], suggestions: Suggestions) -> None:
    """Have ghost text told of when it is accepted."""
    for item, suggestion in zip(items, suggestions.items, strict=True):
        item.command = _command(LINE, suggestion.source, len(suggestion.text) - (suggestion.end - suggestion.start))


def _command(kind: str, source: Source, characters: int) -> types.Command:
    told = {"kind": kind, "source": source.value, "characters": max(characters, 0)}
    return types.Command("Count that it was accepted", ACCEPTED, arguments=[told])


def checked(arguments: Sequence[object]) -> tuple[str, str, int] | None:
    """Return kind, source and characters of what a client tells; None where it tells something else."""
    match arguments:
        case [{"kind": "list" | "line" as kind, "source": str(source), "characters": int(characters), **others}]:
            if not others and source in _SOURCES and 0 <= characters <= MOST_CHARACTERS:
                return kind, source, characters
    return None


def as_json(counts: Counts) -> dict[str, Any]:
    """Return counts as they are answered: by day and kind, with how many each source had of those accepted."""
    days: dict[str, Any] = {}
    for (day, kind, source), count in sorted(counts.items()):
        entry = days.setdefault(day, {}).setdefault(kind, {"accepted": 0, "characters": 0, "sources": {}})
        entry["accepted"] += count.accepted
        entry["characters"] += count.characters
        entry["sources"][source] = count.accepted
    return days


class Statistics:
    """Counts, and has a thread of its own write them. All methods are called on the event loop."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._warned = self._stopped = False
        self._new: Counts = {}
        self._writing: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codelm-statistics")  # starts when needed
        self._tasks: set[asyncio.Task[None]] = set()

    def count(self, kind: str, source: str, characters: int) -> None:
        """Count an acceptance."""
        place = Place(date.today().isoformat(), kind, source)
        self._new = added(self._new, {place: Count(1, characters)})
        if self._writing is None and not self._stopped:
            self._writing = asyncio.get_running_loop().call_later(LATER, self._write_soon)

    async def counts(self) -> tuple[Counts, str]:
        """Return all counts, and the file that they are in. Raises StorageError."""
        await self._write()
        return await self._on_thread(lambda store: (store.read(), str(store.file)))

    async def forget(self) -> None:
        """Remove all counts. Raises StorageError."""
        self._new = {}
        await self._on_thread(lambda store: store.forget())

    def stop(self) -> None:
        """Write what is left, and count no more."""
        if self._stopped:
            return
        self._stopped = True
        if self._writing is not None:
            self._writing.cancel()
        if self._new:
            self._thread.submit(_write_last, self._new)
        self._thread.shutdown(wait=False)

    def _write_soon(self) -> None:
        self._writing = None
        task = asyncio.get_running_loop().create_task(self._write_or_warn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_or_warn(self) -> None:
        try:
            await self._write()
        except StorageError as error:
            LOG.warning("%s", error)
            if not self._warned:
                self._warned = True
                self._warn(f"codelm keeps its statistics in memory until they can be written: {error}")

    async def _write(self) -> None:
        """Write what is new. Raises StorageError; then it is new still."""
        new, self._new = self._new, {}
        try:
            await self._on_thread(lambda store: store.add(new))
        except StorageError:
            self._new = added(new, self._new)
            raise

    async def _on_thread(self, work: Callable[[StatisticsStore], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(_store()))


@cache
def _store() -> StatisticsStore:
    return StatisticsStore()


def _write_last(new: Counts) -> None:
    try:
        _store().add(new)
    except StorageError as error:
        LOG.warning("the last statistics are lost: %s", error)
