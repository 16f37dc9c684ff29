"""What Python's grammar certainly forbids as the next word. When in doubt, a word is allowed."""

from collections.abc import Sequence
from enum import Enum
from keyword import iskeyword, kwlist

from codelm.layout import is_value
from codelm.lexer import STATEMENT_KEYWORDS
from codelm.words import DEDENT, INDENT, NEWLINE

_LINE_STARTS = frozenset([NEWLINE, INDENT, DEDENT, ";"])
_NEVER_FIRST = frozenset(["and", "or", "in", "is", "as"])
# Keywords that may stand behind a value, in an expression or a clause.
_AFTER_VALUE = frozenset(["and", "or", "not", "in", "is", "if", "else", "for", "async", "as", "from", "import"])
_NAME_FOLLOWS = frozenset(["def", "class", "as", "global", "nonlocal", "import"])
# Keywords that no operand begins with, and the few that certain words before it allow all the same.
_NO_OPERAND = STATEMENT_KEYWORDS | {"and", "or", "in", "is", "as", "if", "else", "for", "import", "from"}
_ALLOWED_AFTER = {
    "not": {"in"},
    "yield": {"from"},
    ",": {"in", "if"},  # for x, in y; case x, if y
}

# Names that are keywords where a statement begins: an operand follows at once. (keyword.softkwlist lacks "type" in
# Python 3.11, and what is completed may be written for a later one.)
_SOFT_KEYWORDS = frozenset(["match", "case", "type"])


class Expected(Enum):
    """What may stand at the cursor."""

    NAME = "a name"
    KEYWORD = "a keyword"
    ANY = "a name or a keyword"


def expected(words: Sequence[str]) -> tuple[Expected, frozenset[str]]:
    """Return what may follow ``words``, and the keywords that may not though keywords may."""
    last = words[-1] if words else NEWLINE
    if last in _LINE_STARTS:
        return Expected.ANY, _NEVER_FIRST
    line = line_of(words)
    if last in (".", "...") and line[0] == "from" and "import" not in line:
        return Expected.ANY, frozenset(kwlist) - {"import"}
    if last == ".":
        return Expected.NAME, frozenset()
    if last in _NAME_FOLLOWS:
        return Expected.NAME, frozenset()
    if is_value(last):
        if last in _SOFT_KEYWORDS and (len(line) == 1 or line[-2] == ":"):
            return Expected.ANY, STATEMENT_KEYWORDS
        return Expected.KEYWORD, frozenset(kwlist) - _AFTER_VALUE
    if last in (":", "async"):
        return Expected.ANY, frozenset()
    return Expected.ANY, _NO_OPERAND - _ALLOWED_AFTER.get(last, set())


def fits(word: str, wanted: Expected, forbidden: frozenset[str]) -> bool:
    """Return whether a word of any kind may stand where ``expected`` says so."""
    if iskeyword(word):
        return wanted is not Expected.NAME and word not in forbidden
    if word.isidentifier():
        return wanted is not Expected.KEYWORD
    if is_value(word) and word not in (")", "]", "}"):  # a number or a string
        return wanted is Expected.ANY
    return True


def line_of(words: Sequence[str]) -> Sequence[str]:
    """Return the words of the logical line that ``words`` ends in."""
    for place in range(len(words) - 1, -1, -1):
        if words[place] in _LINE_STARTS:
            return words[place + 1 :]
    return words
