r"""The lexicon of a corpus: every distinct word and how often it occurs, as a readable file.

Line i (from 0) is the word with id i: its count, a tab, the word, by falling count and then by word::

    1200388	<NEWLINE>
    1107218	.

A word is escaped as in a vocabulary's file, so that it is one line whatever it holds, lone surrogates included.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codelm.errors import CorpusError
from codelm.vocabulary import escape, unescape


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The distinct words of a corpus, W of them; a word's id is its index in both fields."""

    words: tuple[str, ...]
    """By falling frequency in all splits together, then by code points."""
    counts: npt.NDArray[np.int64]
    """(W,) how often each occurs in all splits together."""

    def __len__(self) -> int:
        """Return W."""
        return len(self.words)


def rank(words: Iterable[str], counts: npt.NDArray[np.int64]) -> tuple[Lexicon, npt.NDArray[np.uint32]]:
    """Return the lexicon of ``words`` with their ``counts`` (W,), and (W,) each word's id in it.

    Words with the count 0 are left out; their ids are undefined.
    """
    listed = list(words)
    frequency = counts.tolist()
    order = sorted((i for i, count in enumerate(frequency) if count), key=lambda i: (-frequency[i], listed[i]))
    ids = np.zeros(len(listed), dtype=np.uint32)
    ids[order] = np.arange(len(order), dtype=np.uint32)
    return Lexicon(tuple(listed[i] for i in order), counts[order].astype(np.int64)), ids


def lines(lexicon: Lexicon) -> Iterator[str]:
    """Yield the lines of a lexicon's file."""
    for word, count in zip(lexicon.words, lexicon.counts.tolist(), strict=True):
        yield f"{count}\t{escape(word)}\n"


def read_lexicon(file: Path) -> Lexicon:
    """Read a lexicon's file. Raises OSError, and CorpusError that names the line that is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: is no lexicon (not UTF-8: {error.reason}); build the corpus again") from error
    rows = text.split("\n")
    if rows.pop() != "":
        raise CorpusError(f"{file}: its last line is cut off; build the corpus again")
    words: list[str] = []
    counts: list[int] = []
    for number, row in enumerate(rows, start=1):
        count, tab, word = row.partition("\t")
        if not tab or not word or not count.isdecimal():
            raise CorpusError(f"{file}:{number}: not a count, a tab and a word; build the corpus again")
        counts.append(int(count))
        try:
            words.append(unescape(word))
        except ValueError as error:
            raise CorpusError(f"{file}:{number}: {error}; build the corpus again") from error
    if len(set(words)) != len(words):
        raise CorpusError(f"{file}: a word stands in it twice; build the corpus again")
    return Lexicon(tuple(words), np.array(counts, dtype=np.int64))
