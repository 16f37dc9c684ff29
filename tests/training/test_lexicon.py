"""The lexicon's file: every word, most frequent first, one line each whatever the word holds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.errors import CorpusError
from codelm_train.lexicon import escape, lines, rank, read_lexicon, unescape

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates (category Cs) included


@given(ANY_TEXT)
def test_any_word_is_one_printable_line_and_comes_back(word: str) -> None:
    assert escape(word).isprintable()
    assert escape(word).encode("utf-8").decode("utf-8") == escape(word)
    assert unescape(escape(word)) == word


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("self", "self"),
        ('"a b"', '"a b"'),
        ("größe", "größe"),
        ("\\", "\\\\"),
        (r"\n", r"\\n"),
        ("\n", r"\n"),
        ("a\tb", r"a\u0009b"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_only_what_would_break_a_line_is_escaped(word: str, line: str) -> None:
    assert escape(word) == line


def test_words_are_ranked_by_falling_count_then_by_code_points() -> None:
    lexicon, ids = rank(["b", "rare", "a", "gone"], np.array([2, 1, 2, 0]))
    assert lexicon.words == ("a", "b", "rare")
    assert lexicon.counts.tolist() == [2, 2, 1]
    assert ids[:3].tolist() == [1, 2, 0]


def test_a_lexicon_is_read_as_it_was_written(tmp_path: Path) -> None:
    written, _ = rank(["x", "\n", "\\n", "\x85", "\ud800", "é"], np.array([6, 5, 4, 3, 2, 1]))
    file = tmp_path / "lexicon.txt"
    file.write_text("".join(lines(written)), encoding="utf-8", newline="\n")
    read = read_lexicon(file)
    assert read.words == written.words
    assert read.counts.tolist() == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"3\tself\nself 2\n", "lexicon.txt:2: not a count"),
        (b"3\tself\n\tx\n", "lexicon.txt:2: not a count"),
        (b"3\tself\n2\tse", "its last line is cut off"),
        (b"3\tself\n2\tself\n", "a word stands in it twice"),
        (b"3\t\xff\n", "not UTF-8"),
    ],
)
def test_a_broken_lexicon_is_refused_by_what_is_wrong_with_it(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "lexicon.txt").write_bytes(content)
    with pytest.raises(CorpusError, match=complaint):
        read_lexicon(tmp_path / "lexicon.txt")
