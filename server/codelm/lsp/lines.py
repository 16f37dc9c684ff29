"""Where the lines of a text begin, and offsets in it as editors count them.

An offset counts characters (code points) from the start of the text. A place is a line, counted from 0, and
a number of units from the line's start; the unit is a byte of UTF-8, a code unit of UTF-16 or a character, as
negotiated. A line ends with ``\\n``, ``\\r\\n`` or a lone ``\\r`` and with nothing else: ``str.splitlines``
would also break it at form feeds and at Unicode's line separators, and put every later position on a wrong
line.
"""

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


class Encoding(Enum):
    """The unit in which an editor counts along a line."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A text and the offsets at which its lines begin. Immutable: an edit makes another one.

    Nearly all edits are small and near the one before, and each of them moves every line that follows. So
    the starts from line ``_pivot`` on are kept as they once were, and ``_shift`` is what has to be added to
    them: an edit rewrites only the entries between the last one and itself. ``_starts`` is never changed in
    place.
    """

    text: str
    _starts: "array[int]"
    _pivot: int
    _shift: int

    @classmethod
    def of(cls, text: str) -> "Lines":
        """Index a text from scratch."""
        starts = array("q", [0])
        starts.extend(match.end() for match in _LINE_BREAK.finditer(text))
        return cls(text, starts, len(starts), 0)

    def __len__(self) -> int:
        """Return the number of lines: one more than there are line breaks."""
        return len(self._starts)

    def starts(self) -> list[int]:
        """Return the offset at which each line begins."""
        return [self.start(line) for line in range(len(self))]

    def start(self, line: int) -> int:
        """Return the offset at which a line begins."""
        return self._starts[line] + (self._shift if line >= self._pivot else 0)

    def end(self, line: int) -> int:
        """Return the offset at which a line ends, before its line break."""
        if line + 1 == len(self):
            return len(self.text)
        end = self.start(line + 1)
        return end - (2 if self.text[end - 2 : end] == "\r\n" else 1)

    def line_of(self, offset: int) -> int:
        """Return the line on which an offset lies; a line break belongs to the line that it ends."""
        if self._pivot < len(self) and offset >= self.start(self._pivot):
            return bisect_right(self._starts, offset - self._shift, lo=self._pivot) - 1
        return bisect_right(self._starts, offset, hi=self._pivot) - 1

    def offset(self, line: int, units: int, encoding: Encoding) -> int:
        """Return the offset of a place.

        A place past the end of its line means the line's end, a line past the last one the end of the text,
        and a place inside a character the start of that character.
        """
        if line >= len(self):
            return len(self.text)
        start = self.start(line)
        return start + _characters(self.text[start : self.end(line)], units, encoding)

    def place(self, offset: int, encoding: Encoding) -> tuple[int, int]:
        """Return line and units of an offset; inside ``\\r\\n`` or outside of the text, those of its edge."""
        offset = min(max(offset, 0), len(self.text))
        line = self.line_of(offset)
        start = self.start(line)
        return line, _units(self.text[start : min(offset, self.end(line))], encoding)

    def around(self, offset: int) -> tuple[str, str]:
        """Return what stands left and right of an offset on its line."""
        line = self.line_of(offset)
        return self.text[self.start(line) : offset], self.text[offset : self.end(line)]

    def edit(self, start: int, end: int, inserted: str) -> "Lines":
        """Replace the characters from offset ``start`` to ``end``, with ``start <= end <= len(text)``."""
        text = self.text[:start] + inserted + self.text[end:]
        # Only lines that touch the edit change. The one before it does too where the edit begins at a line's
        # start: a "\n" that is put behind a "\r" joins it. The first line start past the end only moves.
        first, last = self.line_of(max(start - 1, 0)), self.line_of(end)
        moved = len(text) - len(self.text)
        scan_from = self.start(first)
        scan_to = len(text) if last + 1 == len(self) else self.start(last + 1) + moved
        scanned = array("q", [match.end() for match in _LINE_BREAK.finditer(text, scan_from, scan_to)])
        head = self._raw(0, first + 1, shift=0)
        tail = self._raw(last + 2, len(self), shift=self._shift)
        pivot = len(head) + len(scanned)
        return Lines(text, head + scanned + tail, pivot, self._shift + moved)

    def _raw(self, first: int, stop: int, *, shift: int) -> "array[int]":
        """Return the starts of lines ``first`` to ``stop``, less ``shift``."""
        known = min(max(self._pivot, first), stop)
        head, tail = self._starts[first:known], self._starts[known:stop]
        if shift:
            head = array("q", [start - shift for start in head])
        if shift != self._shift:
            tail = array("q", [start + self._shift - shift for start in tail])
        return head + tail


def _characters(line: str, units: int, encoding: Encoding) -> int:
    """Return how many whole characters at the start of a line fit into so many units.

    Lone surrogates, which JSON can carry, count as editors count them: 1 unit in UTF-16 and 3 bytes in UTF-8.
    """
    units = max(units, 0)
    if encoding is Encoding.UTF32 or line.isascii():
        return min(units, len(line))
    if encoding is Encoding.UTF8:
        data = line.encode("utf-8", "surrogatepass")
        while units < len(data) and data[units] & 0b1100_0000 == 0b1000_0000:
            units -= 1
        return len(data[:units].decode("utf-8", "surrogatepass"))
    pairs = 0
    for match in _ASTRAL.finditer(line):
        begin = match.start() + pairs
        if units <= begin:
            break
        if units == begin + 1:
            return match.start()
        pairs += 1
    return min(units - pairs, len(line))


def _units(characters: str, encoding: Encoding) -> int:
    """Return how many units some characters take."""
    if encoding is Encoding.UTF32 or characters.isascii():
        return len(characters)
    if encoding is Encoding.UTF8:
        return len(characters.encode("utf-8", "surrogatepass"))
    return len(characters) + len(_ASTRAL.findall(characters))
