"""Completions as a user sees them: source text with the cursor drawn as a bar.

The model is trained on a few modules of the standard library, argparse and os among them.
"""

import time

import models
import pytest

from codelm.completer import Completer
from codelm.completion import Completion, CompletionKind, Completions, Snapshot
from codelm.errors import Cancelled


@pytest.fixture
def completer() -> Completer:
    return Completer(models.checkpoint())


def complete(completer: Completer, source: str, limit: int = 20, **options) -> Completions:
    text, bar, rest = source.partition("|")
    assert bar, "no cursor in the source"
    return completer.complete(Snapshot("file:///a.py", 1, text + rest), len(text), limit=limit, **options)


def accepted(source: str, found: Completions, item: Completion) -> str:
    """The text after accepting an item, with the cursor behind it."""
    text, _, rest = source.partition("|")
    return text[: found.start] + item.text + "|" + rest


def texts(found: Completions) -> list[str]:
    return [item.text for item in found.items]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import |", "os"),
        ("from os.|", "path"),
        ("class Action(|", "_AttributeHolder"),
        ("def __init__(|", "self"),
        ("def f(self):\n    self.|", "_actions"),
        ("def f(x):\n    if x is |", "None"),
        ("for action in self._act|", "_actions"),
        ("if x is no|", "not"),
        ("try:\n    pass\nex|", "except"),
        ("x = [y for y |", "in"),
    ],
)
def test_the_expected_word_is_offered(completer, source, expected):
    assert expected in texts(complete(completer, source))


def test_what_is_typed_is_replaced(completer):
    source = "for action in self._act|"
    found = complete(completer, source)
    best = next(item for item in found.items if item.text == "_actions")
    assert accepted(source, found, best) == "for action in self._actions|"


def test_every_item_fits_what_is_typed_in_upper_or_lower_case(completer):
    found = complete(completer, "x = A|", limit=200)
    assert found.items
    assert all(item.text.lower().startswith("a") for item in found.items)


def test_words_written_as_typed_come_first(completer):
    words = [text for text in texts(complete(completer, "x = N|", limit=50, multi_token=False)) if text.isidentifier()]
    as_typed = [word.startswith("N") for word in words]
    assert True in as_typed
    assert False in as_typed
    assert as_typed == sorted(as_typed, reverse=True)


@pytest.mark.parametrize(
    "source",
    [
        "# impor|",
        "x = 1  # self.|",
        'x = """self.|',
        '"""Documentation of self.|',
        "'a sentence that be|",
        "x = 12|",
        "x = 0x1f|",
        "x = 1e|",
        "x = 3.|",
    ],
    ids=repr,
)
def test_nothing_is_proposed_in_comments_long_strings_and_numbers(completer, source):
    assert complete(completer, source).items == ()


@pytest.mark.parametrize("source", ["x = self.|", "x = os.path.|", "import |", "def |", "class |", "import os as |"])
def test_no_keyword_is_proposed_where_only_a_name_can_be(completer, source):
    found = complete(completer, source, limit=200)
    assert CompletionKind.KEYWORD not in {item.kind for item in found.items}


@pytest.mark.parametrize("source", ["x = value |", "f(1) |", "x = [1, 2] |", "None |"])
def test_no_name_is_proposed_behind_a_value(completer, source):
    found = complete(completer, source, limit=200, multi_token=False)
    assert {item.kind for item in found.items} == {CompletionKind.KEYWORD}
    assert not {"def", "class", "return", "pass"} & set(texts(found))


def test_lone_operators_and_brackets_are_never_items(completer):
    for source in ("x |", "f|", "self|", "print(a|"):
        assert all(item.text[0].isidentifier() for item in complete(completer, source, limit=200).items)


@pytest.mark.parametrize(
    ("source", "text", "kind"),
    [
        ("x = No|", "None", CompletionKind.KEYWORD),
        ("import o|", "os", CompletionKind.MODULE),
        ("if not isin|", "isinstance", CompletionKind.FUNCTION),
        ("x.app|", "append", CompletionKind.METHOD),
        ("raise Val|", "ValueError", CompletionKind.CLASS),
        ("nargs == ZERO_OR_M|", "ZERO_OR_MORE", CompletionKind.CONSTANT),
        ("self._act|", "_actions", CompletionKind.FIELD),
    ],
)
def test_kinds(completer, source, text, kind):
    assert kind in [item.kind for item in complete(completer, source).items if item.text == text]


def test_short_strings_are_completed_in_their_own_quotes(completer):
    assert '"utf8' not in texts(complete(completer, 'x = encoding("|'))
    double = complete(completer, 'if os.name == "n|')
    assert '"nt"' in texts(double)
    single = complete(completer, "if os.name == 'n|")
    assert "'nt'" in texts(single)


def test_a_closing_quote_that_is_there_is_not_doubled(completer):
    source = "if os.name == 'n|':"
    found = complete(completer, source)
    best = next(item for item in found.items if item.text.startswith("'nt"))
    assert accepted(source, found, best) == "if os.name == 'nt|':"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('x = f"{self._act|', "_actions"),
        ('x = f"{self._act|}"', "_actions"),
        ("x = f'a sentence: {self._ac|}.'", "_actions"),
        ('x = f"{os.path.jo|(a)}"', "join"),
        ('x = f\'{d["k"]} {isin|', "isinstance"),
        ('x = f"""\n    two lines\n    {os.|', "path"),
    ],
)
def test_replacement_fields_of_fstrings_are_code(completer, source, expected):
    found = complete(completer, source)
    item = next(item for item in found.items if item.text == expected)
    text, _, rest = source.partition("|")
    assert text[found.start :].isidentifier() or text[found.start :] == ""
    assert accepted(source, found, item) == text[: found.start] + expected + "|" + rest


