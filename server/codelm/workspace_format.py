"""A workspace's index as bytes: two lines of text, words, ids, and their order. Nothing in it is ever unpickled."""

import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from codelm.vocabulary import escape, unescape
from codelm.workspace import IndexedFile, WorkspaceIndex
from codelm.workspace_cache import has_all_places

HEADER = "codelm workspace 2"
"""What an index begins with; other versions are not read."""
_CHECKSUM_BYTES = 16


class BrokenIndexError(ValueError):
    """These bytes are no index that this codelm reads; the message says what is wrong."""


def encoded(index: WorkspaceIndex) -> bytes:
    r"""Return an index as bytes: two lines, the distinct words one a line, and ids and order, 32-bit little-endian.

    ::

        codelm workspace 2 <BLAKE2b of all that follows>
        {"words": 3, "tokens": 5, "bytes": 19, "order": 5, "files": [["/a/b.py", 12, 1700000000000000000, 0, 5, ""], …]}

    ``bytes`` is the length of the words' lines, escaped as in a vocabulary; ``order`` the length of the order, 0 where
    it is not known; a file is its path and what ``IndexedFile`` has.
    """
    lexicon = "".join(f"{escape(word)}\n" for word in index.lexicon).encode()
    order = index.order if index.order is not None else np.zeros(0, np.uint32)
    head = {
        "words": len(index.lexicon),
        "tokens": len(index.ids),
        "bytes": len(lexicon),
        "order": len(order),
        "files": [
            (path, file.size, file.mtime_ns, file.start, file.end, file.left_out) for path, file in index.files.items()
        ],
    }
    # As ASCII: a path may hold bytes that are no text.
    arrays = [array.astype("<u4", copy=False).tobytes() for array in (index.ids, order)]
    body = b"".join([json.dumps(head, separators=(",", ":")).encode(), b"\n", lexicon, *arrays])
    return f"{HEADER} {_checksum(body)}\n".encode() + body


def decoded_index(content: bytes) -> WorkspaceIndex:
    """Return the index that ``encoded`` made these bytes of. Raises BrokenIndexError."""
    begin = content.find(b"\n", 0, 200) + 1
    body = memoryview(content)[begin:]
    version, _, checksum = content[:begin].decode("ascii", "replace").rstrip("\n").rpartition(" ")
    if version != HEADER:
        raise BrokenIndexError(f"it does not begin with '{HEADER}'")
    if checksum != _checksum(body):
        raise BrokenIndexError("it was cut or changed")
    # By the checksum codelm wrote it; that it was this codelm is not certain, so all that is used is checked.
    try:
        words_at = content.index(b"\n", begin) + 1
        head = json.loads(content[begin:words_at])
        tokens, ids_at = _count(head["tokens"]), words_at + _count(head["bytes"])
        lexicon = tuple(map(unescape, content[words_at:ids_at].decode().split("\n")[:-1]))
        numbers = np.frombuffer(content, "<u4", offset=ids_at)
        ids, order = (part.astype(np.uint32) for part in (numbers[:tokens], numbers[tokens:]))  # copies, well aligned
        ordered = _count(head["order"])
        files = {str(path): _indexed_file(*values) for path, *values in head["files"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenIndexError(f"it has another form ({type(error).__name__})") from None
    if len(lexicon) != head.get("words") or "" in lexicon or len(set(lexicon)) != len(lexicon):
        raise BrokenIndexError("its words contradict its first lines")
    if (len(ids), len(order)) != (tokens, ordered):
        raise BrokenIndexError("its words contradict its first lines")
    if tokens and int(ids.max()) >= len(lexicon):
        raise BrokenIndexError("an id is outside its lexicon")
    ends = [0, *(file.end for file in files.values())]
    if len(files) != len(head["files"]) or [file.start for file in files.values()] != ends[:-1] or ends[-1] != tokens:
        raise BrokenIndexError("its files are not one after the other")
    if any(start > end for start, end in pairwise(ends)):
        raise BrokenIndexError("a file ends before it starts")
    index = WorkspaceIndex(lexicon, ids, MappingProxyType(files))
    # An order of other places could lead outside, and the words are sound without it: they are sorted again.
    return replace(index, order=order) if ordered and has_all_places(order, index.numbered_files()) else index


def _indexed_file(size: Any, mtime_ns: Any, start: Any, end: Any, left_out: Any) -> IndexedFile:
    if type(mtime_ns) is not int or type(left_out) is not str:
        raise TypeError
    return IndexedFile(_count(size), mtime_ns, _count(start), _count(end), left_out)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _checksum(body: bytes | memoryview) -> str:
    return hashlib.blake2b(body, digest_size=_CHECKSUM_BYTES).hexdigest()
