"""What a network makes of a workspace's files: its states before each of their words, and how they follow an index.

A file's states are known by the digest of its words: they are the same wherever the file lies and whenever it was
read, and what no file of the index has is let go of. A ``StatesUpdate`` brings them up to date in small steps, as
``workspace.Update`` does the index.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from codelm.neural.model import NeuralModel
from codelm.neural.reduction import Lists, Reduction, States
from codelm.neural.remembering import FileStates, remembered
from codelm.neural_workspace import Span, StatesIndex
from codelm.vocabulary import PAD, UNK, Vocabulary
from codelm.workspace import WorkspaceIndex

HEADER = "codelm states 1"
"""What kept states begin with; other versions are not read."""
MOST_WORDS = 300_000
"""Words of a workspace that have states, at most: those of the files that its index has first, 38 MB in memory."""
_DIGEST_BYTES = 16


class BrokenStatesError(ValueError):
    """These bytes are no states that this codelm reads; the message says what is wrong."""


@dataclass(frozen=True, eq=False)
class WorkspaceStates:
    """The states before T words. ``key``: what tells the network, and how its states are kept, from all others."""

    key: str
    states: States
    """(T, D); those of one file behind those of another."""
    lists: Lists
    """(T,), the list that each is in."""
    files: Mapping[str, Span]
    """Where the states of a file begin and end, by the digest of its words."""

    def __len__(self) -> int:
        """Return how many words have states."""
        return len(self.lists)

    def only(self, digests: Iterable[str]) -> "WorkspaceStates":
        """Return the states of some files."""
        wanted = {digest: self.files[digest] for digest in digests if digest in self.files}
        if len(wanted) == len(self.files):
            return self
        parts = {digest: FileStates(self.states[a:b], self.lists[a:b]) for digest, (a, b) in wanted.items()}
        return nothing(self.key, self.states.shape[1]).with_files(parts)

    def with_files(self, files: Mapping[str, FileStates]) -> "WorkspaceStates":
        """Return the states with those of some more files, by the digests of their words."""
        if not files:
            return self
        ends = list(accumulate((len(file.lists) for file in files.values()), initial=len(self)))
        return WorkspaceStates(
            self.key,
            np.concatenate([self.states, *(file.states for file in files.values())]),
            np.concatenate([self.lists, *(file.lists for file in files.values())]),
            MappingProxyType({**self.files, **dict(zip(files, pairwise(ends), strict=True))}),
        )


def nothing(key: str, dimensions: int) -> WorkspaceStates:
    """Return the states of no file."""
    return WorkspaceStates(key, np.zeros((0, dimensions), np.int8), np.zeros(0, np.uint16), MappingProxyType({}))


def digests(index: WorkspaceIndex) -> dict[str, str]:
    """Return the digest of each file's words, by its path, for those that have any: 0.1 seconds for a million words."""
    of_words = b"".join(_digest(word.encode("utf-8", "surrogatepass")) for word in index.lexicon)
    rows = np.frombuffer(of_words, np.uint8).reshape(-1, _DIGEST_BYTES)
    return {
        path: _digest(rows[index.ids_of(path)].tobytes()).hex()
        for path, file in index.files.items()
        if file.start < file.end
    }


def states_index(
    states: WorkspaceStates, reduction: Reduction, index: WorkspaceIndex, ids: Any
) -> tuple[StatesIndex, dict[str, Span]]:
    """Return the states of an index's files as completions look into them, and where those of each path are.

    ``ids``: the session's of the words of the index's lexicon, (W,).
    """
    words, spans = np.full(len(states), PAD, np.uint32), {}
    for path, digest in digests(index).items():
        if digest in states.files:
            spans[path] = begin, end = states.files[digest]
            words[begin:end] = ids[index.ids_of(path)]
    return StatesIndex(reduction, states.states, states.lists, words), spans


