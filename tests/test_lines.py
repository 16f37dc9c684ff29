"""Lines that the completer suggests: source text with the cursor drawn as a bar, a small model of real code."""

import time

import models
import pytest

from codelm.completer import Completer
from codelm.completion import Selected, Snapshot, Suggestions
from codelm.errors import Cancelled

POINT = "class A:\n    def __init__(self, a, b):\n        self.a = a\n        self.b = b\n        self.a = a\n"
CALLS = "frobnicate(alpha, beta=None)\nx = 1\n" * 9


@pytest.fixture
def completer() -> Completer:
    return Completer(models.checkpoint())


def suggest(completer: Completer, source: str, *, limit: int = 1, least: float = 0.0, **options) -> Suggestions:
    text, bar, rest = source.partition("|")
    assert bar, "no cursor in the source"
    return completer.suggest(Snapshot("file:///a.py", 1, text + rest), len(text), limit=limit, least=least, **options)


def accepted(source: str, found: Suggestions) -> list[str]:
    text = source.replace("|", "")
    return [text[: item.start] + item.text + "|" + text[item.end :] for item in found.items]


def suggested(completer: Completer, source: str, **options) -> list[str]:
    return accepted(source, suggest(completer, source, **options))


@pytest.mark.parametrize(
    ("before", "typed"), [(CALLS, ""), (CALLS, "f"), (CALLS, "frob"), (CALLS, "frobnicate"), (CALLS, "frobnicate(")]
)
def test_a_line_of_the_file_is_suggested_again(completer, before, typed):
    assert suggested(completer, f"{before}{typed}|") == [f"{before}frobnicate(alpha, beta=None)|"]


def test_the_next_statement_is_suggested_on_an_empty_line(completer):
    source = POINT + "        |\n\n    def f(self):\n        pass\n"
    assert suggested(completer, source)[0].startswith(POINT + "        self.")


@pytest.mark.parametrize("source", ["# frob|", "x = 'a sentence that|", "x = 0x|", "x = 1e|", "x = f'{frob|}'"])
def test_nothing_is_suggested_in_comments_long_strings_fields_and_half_a_number(completer, source):
    assert suggested(completer, CALLS + source) == []


def test_behind_a_number_a_line_goes_on(completer):
    before = "frobnicate(1, beta)\nx = 1\nfrobnicate(1, beta)\ny = 2\n"
    assert suggested(completer, before + "frobnicate(1|") == [before + "frobnicate(1, beta)|"]
    assert suggested(completer, before + "frobnicate(1|)") == [before + "frobnicate(1, beta)|"]


@pytest.mark.parametrize("source", ["frobnicate(|)", "frobnicate(al|)", "frobnicate(alpha, |)", "frobnicate(|)  # x"])
def test_a_bracket_that_is_there_is_not_closed_again(completer, source):
    found = suggested(completer, CALLS + source)
    assert found == [CALLS + "frobnicate(alpha, beta=None)|" + source.partition(")")[2]]


def test_upper_and_lower_case_are_kept_as_typed(completer):
    for item in suggest(completer, CALLS + "FROB|").items:
        assert item.text.startswith("FROB")


@pytest.mark.parametrize(
    ("typed", "expected"), [('x["alp|', 'x["alpha"]|'), ("x['alp|", "x['alpha']|"), ("x['alp|']", "x['alpha']|")]
)
def test_a_string_is_completed_in_its_own_quotes_and_the_line_goes_on(completer, typed, expected):
    before = 'x["alpha"]\ny = 1\n' * 3
    assert suggested(completer, before + typed) == [before + expected]


def test_other_strings_have_the_quotes_of_the_file(completer):
    before = "frobnicate('alpha')\ny = 1\n" * 3
    assert suggested(completer, before + "frob|") == [before + "frobnicate('alpha')|"]
    assert suggested(completer, before.replace("'", '"') + "frob|") == [
        before.replace("'", '"') + 'frobnicate("alpha")|'
    ]


# --- behind a selected item --------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "fr", "frobnicate"])
def test_it_extends_the_item_that_is_selected(completer, typed):
    source = f"{CALLS}{typed}|"
    (item,) = suggest(completer, source, selected=Selected(len(CALLS), "frobnicate")).items
    assert item.text == "frobnicate(alpha, beta=None)"
    assert (item.start, item.end) == (len(CALLS), len(CALLS) + len(typed))


def test_an_item_of_several_words_is_extended_too(completer):
    (item,) = suggest(completer, CALLS + "fr|", selected=Selected(len(CALLS), "frobnicate(alpha")).items
    assert item.text == "frobnicate(alpha, beta=None)"


def test_an_item_that_would_change_what_is_typed_is_not_extended(completer):
    assert suggest(completer, CALLS + "FR|", selected=Selected(len(CALLS), "frobnicate")).items == ()


# --- typing along ------------------------------------------------------------------------------------------------


def test_typing_along_keeps_a_suggestion_without_a_search(completer):
    source = CALLS + "fr|"
    first = suggest(completer, source)
    further = suggest(completer, CALLS + "frobnicate(al|", cancelled=lambda: True)
    assert accepted(CALLS + "frobnicate(al|", further) == accepted(source, first)
    assert further.items[0].probability > first.items[0].probability


@pytest.mark.parametrize("forget", [Completer.forget, lambda completer: completer.close("file:///a.py")])
def test_nothing_is_kept_of_a_document_that_is_closed_or_forgotten(completer, forget):
    suggest(completer, CALLS + "fr|")
    forget(completer)
    with pytest.raises(Cancelled):
        suggest(completer, CALLS + "frob|", cancelled=lambda: True)


def test_what_was_suggested_does_not_depend_on_what_was_asked_before(completer):
    source = CALLS + "frobnicate(alpha, beta=None)\nz = frobnicate(al"
    for end in range(len(CALLS), len(source) + 1):
        completer.suggest(Snapshot("file:///b.py", 1, source[:end]), end, limit=1, least=0.9)
        found = suggest(completer, source[:end] + "|", selected=Selected(end, ""))
        assert found == suggest(Completer(models.checkpoint()), source[:end] + "|", selected=Selected(end, ""))


# --- stopping ----------------------------------------------------------------------------------------------------


def test_a_cancelled_request_stops(completer):
    for polls in (1, 2, 3):
        answers = iter([False] * (polls - 1) + [True])
        with pytest.raises(Cancelled):
            suggest(completer, CALLS + "|", cancelled=lambda answers=answers: next(answers))


def test_past_the_deadline_there_is_what_was_found_until_then(completer):
    for item in suggest(completer, CALLS + "frob|", deadline=time.monotonic() - 1).items:
        assert "frobnicate(alpha, beta=None)".startswith(item.text)


def test_odd_text_has_answers(completer):
    for source in ("|", "\n|", "\\|", "\ufeff|", "\ud800|", "x = '\ud800|", "\x00|", ")|", "\t\t|", "ä = ö|", "x = '|"):
        suggest(completer, source, limit=5)
