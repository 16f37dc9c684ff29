"""What Python's grammar forbids at the cursor, drawn as ``|``; above all that it forbids nothing that Python has."""

import sysconfig
import tokenize
from collections.abc import Sequence
from keyword import iskeyword, kwlist
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.grammar import Expected, expected, line_of
from codelm.lexer import Kind, lex
from codelm.words import DEDENT, INDENT, NEWLINE, words, words_of


def is_allowed(before: Sequence[str], word: str) -> bool:
    kind, forbidden = expected(before)
    if iskeyword(word):
        return kind is not Expected.NAME and word not in forbidden
    return kind is not Expected.KEYWORD


def words_before(drawn: str) -> list[str]:
    """Return the words before the cursor ``|``; what its line does to the open blocks is among them."""
    before = drawn[: drawn.index("|")]
    tokens = lex(f"{before}x")
    typed = tokens.index((Kind.NAME, "x", len(before)))
    return list(words_of(tokens[:typed]))


# --- nothing that Python has is forbidden ----------------------------------------------------------------------

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
MODULES = [path for path in sorted(STANDARD_LIBRARY.rglob("*.py")) if "site-packages" not in path.parts]
# A sample of all, and the tests of the grammar itself.
SAMPLE = [*MODULES[::5], *(p for p in MODULES if p.name in ("test_grammar.py", "test_patma.py", "test_fstring.py"))]
# Python 2, not Python: "print >> f, x" and "raise E, x" among others.
NOT_PYTHON = {"py2_test_grammar.py", "badsyntax_3131.py", "badsyntax_pep3120.py", "bad_coding.py", "bad_coding2.py"}


def test_every_name_and_keyword_of_the_standard_library_is_allowed_where_it_stands():
    forbidden = []
    count = 0
    for path in SAMPLE:
        if path.name in NOT_PYTHON:
            continue
        with tokenize.open(path) as file:
            source = words(file.read())
        for place, word in enumerate(source):
            if word.isidentifier():
                count += 1
                before = source[max(0, place - 200) : place]
                if not is_allowed(before, word):
                    forbidden.append(f"{path}: {' '.join(before[-10:])} >> {word}")
    assert forbidden == []
    assert count > 200_000


@pytest.mark.parametrize(
    ("drawn", "allowed"),
    [
        ("|", "x import from if not async lambda yield"), ("x; |", "y del"), ("if x:\n    y\n|", "else elif z"),
        ("if x: |", "y return"), ("else: |", "y raise"), ("async |", "def with for"), ("@|", "x"),
        ("import |", "os match"), ("import os |", "as"), ("import os as |", "x"), ("import os, |", "sys"),
        ("from |", "os"), ("from os |", "import"), ("from os.|", "path"), ("from os import |", "path"),
        ("from os import (|", "path"), ("from os import x |", "as"), ("from .|", "x import"), ("from ..|", "x import"),
        ("from ...|", "x import"), ("from ...x |", "import"),
        ("x = |", "y not await lambda yield None"), ("x = y = |", "z"), ("(x := |", "y"), ("x: |", "int"),
        ("x |", "if and or in not is for async"), ("x() |", "for"), ("x is |", "not None"), ("x is not |", "None"),
        ("x not |", "in"), ("x if y |", "else and"), ("x if y else |", "z not"), ("not |", "x"),
        ("[x |", "for async"), ("[x for |", "y"), ("[x for y |", "in"), ("[x for y in |", "z"),
        ('"a" |', "if in"), ("1 |", "if else"), (".5 |", "or"), ("... |", "if"), ("None |", "is"),
        ("x.|", "y match type"), ("x[|", "y"), ("x[1:|", "y"), ("{x: |", "y"), ("{**|", "x"),
        ("f(|", "x not lambda"), ("f(*|", "x"), ("f(**|", "x"), ("f(x, |", "y not"), ("f(x=|", "y lambda"),
        ("raise |", "x"), ("raise x |", "from"), ("yield |", "x from"), ("return |", "x await None"), ("del |", "x"),
        ("with x |", "as"), ("with x as |", "y"), ("except |", "x"), ("except* |", "x"), ("except x |", "as"),
        ("def |", "f match"), ("def f(|", "x"), ("def f(x: |", "int None"), ("def f() -> |", "None"), ("class |", "A"),
        ("lambda |", "x"), ("lambda: |", "x None"), ("global |", "x"), ("assert x, |", "y"),
        ("match |", "x not None in is"), ("case |", "x None"), ("case x |", "if as"), ("type |", "X is"),
        ("if x: type |", "X"), ("match = match |", "or"), ("def match(|", "x"), ("print(match |", "if"),
    ],
)  # fmt: skip
def test_what_may_stand_at_the_cursor(drawn, allowed):
    assert [word for word in allowed.split() if is_allowed(words_before(drawn), word)] == allowed.split()


# --- what is forbidden -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "forbidden"),
    [
        ("|", "and or in is as"), ("x\n|", "and in"), ("x; |", "or"), ("if x:\n    |", "is"), ("if x:\n    y\n|", "as"),
        ("import |", "in import"), ("from x import |", "import None"), ("from .|", "if"), ("from ...|", "not"),
        ("def |", "if None"), ("class |", "None"), ("global |", "not"), ("x as |", "None"), ("x.|", "if import"),
        ("x |", "y return lambda None"), ("x() |", "y"), ("x[0] |", "y"), ("1 |", "y"), ('"a" |', "y def"),
        ("None |", "x"), ("x = |", "return import"), ("x = match |", "y"), ("x, |", "while"), ("f(|", "class"),
        ("return |", "return"), ("not |", "del"), ("x if |", "pass"), ("match |", "def"), ("type |", "class"),
    ],
)  # fmt: skip
def test_what_may_not_stand_at_the_cursor(drawn, forbidden):
    assert [word for word in forbidden.split() if is_allowed(words_before(drawn), word)] == []


@given(st.lists(st.sampled_from([NEWLINE, INDENT, DEDENT, *kwlist, *"x1.,:;()[]=", "...", '"s"', "<STR>"])))
def test_after_any_words_something_is_allowed(before):
    assert any(is_allowed(before, word) for word in ["x", *kwlist])


# --- the line --------------------------------------------------------------------------------------------------


def test_the_line_of_the_cursor():
    assert line_of([]) == []
    assert line_of(["x", NEWLINE]) == []
    assert line_of(["x", NEWLINE, INDENT, "return", "y"]) == ["return", "y"]
    assert line_of(["x", NEWLINE, DEDENT, "y"]) == ["y"]
    assert line_of(["x", ";", "y", "."]) == ["y", "."]
    assert line_of(["x", "."]) == ["x", "."]
