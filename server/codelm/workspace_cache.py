"""What the workspace teaches: all places in its files that look like the cursor's, and the words that followed there.

The places of all words are sorted by what stands before them, the last word first (a suffix array of the reversed
text: Manber and Myers 1993, built by their doubling), so that the places that match a context at length d stand side by
side, and those that match at d + 1 are a part of them::

    context      … self .                        places that match "."        [lo₁ …… hi₁)
                                                  those that match "self ."       [lo₂ … hi₂)

The relative frequencies of the words there, for d = 0 … ℓ, where ℓ is the length of the longest match, share the
probability by weights that ``codelm_train.mix`` fits, a row of them for each ℓ.

Places are sorted by numbers of words that are not the session's ids: a session gives out ids as words come, but the
numbers of a workspace's index stay, so that its order can be kept with it. What the classes take and return are ids.

A million words take 12 MB and are sorted in a third of a second; with an order that was kept they are ready in 20 ms.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from codelm.gate import one_hot
from codelm.model import Ids, Scores, among
from codelm.vocabulary import PAD, UNK

LONGEST = 8
"""The longest context that is told from longer ones, in words. The orders that ``workspace_format`` keeps depend on it:
with another one, they are of another version."""
EXPERTS = LONGEST + 1
SIGNALS = LONGEST + 3
START = 0
"""The number of what stands before a file's first word."""

_WIDE = 512  # places from which a range's words are counted once and kept
_KEPT = 1024  # such counts that are kept, at most
_BEST_KEPT = 256  # of a wide range's words, those that are proposed from
_FEW_ALLOWED = 4096
_GATHERED = 2048  # places up to which a range is narrowed by looking at all of them at once

Floats = NDArray[np.float64]
Numbers = NDArray[np.uint32]