class StatesUpdate:
    """States on their way to what an index holds. ``states()`` is valid at any time: of the files read so far."""

    def __init__(
        self, states: WorkspaceStates, index: WorkspaceIndex, network: NeuralModel[Any], vocabulary: Vocabulary,
        reduction: Reduction, most_words: int = MOST_WORDS,
    ):  # fmt: skip
        """Take the states to begin with, and the network, which speaks of a ``vocabulary``."""
        self.files = _first(index, digests(index), most_words)
        """The digests of the files that will have states, by their paths."""
        self._known, self._new = states.only(self.files.values()), dict[str, FileStates]()
        pending = {digest: path for path, digest in self.files.items() if digest not in states.files}
        self.pending = tuple(pending)
        """The digests of the files to read."""
        ids = vocabulary.ids(index.lexicon)
        unknown = (ids == UNK).nonzero()[0]
        ids[unknown] = len(vocabulary) + np.arange(len(unknown))
        self._network = network.reading([index.lexicon[number] for number in unknown.tolist()]) if pending else network
        self._reduction = reduction
        self._words = [ids[index.ids_of(path)] for path in pending.values()]

    def steps(self) -> Iterator[None]:
        """Read the pending files, some 10 ms before each item. May be left at any item."""
        for read in remembered(self._network, self._reduction, self._words):
            if read is None:
                yield
            else:
                self._new[self.pending[read[0]]] = read[1]

    def states(self) -> WorkspaceStates:
        """Return the states as they are by now."""
        self._known, self._new = self._known.with_files(self._new), {}
        return self._known

    def __len__(self) -> int:
        """Return how many words have states by now."""
        return len(self._known) + sum(len(file.lists) for file in self._new.values())


def _first(index: WorkspaceIndex, files: Mapping[str, str], most_words: int) -> dict[str, str]:
    """Return the first files of an index, of so many words in all at most; a file that is too long is left out."""
    found, words = {}, 0
    for path, digest in files.items():
        size = index.files[path].end - index.files[path].start
        if words + size <= most_words:
            found[path] = digest
            words += size
    return found


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


# --- as bytes ------------------------------------------------------------------------------------------------


def encoded_states(states: WorkspaceStates) -> bytes:
    r"""Return states as bytes: two lines, and the lists (16-bit, little-endian) and states of all words.

    ::

        codelm states 1 <BLAKE2b of all that follows>
        {"key": "5f0c…", "dimensions": 32, "files": [["83ab…", 5], …]}

    A file is the digest of its words, and how many these are.
    """
    head = {
        "key": states.key,
        "dimensions": states.states.shape[1],
        "files": [(digest, end - begin) for digest, (begin, end) in states.files.items()],
    }
    lists = states.lists.astype("<u2", copy=False)
    parts: list[Any] = [json.dumps(head, separators=(",", ":")).encode(), b"\n", lists, states.states]
    checksum = hashlib.blake2b(digest_size=_DIGEST_BYTES)  # of parts that are joined once, for they are megabytes
    for part in parts:
        checksum.update(part)
    return b"".join([f"{HEADER} {checksum.hexdigest()}\n".encode(), *parts])


def decoded_states(content: bytes) -> WorkspaceStates:
    """Return the states that ``encoded_states`` made these bytes of. Raises BrokenStatesError."""
    begin = content.find(b"\n", 0, 200) + 1
    version, _, checksum = content[:begin].decode("ascii", "replace").rstrip("\n").rpartition(" ")
    if version != HEADER:
        raise BrokenStatesError(f"it does not begin with '{HEADER}'")
    if checksum != hashlib.blake2b(memoryview(content)[begin:], digest_size=_DIGEST_BYTES).hexdigest():
        raise BrokenStatesError("it was cut or changed")
    try:
        lists_at = content.index(b"\n", begin) + 1
        head = json.loads(content[begin:lists_at])
        key, dimensions, counts = head["key"], head["dimensions"], dict(head["files"])
        words = sum(counts.values())
        lists = np.frombuffer(content, "<u2", words, lists_at).astype(np.uint16)
        states = np.frombuffer(content, np.int8, words * dimensions, lists_at + 2 * words).reshape(words, dimensions)
        is_whole = len(content) == lists_at + words * (2 + dimensions) and min(counts.values(), default=1) > 0
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenStatesError(f"it has another form ({type(error).__name__})") from None
    if not is_whole or type(key) is not str:
        raise BrokenStatesError("its words contradict its first lines")
    ends: Sequence[int] = list(accumulate(counts.values(), initial=0))
    return WorkspaceStates(key, states, lists, MappingProxyType(dict(zip(counts, pairwise(ends), strict=True))))
