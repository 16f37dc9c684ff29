"""The words of a workspace's files: an immutable index, and how it follows the files.

An ``Update`` brings an index up to date in steps, a file each, so that whoever runs it can tell of the progress, show
what is there so far, pause and stop. Unchanged files, by size and time, are not read again.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codelm.decoding import UndecodableError, decoded
from codelm.generated import data_like, generated, minified, too_large
from codelm.lexer import Lexed, Mark, Token, relex
from codelm.prose import learned_prose
from codelm.secrecy import without_secrets
from codelm.words import words_of
from codelm.workspace_files import Found, Note

SETTLED_AFTER = 2_000_000_000
"""Nanoseconds. What is written again within this time may keep its size and time of writing: some file systems have
no finer clock. A file read so soon after it was written is read once more by the next update."""
UNSETTLED = -1
"""Stands for the time of such a file: it equals none."""
PIECE = 16_384
"""Characters that are lexed at once, in 3 ms: no other thread runs in the meantime."""


def go_on() -> None:
    """Do nothing: nobody wants a pause."""


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file as it was when it was read: bytes, nanoseconds, and where its words stand in the index's ``ids``."""

    size: int
    mtime_ns: int
    start: int
    end: int
    left_out: str = ""
    """Why it has no words: a short phrase such as "generated"; "" for a file that is learned from."""


@dataclass(frozen=True, eq=False)
class WorkspaceIndex:
    """The words of F files, T in all, W distinct. Every word of ``lexicon`` is in some file."""

    lexicon: tuple[str, ...] = ()
    """(W,) the distinct words; an id is a place here, and has nothing to do with a model's vocabulary."""
    ids: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    """(T,) read-only; the files' words one after the other, in the order of ``files``."""
    files: Mapping[str, IndexedFile] = field(default_factory=dict)
    """(F,) by ``workspace_files.path_key``."""
    order: NDArray[np.uint32] | None = None
    """(T,) read-only; how ``workspace_cache`` sorts the places of ``numbered_files``, where that is known already."""

    def __post_init__(self) -> None:
        self.ids.flags.writeable = False
        if self.order is not None:
            self.order.flags.writeable = False

    def __len__(self) -> int:
        """Return how many words the files have in all."""
        return len(self.ids)

    def ids_of(self, path: str) -> NDArray[np.uint32]:
        """Return the ids of a file's words. Raises KeyError when the index has no such file."""
        file = self.files[path]
        return self.ids[file.start : file.end]

    def numbered_files(self) -> list[NDArray[np.uint32]]:
        """Return the words of all files that have any, by numbers from 1 on: one more than their ids."""
        numbers = self.ids + np.uint32(1)
        return [numbers[file.start : file.end] for file in self.files.values() if file.start < file.end]

    def is_current(self, files: Collection[Found]) -> bool:
        """Return whether an update to ``files`` would change nothing."""
        return len(files) == len(self.files) and all(self.has(file) for file in files)

    def has_words_of(self, other: "WorkspaceIndex") -> bool:
        """Return whether the files have the words that they have in another index, at the same places."""
        return (
            [(path, file.start, file.end, file.left_out) for path, file in self.files.items()]
            == [(path, file.start, file.end, file.left_out) for path, file in other.files.items()]
            and self.lexicon == other.lexicon
            and np.array_equal(self.ids, other.ids)
        )

    def has(self, file: Found) -> bool:
        """Return whether the index has the file as it is on the disk."""
        known = self.files.get(file.path)
        return known is not None and known.size == file.size and known.mtime_ns == file.mtime_ns


class Step(NamedTuple):
    """A file was read: the ``done``-th of ``total``; ``note`` tells why it has no words."""

    done: int
    total: int
    path: str
    note: Note | None


class Update:
    """An index on its way to what is on the disk.

    ``index()`` is valid at any time: files that are gone have left it, changed ones have their former words until they
    were read. It holds words of files that are gone, so let go of it when it is done.
    """

    def __init__(
        self, index: WorkspaceIndex, files: Iterable[Found], pause: Callable[[], None] = go_on, *, prose: bool = False
    ):
        """Take the index to begin with, and the files that there are, in the order to read them.

        ``prose``: whether it is an index of the words of their prose, rather than of their code's. ``pause`` is called
        within a large file, every few milliseconds. It may wait until a completion is made, or raise Cancelled: the
        update is then as it was before that file.
        """
        self._draft = _Draft(index, prose=prose)
        self._pause = pause
        wanted = {file.path: file for file in files}
        for path in index.files.keys() - wanted.keys():
            del self._draft.parts[path]
        self.pending = [file for file in wanted.values() if not index.has(file)]
        """The files to read."""

    def steps(self) -> Iterator[Step]:
        """Read the pending files, one before each item. May be left at any item, and gone on with later."""
        total = len(self.pending)
        while self.pending:
            file = self.pending[0]
            note = self._draft.read(file.path, self._pause)
            del self.pending[0]
            yield Step(total - len(self.pending), total, file.path, note)

    def __len__(self) -> int:
        """Return how many words there are by now."""
        return sum(len(part.numbers) for part in self._draft.parts.values())

    def index(self) -> WorkspaceIndex:
        """Return the index as it is by now."""
        return self._draft.index()


def updated(index: WorkspaceIndex, files: Iterable[Found]) -> WorkspaceIndex:
    """Return the index of ``files``, all at once."""
    update = Update(index, files)
    for _ in update.steps():
        pass
    return update.index()


