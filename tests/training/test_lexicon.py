"""The lexicon's file: every word, most frequent first, one line each whatever the word holds."""

from pathlib import Path

import numpy as np
import pytest

from codelm.errors import CorpusError
from codelm_train.lexicon import lines, rank, read_lexicon


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
        (b"3\tself\n2\t\\q\n", "lexicon.txt:2: the backslash at 0 characters into the word escapes nothing"),
    ],
)
def test_a_broken_lexicon_is_refused_by_what_is_wrong_with_it(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "lexicon.txt").write_bytes(content)
    with pytest.raises(CorpusError, match=complaint):
        read_lexicon(tmp_path / "lexicon.txt")
