"""The vocabulary: ids, and its file with every way to break it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.errors import VocabularyError
from codelm.vocabulary import (
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Vocabulary,
    escape,
    most_frequent,
    unescape,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
WORDS = st.lists(ANY_TEXT.filter(bool), unique=True).map(lambda words: [w for w in words if w not in SPECIAL_WORDS])
# Text whose case is not one character for one: "ß" is "ss" and "ﬁ" is "fi" without case, "İ" gets a dot of its own.
CASED = st.text("aAbsSßẞfiﬁİıΣσς_\U0010ffff", max_size=4)

SAMPLE = Vocabulary([*SPECIAL_WORDS, ".", "def", "Path", "path", "_x", "größe", '"path"', "match"])


def spelled(vocabulary, ids):
    return [vocabulary.words[number] for number in ids]


# --- ids -----------------------------------------------------------------------------------------------------


def test_ids_count_from_the_special_words_on():
    assert (PAD, UNK, EOS) == (0, 1, 2)
    assert SAMPLE.ids(["[PAD]", "[UNK]", "[EOS]", ".", "def", "never seen"]).tolist() == [0, 1, 2, 3, 4, UNK]
    assert SAMPLE.id("def") == 4
    assert SAMPLE.id("never seen") == UNK
    assert "def" in SAMPLE
    assert "never seen" not in SAMPLE
    assert len(SAMPLE) == 11


@pytest.mark.parametrize("words", [[], ["def"], ["never seen"]])
def test_ids_are_int64_however_few(words):
    assert SAMPLE.ids(words).dtype == np.int64
    assert SAMPLE.ids(words).shape == (len(words),)


def test_kinds_of_words():
    assert spelled(SAMPLE, SAMPLE.proposable) == ["def", "Path", "path", "_x", "größe", "match"]
    assert spelled(SAMPLE, SAMPLE.keywords) == ["def"]
    assert spelled(SAMPLE, SAMPLE.names) == ["Path", "path", "_x", "größe", "match"]


def test_an_empty_vocabulary_has_empty_kinds():
    empty = Vocabulary(SPECIAL_WORDS)
    for ids in (empty.proposable, empty.keywords, empty.names, empty.beginning_with("")):
        assert ids.dtype == np.int64
        assert ids.shape == (0,)


@pytest.mark.parametrize(
    ("words", "counts", "message"),
    [
        ([], None, "begins with"),
        (["[UNK]", "[PAD]", "[EOS]"], None, "begins with"),
        ([*SPECIAL_WORDS, "x", "y", "x"], None, "'x' stands twice"),
        ([*SPECIAL_WORDS, "[UNK]"], None, "'[UNK]' stands twice"),
        ([*SPECIAL_WORDS, ""], None, "empty word"),
        ([*SPECIAL_WORDS, "x"], [0, 0, 0], "4 words but 3 counts"),
    ],
)
def test_what_is_no_vocabulary(words, counts, message):
    with pytest.raises(VocabularyError) as caught:
        Vocabulary(words, counts)
    assert message in str(caught.value)


# --- words that begin with what is typed -----------------------------------------------------------------------


def test_the_case_of_what_is_typed_does_not_matter():
    assert spelled(SAMPLE, SAMPLE.beginning_with("PA")) == ["Path", "path"]
    assert spelled(SAMPLE, SAMPLE.beginning_with("GRÖSS")) == ["größe"]
    assert spelled(SAMPLE, SAMPLE.beginning_with('"p')) == ['"path"']
    assert spelled(SAMPLE, SAMPLE.beginning_with("pathology")) == []


def test_special_words_begin_with_nothing_that_is_typed():
    assert spelled(SAMPLE, SAMPLE.beginning_with("[")) == []
    assert len(SAMPLE.beginning_with("")) == len(SAMPLE) - len(SPECIAL_WORDS)


@given(st.lists(CASED.filter(bool), unique=True), CASED)
def test_words_that_begin_with_a_prefix_are_those_that_a_scan_finds(words, prefix):
    vocabulary = Vocabulary([*SPECIAL_WORDS, *words])
    scan = [n for n, word in enumerate(words, EOS + 1) if word.casefold().startswith(prefix.casefold())]
    assert vocabulary.beginning_with(prefix).tolist() == scan


# --- the most frequent words -----------------------------------------------------------------------------------

COUNTS = Counter({"b": 2, "a": 2, "é": 2, "z": 9, "once": 1})


def test_words_stand_by_falling_frequency_then_by_their_characters():
    vocabulary = most_frequent(COUNTS)
    assert vocabulary.words == (*SPECIAL_WORDS, "z", "a", "b", "é", "once")
    assert vocabulary.counts == (0, 0, 0, 9, 2, 2, 2, 1)


@pytest.mark.parametrize(
    ("size", "kept"), [(0, ["z", "a", "b", "é", "once"]), (100, ["z", "a", "b", "é", "once"]), (5, ["z", "a"]), (1, [])]
)
def test_the_size_counts_the_special_words_and_0_is_all(size, kept):
    assert most_frequent(COUNTS, size).words == (*SPECIAL_WORDS, *kept)


def test_rare_words_can_be_left_out():
    assert most_frequent(COUNTS, min_count=2).words == (*SPECIAL_WORDS, "z", "a", "b", "é")


def test_special_words_in_the_source_are_not_counted_twice():
    assert most_frequent({"[UNK]": 5, "x": 1}).words == (*SPECIAL_WORDS, "x")


@given(st.dictionaries(ANY_TEXT.filter(bool), st.integers(1, 5)), st.randoms())
def test_the_same_counts_make_the_same_vocabulary_in_any_order(counts, random):
    shuffled = list(counts.items())
    random.shuffle(shuffled)
    assert most_frequent(dict(shuffled)).text() == most_frequent(counts).text()


# --- the file --------------------------------------------------------------------------------------------------

GOOD = "codelm vocabulary 1\n0\t[PAD]\n0\t[UNK]\n0\t[EOS]\n7\t.\n3\tdef\n"


def read(tmp_path: Path, text: str | bytes) -> Vocabulary:
    file = tmp_path / "vocabulary.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return Vocabulary.read(file)


def test_the_file_is_readable():
    vocabulary = Vocabulary([*SPECIAL_WORDS, "x", "größe", '"a b"', '"\\n"', "\x00"], [0, 0, 0, 12, 3, 2, 1, 1])
    assert vocabulary.text().splitlines() == [
        "codelm vocabulary 1",
        "0\t[PAD]",
        "0\t[UNK]",
        "0\t[EOS]",
        "12\tx",
        "3\tgröße",
        '2\t"a b"',
        '1\t"\\\\n"',
        "1\t\\u0000",
    ]


@given(WORDS, st.data())
def test_a_vocabulary_written_and_read_is_the_same(tmp_path_factory, words, data):
    counts = data.draw(st.lists(st.integers(0, 10**17), min_size=len(words), max_size=len(words)))
    vocabulary = Vocabulary([*SPECIAL_WORDS, *words], [0, 0, 0, *counts])
    again = read(tmp_path_factory.getbasetemp(), vocabulary.text())
    assert again.words == vocabulary.words
    assert again.counts == vocabulary.counts
    assert again.sha256 == vocabulary.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "line 1 is not 'codelm vocabulary 1'", id="empty"),
        pytest.param("codelm vocabulary 2\n", "line 1 is not 'codelm vocabulary 1'", id="another version"),
        pytest.param(GOOD.replace("\n", "\r\n"), "line 1 is not 'codelm vocabulary 1'", id="line ends rewritten"),
        pytest.param(GOOD[: len("codelm vocabulary 1")], "cut short", id="cut in the first line"),
        pytest.param(GOOD[:-2], "cut short", id="cut in the last line"),
        pytest.param("codelm vocabulary 1\n", "line 2: a vocabulary begins with [PAD], [UNK], [EOS]", id="no words"),
        pytest.param(GOOD.replace("0\t[UNK]\n", ""), "line 2: a vocabulary begins", id="a special word is missing"),
        pytest.param(GOOD.replace("7\t.", "7 ."), "line 5: expected 'count<TAB>word'", id="no tab"),
        pytest.param(GOOD.replace("7\t.", "7\t"), "line 5: expected 'count<TAB>word'", id="no word"),
        pytest.param(GOOD.replace("7\t.", ""), "line 5: expected 'count<TAB>word'", id="an empty line"),
        pytest.param(GOOD.replace("7\t.", "-7\t."), "line 5: expected 'count<TAB>word'", id="a negative count"),
        pytest.param(GOOD.replace("7\t.", "٧\t."), "line 5: expected 'count<TAB>word'", id="digits not of ASCII"),
        pytest.param(GOOD.replace("7\t", "7" * 5000 + "\t"), "line 5: expected 'count<TAB>word'", id="a giant count"),
        pytest.param(GOOD + "1\t.\n", "line 7: the word '.' stands in line 5 already", id="a word twice"),
        pytest.param(GOOD + "1\td\\u0065f\n", "line 7: the word 'def' stands in line 6 already", id="twice, escaped"),
        pytest.param(GOOD + "1\t\\x41\n", "line 7: the backslash at 0 characters", id="an escape that is none"),
        pytest.param(GOOD + "1\tx\\\n", "line 7: the backslash at 1 characters", id="a backslash at the end"),
        pytest.param(GOOD + "1\t\\U00110000\n", "line 7: the backslash at 0 characters", id="no such character"),
        pytest.param(b"codelm vocabulary 1\n0\t[PAD]\n\xff", "byte 28 is not UTF-8", id="not UTF-8"),
        pytest.param("\ufeff" + GOOD, "line 1 is not 'codelm vocabulary 1'", id="a byte order mark"),
    ],
)
def test_a_broken_file_is_named_with_the_line(tmp_path, text, message):
    with pytest.raises(VocabularyError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert str(tmp_path / "vocabulary.txt") in str(caught.value)


@given(st.binary() | st.text().map(str.encode) | st.text("\\un0x\t\n19af").map(lambda text: (GOOD + text).encode()))
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_bytes(content)
    try:
        vocabulary = Vocabulary.read(file)
    except VocabularyError:
        return
    assert vocabulary.words[:3] == SPECIAL_WORDS
    assert len(set(vocabulary.words)) == len(vocabulary)


@pytest.mark.parametrize("name", [pytest.param("nothing", id="missing"), pytest.param(".", id="a folder")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(VocabularyError) as caught:
        Vocabulary.read(tmp_path / name)
    assert f"cannot read the vocabulary {tmp_path / name}: " in str(caught.value)


@given(ANY_TEXT)
def test_an_escaped_word_is_printable_and_comes_back(word):
    assert escape(word).isprintable()
    assert unescape(escape(word)) == word


@pytest.mark.parametrize("escaped", ["\\", "\\x41", "\\u12", "\\u00AB", "\\U00110000", "\\\\\\"])
def test_a_backslash_that_escapes_nothing_is_an_error(escaped):
    with pytest.raises(ValueError, match="escapes nothing"):
        unescape(escaped)
