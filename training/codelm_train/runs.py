"""All positions of a text, sorted by the words that stand there: what every count of n-grams is read from.

The positions are sorted in *runs*, each of which takes the positions of some range of first words, as many as fit in
memory, and goes to disk. Runs of disjoint ranges need no merging: one after the other, they are the sorted whole (a
distribution sort; Knuth, *The Art of Computer Programming*, volume 3, section 5.2.5). Within a run, words are sorted
from the last one to the first by numpy's stable sort of 16-bit numbers, which is a radix sort.

For the sequences a b | a c, in order 2 (``·`` is the end of a sequence, ``^`` its beginning)::

    stream      ^ a b · ^ a c ·
    positions   3 7   0 4   1   5   2   6         sorted by   · ·   ^a ^a   ab  ac  b·  c·
    length      1 1   2 2   2   2   2   2         words until the sequence ends, at most the order
    shared      0 2   0 2   0   1   0   0         first words that equal those of the position before; behind an
                                                  end, nothing equals nothing
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm import __version__
from codelm.errors import CorpusError
from codelm.model import Ids
from codelm.vocabulary import EOS, PAD
from codelm_train.columns import Column, Writer, step
from codelm_train.progress import Progress, silent
from codelm_train.work import trust_only

# Positions to a run, unless one first word has more: what the processor's cache can hold of a run sorts faster.
# Sorting takes about 60 bytes for each.
RUN = 1 << 19
_MOST_RUNS = 1000
_DTYPES = {"positions": "<u4", "shapes": "u1"}
_LONGEST_STREAM = (1 << 32) - 1

Stream = NDArray[np.unsignedinteger[Any]]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Run:
    """Sorted positions, m of them: ``positions`` (m,), and in ``shapes`` (m,) length · 16 + shared."""

    positions: Column
    shapes: Column

    def ngrams(self, length: int) -> tuple[Positions, NDArray[np.uint8]]:
        """Return the positions (k,) where ``length`` words follow, and how many words each shares with the last (k,).

        An n-gram that shares fewer than ``length`` words is the first of its kind.
        """
        positions, shapes = self.positions[:], self.shapes[:]
        long_enough = shapes >= length << 4
        if not long_enough.all():
            positions, shapes = positions[long_enough], shapes[long_enough]
        return positions.astype(np.int64), shapes & np.uint8(15)


def stream_of(ids: NDArray[np.integer], starts: Ids, size: int) -> Stream:
    """Return sequences ids (T,) with starts (N + 1,), each between [PAD] and [EOS]: (T + 2N,), over ``size`` ids.

    Raises CorpusError when there is no word, or there are more than positions have numbers.
    """
    if len(ids) == 0:
        raise CorpusError("there is nothing to count: the corpus has no words")
    lengths = np.diff(starts)
    ends = np.cumsum(lengths + 2)
    if ends[-1] > _LONGEST_STREAM:
        raise CorpusError(f"a corpus of {len(ids):,} words is too long to count: at most 2^32")
    stream: Stream = np.empty(int(ends[-1]), np.uint16 if size <= 1 << 16 else np.uint32)
    is_word = np.ones(len(stream), bool)
    is_word[ends - 1] = is_word[ends - lengths - 2] = False
    stream[ends - 1], stream[ends - lengths - 2] = EOS, PAD
    stream[is_word] = ids[: starts[-1]]
    return stream


def sorted_runs(stream: Stream, order: int, folder: Path, *, run: int = RUN, progress: Progress = silent) -> list[Run]:
    """Return the positions of a stream sorted by the ``order`` words there, in runs of about ``run`` positions.

    The order is at most 15: lengths take four bits. The runs are kept in ``folder``, where those of an interrupted
    command are taken up again if they are of the same stream. Raises OSError.
    """
    digest = hashlib.sha256(stream.data).hexdigest()
    trust_only(folder, {"codelm": __version__, "format": 1, "stream": digest, "order": order, "run": run})
    parts = _partitioned(stream, run)
    found = []
    for number, positions in enumerate(progress(parts, len(parts), "sorting n-grams")):

        def make(writers: dict[str, Writer], positions: NDArray[np.uint32] = positions) -> None:
            in_order, shapes = _sorted(stream, positions.astype(np.int64), order)
            writers["positions"].append(in_order)
            writers["shapes"].append(shapes)

        found.append(Run(**step(folder, f"run-{number}", _DTYPES, make)))
    return found


def _partitioned(stream: Stream, run: int) -> list[NDArray[np.uint32]]:
    """Return the positions of a stream by ranges of the words there, the lowest first: ascending, (m,) each.

    A range has about ``run`` positions, or is of one word.
    """
    counts = np.zeros(int(stream.max()) + 1, np.int64)
    for at in range(0, len(stream), RUN):  # bincount makes 64-bit numbers of what it is given
        counts += np.bincount(stream[at : at + RUN], minlength=len(counts))
    part_of = np.zeros(len(counts), np.uint16)
    for begin, end, number in _ranges(counts, max(run, len(stream) // _MOST_RUNS)):
        part_of[begin:end] = number
    edges = np.cumsum([0, *np.bincount(part_of, counts).astype(np.int64)])
    places = np.empty(len(stream), np.uint32)
    filled = edges[:-1].copy()
    for at in range(0, len(stream), RUN):
        parts = part_of[stream[at : at + RUN]]
        in_order = np.argsort(parts, kind="stable")
        here = 0
        for number, length in enumerate(np.bincount(parts)):
            places[filled[number] : filled[number] + length] = in_order[here : here + length] + at
            filled[number] += length
            here += length
    return [places[begin:end] for begin, end in pairwise(edges.tolist())]


def _ranges(counts: NDArray[np.int64], run: int) -> Iterator[tuple[int, int, int]]:
    """Yield ranges of words (begin, end) that occur about ``run`` times together, or are one word; and a number."""
    ends = np.cumsum(counts)
    begin, number = 0, 0
    while begin < len(ends):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + run, side="right")))
        yield begin, end, number
        begin, number = end, number + 1


def _sorted(stream: Stream, positions: Positions, order: int) -> tuple[Positions, NDArray[np.uint8]]:
    """Return positions (m,) sorted by the ``order`` words there, of equal ones the first first; and their shapes."""
    columns = [stream[positions]]
    alive = np.ones(len(positions), bool)
    shapes = np.full(len(positions), 16, np.uint8)
    for offset in range(1, order):
        alive &= columns[-1] != EOS
        shapes += alive * np.uint8(16)
        # [PAD] stands for what is behind the end: it sorts first, and nothing else has it there.
        words = stream.take(positions + offset, mode="clip")
        columns.append(np.where(alive, words, stream.dtype.type(PAD)))
    places = np.arange(len(positions))
    for column in reversed(columns):
        for digit in _digits(column):
            places = places[np.argsort(digit[places], kind="stable")]
    shapes = shapes[places]
    shared = np.ones(max(len(places) - 1, 0), bool)
    for column in columns:
        here = column[places]
        shared &= here[1:] == here[:-1]
        shapes[1:] += shared
    return positions[places], shapes


def _digits(column: Stream) -> list[NDArray[np.uint16]]:
    """Return the 16-bit digits of words, the lowest first."""
    if column.dtype == np.uint16:
        return [column]
    return [(column & 0xFFFF).astype(np.uint16), (column >> 16).astype(np.uint16)]