class WorkspaceCache:
    """The files of a workspace, sorted. Immutable."""

    def __init__(self, files: Sequence[Ids | Numbers], ids: Ids | None = None, order: Numbers | None = None):
        """Take the words of each file, (T,), by numbers above ``START``.

        ``ids`` are the session's of all numbers, with ``[PAD]`` for ``START``; None where the numbers are ids already.
        ``order`` is what ``sorted_places`` returns for these files, if that is known.
        """
        numbers = self._numbers = laid_out(files)
        ends = LONGEST + np.cumsum([0, *(1 + len(file) for file in files)])
        self._spans = list(pairwise(ends.tolist()))
        ids = np.arange(int(numbers.max()) + 1) if ids is None else ids
        self._ids: Numbers = ids.astype(np.uint32)  # of each number
        self._order = order if order is not None else _sorted_places(numbers)
        self._next = self._ids[numbers[self._order]]
        self._number_of = np.full(int(ids.max()) + 1, -1, np.int32)  # of each id, -1 where no word has it
        self._number_of[ids] = np.arange(len(ids), dtype=np.int32)
        if np.count_nonzero(ids == UNK) > 1:  # words for which the session has no room: it can't tell which is meant
            self._number_of[UNK] = -1
        before = numbers[LONGEST - 1 : -1][numbers[LONGEST:] != START]
        # Where the places behind each number begin.
        self._first = np.cumsum(np.bincount(before + np.uint32(1), minlength=len(ids) + 1)).astype(np.uint32)
        self._counted: dict[tuple[int, int], Counted] = {}

    def __len__(self) -> int:
        """Return how many words the files have."""
        return len(self._order)

    @property
    def ids(self) -> Numbers:
        """The ids at all places: of each file ``[PAD]`` and its words, behind ``LONGEST`` more ``[PAD]``."""
        return self._ids[self._numbers]

    @property
    def end(self) -> int:
        """Where the last file ends among the places."""
        return len(self._numbers)

    def span(self, file: int) -> tuple[int, int]:
        """Return where a file, by its number, begins and ends among the places."""
        return self._spans[file]

    def model(self, size: int, weights: Floats, without: tuple[int, int] = (0, 0)) -> "WorkspaceModel":
        """Return a model of the files over ``size`` ids, but for the ``without`` span of places: the open file's.

        ``weights`` (LONGEST + 1, LONGEST + 1): a row for each length of the longest match.
        """
        begin, end = without
        left_out = ((self._order >= begin) & (self._order < end)).nonzero()[0] if begin < end else np.zeros(0, np.int64)
        return WorkspaceModel(self, size, weights, left_out)

    def ranges(self, context: Sequence[int]) -> list[tuple[int, int]]:
        """Return where the places that match the last 1, 2 … words of a context begin and end in the sorted order."""
        found = []
        low, high = 0, 0
        for depth, word in enumerate(reversed(context), 1):
            number = int(self._number_of[word]) if 0 <= word < len(self._number_of) else -1
            if number < 0:
                break
            if depth == 1:
                low, high = int(self._first[number]), int(self._first[number + 1])
            else:
                low, high = self._narrowed(low, high, depth, number)
            if low >= high:  # an order from the disk that is not sorted, by whatever mistake, finds too little
                break
            found.append((low, high))
        return found

    def following(self, low: int, high: int) -> NDArray[np.uint32]:
        """Return the words at the places of a range."""
        return self._next[low:high]

    def counted(self, low: int, high: int) -> "Counted":
        """Return how often each word stands at the places of a range; what was counted lately is kept."""
        counted = self._counted.get((low, high))
        if counted is None:
            words, counts = np.unique(self._next[low:high], return_counts=True)
            if len(self._counted) >= _KEPT:
                del self._counted[next(iter(self._counted))]
            self._counted[low, high] = counted = Counted.of(words.astype(np.int64), counts)
        return counted

    @cached_property
    def everywhere(self) -> "Counted":
        """How often each id occurs in all; its words are all ids."""
        counts = np.bincount(self._next)
        return Counted.of(np.arange(len(counts)), counts)

    def _narrowed(self, low: int, high: int, depth: int, number: int) -> tuple[int, int]:
        """Return the part of a range whose places have the word of ``number`` at ``depth`` words before them."""
        if high - low <= _GATHERED:
            numbers = self._numbers[self._order[low:high] - np.uint32(depth)]
            begin, end = numbers.searchsorted(np.array([number, number + 1], np.uint32)).tolist()
            return low + begin, low + end
        return self._bisected(low, high, depth, number), self._bisected(low, high, depth, number + 1)

    def _bisected(self, low: int, high: int, depth: int, number: int) -> int:
        numbers, order = self._numbers, self._order
        while low < high:
            middle = (low + high) // 2
            if numbers[order[middle] - depth] < number:
                low = middle + 1
            else:
                high = middle
        return low


@dataclass(frozen=True, eq=False, slots=True)
class Counted:
    """How often each word follows in a wide range.

    ``words`` (N,) sorted, ``counts`` (N,), ``best``: those with the highest counts, best first.
    """

    words: Ids
    counts: Ids
    total: int
    best: Ids

    @classmethod
    def of(cls, words: Ids, counts: Ids) -> "Counted":
        """Return the counts with their sum and their best words."""
        places = np.argpartition(-counts, _BEST_KEPT)[:_BEST_KEPT] if len(words) > _BEST_KEPT else np.arange(len(words))
        best = words[places[np.argsort(-counts[places], kind="stable")]]
        return cls(words, counts, int(counts.sum()), best)

    def without(self, left_out: NDArray[np.uint32]) -> "Counted":
        """Return the counts without some occurrences of words."""
        if not len(left_out):
            return self
        counts = self.counts.copy()
        np.subtract.at(counts, self.words.searchsorted(left_out), 1)
        return Counted(self.words, counts, self.total - len(left_out), self.best)


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    """What one context finds: the length of its longest match, and the words' probabilities, in parts.

    ``places``: how many match at that length. ``wide``: counted ranges with what one occurrence weighs in each;
    ``words`` and ``masses`` (N,): all the rest.
    """

    length: int
    places: int
    wide: list[tuple[Counted, float]]
    words: Ids
    masses: Floats


@dataclass(frozen=True, eq=False)
class WorkspaceState:
    """B contexts: ``contexts`` (B, LONGEST), the last word last, -1 before the beginning."""

    contexts: Ids
    found: list[_Row] = field(default_factory=list)  # what was looked up, once it was asked for


