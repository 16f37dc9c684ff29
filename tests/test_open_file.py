"""The open file: what it has learned depends on its text and the cursor alone, never on the edits that led there."""

import random
import sysconfig
from pathlib import Path

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import SOURCES

from codelm import open_file
from codelm.completer import Completer
from codelm.completion import Snapshot
from codelm.file_cache import FileModel
from codelm.file_words import FILLER, Places
from codelm.lexer import lex_from_scratch, relex
from codelm.model import log_probs
from codelm.open_file import OpenFile
from codelm.secrecy import without_secrets
from codelm.session import SessionVocabulary
from codelm.vocabulary import SPECIAL_WORDS, Vocabulary
from codelm.weights import unfitted
from codelm.words import words_of

TEXT = '''"""A module."""
import os

class Shape:
    """Has an area."""

    def __init__(self, name="a shape", *, unit='m'):
        self.name = name
        self.points = [
            (0, 1),
            (2, 3),  # the last
        ]

    def area(self):
        if not self.points:
            raise ValueError(f"no {self.name}")
        return sum(x * y for x, y in self.points)


def main(path):
    password = "swordfish"
    print(Shape(os.path.basename(path)).area())
'''


def learn(file: OpenFile, text: str, offset: int) -> Places:
    """Learn what a completer learns when it is asked for completions at an offset."""
    lexed = file.lex(text[:offset] + "x")
    at = len(lexed.tokens) - 1
    while not lexed.tokens[at].text:
        at -= 1
    return file.learn(lexed, at, text, offset)


def above_and_below(session: SessionVocabulary, places: Places) -> tuple[list[str], list[str]]:
    """Return the words above the cursor and those below it."""
    sequence = [session.word(int(places.words[number])) if number >= 0 else "" for number in places.sequence.tolist()]
    return sequence[FILLER + 1 : places.gap], sequence[places.gap + 1 :]


def at_bar(source: str) -> tuple[list[str], list[str]]:
    text, bar, rest = source.partition("|")
    assert bar, "no cursor in the source"
    session = SessionVocabulary(Vocabulary(SPECIAL_WORDS))
    return above_and_below(session, learn(OpenFile(session), text + rest, len(text)))


def test_the_words_above_and_on_the_line_and_those_of_the_lines_below():
    above, below = at_bar("import os\nx = os.pa| + 1\ny = x\n")
    assert above == ["import", "os", "<NEWLINE>", "x", "=", "os", "."]
    assert below == ["y", "=", "x", "<NEWLINE>"]


def test_the_rest_of_the_cursors_line_is_not_learned_nor_what_is_typed():
    assert at_bar("sec|ret + other") == ([], [])


def test_what_may_be_a_secret_is_learned_nowhere():
    above, below = at_bar("password = 'swordfish'\nx = 'aX9$k2LqT8', |\ntoken = 'gandalf'\n")
    assert above == ["password", "=", "<STR>", "<NEWLINE>", "x", "=", "<STR>", ","]
    assert below == ["token", "=", "<STR>", "<NEWLINE>"]


def test_below_the_cursor_whole_lines_are_learned_as_many_as_fit(monkeypatch):
    monkeypatch.setattr(open_file, "BELOW", 12)
    assert at_bar("|\nab = 1\ncd = 2\nef = 3\n")[1] == ["ab", "=", "1", "<NEWLINE>"]
    assert at_bar("|\nab = 1\ncd=2\n\n\n")[1] == ["ab", "=", "1", "<NEWLINE>", "cd", "=", "2", "<NEWLINE>"]
    assert at_bar("|\nabcdefgh = 12345\n")[1] == []


@given(text=SOURCES)
def test_learned_line_by_line_the_words_are_those_of_the_whole(text):
    lexed = lex_from_scratch(text + "x")
    at = max(place for place, token in enumerate(lexed.tokens) if token.text)
    session = SessionVocabulary(Vocabulary(SPECIAL_WORDS))
    above, _ = above_and_below(session, learn(OpenFile(session), text, len(text)))
    assert above == without_secrets(words_of(lexed.tokens[:at]))


