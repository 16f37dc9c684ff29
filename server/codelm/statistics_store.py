"""How often proposals were accepted, counted on this machine: a small file in the user's data folder.

::

    {"format": "codelm statistics 1", "days": {"2025-03-01": {"list": {"file": [12, 80], "network": [3, 21]}, …}, …}}

For each day, kind of proposal and source: how many were accepted, and how many characters need not be typed. Nothing of
what they were. Several servers may add to the file at the same time: they take turns by a lock, which the system drops
when its process ends. A file that is broken is put aside, never overwritten.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from codelm.errors import StorageError
from codelm.folder import replace_file

FILE = "statistics.json"
_FORMAT = "codelm statistics 1"
_PATIENCE = 2.0  # seconds in which another server is through
_AGAIN = 0.01


class Place(NamedTuple):
    """What is counted apart: ``day`` as in 2025-03-01, ``kind`` "list" or "line", ``source`` as proposals name it."""

    day: str
    kind: str
    source: str


class Count(NamedTuple):
    """How many were accepted, and the characters that need not be typed."""

    accepted: int
    characters: int


Counts = Mapping[Place, Count]


def added(counts: Counts, others: Counts) -> dict[Place, Count]:
    """Return the sums of counts."""
    none = Count(0, 0)
    sums = dict(counts)
    for place, more in others.items():
        sums[place] = Count(*map(sum, zip(sums.get(place, none), more, strict=True)))
    return sums


class StatisticsStore:
    """The counts on the disk. Nothing is written before there is something to write. Any thread may call it."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take codelm's data folder, in place of the user's."""
        self.file = (folder or _data_folder()) / FILE
        self.aside = self.file.with_suffix(".broken.json")
        """Where a file that was broken is."""

    def read(self) -> Counts:
        """Return the counts; none where there is no file. Raises StorageError."""
        if not self.file.exists():
            return {}
        with self._locked():
            return self._read()

    def add(self, counts: Counts) -> None:
        """Add to the counts, wholly or not at all. Raises StorageError."""
        if counts:
            with self._locked():
                replace_file(self.file, _encoded(added(self._read(), counts)))

    def forget(self) -> None:
        """Remove all counts, with what was put aside. Raises StorageError."""
        if self.file.parent.exists():
            with self._locked():
                self.file.unlink(missing_ok=True)
                self.aside.unlink(missing_ok=True)
                for unfinished in self.file.parent.glob(f".{FILE}.*"):  # of killed processes
                    unfinished.unlink(missing_ok=True)

    def _read(self) -> Counts:
        try:
            return _decoded(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            self.file.replace(self.aside)
            return {}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other servers out, and turn the system's refusal into a StorageError that names the place."""
        deadline = time.monotonic() + _PATIENCE
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.file.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                while not _lock(lock):
                    if time.monotonic() > deadline:
                        raise StorageError(f"cannot use {self.file}: another codelm has it locked")
                    time.sleep(_AGAIN)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise StorageError(f"cannot use {error.filename or self.file}: {error.strerror or error}") from error


def _data_folder() -> Path:
    import platformdirs  # here: a server that counts nothing needs none

    return platformdirs.user_data_path("codelm", appauthor=False)


def _encoded(counts: Counts) -> str:
    days: dict[str, dict[str, dict[str, Count]]] = {}
    for place, count in sorted(counts.items()):
        days.setdefault(place.day, {}).setdefault(place.kind, {})[place.source] = count
    return json.dumps({"format": _FORMAT, "days": days}) + "\n"


def _decoded(content: bytes) -> Counts:
    """Return the counts in a file. Raises ValueError where it is broken."""
    data = json.loads(content)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError("another format")
    return {
        Place(day, kind, source): _count(numbers)
        for day, kinds in _items(data.get("days"))
        for kind, sources in _items(kinds)
        for source, numbers in _items(sources)
    }


def _items(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return list(value.items())


def _count(value: Any) -> Count:
    if not (
        isinstance(value, list) and len(value) == 2 and all(type(number) is int and number >= 0 for number in value)
    ):
        raise ValueError("not a count")
    return Count(*value)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed; return False where another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # Windows says the latter
        return False
    return True
