r"""Python source text as lexical tokens.

Three laws, each a property test:

- **Lossless**: the texts of the tokens, joined, are the source.
- **Never fails**: any text has tokens, however broken. What no rule knows is an ``ERROR`` token.
- **Prefix-stable**: a longer text has the same tokens before the start of the shorter one's last line, but for a
  string that is unclosed at the shorter one's end. (A lone ``\r`` at the very end has not ended its line yet: a
  ``\n`` may follow.)

On text that Python accepts, the tokens agree with the standard library's ``tokenize``: NEWLINE ends a logical
line; INDENT is the white space that opens a block; DEDENT is empty and stands before the first token after it.
An f-string is one STRING. Soft keywords (``match``, ``type``) are names, because only the parser knows better.

How it is fast: one regular expression cuts the text into lexemes, a table gives each distinct lexeme its code,
and Python code runs only where the structure can change: at line ends and brackets.
"""

import re
from collections.abc import Iterable
from enum import Enum
from functools import cache, partial
from itertools import accumulate, chain
from keyword import kwlist
from typing import NamedTuple


class Kind(Enum):
    """What a token is."""

    NAME = "name"
    KEYWORD = "keyword"
    NUMBER = "number"
    STRING = "string"
    OPERATOR = "operator"
    NEWLINE = "newline"
    INDENT = "indent"
    DEDENT = "dedent"
    COMMENT = "comment"
    BLANK = "blank"
    ERROR = "error"

    # Kinds are looked up for every token, and Enum's own would be run by Python, and not in C.
    __hash__ = object.__hash__


class Token(NamedTuple):
    """One token: ``text`` stands at ``start`` characters (code points) into the source."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset just behind the token."""
        return self.start + len(self.text)


class Mark(NamedTuple):
    """A place where lexing can resume: the start of a logical line, outside every bracket.

    ``offset`` is in characters, ``place`` counts the tokens before it, ``indents`` are the columns of the open
    blocks.
    """

    offset: int
    place: int
    indents: tuple[int, ...]


class Lexed(NamedTuple):
    """A text with its tokens, and where lexing can resume when the text changes."""

    text: str
    tokens: list[Token]
    marks: list[Mark]


def lex(text: str) -> list[Token]:
    """Return the tokens of ``text``, closed at its end as ``tokenize`` does: a NEWLINE, then DEDENTs."""
    return lex_from_scratch(text).tokens


def lex_from_scratch(text: str) -> Lexed:
    """Return the tokens of ``text`` with the marks that ``relex`` needs."""
    tokens, marks = _lex_from(text, Mark(0, 0, (0,)))
    return Lexed(text, tokens, marks)


def relex(old: Lexed, text: str) -> Lexed:
    """Return what ``lex_from_scratch(text)`` does, at the cost of where it first differs from ``old`` and all behind.

    The tokens are the same; the marks may be others.
    """
    same = common_prefix(old.text, text)
    # A mark counts only when the character behind it is the same too: "\n" may have joined a "\r" before it.
    kept = [mark for mark in old.marks if mark.offset < same]
    if not kept:
        return lex_from_scratch(text)
    resume = kept[-1]
    tokens, marks = _lex_from(text, resume)
    return Lexed(text, old.tokens[: resume.place] + tokens, kept[:-1] + marks)


# --- lexemes -------------------------------------------------------------------------------------------------

_BYTES_OR_TEXT = r"(?:[bB][rR]?|[rR][bB]?|[uU])?"
_FORMATTED = r"(?:[fFtT][rR]?|[rR][fFtT])"
_PREFIX = rf"(?:{_FORMATTED}|{_BYTES_OR_TEXT})"
# A backslash takes the next character with it, "\r\n" as one; at the end of the text it stands alone.
_ESCAPE = r"\\(?:\r\n|[\s\S]|\Z)"


def _field(quote: str) -> str:
    """Return the pattern of an f-string's replacement field on one line (PEP 701).

    Its expression may hold strings in any quotes, the f-string's own too, and three levels of brackets; what
    follows a colon outside of them is a format, where quotes are characters like any other.
    """
    strings = r"""'(?:[^'\\\r\n]|\\[^\r\n])*+'|"(?:[^"\\\r\n]|\\[^\r\n])*+\""""
    plain = r"""[^{}()\[\]'"\\\r\n]"""
    bracketed = rf"[(\[{{](?:{plain}|{strings})*+[)\]}}]"
    for _ in range(2):
        bracketed = rf"[(\[{{](?:{plain}|{strings}|{bracketed})*+[)\]}}]"
    expression = rf"""(?:[^{{}}()\[\]'":\\\r\n]++|{strings}|{bracketed})*+"""
    layout = rf"""(?:[^{{}}\\\r\n{quote}]++|\{{[^{{}}'"\\\r\n]*+\}})*+"""
    return rf"\{{{expression}(?::{layout})?\}}"