# --- unlearning ----------------------------------------------------------------------------------------------

PIECES = st.sampled_from([
    "", "x", "self.", "\n", "    ", "\n\n    ", "(", ")", "[", "'", '"', '"""', "'''", "\\", "#", "\r", "\t",
    "def f(a):\n", "return area\n", "password = 'swordfish'\n", "import re\n", "größe", "f'{", "}", "\\\n", "\f",
])  # fmt: skip
PLACES = st.floats(0, 1)
EDITS = st.lists(st.tuples(PLACES, st.integers(0, 30), PIECES, PLACES | st.none()), min_size=1, max_size=8)


def edited(text: str, at: float, removed: int, added: str) -> tuple[str, int]:
    """Return the text after an edit, and where it ends."""
    begin = round(at * len(text))
    return text[:begin] + added + text[begin + removed :], begin + len(added)


@given(text=st.just(TEXT) | SOURCES, edits=EDITS, below=st.sampled_from([20_000, 40]))
def test_an_edit_unlearns_exactly_what_it_removed(text, edits, below):
    """Cursors follow the edit, or jump elsewhere."""
    session = SessionVocabulary(Vocabulary(SPECIAL_WORDS))
    file = OpenFile(session)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_file, "BELOW", below)
        for at, removed, added, jump in edits:
            text, cursor = edited(text, at, removed, added)
            cursor = cursor if jump is None else round(jump * len(text))
            places = learn(file, text, cursor)
            scratch = learn(OpenFile(session), text, cursor)
            assert above_and_below(session, places) == above_and_below(session, scratch)
            assert_same_predictions(session, places, scratch)


def assert_same_predictions(session: SessionVocabulary, places: Places, scratch: Places) -> None:
    size = len(session)
    models_of_both = [FileModel(of, size, unfitted().caches["file"]) for of in (places, scratch)]
    sequence = places.sequence[: places.gap]
    context = places.words[sequence[sequence >= 0][-FILLER:]]
    states = [model.read(model.start(), context) for model in models_of_both]
    scores = [log_probs(model, state, 1, size) for model, state in zip(models_of_both, states, strict=True)]
    proposals = [model.propose(state, 20) for model, state in zip(models_of_both, states, strict=True)]
    np.testing.assert_array_equal(*scores)
    np.testing.assert_array_equal(*proposals)


def test_blocks_that_end_where_lexing_resumes_end_again():
    text = "if x:\n" + "    y = f(1, 'two')\n" * 20 + "z = 1\n"
    old = lex_from_scratch(text)
    assert old.marks[-1].offset == text.index("z")
    assert relex(old, text + "z").tokens == lex_from_scratch(text + "z").tokens


def test_ten_thousand_edits_leave_no_trace():
    """Of a real file, as someone writes: at one place for a while, then at another; most is undone in the end."""
    chance = random.Random(1)
    text = (Path(sysconfig.get_path("stdlib")) / "textwrap.py").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    pieces = [*"xy_(). \n:'", "self.", "foo", "    ", "def new_name(self):\n", "'a' + ", "import re\n"]
    completer = Completer(models.checkpoint())
    cursor, before, compared = 0, text, 0
    for number in range(1, 10_001):
        if number % 50 == 0:
            text = before = before if chance.random() < 0.9 else text
            cursor = chance.randrange(len(text) + 1)
        if chance.random() < 0.4:
            begin = max(0, cursor - chance.choice([1, 1, 1, 5, 40]))
            text, cursor = text[:begin] + text[cursor:], begin
        else:
            piece = chance.choice([chance.choice(pieces), chance.choice(lines), f"name{number % 997}."])
            text, cursor = text[:cursor] + piece + text[cursor:], cursor + len(piece)
        found = completer.complete(Snapshot("file:///a.py", number, text), cursor, limit=20, multi_token=False)
        if number % 100 == 49 or number == 10_000:
            scratch = Completer(models.checkpoint())
            fresh = scratch.complete(Snapshot("file:///a.py", 1, text), cursor, limit=20, multi_token=False)
            assert found.items == fresh.items
            assert found.start == fresh.start
            compared += len(found.items)
    assert compared > 400
