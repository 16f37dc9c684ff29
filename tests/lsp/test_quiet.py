"""Where ghost text would be a nuisance. The cursor is drawn as ``|``."""

import pytest

from codelm.lsp.quiet import is_quiet
from codelm.settings import InlineSettings

ALL = InlineSettings()
NO_MID_LINE = InlineSettings(mid_line=False)
NO_NEW_LINE = InlineSettings(new_line=False)
NEITHER = InlineSettings(mid_line=False, new_line=False)
ASKED_FOR = None


def quiet(line: str, settings: InlineSettings | None) -> bool:
    before, _, after = line.partition("|")
    return is_quiet(before, after, settings)


@pytest.mark.parametrize("settings", [ALL, NO_MID_LINE, NO_NEW_LINE, NEITHER, ASKED_FOR])
@pytest.mark.parametrize("line", ["na|me", "|name", "x = |_y", "x = |é", "x.|a()", "1|0"])
def test_before_a_letter_it_is_always_quiet(line, settings):
    assert quiet(line, settings)


@pytest.mark.parametrize("settings", [ALL, NO_MID_LINE, NO_NEW_LINE, NEITHER, ASKED_FOR])
@pytest.mark.parametrize(
    "line", ["x = |", "    return sel|", "x = f(|)", "x = f(a|)])", 'f("|")', "x = [|] \t", "x = |  "]
)
def test_at_the_end_of_a_line_it_never_is_and_closing_brackets_and_quotes_are_its_end(line, settings):
    assert not quiet(line, settings)


@pytest.mark.parametrize("line", ["f(|, x)", "x = | + 1", "for x in |:", "x| = 1", "f(|)  # why", "f(|[0])"])
def test_before_other_text_it_is_as_the_setting_has_it(line):
    assert quiet(line, NO_MID_LINE)
    assert not quiet(line, ALL)
    assert not quiet(line, NO_NEW_LINE)
    assert not quiet(line, ASKED_FOR)


@pytest.mark.parametrize("line", ["|", "    |", "\t|\t", "  |  "])
def test_on_an_empty_line_it_is_as_the_setting_has_it(line):
    assert quiet(line, NO_NEW_LINE)
    assert not quiet(line, ALL)
    assert not quiet(line, NO_MID_LINE)
    assert not quiet(line, ASKED_FOR)