def _short_string(quote: str) -> str:
    """Return the pattern of a string in single quotes; unclosed, it ends before its line does."""
    plain = rf"[^{quote}\\\r\n]*+"
    literal = rf"[^{quote}\\\r\n{{]++"
    # A brace that opens no field is a character like any other.
    formatted = rf"{_FORMATTED}{quote}(?:{literal}|\{{\{{|{_field(quote)}|{_ESCAPE}|\{{)*+{quote}?"
    return rf"{formatted}|{_BYTES_OR_TEXT}{quote}{plain}(?:{_ESCAPE}{plain})*+{quote}?"


def _long_string(quote: str) -> str:
    """Return the pattern of a string in triple quotes; unclosed, it takes the rest of the text."""
    plain = rf"[^{quote}\\]*+"
    return rf"{_PREFIX}{quote * 3}{plain}(?:(?:{_ESCAPE}|{quote}(?!{quote}{quote})){plain})*+(?:{quote * 3})?"


_DIGITS = r"[0-9](?:_?[0-9])*+"
_EXPONENT = rf"[eE][-+]?{_DIGITS}"
_NUMBER = (
    r"0[xX](?:_?[0-9a-fA-F])++|0[bB](?:_?[01])++|0[oO](?:_?[0-7])++"
    rf"|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:{_EXPONENT})?[jJ]?"
)
_OPERATOR = r"\*\*=?|//=?|>>=?|<<=?|\.\.\.|->|:=|[-+*/%@&|^=!<>]=|[-+*/%@&|^~=<>.,:;(){}\[\]]"


def _lexeme(name: str) -> re.Pattern[str]:
    """Return the pattern of any lexeme, given that of a name: every character is in one."""
    strings = "|".join([_long_string('"'), _long_string("'"), _short_string('"'), _short_string("'")])
    return re.compile(
        "|".join([
            rf"""{name}(?!["'])""",  # but not the prefix of a string
            r"[ \t\f\ufeff]++",
            rf"(?=[0-9]|\.[0-9])(?:{_NUMBER})",
            _OPERATOR,
            r"\n|\r\n?",
            rf"""(?=[a-zA-Z]{{0,2}}["'])(?:{strings})""",
            r"#[^\r\n]*+",
            r"\\(?:\r?\n|\r)",  # a line continued
            name,
            r"[\s\S]",
        ])
    )  # fmt: skip


_LEXEME = _lexeme(r"[^\W\d]\w*+")


@cache
def _lexeme_with_marks() -> re.Pattern[str]:
    r"""Return the pattern for names that hold what ``\w`` leaves out: vowel signs, accents that stand alone."""
    known = re.compile(r"\w")
    places = chain(range(0x80, 0x20000), range(0xE0100, 0xE01F0))
    marks = "".join(c for c in map(chr, places) if not known.match(c) and f"a{c}".isidentifier())
    return _lexeme(rf"[^\W\d][\w{marks}]*+")


# --- codes: what a lexeme is, as one byte; a code stands for itself in the patterns over whole token lines ------

_NAME, _KEYWORD, _BREAKER, _NUMBER_CODE, _STRING, _OPERATOR_CODE = b"nkK0so"
_OPEN, _CLOSE, _LINE_END, _INDENT, _COMMENT, _BLANK, _ERROR = b"()LI#b?"
_EVENT = re.compile(rb"[L()]")

# Keywords that only begin a statement. In a bracket, at the start of a line, they say that the bracket was never
# closed: the statement is lexed as one, so that an editor's half-written call does not swallow the rest of the file.
STATEMENT_KEYWORDS = frozenset(
    "assert break class continue def del elif except finally global import nonlocal pass raise return try while "
    "with".split()
)

OPERATORS = frozenset(
    "+ - * / % @ & | ^ ~ = < > . , : ; ** // >> << ... -> := += -= *= /= %= @= &= |= ^= == != <= >= **= //= >>= "
    "<<=".split()
)
_KNOWN_CODES: dict[str, int] = {
    **dict.fromkeys(OPERATORS, _OPERATOR_CODE),
    **dict.fromkeys("([{", _OPEN), **dict.fromkeys(")]}", _CLOSE),
    **dict.fromkeys(("\n", "\r\n", "\r"), _LINE_END),
    **dict.fromkeys(kwlist, _KEYWORD), **dict.fromkeys(STATEMENT_KEYWORDS, _BREAKER),
}  # fmt: skip

_KIND_OF_CODE = {
    _NAME: Kind.NAME, _KEYWORD: Kind.KEYWORD, _BREAKER: Kind.KEYWORD, _NUMBER_CODE: Kind.NUMBER,
    _STRING: Kind.STRING, _OPERATOR_CODE: Kind.OPERATOR, _OPEN: Kind.OPERATOR, _CLOSE: Kind.OPERATOR,
    _LINE_END: Kind.NEWLINE, _INDENT: Kind.INDENT, _COMMENT: Kind.COMMENT, _BLANK: Kind.BLANK, _ERROR: Kind.ERROR,
}  # fmt: skip


