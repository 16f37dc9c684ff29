"""Words ↔ ids: the vocabulary of a model.

The file is text, one word a line, and says what it is in its first line::

    codelm vocabulary 1
    0	[PAD]
    0	[UNK]
    0	[EOS]
    1203121	.
    988120	(

A line is ``count<TAB>word``; the id is the line's place, from 0, after the first. A backslash and any character
that does not print are escaped (``\\\\``, ``\\n``, ``\\u000c``), so that a line is always one word. A tab in a word, a
backslash that escapes nothing and a word that stands twice, however it is escaped, are errors.
"""

import hashlib
import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from keyword import iskeyword
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codelm.errors import VocabularyError
from codelm.model import Ids

PAD, UNK, EOS = 0, 1, 2
SPECIAL_WORDS = ("[PAD]", "[UNK]", "[EOS]")
DEFAULT_SIZE = 40_000
_HEADER = "codelm vocabulary 1"
_LONGEST_COUNT = 18  # digits


class Vocabulary:
    """An immutable list of words; a word's id is its place. Ids 0, 1, 2 are ``[PAD]``, ``[UNK]`` and ``[EOS]``."""

    def __init__(self, words: Sequence[str], counts: Sequence[int] | None = None):
        """Take all words, the special ones first, and how often each was seen in training (0 when unknown).

        Raises VocabularyError when the special words are not first, or a word is empty or stands twice.
        """
        self.words = tuple(words)
        self.counts = tuple(counts) if counts is not None else (0,) * len(self.words)
        if self.words[:3] != SPECIAL_WORDS:
            raise VocabularyError(f"a vocabulary begins with {', '.join(SPECIAL_WORDS)}, not {self.words[:3]}")
        self._ids = dict(zip(self.words, range(len(self.words)), strict=True))
        if len(self._ids) < len(self.words):
            twice = next(word for number, word in enumerate(self.words) if self._ids[word] != number)
            raise VocabularyError(f"the word {twice!r} stands twice in the vocabulary")
        if "" in self._ids:
            raise VocabularyError("an empty word stands in the vocabulary")
        if len(self.counts) != len(self.words):
            raise VocabularyError(f"{len(self.words)} words but {len(self.counts)} counts")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """Return the word's id, that of ``[UNK]`` when the vocabulary lacks it."""
        return self._ids.get(word, UNK)

    def ids(self, words: Iterable[str]) -> Ids:
        """Return the ids of words, shape (T,)."""
        return np.fromiter((self._ids.get(word, UNK) for word in words), dtype=np.int64)

    @cached_property
    def proposable(self) -> Ids:
        """The sorted ids of the words that a popup may show by themselves: names and keywords."""
        return np.array([n for n, word in enumerate(self.words) if word.isidentifier()], dtype=np.int64)

    @cached_property
    def keywords(self) -> Ids:
        """The sorted ids of Python's keywords."""
        return np.array([n for n, word in enumerate(self.words) if iskeyword(word)], dtype=np.int64)

    @cached_property
    def names(self) -> Ids:
        """The sorted ids of the words that are identifiers and no keywords."""
        return np.setdiff1d(self.proposable, self.keywords, assume_unique=True)

    @cached_property
    def _folded(self) -> tuple[list[str], Ids]:
        """All words but the special ones, lower case and sorted, and their ids in that order."""
        pairs = sorted((word.casefold(), number) for number, word in enumerate(self.words) if number > EOS)
        return [folded for folded, _ in pairs], np.array([number for _, number in pairs], dtype=np.int64)

    def beginning_with(self, prefix: str) -> Ids:
        """Return the sorted ids of the words that begin with ``prefix``, upper and lower case alike.

        The special words are not among them.
        """
        folded, ids = self._folded
        wanted = prefix.casefold()
        first = bisect_left(folded, wanted)
        last = bisect_right(folded, wanted, lo=first, key=lambda word: word[: len(wanted)])
        return np.sort(ids[first:last])

    @cached_property
    def sha256(self) -> str:
        """The hash of the vocabulary's file."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def text(self) -> str:
        """Return what the vocabulary's file holds."""
        lines = [f"{count}\t{escape(word)}" for word, count in zip(self.words, self.counts, strict=True)]
        return "\n".join([_HEADER, *lines, ""])

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a vocabulary's file. Raises VocabularyError, naming the file and the line."""
        try:
            content = path.read_bytes()
            text = content.decode()
        except OSError as error:
            raise VocabularyError(f"cannot read the vocabulary {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise VocabularyError(f"{path} is not a vocabulary: byte {error.start} is not UTF-8") from error
        header, line_end, body = text.partition("\n")
        if header != _HEADER:
            raise VocabularyError(f"{path} is not a vocabulary that this codelm reads: line 1 is not '{_HEADER}'")
        if not line_end or (body and not body.endswith("\n")):
            raise VocabularyError(f"{path} is cut short: its last line has no end")
        try:
            return cls(*_columns(content[len(_HEADER) + 1 :], body))
        except ValueError:
            raise VocabularyError(f"{path}, {_first_problem(body)}") from None
        except VocabularyError as error:
            raise VocabularyError(f"{path}, {_first_problem(body) or f'line 2: {error}'}") from None


def _columns(content: bytes, body: str) -> tuple[list[str], list[int]]:
    """Return the words and counts of a vocabulary's lines, given as UTF-8 and decoded. Raises ValueError.

    It looks at all lines at once: opening a model of 40,000 words takes a third of the time so.
    """
    characters = np.frombuffer(content, np.uint8)
    tabs, ends = np.flatnonzero(characters == ord("\t")), np.flatnonzero(characters == ord("\n"))
    if len(tabs) != len(ends):
        raise ValueError("not one tab in each line")
    lengths = tabs - np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    if not np.all((lengths >= 1) & (lengths <= _LONGEST_COUNT) & (ends - tabs > 1)):
        raise ValueError("a count or a word is missing or too long")
    words = body.replace("\n", "\t").split("\t")[1::2]
    for place in np.unique(ends.searchsorted(np.flatnonzero(characters == ord("\\")))).tolist():
        words[place] = unescape(words[place])
    return words, _numbers(characters, tabs, lengths)


def _numbers(characters: NDArray[np.uint8], ends: Ids, lengths: Ids) -> list[int]:
    """Return the numbers that end before each place and have so many digits. Raises ValueError."""
    numbers = np.zeros(len(ends), np.int64)
    for place in range(int(lengths.max(initial=0))):  # from the last digit on
        some = np.flatnonzero(lengths > place)
        digits = characters[ends[some] - 1 - place] - np.uint8(ord("0"))  # what is no digit becomes greater than 9
        if np.any(digits > 9):
            raise ValueError("a count is no number")
        numbers[some] += digits * np.int64(10**place)
    return numbers.tolist()


def _first_problem(body: str) -> str:
    """Return which of a vocabulary's lines is the first that is broken, and why; "" when none is by itself."""
    places: dict[str, int] = {}
    for number, line in enumerate(body.split("\n")[:-1], 2):
        count, _, escaped = line.partition("\t")
        is_count = count.isdecimal() and count.isascii() and len(count) <= _LONGEST_COUNT
        if not (is_count and escaped and "\t" not in escaped):
            return f"line {number}: expected 'count<TAB>word'"
        try:
            word = unescape(escaped)
        except ValueError as error:
            return f"line {number}: {error}"
        if word in places:
            return f"line {number}: the word {word!r} stands in line {places[word]} already"
        places[word] = number
    return ""


def most_frequent(counts: Mapping[str, int], size: int = DEFAULT_SIZE, min_count: int = 1) -> Vocabulary:
    """Return the vocabulary of the ``size`` most frequent words (0: all) that were seen ``min_count`` times.

    ``size`` counts the special words too. Words of equal count stand in the order of their characters, so that the
    same counts always make the same vocabulary.
    """
    ranked = sorted(
        ((word, count) for word, count in counts.items() if count >= min_count and word not in SPECIAL_WORDS),
        key=lambda item: (-item[1], item[0]),
    )
    if size:
        ranked = ranked[: max(0, size - len(SPECIAL_WORDS))]
    return Vocabulary(
        [*SPECIAL_WORDS, *(word for word, _ in ranked)], [*(0 for _ in SPECIAL_WORDS), *(count for _, count in ranked)]
    )


_ESCAPED = re.compile(r"\\(?:([\\nrt])|u([0-9a-f]{4})|U([0-9a-f]{8}))?")
_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHORT_CHARACTERS = {escaped[1]: character for character, escaped in _SHORT_ESCAPES.items()}


def escape(word: str) -> str:
    """Return ``word`` with backslashes and every character that does not print escaped; spaces stay."""
    if word.isprintable() and "\\" not in word:
        return word
    return "".join(_SHORT_ESCAPES.get(c) or (c if c.isprintable() else _numeric_escape(c)) for c in word)


def unescape(escaped: str) -> str:
    """Return the word that ``escape`` made ``escaped`` of. Raises ValueError when a backslash escapes nothing."""
    return _ESCAPED.sub(_character, escaped) if "\\" in escaped else escaped


def _numeric_escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _character(match: re.Match[str]) -> str:
    short, *digits = match.groups()
    if short:
        return _SHORT_CHARACTERS[short]
    code = int(digits[0] or digits[1] or "ffffffff", 16)
    if code > sys.maxunicode:
        raise ValueError(f"the backslash at {match.start()} characters into the word escapes nothing")
    return chr(code)
