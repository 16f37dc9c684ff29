"""Which files of a workspace are learned from, and in which order.

All Python files under the roots, but for what git ignores, what is hidden, installed, built or cached, and what holds
secrets. Links are not followed: what one leads to is in the workspace by itself, or is none of it.
"""

import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from codelm.errors import Cancelled
from codelm.generated import LARGEST, generated_name
from codelm.ignore import Rules, rules_above, rules_in
from codelm.secrecy import holds_secrets

SUFFIXES = (".py", ".pyi")

_FOREIGN = frozenset(("__pycache__", "__pypackages__", "node_modules", "site-packages", "dist-packages"))
_BUILT = frozenset(("build", "dist", "_build"))  # unless they are packages of these names
_NOT_OURS = frozenset(("pyvenv.cfg", "conda-meta", "CACHEDIR.TAG"))  # what tells an environment or a cache
_DEEPEST = 64  # folders inside each other: an end, should a system have links that don't look like ones


class Found(NamedTuple):
    """A file as it was on the disk: its absolute path, its size in bytes, when it was last written."""

    path: str
    size: int
    mtime_ns: int


class Note(NamedTuple):
    """What could not be looked at or was left out, for the log: a path and the reason, never content."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a workspace is learned from at most: the nearest and newest files."""

    entries: int = 200_000
    """Files and folders that are looked at."""
    files: int = 10_000
    file_bytes: int = LARGEST
    total_bytes: int = 32_000_000
    """About 4 million words, 16 MB in memory."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files to learn from, the nearest and newest first, and what is to be told of the search."""

    files: tuple[Found, ...]
    notes: tuple[Note, ...] = ()


def never() -> bool:
    """Return False: nobody cancels."""
    return False


def path_key(path: str | Path) -> str:
    """Return the one way to write a path: absolute, and in lower case where the system's names have no case."""
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps "a/../b"


def source_files(
    roots: Sequence[Path],
    open_files: Iterable[str | Path] = (),
    *,
    limits: Limits = Limits(),
    forgotten: Container[str] = (),
    is_cancelled: Callable[[], bool] = never,
) -> Listing:
    """Return the files under ``roots`` to learn from; those in ``forgotten`` (by ``path_key``) are none.

    Raises Cancelled, within milliseconds, when ``is_cancelled`` turns true.
    """
    notes: list[Note] = []
    walk = _Walk(limits.entries, is_cancelled, notes)
    found = {file.path: file for root in _distinct(roots, notes) for file in walk.below(root)}
    notes += [Note(file.path, "too large") for file in found.values() if file.size > limits.file_bytes]
    candidates = [
        file for file in found.values() if file.size <= limits.file_bytes and file.path not in forgotten
    ]  # fmt: skip
    ordered = nearest_first(candidates, open_files)
    kept = _limited(ordered, limits)
    if len(kept) < len(ordered):
        notes.append(Note(str(roots[0]), f"{len(kept)} of {len(ordered)} files are learned from: the limit is reached"))
    return Listing(tuple(kept), tuple(notes))


def source_file(path: str | Path, roots: Sequence[Path], limits: Limits = Limits()) -> Found | None:
    """Return a file when ``source_files`` would find it now, None otherwise. Raises OSError, as for an ignore file."""
    key = path_key(path)
    for root in _distinct(roots, []):
        if not key.startswith(root.rstrip(os.sep) + os.sep):
            continue
        *folders, name = Path(key).relative_to(root).parts
        folder, rules = root, rules_above(root)
        for part in folders:
            entries = _by_name(folder)
            rules = rules_in(folder, entries.keys(), rules)
            if part not in entries or not _is_entered(entries[part], rules):
                break
            folder = os.path.normcase(entries[part].path)
            if not _NOT_OURS.isdisjoint(_by_name(folder)):
                break
        else:
            entries = _by_name(folder)
            if name in entries and _is_source(entries[name], rules_in(folder, entries.keys(), rules)):
                file = _found(entries[name])
                return file if file.size <= limits.file_bytes else None
    return None


