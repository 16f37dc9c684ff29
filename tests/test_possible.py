"""How a line may go on: what Python is not, and what only repeats itself."""

import models
import pytest

from codelm.beam import Next
from codelm.lexer import lex
from codelm.possible import following, is_python
from codelm.surroundings import surroundings
from codelm.words import DEDENT, INDENT, NEWLINE, words, words_of


def logical_lines(sequence: tuple[str, ...]) -> list[list[str]]:
    lines: list[list[str]] = [[]]
    for word in sequence:
        if word == NEWLINE:
            lines.append([])
        elif word not in (INDENT, DEDENT):
            lines[-1].append(word)
    return [line for line in lines if line]


def test_every_line_of_real_code_can_be_python():
    lines = [line for sequence in models.sequences() for line in logical_lines(sequence)]
    assert len(lines) > 1000
    assert [line for line in lines if not is_python(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "else:",
        "elif x:",
        "except ValueError as error:",
        "except* ValueError:",
        "finally:",
        "try:",
        "@property",
        "@f(x)",
        "case [x, *_] if x:",
        "match x:",
        "match = x",
        "case: int = 1",
        "async def f():",
        "async with a as b:",
        "return",
        "return x",
        "yield",
        "await x",
        "break",
        "nonlocal x",
        "if x: return",
        "x = b'a' b'b'",
        "x = r'\\d' f'{a}'",
        "lambda x: x",
        "from . import x",
        "class A(B):",
        "x: int",
        "x = 1 .real",
    ],
)
def test_a_statement_or_a_header_can_be_python(line):
    assert is_python([word for word in words(line) if word != NEWLINE])


@pytest.mark.parametrize(
    "line",
    [
        "def f()",
        "if x",
        "x =",
        "x = a +",
        "return return",
        "else",
        "x = = y",
        "for x in",
        "f(a b)",
        "class A(B)",
        "import",
    ],
)
def test_half_a_statement_cannot(line):
    assert not is_python(list(words_of(token for token in lex(line) if token.text)))


def test_of_too_much_or_of_odd_characters_nobody_knows():
    assert is_python(["(", "\ud800", ")"])


def test_two_signs_that_would_be_written_as_one_don_t_follow_each_other():
    around = surroundings(lex("f(a"), 3, "f(a", 3, 0)
    assert around is not None
    assert following(around, ["="], "=") is Next.CANNOT
    assert following(around, ["="], "x") is Next.GOES_ON
    assert following(around, ["1"], ".") is Next.CANNOT
    assert following(around, ["x"], ".") is Next.GOES_ON
    assert following(around, ["1.5"], ".") is Next.GOES_ON
