"""How a network reads and predicts each word of a corpus: by itself, by its pieces, or as one of the unknown."""

import numpy as np
import pytest

from codelm.neural.pieces import buckets_of
from codelm.neural.shape import Shape
from codelm.vocabulary import EOS, PAD, UNK, Vocabulary
from codelm_train.networks.words import IGNORED, Places, Words

VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[EOS]", "self", "return", "rare_name", "rarer"))
LEXICON = ("return", "self", "never_seen", "rarer", "rare_name", "[PAD]", "[EOS]", "[UNK]")
RETURN, SELF, NEVER, RARER, RARE, LIKE_PAD, LIKE_EOS, LIKE_UNK = range(8)
# Three words besides the special ones are read by vectors of their own, and two are outputs.
SHAPE = Shape(kind="lstm", words=7, outputs=5, rows=6, pieces=50, embedding=2, hidden=2)
WORDS = Words(LEXICON, VOCABULARY, SHAPE)


def batch(inputs: list[int], targets: list[int]):
    columns = np.array([inputs]).T, np.array([targets]).T
    return WORDS.batch(Places(*columns, np.ones(1, bool)))


def read(place: int) -> tuple[int, list[int]]:
    """The row of its own that a word is read by, and the buckets of its pieces."""
    found = batch([place], [IGNORED])
    assert found.words.tolist() == [[0]]
    return int(found.own[0]), found.pieces.tolist()


def pieces(word: str) -> list[int]:
    return buckets_of([word], SHAPE.pieces)[0].tolist()


@pytest.mark.parametrize(
    ("place", "own", "spelled"),
    [
        (SELF, 3, "self"),
        (RARE, 5, "rare_name"),
        (RARER, UNK, "rarer"),  # in the vocabulary, without a row
        (NEVER, UNK, "never_seen"),  # not even in the vocabulary: its pieces are all that is known
        (LIKE_PAD, UNK, "PAD"),  # someone's text, and no begin
        (LIKE_EOS, UNK, "EOS"),
        (LIKE_UNK, UNK, "UNK"),
    ],
)
def test_a_word_is_read_by_its_row_and_its_pieces(place, own, spelled):
    assert read(place) == (own, pieces(spelled))


def test_what_stands_before_a_sequence_has_a_row_and_no_pieces():
    assert read(WORDS.pad) == (PAD, [])


@pytest.mark.parametrize(
    ("place", "output", "tail"),
    [
        (SELF, 3, IGNORED),
        (RETURN, 4, IGNORED),
        (RARE, UNK, 1),  # the first id that is no output
        (RARER, UNK, 2),
        (NEVER, UNK, 0),
        (LIKE_EOS, UNK, 0),
        (WORDS.eos, EOS, IGNORED),
    ],
)
def test_a_word_is_an_output_or_a_share_of_unk(place, output, tail):
    assert batch([WORDS.pad], [place]).targets.tolist() == [[output]]
    assert WORDS.tail(np.array([[place, IGNORED]])).tolist() == [[tail, IGNORED]]


def test_a_batch_looks_each_different_word_up_once():
    found = batch([WORDS.pad, SELF, NEVER, SELF, SELF], [SELF, NEVER, SELF, SELF, IGNORED])
    assert found.targets.ravel().tolist() == [3, UNK, 3, 3, IGNORED]
    assert found.own[found.words].ravel().tolist() == [PAD, 3, UNK, 3, 3]
    assert len(found.own) == 3
    ends = [*found.starts.tolist()[1:], len(found.pieces)]
    by_word = [found.pieces[start:end].tolist() for start, end in zip(found.starts.tolist(), ends, strict=True)]
    assert [by_word[word] for word in found.words.ravel()] == [
        [], pieces("self"), pieces("never_seen"), pieces("self"), pieces("self"),
    ]  # fmt: skip


def test_the_shares_of_unk_are_those_of_training():
    counts = np.array([10, 20, 3, 1, 5, 1, 0, 0])
    shares = np.exp(WORDS.tail_shares(counts))
    assert shares.shape == (7 - 5 + 1,)
    # Outside the vocabulary 3 + 1, "rare_name" 5, "rarer" 1; and one more each.
    assert shares == pytest.approx(np.array([5, 6, 2]) / 13)


def test_a_word_that_never_occurred_has_a_share_nevertheless():
    assert np.exp(WORDS.tail_shares(np.zeros(8, np.int64))) == pytest.approx([1 / 3] * 3)


def test_outputs_are_counted_as_they_are_to_be_predicted():
    counts = np.array([10, 20, 3, 1, 5, 1, 0, 0])
    assert WORDS.output_counts(counts, 5, sequences=7).tolist() == [0, 3 + 1 + 5 + 1, 7, 20, 10]


def test_words_without_pieces():
    shape = Shape(kind="lstm", words=7, outputs=5, rows=6, pieces=0, embedding=2, hidden=2)
    found = Words(LEXICON, VOCABULARY, shape).batch(Places(np.array([[SELF]]), np.array([[RARE]]), np.ones(1, bool)))
    assert found.pieces.tolist() == []
    assert found.starts.tolist() == [0]
