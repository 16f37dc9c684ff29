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


def test_of_the_list_the_first_right_item_of_five_is_accepted(keystrokes):
    assert keystrokes.accepted_item(["other", None, "path", "path.join"], "path.join(x)") == ("path", 2)
    assert keystrokes.accepted_item(["a", "b", "c", "d", "e", "path"], "path") == ("", 0)
    assert keystrokes.accepted_item(["pat"], "path") == ("", 0)


def test_what_was_saved_is_counted_in_keys_with_and_without_those_to_go_down(keystrokes):
    typed = [keystrokes.Typed("a.py", characters=100, pressed=60, down=10), keystrokes.Typed("b.py", 100, 100)]
    assert keystrokes.saved(typed) == pytest.approx(0.2)
    assert keystrokes.saved(typed, down=True) == pytest.approx(0.15)
    assert "20.0%" in keystrokes.table("server", typed)
