"""Words back to text: the blanks between them, as PEP 8 and the common formatters (Black, Ruff) have them.

Only what stands on one logical line is laid out here. Each word either bears a blank on its left or not, and on its
right; a blank stands between two words when both bear it. What a word bears depends on its role (a ``-`` may have
one operand or two, a ``:`` may belong to a slice, a lambda or a block), so the words around it are looked at as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import NamedTuple

from codelm.lexer import Kind, Token

_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_MAY_BE_UNARY = frozenset(["-", "+", "~", "*", "**"])
_VALUES = frozenset(["None", "True", "False", "...", "<STR>", "<NUM>"])


def text_of(words: Sequence[str], line: Sequence[str] = ()) -> str:
    """Return the text of ``words`` as they follow the words ``line`` on the same logical line.

    The blank between the two is not part of it: who calls knows what stands before the cursor.

    >>> text_of(["print", "(", "-", "x", "[", "1", ":", "]", ",", "end", "=", '""', ")"])
    'print(-x[1:], end="")'
    """
    return "".join(pieces_of(words, line)).removeprefix(" ")


def blank_before(words: Sequence[str], line: Sequence[str]) -> bool:
    """Return whether a blank stands between the words ``line``, if there are any, and ``words``."""
    return bool(line) and pieces_of(words, line)[0].startswith(" ")


def pieces_of(words: Sequence[str], line: Sequence[str] = ()) -> list[str]:
    """Return the text of each of ``words`` as they follow the words ``line``, with the blank before it.

    >>> pieces_of(["=", "-", "1"], ["x"])
    [' =', ' -', '1']
    """
    every = [*line, *words]
    sides = _Sides(every)
    pieces: list[str] = []
    blank = False
    for place, word in enumerate(every):
        left, right = sides.of(place)
        pieces.append(f" {word}" if place and blank and left else word)
        blank = right
    return pieces[len(line) :]


def in_quotes(word: str, quote: str) -> str:
    r"""Return the text of a word that is a string in these quotes, where it may as well be written so.

    >>> in_quotes('b"key"', "'"), in_quotes('"it\'s"', "'")
    ("b'key'", '"it\'s"')
    """
    if quote == '"' or word[-1:] != '"' or "'" in word or "\\" in word:
        return word
    return word.replace('"', quote)


def preferred_quote(tokens: Sequence[Token]) -> str:
    """Return the quotes that most of the short strings among some tokens have."""
    short = [text.lstrip("rRbBuUfFtT")[:3] for kind, text, _ in tokens if kind is Kind.STRING]
    single = sum(text[:1] == "'" and text != "'''" for text in short)
    double = sum(text[:1] == '"' and text != '"""' for text in short)
    return "'" if single > double else '"'


class _Blanks(NamedTuple):
    """Whether a word bears a blank on its left and on its right."""

    left: bool
    right: bool


_BOTH, _NEITHER, _LEFT, _RIGHT = _Blanks(True, True), _Blanks(False, False), _Blanks(True, False), _Blanks(False, True)


@dataclass(slots=True)
class _Bracket:
    """An open bracket, or the line itself, as far as it has been read."""

    opening: str
    subscript: bool
    element: int
    """The place where the element that is being read begins: behind the bracket or the last comma."""
    lambdas: int = 0
    """Lambdas whose colon has not come yet."""
    annotated: bool = False
    """Whether the element has a colon of its own, as in ``(x: int = 1)``."""


