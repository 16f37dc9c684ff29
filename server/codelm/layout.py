"""Words back to text: the blanks between them, as PEP 8 has them.

Only what stands on one logical line is laid out here. Whether an ``=`` or a ``:`` has blanks around it depends on
the bracket that it stands in, so the words of the line so far are looked at as well.
"""

from collections.abc import Sequence
from keyword import iskeyword

_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_MAY_BE_UNARY = frozenset(["-", "+", "~", "*", "**"])
_TIGHT_BEFORE = _CLOSING | {",", ":", ";", "."}
_VALUES = frozenset(["None", "True", "False"])


def text_of(words: Sequence[str], line: Sequence[str] = ()) -> str:
    """Return the text of ``words`` as they follow the words ``line`` on the same logical line.

    The blank between the two is not part of it: who calls knows what stands before the cursor.
    """
    brackets, pieces = _open_brackets(line), []
    before = list(line)
    for place, word in enumerate(words):
        if place and _blank_between(before, word, brackets):
            pieces.append(" ")
        pieces.append(word)
        before.append(word)
        if word in _OPENING:
            brackets.append(word)
        elif word in _CLOSING and brackets:
            brackets.pop()
    return "".join(pieces)


def _open_brackets(line: Sequence[str]) -> list[str]:
    brackets: list[str] = []
    for word in line:
        if word in _OPENING:
            brackets.append(word)
        elif word in _CLOSING and brackets:
            brackets.pop()
    return brackets


def _blank_between(before: Sequence[str], word: str, brackets: Sequence[str]) -> bool:
    """Return whether a blank stands between the last word of ``before`` and ``word``."""
    last = before[-1]
    inside = brackets[-1] if brackets else ""
    if word == "import" or (last == "from" and word in (".", "...")):
        return True
    if last in _OPENING or last == "." or word in _TIGHT_BEFORE:
        return False
    if last == "@" and len(before) == 1:
        return False
    if word in ("(", "["):
        return not is_value(last)
    if last == "," or last == ";":
        return True
    if last == ":":
        return inside != "["
    if "=" in (last, word) and inside == "(":
        return _has_annotation(before)
    if last in _MAY_BE_UNARY and (len(before) == 1 or not is_value(before[-2])):
        return False
    return True


def _has_annotation(before: Sequence[str]) -> bool:
    """Return whether the parameter that ``before`` ends in has an annotation: ``(x: int = 1)`` but ``(x=1)``."""
    depth = 0
    for word in reversed(before):
        if word in _CLOSING:
            depth += 1
        elif word in _OPENING:
            if depth == 0:
                return False
            depth -= 1
        elif depth == 0 and word == ",":
            return False
        elif depth == 0 and word == ":":
            return True
    return False


def is_value(word: str) -> bool:
    """Return whether an expression can end in this word: a name, a literal or a closing bracket."""
    if word in _CLOSING or word in _VALUES or word == "...":
        return True
    if iskeyword(word):
        return False
    return word[:1].isalnum() or word[:1] == "_" or word[-1:] in ("'", '"') or word in ("<STR>", "<NUM>")
