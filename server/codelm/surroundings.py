"""What stands around the cursor, as far as a suggestion has to fit in: open brackets, and the rest of the line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codelm.lexer import STATEMENT_KEYWORDS, Kind, Token, lex
from codelm.words import words_of

CLOSES = {")": "(", "]": "[", "}": "{"}
OPENING = frozenset(CLOSES.values())

# The rest of a line that can stand behind a suggestion: what closes brackets, and what ends a header or an element.
_REST = re.compile(r"[ \t]*([)\]}]*[ \t]*[:,]?)[ \t]*(?:#[^\r\n]*)?")
# Characters below the line that are searched for closing brackets.
_BELOW = 2000
_BLANKS = " \t\f\ufeff"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The logical line that the cursor is on, from its beginning to the token being typed, and what is right of it."""

    start: int
    """The offset of the token being typed."""
    offset: int
    """The cursor's, behind what is typed of the token."""
    end: int
    """The offset behind what a suggestion may replace: the cursor's, or behind the quote that closes a string there,
    and behind ``closers``."""
    closers: str
    """The brackets between there and the line's end, where nothing else is, which close some of its own: an editor
    puts them there as their partners are typed. A line goes on as if they weren't there, and takes their place."""
    typed: str
    head: str
    """What stands before the token on its physical line."""
    line: tuple[str, ...]
    """The words of the logical line before the token being typed."""
    is_whole: bool
    """Whether they are all words of it."""
    open: tuple[str, ...]
    """The brackets that are open there, the outermost first."""
    closed_behind: int
    """How many of them are closed right of the cursor or below."""
    hanging: bool
    """Whether the innermost bracket was the last on a line above this one, and its elements have lines of their own."""
    rest: str
    """What is right of the cursor and of ``closers``, without comments and blanks around: ``):`` or the like."""
    neighbours: tuple[str, ...]
    """The nearest lines above and below that are not empty, without blanks around."""

    @property
    def is_first(self) -> bool:
        """Whether nothing but blanks stands before the token on its physical line."""
        return not self.head.strip(_BLANKS)

    @property
    def is_spaced(self) -> bool:
        """Whether a blank stands before the token, or the line begins with it."""
        return self.head[-1:] in _BLANKS

    @property
    def may_close(self) -> int:
        """How many open brackets may still be closed."""
        return max(0, len(self.open) - self.closed_behind)


def surroundings(tokens: Sequence[Token], start: int, text: str, offset: int, replaced: int = 0) -> Surroundings | None:
    """Return what is around a token that begins at ``start`` and is being typed at ``offset``.

    ``tokens`` are those before it; so many characters right of the cursor are to be ``replaced``. None where no line
    can be suggested: code stands right of the cursor, or the line goes on below.
    """
    begin = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    behind = offset + replaced
    end = next((place for place in range(behind, len(text)) if text[place] in "\r\n"), len(text))
    rest = _REST.fullmatch(text, behind, end)
    if rest is None:
        return None
    is_whole, line = _logical_line(tokens)
    brackets = _open(line)
    closers = _closers(rest[1].rstrip(" \t"), [bracket.text for bracket in brackets if bracket.start >= begin])
    behind += len(closers)
    closed, here = 0, bool(brackets) and brackets[-1].start >= begin
    if brackets:
        left = len(brackets) - len(closers)
        closed = _closed(text[behind:end], left)
        below = _closed(text[end : end + _BELOW], left - closed)
        if below and closed == 0 and not closers and here:
            return None
        closed += below
    return Surroundings(
        start=start,
        offset=offset,
        end=behind,
        closers=closers,
        typed=text[start:offset],
        head=text[begin:start],
        line=tuple(words_of(line)),
        is_whole=is_whole,
        open=tuple(bracket.text for bracket in brackets),
        closed_behind=closed,
        hanging=bool(brackets) and not here and _hangs(line, brackets[-1], text, begin),
        rest="" if closers else rest[1].replace(" ", "").replace("\t", ""),
        neighbours=(_last_line(text[:begin]), _first_line(text[end:])),
    )


def _logical_line(tokens: Sequence[Token]) -> tuple[bool, Sequence[Token]]:
    """Return the tokens of the logical line that begins last, and whether its beginning is among the tokens."""
    for place in range(len(tokens) - 1, -1, -1):
        if tokens[place].kind in (Kind.NEWLINE, Kind.INDENT, Kind.DEDENT) or tokens[place].text == ";":
            return True, tokens[place + 1 :]
    return not tokens or tokens[0].start == 0, tokens


def _open(line: Sequence[Token]) -> list[Token]:
    """Return the brackets that a line leaves open."""
    brackets: list[Token] = []
    for token in line:
        if token.kind is Kind.OPERATOR and token.text in OPENING:
            brackets.append(token)
        elif token.kind is Kind.OPERATOR and token.text in CLOSES and brackets:
            brackets.pop()
    return brackets


def _closers(rest: str, opened: Sequence[str]) -> str:
    """Return the rest of a line where it is but brackets that close the innermost ones that the line has opened."""
    if len(rest) > len(opened):
        return ""
    pairs = zip(rest, reversed(opened), strict=False)
    return rest if all(CLOSES.get(closing) == opening for closing, opening in pairs) else ""


def _closed(text: str, wanted: int) -> int:
    """Return how many of ``wanted`` open brackets a text closes, at most, before it begins another statement."""
    depth = closed = 0
    line_begins = False
    for token in lex(text) if wanted else ():
        if token.kind in (Kind.BLANK, Kind.COMMENT, Kind.NEWLINE, Kind.INDENT, Kind.DEDENT):
            line_begins |= token.kind is Kind.NEWLINE or "\n" in token.text or "\r" in token.text
            continue
        if line_begins and (token.text in STATEMENT_KEYWORDS or token.text == "@"):
            break
        line_begins = False
        if token.kind is not Kind.OPERATOR:
            continue
        if token.text in OPENING:
            depth += 1
        elif token.text in CLOSES:
            closed += depth == 0
            depth -= depth > 0
            if closed == wanted:
                break
    return closed


def _hangs(line: Sequence[Token], bracket: Token, text: str, begin: int) -> bool:
    """Return whether a bracket ends its line, and no comma of its own stands on the line that begins at ``begin``."""
    if not re.compile(r"[ \t]*(?:#[^\r\n]*)?[\r\n]").match(text, bracket.end):
        return False
    return "," not in _outer([token for token in line if token.start >= begin])


def _outer(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the operators that stand in no bracket among these tokens."""
    depth = 0
    for token in tokens:
        if token.kind is Kind.OPERATOR:
            depth -= token.text in CLOSES
            if depth == 0:
                yield token.text
            depth += token.text in OPENING


def _last_line(text: str) -> str:
    return text[-_BELOW:].rstrip().rpartition("\n")[2].strip()


def _first_line(text: str) -> str:
    return text[:_BELOW].lstrip().partition("\n")[0].strip()
