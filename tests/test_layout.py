"""Layout: the words of a well-formatted line, laid out, are that line again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelm
from codelm.layout import is_value, text_of
from codelm.lexer import Kind, lex
from codelm.words import LONG_NUMBER, LONG_STRING, NEWLINE, word_of, words

LINES = [line for line in """
x = y
x: int = 1
x: dict[str, list[int] | None] = {}
x = y = z
x += 1
x, y = y, x
x, *rest = items
del x[0], y

x = -1
x = -y + z - -w
x = a * -b
x = not a and ~b
x = 2**n + x.y**-2 - 2.5**x
x = f(x) ** 2 + x[0] ** y.z() + (a + b) ** 2
x = .5 - y
x = a @ b // c % d << e | f & g ^ h
return -x
return not x, -y
yield -x
x = a if b else -c
if not (a or b) and c is not d and e not in f:
x = (yield)
x = await f(await g())
if (n := len(x)) > 1:

print(x, *args, sep="", **kwargs)
print(*(x for x in y), *[1, 2], **{"a": 1})
x = [*a, *b]
x = {**a, "b": 1, c: -1}
x = (1,)
x = ()
f(x=1, y=-1, z=(1, 2), w=[], v={})
f(x)(y)[z](w)
f((x, y), [z])
x = f(x := 1, y)
"a".join(b)
"a" in b
"abc"[0]
x.y.z().w[0].v

x = a[1:]
x = a[1:-1]
x = a[:n]
x = a[::2]
x = a[i : i + 1]
x = a[len(b) :]
x = a[: -len(b)]
x = a[b.c : d.e : 2]
x = a[:: f(b)]
x = a[..., 0, :, 1:2]
x = a[0, i + 1 :]
x = a[:, lambda y: y]
x = a[[1, 2], :]
x = a[{b: c}[d] :]
x = a[d["k"] : {}.x]

def f():
def f(a, b=1, *args, c: int = 2, d: Callable[[int], str] = g, **kwargs) -> None:
def f(a, /, b, *, c=-1, d=()):
def f(self, *args: int, **kwargs: Any) -> dict[str, int] | None: ...
def f[T: int, *Ts, **P](x: T) -> T:
async def f(x):
class A:
class A(B, metaclass=C):
@property
@a.b(c=1)
x = lambda: 0
x = lambda a, *b, c=1, **d: -a
f(key=lambda x: x.y, default=None)
f(lambda x=1, y=2: x, z=3)
x = {a: lambda: b, c: d}
type X = int | None
def f(x: Literal["a"] = "a", y: int | None = None):

import a.b as c, d
from . import x
from .x import y
from .. import x
from ..x.y import z as w
from ... import x
from ...x import (y, z)
from x import *
from x import (a, b)

if x:
else:
for x, y in z:
while True:
with open(x) as f, (g) as h:
try:
except (A, B) as e:
except* A as e:
except* (A, B):
raise A(b) from None
assert x == y, z
return (a, b)
return [x for x in y if z for w in x]
return {x: y for x, y in z.items() if -x}
lambda: (yield)
global a, b
pass; x = 1; y()
match x:
match (x, y):
match -x:
case (a, b):
case [a, *b] | {"c": d, **e}:
case -1 | A(b=c) if d:
match(x)
matches = match[0]
print(f"{x}", file=sys.stderr)
async with a as b:
async for x in y:
x = [await y async for y in z]
""".split("\n") if line]  # fmt: skip


def code_of(line: str) -> list[str]:
    return [token.text for token in lex(line) if token.text.strip()]


@pytest.mark.parametrize("line", LINES)
def test_a_well_formatted_line_comes_back(line):
    assert text_of(code_of(line)) == line


@pytest.mark.parametrize("line", LINES)
def test_what_stands_before_the_cursor_is_looked_at(line):
    """Wherever the cursor is, what follows is laid out as in the whole line, without the blank at the cursor."""
    every = code_of(line)
    for place in range(len(every)):
        before = line.removesuffix(text_of(every[place:], line=every[:place]))
        assert before.replace(" ", "") == "".join(every[:place])


def test_nothing_has_no_text():
    assert text_of([]) == ""
    assert text_of([], ["x", "="]) == ""


def test_a_line_that_goes_on_is_laid_out_as_far_as_it_is_known():
    assert text_of(["(", "x", ",", "y", "="], ["f"]) == "(x, y="
    assert text_of(["n", ":"], ["a", "["]) == "n:"
    assert text_of(["**"], ["x"]) == "**"
    assert text_of(["."], ["from"]) == "."
    assert text_of([")", "]", ")"], ["x"]) == ")])"


@given(st.lists(st.sampled_from([*"()[]{}:,.;=-*@", "**", "...", "lambda", "from", "import", "case", "x", "1", '"s"'])))
def test_any_words_can_be_laid_out_and_only_blanks_are_put_between_them(some):
    text = text_of(some)
    assert text.replace(" ", "") == "".join(some)
    assert text == text.strip()
    assert "  " not in text


def logical_lines(source: str) -> Iterator[tuple[list[str], str]]:
    """Yield the words of each logical line that is as the models see it, and its text."""
    line = []
    for token in lex(source):
        if token.kind is Kind.NEWLINE:
            yield [word_of(kind, text) for kind, text, _ in line], source[line[0].start : line[-1].end]
            line = []
        elif token.kind not in (Kind.BLANK, Kind.COMMENT, Kind.INDENT, Kind.DEDENT):
            line.append(token)


def own_lines() -> Iterator[tuple[list[str], str]]:
    for file in Path(codelm.__file__).parent.rglob("*.py"):
        for line, text in logical_lines(file.read_text("utf-8")):
            if LONG_STRING not in line and LONG_NUMBER not in line:
                yield line, text


def test_lines_that_a_formatter_laid_out_come_back():
    lines = [(text_of(line), text) for line, text in own_lines() if "\n" not in text]
    different = [(ours, text) for ours, text in lines if ours != text]
    assert len(lines) > 1000
    assert len(different) <= len(lines) // 200, different


def test_words_laid_out_and_lexed_again_are_the_same_words():
    for line, _ in own_lines():
        assert words(f"x; {text_of(line)}") == ["x", ";", *line, NEWLINE]


@pytest.mark.parametrize("word", ["x", "_", "größe", "1", ".5", '"s"', "<STR>", "<NUM>", ")", "]", "}", "None", "..."])
def test_an_expression_can_end_in_a_value(word):
    assert is_value(word)


@pytest.mark.parametrize("word", ["", "(", ".", "=", "**", "not", "return", "lambda", "<NEWLINE>", "->"])
def test_no_expression_can_end_in_anything_else(word):
    assert not is_value(word)
