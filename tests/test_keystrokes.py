"""What counts as a key in the simulated typing of ``tests/benchmarks/replay/keystrokes.py``."""

import importlib
import sys
from pathlib import Path

import pytest

REPLAY = Path(__file__).parent / "benchmarks" / "replay"


@pytest.fixture(scope="module")
def keystrokes():
    """The benchmark, which runs by itself and not as a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPLAY))
        before = set(sys.modules)
        yield importlib.import_module("keystrokes")
        for name in set(sys.modules) - before:
            if str(REPLAY) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def test_a_character_is_a_key_and_so_is_the_end_of_a_line_but_not_the_indentation(keystrokes):
    assert keystrokes.keys("if x:\n    y\n\n\tz") == len("if x:\n") + len("y\n") + len("\n") + len("z")


@pytest.mark.parametrize(
    ("offer", "rest", "accepted"),
    [
        (".path = path", ".path = path\nnext", ".path = path"),
        (".path = path", ".path = paths\n", ""),  # it would have to be corrected
        (".path = pa", ".path = path\n", ""),
        ("(path)", "(path) as file:", "(path)"),
        (")", ")\n", ""),  # one character is typed as quickly
        (None, "x", ""),
        ("x = 1\nmore", "x = 1\n", "x = 1"),
    ],
)
def test_ghost_text_is_accepted_where_all_of_it_is_right(keystrokes, offer, rest, accepted):
    assert keystrokes.accepted_line(offer, rest) == accepted


@pytest.mark.parametrize(
    ("offer", "rest", "accepted"),
    [
        (" = path.join(a)", " = path.split(a)", ""),  # one sign and its blank are typed as quickly
        ("self.path", "self.name", "self"),
        (" path or None", " path\n", " path"),
        ("self", "selfish", ""),
        ("== 1", "== 2", "=="),
        (None, "x", ""),
    ],
)
def test_the_first_word_of_ghost_text_is_accepted_where_it_is_right(keystrokes, offer, rest, accepted):
    assert keystrokes.accepted_word(offer, rest) == accepted


def test_of_the_list_the_first_right_item_of_five_is_accepted(keystrokes):
    assert keystrokes.accepted_item(["other", None, "path", "path.join"], "path.join(x)") == ("path", 2)
    assert keystrokes.accepted_item(["a", "b", "c", "d", "e", "path"], "path") == ("", 0)
    assert keystrokes.accepted_item(["pat"], "path") == ("", 0)


def test_what_was_saved_is_counted_in_keys_with_and_without_those_to_go_down(keystrokes):
    typed = [keystrokes.Typed("a.py", characters=100, pressed=60, down=10), keystrokes.Typed("b.py", 100, 100)]
    assert keystrokes.saved(typed) == pytest.approx(0.2)
    assert keystrokes.saved(typed, down=True) == pytest.approx(0.15)
    assert "20.0%" in keystrokes.table("server", typed)


def test_prose_is_comments_and_docstrings(keystrokes):
    text = (
        '"""A module."""\n\nx = "no prose"  # but this\n\n\n'
        'def f():\n    """Twice.\n\n    And more.\n    """\n    "code" + g()\n'
    )
    prose = keystrokes.prose_in(text)
    marked = [letter for letter, is_prose in zip(text, prose, strict=True) if is_prose]
    docstring = '"""Twice.\n\n    And more.\n    """'
    assert "".join(marked) == '"""A module."""# but this' + docstring
    indentation = 2 * 4  # the editor's
    assert keystrokes.keys_of_prose(text, prose) == len(marked) - indentation


def test_what_was_saved_in_code_leaves_prose_out(keystrokes):
    typed = [keystrokes.Typed("a.py", characters=100, pressed=70, prose=40, prose_pressed=40)]
    assert keystrokes.saved(typed) == pytest.approx(0.3)
    assert keystrokes.saved_in_code(typed) == pytest.approx(0.5)
    assert "50.0%; 40.0%" in keystrokes.table("server", typed)
