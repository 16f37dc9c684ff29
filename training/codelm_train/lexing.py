"""From documents to words, on all cores.

A document goes to a worker process as bytes and comes back as its distinct words and numbers into them, which
is smaller and quicker to take apart than a list of words. Results come in the order of the documents. Other work
on documents is spread over processes in the same way.
"""

import multiprocessing
import os
import queue
import signal
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from codelm import decoding
from codelm.errors import CorpusError
from codelm.lexer import lex as tokens_of
from codelm.prose import learned_prose
from codelm.secrecy import without_secrets
from codelm.words import words as words_of
from codelm_train import filters, notebooks
from codelm_train.documents import Document, Dropped
from codelm_train.duplicates import Hashes, band_keys, fingerprint, shingles, word_hashes

BATCH = 400_000  # bytes of content per task, 0.2 s of work: what is sent and waited for does not show
_ROW = 500  # what a row counts beside its length, so that a batch of short ones stays small
_QUEUED = 3  # batches per worker ahead of the reader: enough to keep it busy, few enough to hold in memory


@dataclass(frozen=True, slots=True)
class Lexed:
    """The words of a document, T of them, W distinct."""

    words: tuple[str, ...]
    """(W,) by first occurrence."""
    ids: npt.NDArray[np.uint32]
    """(T,) each word's index in ``words``."""
    fingerprint: bytes
    """The same for two documents if and only if their words are."""
    keys: Hashes
    """(BANDS,) one of them the same, most likely, in documents with similar words."""
    cut: bool = False
    """Whether the document had more words."""


Content = bytes | str | tuple[str, ...] | Dropped
Job = tuple[str, Content]  # path, content
_Pipe: TypeAlias = "Connection[Any, Any]"
Made = TypeVar("Made")


def lex_all(
    documents: Iterable[Document], workers: int = 0, longest: int = 0, *, prose: bool = False
) -> Iterator[tuple[Document, Lexed | Dropped]]:
    """Yield each document with its words, the first ``longest`` of them (0: all), or why it is left out.

    ``prose``: whether the words are those of its comments, docstrings and strings, rather than its code's. Raises
    CorpusError if one of the ``workers`` dies, as ``in_processes`` does.
    """
    return in_processes(documents, partial(lex, longest=longest, prose=prose), workers)


def in_processes(
    documents: Iterable[Document], work: Callable[[Job], Made], workers: int = 0
) -> Iterator[tuple[Document, Made]]:
    """Yield each document with what ``work``, a function that other processes can import, makes of it.

    ``workers`` processes work at it (0: as many as there are cores); less than two batches are done in this
    one. Raises CorpusError if a worker dies.
    """
    batches = _batches(documents)
    first = list(islice(batches, 2))
    batches = chain(first, batches)
    workers = workers or os.cpu_count() or 1
    if len(first) < 2 or workers == 1:
        for batch in batches:
            yield from zip(batch, map(work, map(_job, batch)), strict=True)
        return
    pending: deque[tuple[list[Document], Future[list[Made]]]] = deque()
    try:
        with _Workers(workers, work) as pool:
            for batch in batches:
                pending.append((batch, pool.submit(list(map(_job, batch)))))
                if len(pending) > _QUEUED * workers:
                    done, future = pending.popleft()
                    yield from zip(done, future.result(), strict=True)
            for done, future in pending:
                yield from zip(done, future.result(), strict=True)
    except _WORKER_DIED as error:
        raise CorpusError("a process that reads sources was killed; is there enough memory?") from error


_WORKER_DIED = (EOFError, BrokenPipeError, ConnectionResetError)


class _Workers(Generic[Made]):
    """Worker processes, each at the other end of a pipe of its own, with a thread that feeds it.

    Not concurrent.futures' pool of processes: its workers share one pipe, of which the parent holds both ends,
    so that a worker killed in the middle of an answer leaves the parent waiting for the rest of it. Here the
    pipe then ends.
    """

    def __init__(self, count: int, work: Callable[[Job], Made]) -> None:
        self._count = count
        self._work = work
        self._threads = ThreadPoolExecutor(count)
        self._processes: list[BaseProcess] = []
        self._idle: queue.SimpleQueue[_Pipe] = queue.SimpleQueue()

    def submit(self, jobs: list[Job]) -> Future[list[Made]]:
        return self._threads.submit(self._ask, jobs)

    def _ask(self, jobs: list[Job]) -> list[Made]:
        pipe = self._idle.get()
        try:
            pipe.send(jobs)
            answer: list[Made] = pipe.recv()
            return answer
        finally:
            self._idle.put(pipe)  # a dead worker's too: who asks it next learns of its end, and nobody waits

    def __enter__(self) -> Self:
        # Started afresh, since numpy's threads and a fork don't go together.
        context = multiprocessing.get_context("spawn")
        try:
            for _ in range(self._count):
                ours, theirs = context.Pipe()
                self._idle.put(ours)
                with theirs:  # the worker's alone, once it has it: else its death would not end the pipe
                    # A daemon: however this process comes to its end, it ends the worker and does not wait for it.
                    process = context.Process(target=_answer, args=(theirs, self._work), daemon=True)
                    process.start()
                self._processes.append(process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().close()
        for process in self._processes:
            process.join()
            process.close()


def _answer(pipe: _Pipe, work: Callable[[Job], Made]) -> None:
    """Answer a parent's batches until it is gone. It alone minds the terminal's interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(*_WORKER_DIED):  # the parent, here
        while True:
            pipe.send(list(map(work, pipe.recv())))


def lex(job: Job, longest: int = 0, *, prose: bool = False) -> Lexed | Dropped:
    """Return the words of a document's content, the first ``longest`` of them (0: all), or why it is left out.

    ``prose``: whether they are the words of its prose. What is left out as code is left out as prose.
    """
    path, content = job
    reason = filters.vendored(path) or filters.generated_name(path)
    if reason:
        return Dropped(reason)
    if isinstance(content, bytes):
        content = notebooks.code_of(content) if path.endswith(notebooks.SUFFIX) else decoded(content)
    elif isinstance(content, str) and content[:1] in (" ", "\t"):
        content = textwrap.dedent(content)  # a method, cut out of its class
    if isinstance(content, Dropped):
        return content
    if isinstance(content, str):
        reason = filters.generated(content) or filters.minified(content) or filters.not_python(content)
        if reason:
            return Dropped(reason)
        text, content = content, tuple(without_secrets(words_of(content)))
        reason = filters.data_like(content)
        if prose and not reason:
            content = tuple(learned_prose(tokens_of(text)))
    reason = reason or filters.empty(content)
    if reason:
        return Dropped(reason)
    # Cut before duplicates are looked for, by what is kept: two documents that differ only behind the cut are the
    # same sequence, and one of them may be what a model is measured on.
    return replace(numbered(content[:longest]), cut=True) if 0 < longest < len(content) else numbered(content)


def decoded(content: bytes) -> str | Dropped:
    """Return a file's text, by the encoding that it declares, or why it has none."""
    try:
        return decoding.decoded(content)
    except decoding.UndecodableError as error:
        return Dropped(str(error))


def numbered(words: tuple[str, ...]) -> Lexed:
    """Return a document's words with what finds duplicates of it."""
    numbers: dict[str, int] = {}
    ids = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.uint32, len(words))
    distinct = tuple(numbers)
    return Lexed(distinct, ids, fingerprint(words), band_keys(shingles(word_hashes(distinct)[ids])))


def _job(document: Document) -> Job:
    return document.path, document.content


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += _ROW + (0 if isinstance(document.content, Dropped) else len(document.content))
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
