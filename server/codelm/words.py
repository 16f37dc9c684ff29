"""Words: what the models see of a source text.

Names, keywords, operators, numbers, strings, and the structure of lines and blocks; comments, docstrings and blanks
are dropped. Training and serving make words here and nowhere else, so what a model learned is what it is asked.
"""

import re
from collections.abc import Iterable, Iterator
from keyword import iskeyword

from codelm.lexer import Kind, Token, lex

NEWLINE, INDENT, DEDENT = "<NEWLINE>", "<INDENT>", "<DEDENT>"
LONG_STRING, LONG_NUMBER = "<STR>", "<NUM>"
STRUCTURE_WORDS = {Kind.NEWLINE: NEWLINE, Kind.INDENT: INDENT, Kind.DEDENT: DEDENT}
COMMON_FORMS = (
    *("name", "Name", "NAME", "self", LONG_STRING, LONG_NUMBER, NEWLINE, INDENT, DEDENT),
    *". ( ) [ ] { } , : = import from def class return for in if not is and or @ * ** -> else".split(),
    *"None True False as raise with elif + == lambda yield await".split(),
)
"""The forms of nearly all words of Python, as ``form_of`` tells them."""
LONGEST_STRING_WORD = 15  # characters, quotes included: dictionary keys and modes, not sentences
LONGEST_NUMBER_WORD = 6

_STRING_PARTS = re.compile(r"""([a-zA-Z]*)("|')((?:[^\\]|\\.)*)\2""")


def words(text: str) -> list[str]:
    """Return the words of a whole source text, as models are trained on them."""
    return list(words_of(lex(text)))


def words_of(tokens: Iterable[Token]) -> Iterator[str]:
    """Yield the words of tokens: without comments, blanks, and lines that are nothing but strings (docstrings)."""
    blank, comment, name, operator = Kind.BLANK, Kind.COMMENT, Kind.NAME, Kind.OPERATOR
    held: list[str] = []  # strings that began a line: a docstring, unless something else follows them
    line_begins = True
    for kind, text, _ in tokens:
        if kind is blank or kind is comment:
            continue
        if not line_begins and (kind is name or kind is operator):
            yield text  # what the rest would do too; half of all tokens are these
            continue
        if line_begins and kind is Kind.STRING:
            held.append(word_of(kind, text))
            continue
        if held and kind is Kind.NEWLINE:
            held = []
            continue
        if held:
            yield from held
            held = []
        line_begins = kind in STRUCTURE_WORDS
        if word := word_of(kind, text):
            yield word
    yield from held


def word_of(kind: Kind, text: str) -> str:
    """Return the word that a token is to the models; '' for characters that no one types on purpose.

    Long strings, strings with blanks and long numbers are one word each. The quotes of a short string are made
    double, and a ``u`` before it is dropped, so that ``'name'`` and ``"name"`` are one word.
    """
    if kind is Kind.STRING:
        return string_word(text)
    if kind is Kind.NUMBER:
        return text if len(text) <= LONGEST_NUMBER_WORD else LONG_NUMBER
    if kind is Kind.ERROR:
        return text if text.isprintable() else ""
    return STRUCTURE_WORDS.get(kind, text)


def string_word(text: str) -> str:
    """Return the word of a STRING token's text."""
    if len(text) > LONGEST_STRING_WORD or " " in text or not text.isprintable():
        return LONG_STRING
    parts = _STRING_PARTS.fullmatch(text)
    if parts is None:  # unclosed
        return LONG_STRING
    prefix, quote, content = parts.groups()
    if content.startswith(quote):  # triple quotes
        return LONG_STRING
    if quote == "'" and '"' not in content and "\\" not in content:
        quote = '"'
    return f"{prefix.lower().replace('u', '')}{quote}{content}{quote}"


def form_of(word: str) -> str:
    """Return how a word is written: a name, a string and a number by their kind, any other word as it is.

    Three kinds of names are told apart, by their first letters: ``name``, ``Name`` and ``NAME``.
    """
    if word.isidentifier():
        if iskeyword(word) or word == "self":
            return word
        return "NAME" if word.isupper() else "Name" if word[0].isupper() else "name"
    if word[-1:] in ("'", '"') or word == LONG_STRING:
        return LONG_STRING
    return LONG_NUMBER if word[:1].isdecimal() or (word[:1] == "." and word[1:2].isdecimal()) else word
