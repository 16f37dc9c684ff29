"""From sequences of ids to counted n-grams, in bounded memory.

An n-gram is an integer, its *node*: its place among the sorted distinct n-grams of its length. Sorted positions
(``codelm_train.runs``) hold the n-grams of every length in that order, so each level is read off them in one pass,
and what comes out is already the forward trie that ``codelm.ngram`` reads. Only two arrays are as long as the text:
the text itself, and the node at each of its positions, through which an n-gram finds the one without its first word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.vocabulary import PAD
from codelm_train.columns import Column, Numbers, Writer, step
from codelm_train.progress import Progress, silent
from codelm_train.runs import RUN, Run, Stream, sorted_runs, stream_of

# N-grams that are looked at together: enough for numpy, and few enough for the processor's cache.
BLOCK = 1 << 18
_STRETCHES = 100


@dataclass(frozen=True, eq=False)
class CountedLevel:
    """All distinct n-grams of one length, n of them, sorted by context, then by last word.

    ``words`` (n,): last words. ``first`` (contexts + 1,): where those of each context begin; a context is a node one
    level up, of all but the last word. ``suffixes`` (n,): the node, one level up, of all but the first word. ``raw``
    (n,): how often it was seen. ``adjusted`` (n,): how many different words were seen before it; the raw count at the
    highest order and after ``[PAD]``. ``held`` (n,): how often it was seen in the part of the text that is held out
    where weights have to be found. One level above the first is the empty n-gram, node 0.

    ``[PAD]`` is the first n-gram of the first level. It is a context only, its adjusted count there is 0.
    """

    words: Numbers
    first: Numbers
    suffixes: Numbers
    raw: Numbers
    adjusted: Numbers
    held: Numbers


@dataclass(frozen=True, eq=False)
class Block:
    """Some contexts of a level and their n-grams: k contexts, m n-grams.

    ``edges`` (k + 1,): where the n-grams of each context begin among the m.
    """

    contexts: slice
    ngrams: slice
    edges: Ids

    def totals(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of the values (m,) of each context's n-grams: (k,)."""
        return self._reduced(np.add, values)

    def greatest(self, values: NDArray[Any], otherwise: float) -> NDArray[Any]:
        """Return the greatest value (m,) of each context's n-grams, ``otherwise`` where it has none: (k,)."""
        found = self._reduced(np.maximum, values)
        found[self.edges[1:] == self.edges[:-1]] = otherwise
        return found

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the value (k,) of each n-gram's context: (m,)."""
        return np.repeat(values, np.diff(self.edges))

    def _reduced(self, ufunc: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros(len(self.edges) - 1, values.dtype)
        if len(values):
            continued = self.edges[1:] > self.edges[:-1]  # reduceat has no empty parts
            found[continued] = ufunc.reduceat(values, self.edges[:-1][continued])
        return found


def blocks(first: Numbers, size: int = BLOCK) -> Iterator[Block]:
    """Yield all contexts of a level in blocks of about ``size`` n-grams; one context is never divided."""
    contexts, at = len(first) - 1, 0
    while at < contexts:
        edges = first[at : at + size + 1].astype(np.int64)
        count = max(1, int(np.searchsorted(edges, edges[0] + size, side="right")) - 1)
        edges = edges[: count + 1]
        yield Block(slice(at, at + count), slice(int(edges[0]), int(edges[-1])), edges - edges[0])
        at += count


def count(
    ids: NDArray[np.integer],
    starts: Ids,
    *,
    size: int,
    order: int,
    folder: Path,
    run: int = RUN,
    progress: Progress = silent,
) -> list[CountedLevel]:
    """Return the counted n-grams of lengths 1 … order (at most 15): of sequences ids (T,) with starts
    (sequences + 1,) into them, over ``size`` ids. The levels are read from ``folder``, where an interrupted count
    goes on; what is of another text there, or of another order, is removed.

    ``run``: how many words are sorted at once. Raises CorpusError when there is nothing to count, and OSError.
    """
    stream = stream_of(ids, starts, size)
    runs = sorted_runs(stream, order, folder, run=run, progress=progress)
    made = [
        step(folder, f"level-{length}", _columns(length, order), partial(_level, stream, runs, length, order))
        for length in progress(range(1, order + 1), order, "counting n-grams")
    ]
    unigrams = len(made[0]["words"])
    first: list[Numbers] = [np.array([0, unigrams]), *(columns["first"] for columns in made[:-1])]
    suffixes: list[Numbers] = [np.zeros(unigrams, np.int64), *(columns["suffixes"] for columns in made[:-1])]
    adjusted: list[Numbers] = [*(columns["adjusted"] for columns in made[:-1]), _highest(made[-1]["raw"], order)]
    return [
        CountedLevel(columns["words"], first[depth], suffixes[depth], columns["raw"], adjusted[depth], columns["held"])
        for depth, columns in enumerate(made)
    ]


def held_out(length: int) -> NDArray[np.bool_]:
    """Return which positions of a text of ``length`` are held out: (length,).

    Every tenth of a hundred stretches is, so that most of what is there comes from files of which all is.
    """
    held: NDArray[np.bool_] = np.zeros(length, bool)
    for stretch in range(5, _STRETCHES, 10):
        held[stretch * length // _STRETCHES : (stretch + 1) * length // _STRETCHES] = True
    return held


def _highest(raw: Column, order: int) -> Numbers:
    """Return the adjusted counts of the highest order."""
    if order > 1:
        return raw
    adjusted = raw[:]
    adjusted[0] = 0  # [PAD]
    return adjusted


def _columns(length: int, order: int) -> dict[str, str]:
    """Return what counting one length writes; ``first`` and ``suffixes`` are of the n-grams one word longer."""
    dtypes = {"words": "<u4", "raw": "<u4", "held": "<u4"}
    return dtypes if length == order else {**dtypes, "adjusted": "<u4", "first": "<u4", "suffixes": "<u4"}


def _level(stream: Stream, runs: Sequence[Run], length: int, order: int, writers: Mapping[str, Writer]) -> None:
    nodes = 0
    node_at = np.empty(len(stream) if length < order else 0, np.uint32)  # of the n-gram at each position
    held = held_out(len(stream))
    raw_after_pad = []
    for run in runs:
        positions, shared = run.ngrams(length)
        begins = np.flatnonzero(shared < length)  # of each distinct n-gram
        raw = np.diff(begins, append=len(positions))
        at = positions[begins]
        writers["words"].append(stream[at + (length - 1)])
        writers["raw"].append(raw)
        writers["held"].append(np.add.reduceat(held[positions], begins, dtype=np.uint32) if len(begins) else begins)
        if length < order:
            node_at[positions] = np.repeat(np.arange(nodes, nodes + len(begins), dtype=np.uint32), raw)
            raw_after_pad.append(raw[stream[at] == PAD])
        nodes += len(begins)
    if length == order:
        return
    seen_before = np.zeros(nodes, np.uint32)
    first = np.zeros(nodes + 1, np.uint32)
    for run in runs:
        positions, shared = run.ngrams(length + 1)
        positions = positions[shared <= length]  # the first of each distinct n-gram that is one word longer
        suffixes = node_at[positions + 1]
        writers["suffixes"].append(suffixes)
        # Each distinct longer n-gram is one word seen before the n-gram that ends it.
        np.add.at(seen_before, suffixes, np.uint32(1))
        np.add.at(first, node_at[positions] + 1, np.uint32(1))
    after_pad = np.concatenate(raw_after_pad)
    # Nothing can stand before [PAD], which has the first nodes; [PAD] itself is never predicted.
    seen_before[: len(after_pad)] = after_pad if length > 1 else 0
    writers["adjusted"].append(seen_before)
    writers["first"].append(np.cumsum(first, dtype=np.uint32))