def with_file(
    index: WorkspaceIndex, path: str, pause: Callable[[], None] = go_on
) -> tuple[WorkspaceIndex, Note | None]:
    """Return the index with one file as it is on the disk now, and why it has no words if so.

    The path is a ``path_key``. A file that is gone or cannot be read leaves the index. ``pause`` is as in ``Update``.
    """
    draft = _Draft(index)
    note = draft.read(path, pause)
    return draft.index(), note


def without(index: WorkspaceIndex, paths: Iterable[str]) -> WorkspaceIndex:
    """Return the index without some files, and without the words that only these had."""
    gone = index.files.keys() & set(paths)
    if not gone:
        return index
    draft = _Draft(index)
    for path in gone:
        del draft.parts[path]
    return draft.index()


def canonical(index: WorkspaceIndex) -> WorkspaceIndex:
    """Return the same index with its files in the order of their paths and its words in that of their first use."""
    draft = _Draft(index)
    draft.parts = dict(sorted(draft.parts.items()))
    ordered = draft.index()
    _, first = np.unique(ordered.ids, return_index=True)
    by_use = np.argsort(first)
    rank = np.empty(len(by_use), np.uint32)
    rank[by_use] = np.arange(len(by_use), dtype=np.uint32)
    return WorkspaceIndex(tuple(ordered.lexicon[n] for n in by_use), rank[ordered.ids], ordered.files)


class _Part(NamedTuple):
    """A file of a draft: what is known of it, its place in the index aside, and the numbers of its words."""

    size: int
    mtime_ns: int
    numbers: NDArray[np.uint32]
    left_out: str = ""


class _Draft:
    """An index that can be changed. New words get numbers behind those of the index that it began with."""

    def __init__(self, index: WorkspaceIndex, *, prose: bool = False):
        self._prose = prose
        self.parts = {
            path: _Part(file.size, file.mtime_ns, index.ids[file.start : file.end], file.left_out)
            for path, file in index.files.items()
        }
        self._numbers = {word: number for number, word in enumerate(index.lexicon)}

    def read(self, path: str, pause: Callable[[], None]) -> Note | None:
        """Read a file, in place of what was known of it. Returns why it has no words, if so."""
        try:
            status, content = _read(path)
        except OSError as error:
            self.parts.pop(path, None)
            return Note(path, error.strerror or "cannot be read")
        words, left_out = _words_of_file(content, pause, prose=self._prose)
        numbers = self._numbers
        array = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.uint32, len(words))
        settled = abs(time.time_ns() - status.st_mtime_ns) > SETTLED_AFTER
        self.parts[path] = _Part(
            status.st_size, status.st_mtime_ns if settled else UNSETTLED, array, left_out
        )  # fmt: skip
        return Note(path, left_out) if left_out else None

    def index(self) -> WorkspaceIndex:
        """Return the index of all parts. Words that none has are dropped: the others move up."""
        files: dict[str, IndexedFile] = {}
        end = 0
        for path, part in self.parts.items():
            start, end = end, end + len(part.numbers)
            files[path] = IndexedFile(part.size, part.mtime_ns, start, end, part.left_out)
        arrays = [part.numbers for part in self.parts.values()]
        ids = np.concatenate(arrays) if arrays else np.zeros(0, np.uint32)
        used = np.zeros(len(self._numbers), np.bool_)
        used[ids] = True
        lexicon = tuple(self._numbers)
        if not used.all():
            lexicon = tuple(word for word, kept in zip(lexicon, used.tolist(), strict=True) if kept)
            ids = (np.cumsum(used, dtype=np.uint32) - np.uint32(1))[ids]
        return WorkspaceIndex(lexicon, ids, MappingProxyType(files))


def _read(path: str) -> tuple[os.stat_result, bytes]:
    """Return a file's content with its size and time, which were true before it was read. Raises OSError."""
    with Path(path).open("rb") as file:
        return os.fstat(file.fileno()), file.read()


def _words_of_file(content: bytes, pause: Callable[[], None], *, prose: bool) -> tuple[list[str], str]:
    """Return the words to learn from a file, or none and the reason."""
    reason = too_large(len(content))
    if reason:
        return [], reason
    try:
        text = decoded(content)
    except UndecodableError as error:
        return [], str(error)
    reason = generated(text) or minified(text)
    if reason:
        return [], reason
    if prose:
        return _words(text, pause, learned_prose), ""
    words = _words(text, pause, words_of)
    reason = data_like(words)
    return ([], reason) if reason else (without_secrets(words), "")


def _words(text: str, pause: Callable[[], None], of_tokens: Callable[[Iterable[Token]], Iterable[str]]) -> list[str]:
    """Return the words of a text's tokens, lexed in pieces that end where lexing can resume."""
    words: list[str] = []
    start, size = 0, PIECE
    indents: tuple[int, ...] = (0,)
    while True:
        piece = text[start : start + size]
        lexed = relex(Lexed(piece, [], [Mark(0, 0, indents)]), piece)
        if start + size >= len(text):
            return words + list(of_tokens(lexed.tokens))
        # A mark at the very end does not hold: a "\n" may follow the "\r" before it.
        last = next(mark for mark in reversed(lexed.marks) if mark.offset < len(piece))
        words += of_tokens(lexed.tokens[: last.place])
        start, size, indents = start + last.offset, PIECE if last.offset else 2 * size, last.indents
        del lexed  # many objects, which the garbage collector would visit, and no thread could run
        pause()