class WorkspaceModel:
    """A workspace without one of its files. Implements ``LanguageModel[WorkspaceState]``; words that the workspace
    lacks have no probability.
    """

    def __init__(self, cache: WorkspaceCache, size: int, weights: Floats, left_out: Ids):
        """Take what ``WorkspaceCache.model`` gathers; ``left_out`` are places in the sorted order."""
        self.size = size
        self.empty = len(cache) == len(left_out)
        self._cache, self._weights, self._left_out = cache, weights, left_out
        self._counted: dict[tuple[int, int], Counted] = {}

    def over(self, size: int) -> "WorkspaceModel":
        """Return the model over another number of ids."""
        if size == self.size:
            return self
        other = copy(self)
        other.size = size
        return other

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> WorkspaceState:
        """Return the state at the beginning of a file."""
        context = np.full((1, LONGEST), -1, np.int64)
        context[0, -1] = PAD
        return WorkspaceState(context)

    def read(self, state: WorkspaceState, ids: Ids) -> WorkspaceState:
        """Return the state after a context: ids (T,)."""
        return WorkspaceState(np.concatenate([state.contexts, ids[None, -LONGEST:]], axis=1)[:, -LONGEST:])

    def step(self, state: WorkspaceState, rows: Ids, ids: Ids) -> WorkspaceState:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        return WorkspaceState(np.concatenate([state.contexts[rows, 1:], ids[:, None]], axis=1))

    def score(self, state: WorkspaceState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        if self.empty or not len(ids):
            probabilities = np.where(ids == PAD, 0.0, 1 / (self.size - 1))
        else:
            rows = np.arange(len(ids)).repeat(ids.shape[1])
            probabilities = self._masses(self._rows(state), rows, ids.ravel()).reshape(ids.shape)
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)

    def propose(self, state: WorkspaceState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row: (B, K), -1 where the workspace has no more."""
        best = np.full((len(state.contexts), k), -1, np.int64)
        if self.empty or not len(best):
            return best
        found = self._rows(state)
        rows, words = self._candidates(found, k, allowed)
        masses = self._masses(found, rows, words)
        possible = (masses > 0).nonzero()[0]
        rows, words = rows[possible], words[possible]
        order = np.lexsort((-masses[possible], rows))
        ranks = np.arange(len(rows)) - rows.searchsorted(rows)  # sorted, they are what they were
        among_best = ranks < k
        best[rows[among_best], ranks[among_best]] = words[order[among_best]]
        return best

    def _candidates(self, found: Sequence[_Row], k: int, allowed: Ids | None) -> tuple[Ids, Ids]:
        """Return rows and words, in order, among which are the k best of each row."""
        if allowed is not None and len(allowed) <= _FEW_ALLOWED:
            return np.arange(len(found)).repeat(len(allowed)), np.tile(allowed, len(found))
        # The best of the whole are among the best of the parts, most likely: four times as many of each.
        most = max(32, 4 * k) if allowed is None else _BEST_KEPT
        parts = []
        for number, row in enumerate(found):
            parts += [part + number * self.size for part in (row.words, *(wide.best[:most] for wide, _ in row.wide))]
        keys = np.concatenate(parts)
        keys.sort()
        is_new = np.ones(len(keys), bool)
        is_new[1:] = keys[1:] != keys[:-1]
        rows, words = np.divmod(keys[is_new], self.size)
        if allowed is not None:
            kept = among(words, allowed)
            rows, words = rows[kept], words[kept]
        return rows, words

    # --- what a mixture asks besides ----------------------------------------------------------------------

    def match_lengths(self, state: WorkspaceState) -> Ids:
        """Return the length of each row's longest match, -1 where there is no word at all: (B,)."""
        if self.empty:
            return np.full(len(state.contexts), -1, np.int64)
        return np.array([row.length for row in self._rows(state)], np.int64)

    def signals(self, state: WorkspaceState) -> Floats:
        """Return what is known of each row before the answer, (B, SIGNALS): the length of its longest match, how many
        places match at that length, and the probability of the best word there.
        """
        if self.empty:
            return np.zeros((len(state.contexts), SIGNALS))
        rows = self._rows(state)
        lengths = np.array([row.length for row in rows], np.int64)
        few = np.array([[np.log1p(row.places) / 10, self._top(row)] for row in rows]).reshape(-1, 2)
        return np.concatenate([one_hot(lengths, LONGEST + 1), few], axis=1)

    def experts(self, state: WorkspaceState, word: int) -> Floats:
        """Return what each expert says of one word, for a state of one row: (EXPERTS,), zero where it says nothing."""
        said = np.zeros(EXPERTS)
        if self.empty:
            return said
        if word < len(self._all.counts):
            said[0] = self._all.counts[word] / self._all.total
        for depth, (low, high) in enumerate(self._cache.ranges(state.contexts[0].tolist()), 1):
            words = self._following(low, high)
            if not len(words):
                break
            said[depth] = np.count_nonzero(words == word) / len(words)
        return said

    def counts_from(self, first: int) -> Floats:
        """Return how often the ids from ``first`` on occur: (size - first,)."""
        counts = np.zeros(self.size - first)
        if not self.empty:
            known = self._all.counts[first : self.size]
            counts[: len(known)] = known
        return counts

    # --- looking up ---------------------------------------------------------------------------------------

    def _top(self, row: _Row) -> float:
        """Return the probability of the best word at the places that match best."""
        if len(row.masses):
            return float(row.masses.max())
        counted, _ = row.wide[-1]
        return float(self._masses([row], np.zeros(1, np.int64), counted.best[:1])[0])

    @cached_property
    def _all(self) -> Counted:
        """How often each id occurs."""
        return self._cache.everywhere.without(self._among_left_out(0, len(self._cache)))

    def _among_left_out(self, low: int, high: int) -> NDArray[np.uint32]:
        """Return the words of a range that are left out."""
        begin, end = self._left_out.searchsorted((low, high)).tolist()
        return self._cache.following(0, len(self._cache))[self._left_out[begin:end]]

    def _following(self, low: int, high: int) -> NDArray[np.uint32]:
        """Return the words of a range that are not left out."""
        words = self._cache.following(low, high)
        begin, end = self._left_out.searchsorted((low, high)).tolist()
        return np.delete(words, self._left_out[begin:end] - low) if begin < end else words

    def _rows(self, state: WorkspaceState) -> list[_Row]:
        if not state.found:
            state.found[:] = map(self._look_up, state.contexts.tolist())
        return state.found

    def _look_up(self, context: list[int]) -> _Row:
        wide = [self._all]
        ranges = self._cache.ranges(context)
        while ranges and ranges[0][1] - ranges[0][0] > _WIDE:
            counted = self._count(*ranges[0])
            if not counted.total:
                ranges.clear()
                break
            wide.append(counted)
            del ranges[0]
        words, counts, kept = self._narrow(ranges)
        length = len(wide) - 1 + len(counts)
        weights = self._weights[length].tolist()
        parts = [(counted, weights[depth] / counted.total) for depth, counted in enumerate(wide)]
        if not counts:
            return _Row(length, wide[-1].total, parts, np.zeros(0, np.int64), np.zeros(0))
        low = ranges[0][0]
        shares = np.zeros(len(words))
        for (begin, end), count, weight in zip(ranges, counts, weights[len(wide) :], strict=False):
            shares[begin - low : end - low] += weight / count
        if kept is not None:
            words, shares = words[kept], shares[kept]
        order = words.argsort(kind="stable")
        words = words[order].astype(np.int64)
        first = np.concatenate([[0], (words[1:] != words[:-1]).nonzero()[0] + 1])
        return _Row(length, counts[-1], parts, words[first], np.add.reduceat(shares[order], first))

    def _narrow(self, ranges: list[tuple[int, int]]) -> tuple[NDArray[np.uint32], list[int], NDArray[np.bool_] | None]:
        """Return the words of the first of nested ranges, how many of each range count, and which are not left out."""
        if not ranges:
            return np.zeros(0, np.uint32), [], None
        low, high = ranges[0]
        words = self._cache.following(low, high)
        begin, end = self._left_out.searchsorted((low, high)).tolist()
        if begin == end:
            return words, [high - low for low, high in ranges], None
        kept = np.ones(len(words), bool)
        kept[self._left_out[begin:end] - low] = False
        counts = [int(kept[begin - low : end - low].sum()) for begin, end in ranges]
        while counts and not counts[-1]:
            counts.pop()
        return words, counts, kept

    def _count(self, low: int, high: int) -> Counted:
        counted = self._counted.get((low, high))
        if counted is None:
            counted = self._cache.counted(low, high).without(self._among_left_out(low, high))
            if len(self._counted) >= _KEPT:
                del self._counted[next(iter(self._counted))]
            self._counted[low, high] = counted
        return counted

    def _masses(self, found: Sequence[_Row], rows: Ids, wanted: Ids) -> Floats:
        """Return the probabilities of the wanted ids (N,), each for a row of what was found; rows (N,) only rise."""
        counts = self._all.counts
        weights = np.array([row.wide[0][1] for row in found])
        masses: Floats = np.where(wanted < len(counts), counts.take(wanted, mode="clip") * weights.take(rows), 0.0)
        ends = rows.searchsorted(np.arange(len(found) + 1)).tolist()
        for row, (begin, end) in zip(found, pairwise(ends), strict=True):
            of_row = wanted[begin:end]
            for counted, weight in row.wide[1:]:
                places = counted.words.searchsorted(of_row)
                hits = counted.words.take(places, mode="clip") == of_row
                masses[begin:end] += np.where(hits, counted.counts.take(places, mode="clip") * weight, 0.0)
        narrow = np.concatenate([row.words + number * self.size for number, row in enumerate(found)])
        if len(narrow):
            keys = wanted + rows * self.size
            places = narrow.searchsorted(keys)
            own = np.concatenate([row.masses for row in found]).take(places, mode="clip")
            masses += np.where(narrow.take(places, mode="clip") == keys, own, 0.0)
        return masses


def laid_out(files: Sequence[Ids | Numbers]) -> Numbers:
    """Return the words of all files, by number, at their places: so far behind the first that each has a context."""
    start = np.array([START], np.uint32)
    parts = [np.full(LONGEST, START, np.uint32)]
    for file in files:
        parts += [start, file.astype(np.uint32, copy=False)]
    return np.concatenate(parts)


def sorted_places(files: Sequence[Ids | Numbers]) -> Numbers:
    """Return the places of all words, sorted by the ``LONGEST`` words before them, the last first."""
    return _sorted_places(laid_out(files))


def has_all_places(order: Numbers, files: Sequence[Ids | Numbers]) -> bool:
    """Return whether an order has the place of each word once, and no others."""
    is_word = laid_out(files) != START
    if len(order) != np.count_nonzero(is_word) or (len(order) and int(order.max()) >= len(is_word)):
        return False
    found = np.zeros(len(is_word), np.bool_)
    found[order] = True
    return np.array_equal(found, is_word)


def _sorted_places(numbers: Numbers) -> Numbers:
    ranks = np.zeros(len(numbers), np.uint32)
    ranks[1:] = numbers[:-1]  # of the one word before each place
    reach = 1
    while True:
        keys = ranks.astype(np.uint64)  # of twice as many words
        keys <<= np.uint64(32)
        keys[reach:] |= ranks[:-reach]
        reach *= 2
        if reach >= LONGEST:
            break
        order = keys.argsort()
        keys = keys[order]
        ranks[order[0]] = 0
        ranks[order[1:]] = np.cumsum(keys[1:] != keys[:-1], dtype=np.uint32)
        del order, keys  # some tens of megabytes for a large workspace, which are not held longer than needed
    places = np.flatnonzero(numbers[LONGEST:] != START).astype(np.uint32) + np.uint32(LONGEST)
    keys = keys[places]
    order_of: NDArray[np.uint32] = places[keys.argsort(kind="stable")]
    return order_of
