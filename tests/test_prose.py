"""The words of comments, docstrings and strings, and the cursor in them."""

import re
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.lexer import lex
from codelm.prose import (
    COMMENT,
    DOCSTRING,
    HEAD,
    MARKS,
    STRING,
    ProseCursor,
    learned_prose,
    prose_cursor,
    prose_of,
    written,
)


def prose(source: str) -> list[str]:
    return list(prose_of(lex(dedent(source))))


def text_of(words: list[str]) -> str:
    return "".join(map(written, words))


def cursor(source: str) -> ProseCursor | None:
    """The cursor, drawn as a bar, that ends the source."""
    text, bar, _ = source.partition("|")
    assert bar
    tokens = lex(text + "x")
    last = max(place for place, token in enumerate(tokens) if token.text)
    return prose_cursor(tokens[: last + 1], len(text))


def test_a_comment_is_its_mark_and_words_with_the_blanks_before_them():
    assert prose("# Tries again, if it can.") == [COMMENT, "Tries", " again", ",", " if", " it", " can", "."]


def test_code_has_no_prose_but_the_names_in_the_heads_of_functions_and_classes():
    assert prose("""\
        class Tree(Base):
            def walk(self, depth=1):
                return depth + 1
        x = walk(2)
        """) == [HEAD, "Tree", " Tree", "Base", " Base", HEAD, "walk", " walk", "depth", " depth"]


def test_a_line_that_was_broken_because_it_was_long_goes_on_and_a_short_one_ends():
    long = "This line of a comment is so long that it had to be broken here"
    assert text_of(prose(f"# {long}\n# and goes on\n# here\nx = 1\n")) == f"#{long} and goes on\nhere"
    assert text_of(prose(f'"""{long}\nand goes on\n\nhere\n"""\n')) == f'"""{long} and goes on\n\nhere\n'


def test_comments_with_code_or_an_empty_line_between_them_are_two():
    assert prose("# a\n\n# b\nx = 1  # c\n# d\n") == [COMMENT, "a", COMMENT, "b", COMMENT, "c", COMMENT, "d"]


def test_a_string_is_prose_where_it_has_a_blank_or_is_a_docstring():
    assert prose('''\
        """Doc"""
        raise Error("no such file", "name", b"no such bytes")
        ''') == [DOCSTRING, "Doc", STRING, "no", " such", " file"]


def test_what_is_written_like_a_mark_is_none():
    words = prose('# def "#"\n')
    assert [word for word in words if word in MARKS] == [COMMENT]
    assert text_of(words) == '#def "#"'


@pytest.mark.parametrize(
    "line", ["Copyright 2001", "Written by joe@example.com", "Author: Joe", "see https://example.com/secret"]
)
def test_lines_with_addresses_and_authors_teach_nothing(line):
    assert prose(f"# {line}\n# next\n") == [COMMENT, "\n", "next"]


def test_what_looks_like_a_key_is_not_learned():
    assert learned_prose(lex("# use xK9fQ2LmZ8pR or max_line_length\n")) == [COMMENT, "use", " or", " max_line_length"]


@given(
    st.lists(
        st.sampled_from(["a", "won't", "(x)", "3.5,", "----", "`f`", "é", "##", '""', '"a"']), min_size=1, max_size=30
    )
)
def test_the_words_joined_are_the_text(parts):
    line = " ".join(parts)
    assert text_of(prose(f"# {line}\n")) == f"#{line}"


@pytest.mark.parametrize(
    ("source", "typed"),
    [
        ("# conf|", "conf"),
        ("# the conf|", " conf"),
        ("# the |", " "),
        ("# the (|", ""),
        ("x = 1  # don'|", "don'"),
        ('"""Return the|', " the"),
        ('raise Error("no such |', " "),
        ('raise Error(f"no such {name} he|', " he"),
    ],
)
def test_what_is_typed_has_the_blank_before_it(source, typed):
    found = cursor(source)
    assert found is not None
    assert found.typed == typed
    assert source[found.start : -1] == typed.removeprefix(" ")


@pytest.mark.parametrize(
    "source",
    ["x = |", 'x = "abc|', 'x = b"a b|', 'x = f"a {na|', "# mail joe@ex|", "x = 12|", "# a\nx|"],
)
def test_elsewhere_there_is_no_prose(source):
    assert cursor(source) is None


def test_behind_a_long_line_a_word_goes_on_as_if_the_line_did():
    long = "This line of a comment is so long that it had to be broken here"
    found = cursor(f"# {long}\n# an|")
    assert found is not None
    assert (found.typed, list(found.words[-1:])) == (" an", [" here"])


def test_it_knows_how_many_words_stand_in_the_same_comment():
    found = cursor("def f(a): pass\n# a b\n# c d|")
    assert found is not None
    assert list(found.words)[-found.here :] == ["\n", "c"]


@given(st.text(alphabet="# \"'\nabdef():\\{}", max_size=60))
def test_no_text_is_too_odd(text):
    assert all(prose_of(lex(text)))
    cursor(re.sub(r"\|", "", text) + "|")
