"""Completions in comments, docstrings and strings: source text with the cursor drawn as a bar.

The model is trained on the prose of a few modules of the standard library, argparse and os among them.
"""

from dataclasses import replace

import models
import pytest

from codelm.completer import Completer
from codelm.completion import Completion, CompletionKind, Completions, Snapshot, Suggestion
from codelm.errors import Cancelled

URI = "file:///a.py"


@pytest.fixture
def completer() -> Completer:
    return Completer(replace(models.checkpoint(), prose=models.prose()))


def parts(source: str) -> tuple[str, str]:
    before, bar, behind = source.partition("|")
    assert bar, "no cursor in the source"
    return before, behind


def complete(completer: Completer, source: str, **options) -> Completions:
    before, behind = parts(source)
    return completer.complete(Snapshot(URI, 1, before + behind), len(before), limit=20, **options)


def suggest(completer: Completer, source: str, least: float = 0.1, **options) -> list[str]:
    """The lines as they would be with each of the suggestions accepted, the cursor behind it."""
    before, behind = parts(source)
    found = completer.suggest(Snapshot(URI, 1, before + behind), len(before), limit=3, least=least, **options)
    return [accepted(before + behind, item) for item in found.items]


def accepted(text: str, item: Suggestion) -> str:
    return text[: item.start] + item.text + "|" + text[item.end :]


def texts(found: Completions) -> list[str]:
    return [item.text for item in found.items]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# the argu|", "arguments"),
        ("x = 1  # Raise an exc|", "exception"),
        ('"""Return the dir|', "directory"),
        ('def f():\n    """Walk.\n\n    Return the dir|\n    """\n', "directory"),
        ('raise ValueError("not a dir|")', "directory"),
    ],
)
def test_words_that_begin_as_typed_are_listed(completer, source, expected):
    found = complete(completer, source)
    item = next(item for item in found.items if item.text == expected)
    assert item.kind is CompletionKind.TEXT
    before, _ = parts(source)
    assert before[: found.start] + item.text == before.rpartition(" ")[0] + f" {expected}"


def test_a_word_of_the_file_s_own_prose_is_listed_above_the_cursor_and_below_it(completer):
    assert "zymurgy" in texts(complete(completer, "# The zymurgy of it.\nx = 1\n# Of zy|"))
    assert "zymurgy" in texts(complete(completer, "# Of zy|\nx = 1\n# The zymurgy of it.\n"))
    assert "zymurgy" in texts(complete(completer, '"""The zymurgy of it.\n\nOf zy|\n"""\n'))
    below = 'def f():\n    """Of zy|\n    """\n\n\ndef g():\n    """The zymurgy of it."""\n'
    assert "zymurgy" in texts(complete(completer, below))


def test_a_docstring_speaks_of_its_function_s_parameters(completer):
    assert "quuxes" in texts(complete(completer, 'def f(quuxes):\n    """Count the qu|'))
    assert "quuxes" in texts(complete(completer, 'def f(quuxes):\n    """Count.\n\n    qu|'))


def test_what_was_taken_out_is_forgotten(completer):
    assert "zymurgy" in texts(complete(completer, "# The zymurgy of it.\n# Of zy|"))
    completer.close(URI)
    completer.forget()
    assert "zymurgy" not in texts(complete(completer, "# Of zy|"))


@pytest.mark.parametrize("source", ["# |", "# the |", "# the a|", "# see joe@exa|", "#|", '"""|"""'])
def test_no_list_opens_before_two_letters_are_typed_or_where_an_address_is(completer, source):
    assert complete(completer, source).items == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# the current work|", "# the current working"),
        ('"""Return the direc|"""', '"""Return the directory'),
        ("x = 1  # the default v|", "x = 1  # the default value"),
    ],
)
def test_the_rest_of_the_word_is_suggested(completer, source, expected):
    assert any(line.startswith(expected) for line in suggest(completer, source))


def test_words_follow_as_long_as_they_are_sure(completer):
    said = "# The quick brown fox jumps over the lazy dog.\n"
    assert (
        suggest(completer, said * 3 + "# The quick br|")[0]
        == said * 3 + "# The quick brown fox jumps over the lazy dog|"
    )


def test_behind_a_whole_word_the_next_ones_are_suggested_with_their_blank(completer):
    said = "# The quick brown fox jumps.\n" * 3
    assert suggest(completer, said + "# The quick|")[0] == said + "# The quick brown fox jumps|"


def test_what_stands_right_of_the_cursor_stays(completer):
    said = "# The quick brown fox jumps.\n" * 3
    assert suggest(completer, said + 'f("The quick br|")')[0] == said + 'f("The quick brown fox jumps|")'


@pytest.mark.parametrize(
    ("source", "quoted"),
    [("f('Here we do|", True), ('f("Here we do|', False), ("# Here we do|", False), ("'''Here we do|", False)],
)
def test_no_word_ends_the_string_that_it_is_proposed_in(completer, source, quoted):
    said = "# Here we don't know.\n" * 3
    assert ("don't" in texts(complete(completer, said + source))) is not quoted
    assert (
        any("don't" in line for line in [text[len(said) :] for text in suggest(completer, said + source)]) is not quoted
    )


def test_a_suggestion_stays_while_it_is_typed(completer):
    said = "# The quick brown fox jumps.\n" * 3
    first = suggest(completer, said + "# The quick br|")[0]
    assert suggest(completer, said + "# The quick bro|")[0] == first


def test_nothing_is_suggested_that_is_less_probable_than_asked(completer):
    assert suggest(completer, "# the |", least=0.99) == []


def test_what_the_first_key_needs_is_made_in_time_that_is_left_over(completer):
    fresh = complete(Completer(completer.knowledge.checkpoint), "# the argu|")
    while completer.idle():
        pass
    assert complete(completer, "# the argu|") == fresh


def test_prose_can_be_left_out(completer):
    assert complete(completer, "# the argu|", prose=False).items == ()
    assert suggest(completer, "# the current work|", prose=False) == []


def test_a_model_without_prose_has_none():
    completer = Completer(models.checkpoint())
    assert complete(completer, "# the argu|").items == ()
    assert suggest(completer, "# the current work|") == []


def test_code_is_not_touched_by_it(completer):
    without = Completer(models.checkpoint())
    for source in ("import |", "for action in self._act|", 'open("r|', "x = |"):
        assert complete(completer, source) == complete(without, source)


def test_a_request_that_is_cancelled_ends(completer):
    with pytest.raises(Cancelled):
        suggest(completer, "# the current work|", cancelled=lambda: True)


def test_items_say_what_proposes_them(completer):
    found = complete(completer, "# The zymurgy of it.\nx = 1\n# Of zy|")
    assert {item.source.value for item in found.items if item.text == "zymurgy"} == {"file"}
    assert all(isinstance(item, Completion) and 0 < item.probability <= 1 for item in found.items)
