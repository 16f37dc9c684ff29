"""What a word is made of, so that a network can read one that it has never met.

A word's pieces are its sub-words in lower case, as ``snake_case`` and ``CamelCase`` join them, the underscores that it
begins with, and its form. Each is hashed into one of a fixed number of buckets, whose vectors are trained (the hashing
trick: Weinberger et al. 2009; words as sums of their parts: Bojanowski et al. 2017)::

    readHttpHeaders     read  http  headers  <name>
    _max_retries_2      _  max  retries  2  <name>
    HTTPServer          http  server  <Name>
"""

import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from codelm.vocabulary import SPECIAL_WORDS
from codelm.words import form_of

LONGEST = 12  # pieces of a word that are looked at

# A run of capitals is one sub-word, up to the last one where a small letter follows: HTTPServer is http, server.
_SUB_WORDS = re.compile(r"^_+|[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def pieces_of(word: str) -> tuple[str, ...]:
    """Return the pieces of a word, its form last; at most ``LONGEST``. The special words have none."""
    if word in SPECIAL_WORDS:
        return ()
    sub_words = _SUB_WORDS.findall(word)[: LONGEST - 1]
    return (*(sub_word.lower() for sub_word in sub_words), f"<{form_of(word)}>")


def unlike_special(word: str) -> str:
    """Return a word of a text to look for pieces in: one that is only written like a special word is like any other."""
    return word.strip("[]") if word in SPECIAL_WORDS else word


def buckets_of(words: Iterable[str], buckets: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the buckets of the pieces of N words, one word after the other (K,), and where each begins (N + 1,).

    Without ``buckets``, words have no pieces.
    """
    found: list[int] = []
    starts = [0]
    known: dict[str, int] = {}
    for word in words:
        for piece in pieces_of(word) if buckets else ():
            bucket = known.get(piece)
            if bucket is None:
                bucket = known[piece] = zlib.crc32(piece.encode("utf-8", "surrogatepass")) % buckets
            found.append(bucket)
        starts.append(len(found))
    return np.array(found, np.int32), np.array(starts, np.int64)


def picked(
    buckets: NDArray[np.int32], starts: NDArray[np.int64], chosen: Sequence[int] | NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of the ``chosen`` words (M,), one word after the other, and where each begins (M,)."""
    chosen = np.asarray(chosen, np.int64)
    lengths = starts[chosen + 1] - starts[chosen]
    begins = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(begins[-1]) - np.repeat(begins[:-1] - starts[chosen], lengths)
    return buckets[places].astype(np.int64), begins[:-1]
