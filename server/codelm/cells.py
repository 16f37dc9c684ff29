"""The code cells of notebooks as Python: what IPython takes for itself is a comment in them, of the same length."""

import re

# At a line's begin, as IPython has it; "%" and "!" go before anything else that it knows. "x = !ls" stays as it is: the
# lexer copes.
_MAGIC_LINE = re.compile(r"^([ \t]*)[%!?](?=[^\r\n])", re.MULTILINE)
_MAGIC_CELL = re.compile(r"\A%%(\w*)")
# Cells that begin so are Python all the same.
_PYTHON_CELLS = frozenset(["time", "timeit", "capture", "prun", "debug", "python", "python3", "pypy"])
_LINE = re.compile(r"^(?=[^\r\n])[^\r\n]", re.MULTILINE)


def without_magic(text: str) -> str:
    """Return the text of a cell with what is IPython's own as comments of the same length.

    >>> without_magic("%pip install x\\nimport x")
    '#pip install x\\nimport x'
    """
    magic = _MAGIC_CELL.match(text)
    if magic is not None and magic[1] not in _PYTHON_CELLS:
        return _LINE.sub("#", text)
    return _MAGIC_LINE.sub(r"\1#", text)


def ended(cell: str) -> str:
    """Return a cell's text with a line end behind it, as it stands above another."""
    return cell if cell.endswith(("\n", "\r")) else cell + "\n"
