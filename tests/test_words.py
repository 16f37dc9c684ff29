"""Words: what is kept of a source text, and what stands for many texts."""

import pytest
from hypothesis import given
from sources import SOURCES

from codelm.lexer import lex
from codelm.words import STRUCTURE_WORDS, string_word, words, words_of


def test_words_are_code_without_comments_blanks_and_docstrings():
    source = '''
    """A module."""
    def f(x):  # note
        "Return nothing."
        """And again.""" "And again."
        return x[ 'key' ]
    '''
    assert words(source.replace("\n    ", "\n")) == (
        'def f ( x ) : <NEWLINE> <INDENT> return x [ "key" ] <NEWLINE> <DEDENT>'.split()
    )


def test_a_string_that_is_more_than_a_line_of_its_own_is_a_word():
    assert words('"a".b\n"a"; c\nx = "a"\nf(\n"a"\n)\ndef g(): "a"') == (
        '"a" . b <NEWLINE> "a" ; c <NEWLINE> x = "a" <NEWLINE> f ( "a" ) <NEWLINE> def g ( ) : "a" <NEWLINE>'.split()
    )


def test_a_string_before_the_cursor_may_still_become_more():
    assert list(words_of(lex('x\n"a"')[:-1])) == ["x", "<NEWLINE>", '"a"']


@pytest.mark.parametrize(
    ("string", "word"),
    [
        ("'name'", '"name"'), ('"name"', '"name"'), ("u'name'", '"name"'), ("B'x'", 'b"x"'), ("Rb'x'", 'rb"x"'),
        ("f'{x}'", 'f"{x}"'), ("''", '""'),
        ("'\"'", "'\"'"), (r"'it\'s'", r"'it\'s'"), (r"'\n'", r"'\n'"), (r'"\n"', r'"\n"'),
        ("'thirteen-char'", '"thirteen-char"'), ("'fourteen--char'", "<STR>"), ("'two words'", "<STR>"),
        ("'tab\t'", "<STR>"), ('"""x"""', "<STR>"), ("''''''", "<STR>"), ("'\\\n'", "<STR>"),
        ("'unclosed", "<STR>"), ("'", "<STR>"), ("'''", "<STR>"), ("'''a'", "<STR>"), (r"'unclosed\'", "<STR>"),
    ],
)  # fmt: skip
def test_the_word_of_a_string(string, word):
    assert string_word(string) == word


def test_short_numbers_are_words_and_long_ones_are_one_word():
    assert words("x = 65_536 + 1234567") == "x = 65_536 + <NUM> <NEWLINE>".split()


def test_characters_that_no_one_types_on_purpose_are_no_words():
    assert words("x \0\ud800\x7f $ y") == ["x", "$", "y", "<NEWLINE>"]


@given(SOURCES)
def test_a_word_is_written_on_one_line(source):
    assert all(word.isprintable() and word for word in words(source))


@given(SOURCES)
def test_a_word_lexed_again_is_the_same_word(source):
    for word in set(words(source)) - {*STRUCTURE_WORDS.values(), "<STR>", "<NUM>"}:
        assert list(words_of([lex(word)[0]])) == [word]
