"""Reads files with a network, side by side and in small pieces, and keeps its states before each of their words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codelm.model import Ids
from codelm.neural.model import NeuralModel
from codelm.neural.reduction import Lists, Reduction, States, kept
from codelm.neural.table import Floats

SIDE_BY_SIDE = 16
"""Files that are read at once: a word then takes a network half the time that it takes alone."""
_PIECE = 32  # words of each that are read in one call: all in some 10 ms
_SORTED = 8  # times as many files are sorted by their lengths, so that those side by side end at about the same time


@dataclass(frozen=True, eq=False, slots=True)
class FileStates:
    """What a network made of what stands before each of a file's N words: ``states`` (N, D), and the ``lists`` (N,)
    that they are in.
    """

    states: States
    lists: Lists


def remembered(
    network: NeuralModel[Any], reduction: Reduction, files: Sequence[Ids]
) -> Iterator[tuple[int, FileStates] | None]:
    """Yield the number of each file that has been read, and its states; and None behind each piece of work, 10 ms.

    A file is read from its beginning as a sequence of its own. It has words: ids (N,) that the network knows.
    """
    some = SIDE_BY_SIDE * _SORTED
    for at in range(0, len(files), some):
        numbers = sorted(range(at, min(at + some, len(files))), key=lambda number: -len(files[number]))
        for first in range(0, len(numbers), SIDE_BY_SIDE):
            yield from _side_by_side(network, reduction, files, numbers[first : first + SIDE_BY_SIDE])


def _side_by_side(
    network: NeuralModel[Any], reduction: Reduction, files: Sequence[Ids], numbers: Sequence[int]
) -> Iterator[tuple[int, FileStates] | None]:
    """Read files that are sorted by their lengths, the longest first."""
    start = network.start()
    state = network.picked(start, np.zeros(len(numbers), np.int64))
    found = [[_reduced(reduction, network.vectors(start))] for _ in numbers]
    alive = len(numbers)
    for at in range(0, len(files[numbers[0]]), _PIECE):
        reading = sum(len(files[number]) > at for number in numbers)
        if reading < alive:
            state = network.picked(state, np.arange(reading))
        alive = reading
        words = [files[number][at : at + _PIECE] for number in numbers[:alive]]
        ids = np.zeros((len(words[0]), alive), np.int64)  # [PAD] behind the ends of shorter ones
        for row, part in enumerate(words):
            ids[: len(part), row] = part
        state, vectors = network.read_along(state, ids)
        every = _reduced(reduction, vectors.reshape(-1, vectors.shape[2]))
        for row, part in enumerate(words):
            rows = slice(row, row + len(part) * alive, alive)
            found[row].append(FileStates(every.states[rows], every.lists[rows]))
        yield None
    for number, parts in zip(numbers, found, strict=True):
        count = len(files[number])
        states = np.concatenate([part.states for part in parts])[:count]
        yield number, FileStates(states, np.concatenate([part.lists for part in parts])[:count])


def _reduced(reduction: Reduction, vectors: Floats) -> FileStates:
    reduced = reduction.reduced(vectors)
    return FileStates(kept(reduced), reduction.lists(reduced))
