"""Reasons to leave a file out of a corpus: it teaches nothing about how people write Python.

Each filter is a function that returns the reason, a short phrase to count by, or None. Those that serving needs
too are in ``codelm.generated``.
"""

import ast
import warnings
from collections.abc import Sequence
from pathlib import PurePosixPath

from codelm.generated import data_like, generated, generated_name, minified, too_large

__all__ = [
    "data_like", "empty", "generated", "generated_name", "minified", "not_python", "too_large", "vendored",
]  # fmt: skip

_VENDORED = frozenset(
    (
        *("_vendor", "_vendored", "vendor", "vendored", "extern", "externals", "third_party", "thirdparty"),
        *("dist-packages", "node_modules", "site-packages"),
    )
)


def vendored(path: str) -> str | None:
    """Drop other projects' code: a folder of ``path`` (with ``/``, inside its project) is named as such."""
    return "vendored" if not _VENDORED.isdisjoint(PurePosixPath(path).parts[:-1]) else None


def not_python(text: str) -> str | None:
    """Drop what the running Python cannot parse: Python 2, templates, broken files of test suites."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and the like: the file's own business
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # a zero byte, too deep a nesting
            return "not Python 3"
    return None


def empty(words: Sequence[str]) -> str | None:
    """Drop a file with nothing but comments and docstrings."""
    return None if words else "empty"
