"""Prose: the words of comments, docstrings and strings of several words, as a model of them sees them.

Code has its own words (``codelm.words``), of which prose is none. A word here has the blank before it, so that words
joined are the text again, as in "Language Models are Unsupervised Multitask Learners" (Radford et al. 2019)::

    # Tries again, if it can.        "#"  "Tries"  " again"  ","  " if"  " it"  " can"  "."

Each comment, docstring or string begins with a mark: ``#``, three quotes, one quote. So does the head of a function or
class, of which the names are words: most docstrings speak of them. Lines that were broken because they were long go on;
behind any other line stands ``\\n``. Lines with addresses and authors' names are left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codelm.fstring import open_field
from codelm.lexer import Kind, Token
from codelm.secrecy import is_secret

COMMENT, DOCSTRING, STRING, HEAD = "#", '"""', '"', "def"
MARKS = frozenset((COMMENT, DOCSTRING, STRING, HEAD))
LINE_END = "\n"
WIDE = 60
"""Columns from which on a line was most likely broken because it was long."""

# A mark can't be mistaken for a word of the text that is written like it: that one is a word of its own.
_IN_TEXT = {mark: f"\\{mark}" for mark in MARKS}  # no other word has a backslash and more
_WORD = re.compile(r" ?(?:\w+(?:'\w+)?|([^\w\s])\1*)")
_BLANKS = re.compile(r"[^\S\n]+")
_COMMENT_BEGIN = re.compile(r"#[#!:]*[^\S\n]?")
_STRING_BEGIN = re.compile(r"([a-zA-Z]*)(\"\"\"|'''|\"|')")
_PRIVATE = re.compile(r"(?i)[\w.]@\w|://|copyright|\bauthors?\b|\(c\)|©")
_HEADS = ("def", "class")
_SHORTEST_SECRET = 8  # characters: what is shorter never looks like one
_UNSAID = ("self", "cls")  # names in a head that no docstring speaks of


@dataclass(frozen=True, slots=True)
class ProseCursor:
    """A cursor in prose. ``typed``: the beginning of a word, with the blank before it; ``words``: those before it.

    ``start``: the offset at which that word begins, without the blank. ``here``: how many of the last words stand in
    the same comment or string. ``quotes``: those that would end a string; "" in a comment.
    """

    typed: str
    start: int
    words: Sequence[str]
    here: int
    quotes: str = ""


def prose_cursor(tokens: Sequence[Token], offset: int) -> ProseCursor | None:
    """Return the cursor at an ``offset``, at the end of the last of some tokens, which begin where a line does.

    The last letter of that token is not in the text. None where the cursor is in no prose, or in a line of which no
    word is learned.
    """
    *before, last = tokens
    quotes = ""
    if last.kind is Kind.STRING:
        prefix, quotes = _begin_of(last.text)
        said = last.text[len(prefix) + len(quotes) : -1]
        if "b" in prefix.lower() or not (len(quotes) == 3 or " " in said) or open_field(last.text[:-1]) is not None:
            return None
    elif last.kind is not Kind.COMMENT:
        return None
    if _PRIVATE.search(last.text[last.text.rfind("\n") + 1 :]):
        return None
    words = list(prose_of(tokens))
    here = len(words) - 1 - len(list(prose_of(before)))
    typed = words.pop()[:-1]
    return ProseCursor(typed, offset - len(typed.removeprefix(" ")), words, max(0, here), quotes)


def learned_prose(tokens: Iterable[Token]) -> list[str]:
    """Return the words of prose of tokens as they may be learned: without those that look like passwords and keys."""
    return [word for word in prose_of(tokens) if len(word) < _SHORTEST_SECRET or not _is_secret(word)]


@lru_cache(maxsize=1 << 16)
def _is_secret(word: str) -> bool:
    return is_secret(f'"{word.removeprefix(" ")}"')


def prose_of(tokens: Iterable[Token]) -> Iterator[str]:
    """Yield the words of prose of tokens, which begin where a line does."""
    line, above = 0, _NOTHING_ABOVE  # where the line begins; what a comment may go on with
    begins, is_head = True, False
    for kind, text, start in tokens:
        if kind is Kind.BLANK or kind is Kind.NEWLINE:
            if ends := text.count("\n"):
                line = start + text.rindex("\n") + 1
                above = above if ends == 1 and above.line_ends == 0 else _NOTHING_ABOVE
                above = _Above(above.width, above.line_ends + ends)
            if kind is Kind.NEWLINE:
                begins, is_head = True, False
        elif kind is Kind.COMMENT:
            yield from _comment(text, above)
            above = _Above(start - line + len(text))
            if begins:
                continue
            above = _NOTHING_ABOVE  # behind code: the next line's comment is another
        elif kind is not Kind.INDENT and kind is not Kind.DEDENT:
            above = _NOTHING_ABOVE
            if kind is Kind.STRING:
                yield from _string(text, start - line, is_docstring=begins)
                if "\n" in text:
                    line = start + text.rindex("\n") + 1
            elif begins and text in _HEADS:
                is_head = True
                yield HEAD
            elif is_head and kind is Kind.NAME and text not in _UNSAID:
                yield from (text, f" {text}")  # as it stands at the begin of a line, and in one
            begins = begins and text in ("async", "@")


@dataclass(frozen=True, slots=True)
class _Above:
    """A comment's line: how wide it was, 0 where there is none, and how many lines have ended since."""

    width: int
    line_ends: int = 0


_NOTHING_ABOVE = _Above(0)


def _comment(text: str, above: _Above) -> Iterator[str]:
    begin = _COMMENT_BEGIN.match(text)
    assert begin is not None
    said = text[begin.end() :]
    if not above.width:
        yield COMMENT
    elif above.width < WIDE or not said:
        yield LINE_END
    else:
        said = f" {said}"
    yield from _words(said)


def _string(text: str, column: int, *, is_docstring: bool) -> Iterator[str]:
    prefix, quotes = _begin_of(text)
    begin = len(prefix) + len(quotes)
    content = text[begin:].removesuffix(quotes)
    if "b" in prefix.lower() or not (is_docstring or " " in content):
        return
    yield DOCSTRING if is_docstring else STRING
    goes_on, column = False, column + begin
    for number, line in enumerate(content.split("\n")):
        stripped = line.strip()
        if not number:
            yield from _words(line if not is_docstring else line.lstrip())
        elif goes_on and stripped:
            yield from _words(f" {line.lstrip()}")
        else:
            yield LINE_END
            yield from _words(line.lstrip())
        goes_on = column + len(line) >= WIDE
        column = 0


def _begin_of(text: str) -> tuple[str, str]:
    """Return the letters before a string, and its quotes."""
    begin = _STRING_BEGIN.match(text)
    assert begin is not None
    return begin[1], begin[2]


def _words(line: str) -> Iterator[str]:
    """Yield the words of a line or of the rest of one, but for blanks at its end."""
    if _PRIVATE.search(line):
        return
    for found in _WORD.finditer(_BLANKS.sub(" ", line)):
        word = found[0]
        yield _IN_TEXT.get(word, word)


def written(word: str) -> str:
    """Return how a word of the text is written."""
    return _WRITTEN.get(word, word)


_WRITTEN = {escaped: word for word, escaped in _IN_TEXT.items()}