@pytest.mark.parametrize("source", ['f"{x} self.|', 'f"{{self.|', 'f"{x:>|', 'f"{x!r|', 'f"{1|', '"{self.|'])
def test_the_rest_of_an_fstring_is_text(completer, source):
    assert complete(completer, source).items == ()


def test_items_of_several_tokens_stand_behind_the_first_five(completer):
    found = complete(completer, "def |")
    lines = [place for place, item in enumerate(found.items) if item.kind is CompletionKind.LINE]
    assert lines
    assert min(lines) >= 5
    assert any(item.text.startswith("__init__(self") for item in found.items)


def test_items_of_several_tokens_can_be_left_out(completer):
    found = complete(completer, "def |", multi_token=False)
    assert CompletionKind.LINE not in {item.kind for item in found.items}


def test_never_more_items_than_asked_for(completer):
    for limit in (1, 3, 6, 50):
        assert len(complete(completer, "def |", limit=limit).items) <= limit


def test_no_item_stands_twice(completer):
    for source in ("def |", "import |", "self.|", "x = a|"):
        found = texts(complete(completer, source, limit=100))
        assert len(found) == len(set(found))


def test_a_list_that_holds_all_that_fits_is_complete(completer):
    assert complete(completer, "x = isinst|").complete
    assert not complete(completer, "x = |").complete


def test_indentation_decides_which_block_the_cursor_is_in(completer):
    """Behind a block the same position proposes other things than in it: the model sees INDENT and DEDENT."""
    inside = complete(completer, "def f(x):\n    return x\n    |")
    outside = complete(completer, "def f(x):\n    return x\n|")
    assert texts(inside) != texts(outside)


def test_an_unclosed_bracket_above_does_not_hide_the_statement_below(completer):
    broken = "x = f(a,\n\ndef __init__(|"
    assert "self" in texts(complete(completer, broken))[:3]


def test_the_text_right_of_the_cursor_is_no_context(completer):
    alone = complete(completer, "def f(self):\n    self.|")
    followed = complete(completer, "def f(self):\n    self.|\n\nclass B:\n    pass\n")
    assert texts(alone) == texts(followed)


def test_typing_on_equals_asking_a_completer_that_knows_nothing(completer):
    source = "import os\n\n\ndef f(path):\n    '''Doc.'''\n    if os.path.isfile(path):\n        return None\n"
    for end in range(1, len(source) + 1):
        fresh = Completer(models.checkpoint())
        assert complete(completer, source[:end] + "|") == complete(fresh, source[:end] + "|")


def test_an_empty_file_and_odd_text_have_answers(completer):
    for source in ("|", "\n|", "\\|", "\ufeff|", "\ud800|", "x = '\ud800|", "\x00|", ")|", "\t\t|", "ä = ö|", "x = '|"):
        complete(completer, source)


def test_a_cancelled_request_stops(completer):
    with pytest.raises(Cancelled):
        complete(completer, "def |", cancelled=lambda: True)


def test_cancelled_later_the_search_stops_at_its_next_step(completer):
    polls = iter([False, False, True])
    with pytest.raises(Cancelled):
        complete(completer, "def |", cancelled=lambda: next(polls))


def test_past_the_deadline_single_tokens_are_still_answered(completer):
    found = complete(completer, "def |", deadline=time.monotonic() - 1)
    assert "__init__" in texts(found)


def test_probabilities_fall_and_are_probabilities(completer):
    items = complete(completer, "import |", multi_token=False).items
    probabilities = [item.probability for item in items]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1


@pytest.mark.parametrize("source", ["import argparse as |", "def __init__(self, |", "if x is |", "for i in |", "os.|"])
def test_items_of_several_tokens_end_where_an_expression_can_and_open_what_they_close(completer, source):
    found = [item.text for item in complete(completer, source, limit=200).items if item.kind is CompletionKind.LINE]
    for text in found:
        assert text.count(")") <= text.count("(")
        assert text[-1] in ")]}\"'" or text[-1].isalnum() or text[-1] == "_"
        assert text.split()[-1] not in ("as", "in", "and", "or", "not", "is", "if", "else", "for", "import")


def test_the_first_statement_of_a_file_is_completed_like_any_other(completer):
    for statement in ("@|", "raise |", "def |", "if os.|"):
        assert texts(complete(completer, statement)) == texts(complete(completer, "\n" + statement))
        first, later = (set(texts(complete(completer, before + statement))[:5]) for before in ("", "x = 1\n"))
        assert first & later


def test_no_operator_keyword_is_proposed_where_an_operand_belongs(completer):
    for source in ("x = |", "f(|", "raise |", "return |", "x + |", "[|"):
        assert not {"and", "or", "in", "is", "as", "if", "else"} & set(texts(complete(completer, source, limit=200)))
