"""Where an f-string that is being typed has an open replacement field."""

import re

_OPENING = re.compile(r"(?:[fFtT][rR]?|[rR][fFtT])('''|\"\"\"|'|\")")
# Inside a field: a whole string, or one character.
_PIECE = re.compile(r"""'[^'\\\n]*'|"[^"\\\n]*"|[\s\S]""")


def open_field(string: str) -> int | None:
    """Return the offset behind the ``{`` whose field ``string`` ends in; None outside of fields and in a format.

    ``string`` is the text of an unclosed STRING token.

    >>> open_field('f"{x} and {y.')
    11
    """
    opening = _OPENING.match(string)
    if opening is None:
        return None
    place, end = opening.end(), len(string)
    while place < end:
        if string[place] == "{" and string[place : place + 2] != "{{":
            closed = _end_of_field(string, place + 1)
            if closed is None:
                return place + 1 if not _in_format(string[place + 1 :]) else None
            place = closed
        else:
            place += 2 if string[place : place + 2] in ("{{", "}}") else 1
    return None


def _end_of_field(string: str, place: int) -> int | None:
    """Return the offset behind the ``}`` that closes the field which begins at ``place``; None when it is open."""
    depth = 1
    for piece in _PIECE.finditer(string, place):
        depth += (piece[0] in ("(", "[", "{")) - (piece[0] in (")", "]", "}"))
        if depth == 0:
            return piece.end()
    return None


def _in_format(field: str) -> bool:
    """Return whether an open field has come to its format (``{x:``) or conversion (``{x!r``)."""
    depth = 0
    for piece in _PIECE.finditer(field):
        depth += (piece[0] in ("(", "[", "{")) - (piece[0] in (")", "]", "}"))
        if depth == 0 and (piece[0] == ":" or (piece[0] == "!" and field[piece.end() : piece.end() + 1] != "=")):
            return True
    return False