class _Sides:
    """Reads the words of a line in their order and says what each of them bears."""

    def __init__(self, words: list[str]):
        self._words = words
        self._brackets = [_Bracket("", False, 0)]

    def of(self, place: int) -> _Blanks:
        """Read the word at ``place``, the next one, and return on which sides it bears a blank."""
        word = self._words[place]
        blanks = self._blanks(place, word)
        inside = self._brackets[-1]
        if word in _OPENING:
            self._brackets.append(_Bracket(word, word == "[" and self._opens_subscript(place), place + 1))
        elif word in _CLOSING:
            if len(self._brackets) > 1:
                self._brackets.pop()
        elif word == "lambda":
            inside.lambdas += 1
        elif word == ":":
            if inside.lambdas:
                inside.lambdas -= 1
            else:
                inside.annotated = True
        elif word == "," and not inside.lambdas:
            inside.element, inside.annotated = place + 1, False
        return blanks

    def _blanks(self, place: int, word: str) -> _Blanks:
        last = self._words[place - 1] if place else ""
        if word in _OPENING:
            return _NEITHER if word != "{" and self._ends_operand(place - 1) else _LEFT
        if word in _CLOSING or word in (",", ";"):
            return _RIGHT
        if word in (".", "..."):
            return self._dots(place, word)
        if word == ":":
            return self._colon(last)
        if word == "=":
            inside = self._brackets[-1]
            tight = inside.lambdas or (inside.opening == "(" and not inside.annotated)
            return _NEITHER if tight else _BOTH
        if word == "@" and not place:
            return _LEFT
        if word == "*" and last == "except":
            return _RIGHT
        if word in _MAY_BE_UNARY and not self._ends_operand(place - 1):
            return _LEFT
        if word == "**" and self._simple_before(place - 1) and self._simple_behind(place + 1):
            return _NEITHER
        return _BOTH

    def _dots(self, place: int, word: str) -> _Blanks:
        """Return what ``.`` and ``...`` bear: in ``from .. import x`` they are a module's name."""
        if self._words[0] == "from" and "import" not in self._words[:place]:
            return _Blanks(self._words[place - 1] == "from", self._words[place + 1 : place + 2] == ["import"])
        return _NEITHER if word == "." else _BOTH

    def _colon(self, last: str) -> _Blanks:
        inside = self._brackets[-1]
        if inside.lambdas or not inside.subscript:
            return _RIGHT
        if self._simple_slice(inside.element):
            return _Blanks(last == ",", False)
        return _Blanks(last != ":", True)

    def _simple_slice(self, start: int) -> bool:
        """Return whether the bounds of a slice are but names and literals: ``x[1:n]``, else ``x[1 : n + 1]``."""
        for place in range(start, len(self._words)):
            word = self._words[place]
            if word == "," or word in _CLOSING:
                return True
            unary = word in _MAY_BE_UNARY and not self._ends_operand(place - 1)
            if not (word == ":" or is_value(word) or unary):
                return False
        return True

    def _opens_subscript(self, place: int) -> bool:
        """Return whether the ``[`` at ``place`` belongs to what stands before it, and not to type parameters."""
        declared = self._words[place - 2] if place >= 2 else ""
        return self._ends_operand(place - 1) and declared not in ("def", "class")

    def _ends_operand(self, place: int) -> bool:
        """Return whether an operand ends at ``place``, so that a call or an operator of two operands may follow."""
        if place < 0:
            return False
        word = self._words[place]
        if not place and (word == "case" or (word == "match" and self._words[-1] == ":")):
            return False
        return is_value(word)

    def _simple_before(self, place: int) -> bool:
        """Return whether the operand that ends at ``place`` is a number or dotted names: ``x.y**2``."""
        while place >= 2 and self._words[place - 1] == ".":
            if self._words[place] in _CLOSING:
                return False
            place -= 2
        return self._words[place] not in _CLOSING

    def _simple_behind(self, place: int) -> bool:
        """Return whether the operand that begins at ``place`` is a number or dotted names."""
        words = self._words
        if words[place : place + 1] == ["-"]:
            place += 1
        if place >= len(words) or words[place] in _CLOSING or not is_value(words[place]):
            return False
        while words[place + 1 : place + 2] == ["."]:
            place += 2
        return words[place + 1 : place + 2] not in (["("], ["["])


def is_value(word: str) -> bool:
    """Return whether an expression can end in this word: a name, a literal or a closing bracket."""
    if word in _CLOSING or word in _VALUES:
        return True
    if iskeyword(word):
        return False
    first = word[:1]
    return first.isalnum() or first == "_" or word[-1:] in ("'", '"') or (first == "." and len(word) > 1)