class _Codes(dict[str, int]):
    """Lexeme → code; a lexeme is looked at once, when it is first met."""

    def __missing__(self, lexeme: str) -> int:
        code = self[lexeme] = _code_of(lexeme)
        return code


def _code_of(lexeme: str) -> int:
    first = lexeme[0]
    if first in " \t\f\ufeff" or (first == "\\" and len(lexeme) > 1):
        return _BLANK
    if first == "#":
        return _COMMENT
    if first in "0123456789.":
        return _NUMBER_CODE
    if '"' in lexeme or "'" in lexeme:
        return _STRING
    return _NAME if lexeme.isidentifier() else _ERROR


# --- structure -----------------------------------------------------------------------------------------------

_MARK_EVERY = 256  # lexemes between marks: what an edit has to lex again at the least
_make_token = partial(tuple.__new__, Token)


def _lexemes(text: str, start: int) -> tuple[list[str], bytearray]:
    """Return the lexemes of ``text`` from ``start`` on, and their codes."""
    lexemes = _LEXEME.findall(text, start)
    codes = bytearray(map(_Codes(_KNOWN_CODES).__getitem__, lexemes))
    if _ERROR in codes and not text.isascii():
        lexemes = _lexeme_with_marks().findall(text, start)
        codes = bytearray(map(_Codes(_KNOWN_CODES).__getitem__, lexemes))
    return lexemes, codes


def _lex_from(text: str, resume: Mark) -> tuple[list[Token], list[Mark]]:
    """Return the tokens from a mark on, and the marks, that one included."""
    lexemes, codes = _lexemes(text, resume.offset)
    starts = list(accumulate(map(len, lexemes), initial=resume.offset))
    codes_end = len(codes)
    indents = list(resume.indents)
    marks: list[Mark] = []
    inserted: list[tuple[int, list[Token]]] = []  # tokens without text, and the lexeme that they stand before
    inserted_count = 0
    next_mark = 0

    def begin_line(first: int, may_mark: bool = True) -> bool:
        """Open the logical line at lexeme ``first``; return whether it has code."""
        nonlocal next_mark, inserted_count
        if first >= next_mark and may_mark:
            marks.append(Mark(starts[first], resume.place + first + inserted_count, tuple(indents)))
            next_mark = first + _MARK_EVERY
        code_at = first
        if first < codes_end and codes[first] == _BLANK and lexemes[first][0] != "\\":
            code_at += 1
        if code_at >= codes_end or codes[code_at] in (_LINE_END, _COMMENT):
            return False
        column = _column(lexemes[first]) if code_at > first else 0
        if column != indents[-1]:
            dedents = []
            while column < indents[-1]:
                indents.pop()
                dedents.append(Token(Kind.DEDENT, "", starts[code_at]))
            if column > indents[-1]:
                indents.append(column)
                codes[first] = _INDENT
                # To no block's column: out of the deeper ones first, then into one of its own.
                code_at = first
                dedents = [Token(Kind.DEDENT, "", starts[first])] * len(dedents)
            if dedents:
                inserted.append((code_at, dedents))
                inserted_count += len(dedents)
        return True

    depth = 0
    has_code = begin_line(0)
    for event in _EVENT.finditer(bytes(codes)):
        at = event.start()
        code = codes[at]
        if code == _OPEN:
            depth += 1
        elif code == _CLOSE:
            depth -= depth > 0
        elif depth == 0:
            if not has_code:
                codes[at] = _BLANK
            has_code = begin_line(at + 1)
        else:
            codes[at] = _BLANK
            following = at + 1
            if following < codes_end and codes[following] == _BLANK:
                following += 1
            if following < codes_end and codes[following] == _BREAKER:
                inserted.append((at + 1, [Token(Kind.NEWLINE, "", starts[at + 1])]))
                inserted_count += 1
                depth = 0
                # No mark: it is the keyword, not yet behind the mark, that ends the bracket.
                has_code = begin_line(at + 1, may_mark=False)

    kinds = map(_KIND_OF_CODE.__getitem__, codes)
    tokens = list(map(_make_token, zip(kinds, lexemes, starts, strict=False)))
    tokens = _with_insertions(tokens, inserted)
    end = len(text)
    if has_code:
        tokens.append(Token(Kind.NEWLINE, "", end))
    tokens.extend(Token(Kind.DEDENT, "", end) for _ in indents[1:])
    return tokens, marks


def _with_insertions(tokens: list[Token], inserted: Iterable[tuple[int, list[Token]]]) -> list[Token]:
    result: list[Token] = []
    done = 0
    for before, added in inserted:
        result += tokens[done:before]
        result += added
        done = before
    return result + tokens[done:] if result else tokens


def _column(blank: str) -> int:
    """Return the column that leading white space reaches: tabs go to multiples of 8, a form feed back to 0."""
    blank = blank.rpartition("\f")[2].replace("\ufeff", "")
    return len(blank.expandtabs(8)) if "\t" in blank else len(blank)


def common_prefix(a: str, b: str) -> int:
    """Return how many leading characters two texts share."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:  # a[:low] == b[:low], a[:high] != b[:high]
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
