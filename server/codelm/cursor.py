"""What stands at the cursor of a document: the token that is being typed, and the words before it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codelm import layout
from codelm.fstring import open_field
from codelm.lexer import Kind, Token, lex
from codelm.words import words_of

# Of as many tokens before the cursor the words are made, and of the rest of their line: of a line more than the models
# and the grammar look at.
_FEW_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor. ``typed``: the token being typed (it may be empty), which begins at ``start``; ``words`` before it."""

    kind: Kind
    typed: str
    start: int
    words: Sequence[str]
    behind: str
    """The character right of the cursor."""
    quote: str
    """The quotes that strings have here."""
    inside: int = 0
    """How many of the words stand in a replacement field of an f-string, its bracket included."""


def cursor_at(token: Token, before: Sequence[Token], behind: str) -> Cursor | None:
    """Return the cursor at the end of a token that is being typed, its last letter not being typed at all."""
    typed = token.text[:-1]
    if token.kind is Kind.STRING and (field := open_field(typed)) is not None:
        other = "'" if typed.lstrip("fFrRtT")[:1] == '"' else '"'
        return _in_field(typed[field:], token.start + field, before, behind, other)
    if token.kind not in (Kind.NAME, Kind.KEYWORD, Kind.STRING):
        return None
    is_number = bool(before) and before[-1].kind is Kind.NUMBER  # the cursor is right behind one
    if is_number and typed:
        return None  # "1e", "0x": it is being typed
    if token.kind is Kind.STRING and not _is_short_string(typed):
        return None
    kind = Kind.NUMBER if is_number else token.kind
    return Cursor(kind, typed, token.start, _words(before), behind, layout.preferred_quote(before))


def _in_field(field: str, start: int, before: Sequence[Token], behind: str, quote: str) -> Cursor | None:
    """Return the cursor in a replacement field of an f-string that begins at ``start``: as in a pair of brackets."""
    tokens = [token for token in lex(field + "x") if token.text]
    typed = tokens.pop()
    if typed.kind not in (Kind.NAME, Kind.KEYWORD) or (tokens and tokens[-1].kind is Kind.NUMBER):
        return None
    inner = list(words_of(tokens))
    words = [*_words(before), "(", *inner]
    return Cursor(typed.kind, typed.text[:-1], start + typed.start, words, behind, quote, 1 + len(inner))


def _words(tokens: Sequence[Token]) -> list[str]:
    """Return the words of whole logical lines at the end of some tokens, of a few tokens at least."""
    first = max(0, len(tokens) - _FEW_TOKENS)
    while first and tokens[first - 1].kind is not Kind.NEWLINE:
        first -= 1
    return list(words_of(tokens[first:]))


def _is_short_string(typed: str) -> bool:
    """Return whether a string that is being typed may still become a word: one line, single quotes, no blank."""
    return bool(re.fullmatch(r"""[a-zA-Z]*(?:"[^"\s]*|'[^'\s]*)""", typed))