def nearest_first(files: Iterable[Found], open_files: Iterable[str | Path]) -> list[Found]:
    """Return files by how many folders lie between them and the nearest open file; of the same distance, newest first.

    Where no file is open all are equally near.
    """
    near = {_folder_parts(path_key(path)) for path in open_files}
    distances: dict[str, int] = {}

    def order(file: Found) -> tuple[int, int, str]:
        folder = os.path.dirname(file.path)  # noqa: PTH120 - of every file, and Path is slow
        if folder not in distances:
            parts = _folder_parts(file.path)
            distances[folder] = min((_distance(parts, other) for other in near), default=0)
        return distances[folder], -file.mtime_ns, file.path

    return sorted(files, key=order)


# --- the walk ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Walk:
    """A search through folders, the outer ones first, that ends when ``left`` entries were seen."""

    left: int
    is_cancelled: Callable[[], bool]
    notes: list[Note]

    def below(self, root: str) -> Iterator[Found]:
        try:
            waiting = deque([(root, rules_above(root), 0)])
        except OSError as error:
            self.notes.append(_unreadable(error, root))
            return
        while waiting:
            if self.is_cancelled():
                raise Cancelled
            if self.left <= 0:
                self.notes.append(Note(root, "too many files; some folders were not looked at"))
                return
            folder, rules, depth = waiting.popleft()
            try:
                entries = _entries(folder)
                names = {entry.name for entry in entries}
                self.left -= len(names)
                if not _NOT_OURS.isdisjoint(names) and depth:
                    continue
                rules = rules_in(folder, names, rules)
                for entry in entries:
                    if _is_source(entry, rules):
                        yield _found(entry)
                    elif depth < _DEEPEST and _is_entered(entry, rules):
                        waiting.append((entry.path, rules, depth + 1))
            except OSError as error:
                self.notes.append(_unreadable(error, folder))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as scanned:
        return list(scanned)


def _by_name(folder: str) -> dict[str, os.DirEntry[str]]:
    return {os.path.normcase(entry.name): entry for entry in _entries(folder)}


def _is_source(entry: os.DirEntry[str], rules: Rules) -> bool:
    name = entry.name
    return (
        name.endswith(SUFFIXES)
        and not name.startswith(".")
        and entry.is_file(follow_symlinks=False)
        and not holds_secrets(name)
        and generated_name(name) is None
        and not rules.ignore(entry.path, is_folder=False)
    )


def _is_entered(entry: os.DirEntry[str], rules: Rules) -> bool:
    name = entry.name
    return (
        not name.startswith(".")
        and name not in _FOREIGN
        and not name.endswith((".egg-info", ".dist-info", ".egg"))
        and entry.is_dir(follow_symlinks=False)
        and not _is_junction(entry)
        and not (name in _BUILT and not os.path.lexists(os.path.join(entry.path, "__init__.py")))  # noqa: PTH118
        and not rules.ignore(entry.path, is_folder=True)
    )


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Return whether a folder is one of Windows' links to folders, which are no symbolic links."""
    if sys.platform == "win32":
        return entry.stat(follow_symlinks=False).st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
    return False


def _found(entry: os.DirEntry[str]) -> Found:
    status = entry.stat(follow_symlinks=False)
    return Found(os.path.normcase(entry.path), status.st_size, status.st_mtime_ns)


def _unreadable(error: OSError, path: str) -> Note:
    return Note(os.fspath(error.filename or path), error.strerror or "cannot be read")


def _distinct(roots: Sequence[Path], notes: list[Note]) -> list[str]:
    """Return the roots as paths, without those that hold a user's whole home, which is no project."""
    home = path_key(os.path.expanduser("~")).rstrip(os.sep)  # noqa: PTH111 - Path.home fails where nobody has one
    kept: dict[str, None] = {}
    for root in map(path_key, roots):
        if (home + os.sep).startswith(root.rstrip(os.sep) + os.sep):
            notes.append(Note(root, "not learned from: it holds a whole home folder"))
        else:
            kept[root] = None
    return list(kept)


# --- order ---------------------------------------------------------------------------------------------------


def _folder_parts(path: str) -> tuple[str, ...]:
    return Path(path).parent.parts


def _distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many steps, up or down, lead from one folder to the other."""
    same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return len(a) + len(b) - 2 * same


def _limited(files: Collection[Found], limits: Limits) -> list[Found]:
    """Return the first files, as many as the limits allow."""
    kept: list[Found] = []
    size = 0
    for file in files:
        size += file.size
        if len(kept) == limits.files or size > limits.total_bytes:
            break
        kept.append(file)
    return kept
