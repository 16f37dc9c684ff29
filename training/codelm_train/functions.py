"""The functions of a source text, cut out as CodeSearchNet does: Husain et al., "CodeSearchNet Challenge", 2019.

A function or a method is one, wherever it stands but in another function: that has it already, as a part of its
code. It begins with ``def`` or ``async def``, so its decorators are left out; its other lines keep the indentation
that they have in the file.

What differs from the published rows, of which ``code`` still has the docstring: here ``code`` is what
``code_tokens`` are of, and Python by itself.
"""

import ast
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from codelm.lexer import Kind, Token, lex

FEWEST_TOKENS = 10
"""A shorter function does nothing: ``def f(self): pass`` has 7 tokens, ``def f(self): return self.x`` has 10."""

_NO_CODE = frozenset((Kind.BLANK, Kind.COMMENT, Kind.NEWLINE, Kind.INDENT, Kind.DEDENT))
_DOCSTRING_TOKEN = re.compile(r"\w+|([^\w\s])\1*")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a source text."""

    name: str
    """A method's with its classes' before it: ``Class.method``."""
    original: str
    """Its text from ``def`` on, with docstring and comments."""
    code: str
    """Its text without the docstring; empty where it is nothing but its docstring."""
    code_tokens: tuple[str, ...]
    """The tokens of ``code`` as they are written, an f-string as one; without comments, line ends and indentation."""
    docstring: str
    """The text that its docstring stands for, without blanks around it; empty where there is none."""


def functions(text: str, scope: str = "") -> list[Function]:
    r"""Return the functions of a source text in their order. ``scope``: the class that the text was cut out of.

    Each line end of them is ``\n``, as it is to Python. Raises SyntaxError, ValueError, RecursionError or
    MemoryError where Python cannot parse the text.
    """
    file = _File(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and the like: the file's own business
        tree = ast.parse(file.text)
    return [_function(file, name, node) for name, node in _definitions(tree, scope)]


def docstring_tokens(docstring: str) -> list[str]:
    """Return the words of a docstring and, between them, the runs of one punctuation mark."""
    return [match[0] for match in _DOCSTRING_TOKEN.finditer(docstring)]


_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def _definitions(tree: ast.Module, scope: str) -> Iterator[tuple[str, _Definition]]:
    """Yield the functions with their names, in their order; a stack, since ``elif`` nests as deep as it is long."""
    stack: list[tuple[ast.AST, str]] = [(tree, f"{scope}." if scope else "")]
    while stack:
        node, prefix = stack.pop()
        if isinstance(node, _Definition):
            yield prefix + node.name, node
        elif not isinstance(node, ast.expr):
            inside = f"{prefix}{node.name}." if isinstance(node, ast.ClassDef) else prefix
            stack += [(child, inside) for child in reversed(list(ast.iter_child_nodes(node)))]


def _function(file: "_File", name: str, node: _Definition) -> Function:
    start, end = file.span(node)
    original = file.text[start:end]
    docstring = ast.get_docstring(node, clean=False)
    if docstring is None:
        return Function(name, original, original, file.tokens(start, end), "")
    docstring = docstring.strip()
    if len(node.body) == 1:
        return Function(name, original, "", (), docstring)
    cut, on = file.statement(node.body[0], node.body[1])
    code = file.text[start:cut] + file.text[on:end]
    return Function(name, original, code, file.tokens(start, cut) + file.tokens(on, end), docstring)


class _File:
    """A text with its tokens, and where in it a node of its tree stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = text.split("\n")  # as Python counts them: a form feed, say, ends none
        self._line_starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))
        self._tokens: list[Token] = lex(text)
        self._starts = [token.start for token in self._tokens]

    def span(self, node: ast.stmt) -> tuple[int, int]:
        """Return where a statement starts and ends, in characters."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def statement(self, node: ast.stmt, following: ast.stmt) -> tuple[int, int]:
        """Return from where to where to cut, so that a statement goes and the ``following`` one stays."""
        start, end = self.span(node)
        next_start, _ = self.span(following)
        if all(token.kind is not Kind.NEWLINE for token in self._between(end, next_start)):
            return start, next_start  # behind a semicolon
        line_end = self.text.find("\n", end)
        return self.text.rfind("\n", 0, start) + 1, line_end + 1  # its lines, with what is noted behind it

    def tokens(self, start: int, end: int) -> tuple[str, ...]:
        """Return the tokens between two offsets that say what is done."""
        return tuple(token.text for token in self._between(start, end) if token.kind not in _NO_CODE)

    def _between(self, start: int, end: int) -> Sequence[Token]:
        return self._tokens[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def _offset(self, line: int, column: int) -> int:
        """Return the offset of a place as ``ast`` names it: a line from 1, a column in bytes of UTF-8."""
        text = self._lines[line - 1]
        characters = column if text.isascii() else len(text.encode()[:column].decode())
        return self._line_starts[line - 1] + characters
