"""Completions as a user sees them: source text with the cursor drawn as a bar.

The model is trained on a few modules of the standard library, argparse and os among them.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import models
import pytest

from codelm.checkpoint import BUNDLED, load
from codelm.completer import Completer
from codelm.completion import Completion, CompletionKind, Completions, Snapshot, Source
from codelm.environment import Environment
from codelm.errors import Cancelled
from codelm.importable import Importable
from codelm.knowledge import Knowledge
from codelm.learned import ordered
from codelm.names import Names
from codelm.workspace import WorkspaceIndex, updated, without
from codelm.workspace_cache import WorkspaceModel
from codelm.workspace_files import path_key, source_files
from codelm.workspace_format import decoded_index, encoded


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
    assert expected in texts(complete(completer, source, limit=200))


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
def test_no_code_is_proposed_in_comments_long_strings_and_numbers(completer, source):
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


def test_kinds_that_are_found_out_ahead_are_those_that_are_found_when_asked(completer, monkeypatch):
    sources = ("x = |", "x.|", "for a in |", "|")
    expected = [complete(completer, source, limit=100, multi_token=False).items for source in sources]
    ahead = Completer(models.checkpoint())
    while ahead.idle():
        pass
    monkeypatch.setattr(Names, "_calls_of", None)  # nobody asks any more
    assert [complete(ahead, source, limit=100, multi_token=False).items for source in sources] == expected


def test_only_what_is_known_to_be_there_is_said_to_come_from_names():
    bundled = Completer(load(BUNDLED))
    sources = {item.source for item in complete(bundled, "def f(path):\n    with ope|", limit=50).items}
    assert Source.NAMES not in sources, "nothing is known of what may stand there"
    assert Source.NETWORK in sources


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


@pytest.mark.parametrize("quote", ["'", '"'])
def test_items_of_several_tokens_have_the_quotes_of_the_file(completer, quote):
    before = f"frobnicate.a({quote}b{quote})\n" * 9
    assert f"frobnicate.a({quote}b{quote})" in texts(complete(completer, before + "frob|"))


def test_items_in_an_fstring_have_other_quotes_than_it(completer):
    before = 'x = (frobnicate.a("b"))\n' * 9
    assert "frobnicate.a('b')" in texts(complete(completer, before + 'x = f"{frob|'))


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


def test_the_text_right_of_the_cursor_on_its_line_is_no_context(completer):
    source = "class A:\n    def f(self):\n        x = self.|{}\n        return x\n"
    alone = complete(completer, source.format(""))
    for rest in (" + other_name(x)", "[1]; y = 2", "  # self.other_name"):
        assert complete(completer, source.format(rest)) == alone


def test_typing_on_equals_asking_a_completer_that_knows_nothing(completer):
    source = "import os\n\n\ndef f(path):\n    '''Doc.'''\n    if os.path.isfile(path):\n        return None\n"
    for end in range(1, len(source) + 1):
        fresh = Completer(models.checkpoint())
        assert complete(completer, source[:end] + "|") == complete(fresh, source[:end] + "|")
        below = source[:end] + "|" + source[end:]
        assert complete(completer, below) == complete(fresh, below)


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


# --- what the file teaches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "def frobnicate_all(x):\n    return x\n\n\ny = frob|",
        "y = frob|\n\n\ndef frobnicate_all(x):\n    return x\n",
        "x.frobnicate_all = 1\nx.|",
        "y = |\nfrobnicate_all(y)",
        'f(frobnicate_all)\nx = f"{frob|}"',
    ],
    ids=repr,
)
def test_a_name_of_the_file_that_the_model_has_never_seen_is_offered_whole(completer, source):
    found = complete(completer, source, limit=200)
    item = next(item for item in found.items if item.text == "frobnicate_all")
    assert accepted(source, found, item).count("frobnicate_all") == 2


def test_a_name_that_was_deleted_is_no_longer_offered(completer):
    assert "frobnicate_all" in texts(complete(completer, "frobnicate_all = 1\nx = fr|"))
    assert "frobnicate_all" not in texts(complete(completer, "\nx = fr|"))


def test_what_is_being_typed_is_not_offered_itself(completer):
    assert complete(completer, "x = frobnic|").items == ()
    assert complete(completer, "x = frobnica|").items == ()


def test_names_of_the_file_may_stand_only_where_a_name_may(completer):
    assert "frobnicate_all" not in texts(complete(completer, "frobnicate_all = 1\nx = value |", limit=200))


def test_strings_of_the_file_are_offered_in_the_quotes_that_are_typed(completer):
    source = "d[\"frob_key\"] = 1\nprint(d['frob_|'])"
    found = complete(completer, source)
    item = next(item for item in found.items if item.text == "'frob_key")
    assert accepted(source, found, item).endswith("print(d['frob_key|'])")


@pytest.mark.parametrize(
    ("secret", "typed"),
    [
        ('password = "swordfish"', "swo"),
        ('key = "aX9$k2LqT8"', "aX9"),
        ("connect(token='gandalf')", "gan"),
        ('{"api_key": "frobnicate"}', "frob"),
    ],
)
@pytest.mark.parametrize("order", ["{secret}\nx = '{typed}|", "x = '{typed}|\n{secret}\n", "f({secret}, '{typed}|"])
def test_what_may_be_a_secret_is_never_offered(completer, secret, typed, order):
    found = texts(complete(completer, order.format(secret=secret, typed=typed), limit=200))
    assert not [text for text in found if typed in text]


def test_each_document_has_its_own_words(completer):
    complete(completer, "frobnicate_all = 1\n|")
    other = completer.complete(Snapshot("file:///b.py", 1, "x = frob"), 8, limit=20)
    assert other.items == ()


def test_a_document_that_was_closed_is_learned_anew(completer):
    source = "frobnicate_all = 1\nx = frob|"
    before = complete(completer, source)
    completer.close("file:///a.py")
    completer.close("file:///never-opened.py")
    assert complete(completer, source) == before


def test_more_documents_than_are_remembered_have_answers(completer):
    expected = complete(completer, "frobnicate_all = 1\nx = frob|")
    for _ in range(2):
        for number in range(40):
            text = f"frobnicate_{number} = 1\nx = frob"
            found = completer.complete(Snapshot(f"file:///{number}.py", 1, text), len(text), limit=20)
            assert texts(found) == [f"frobnicate_{number}"]
    assert texts(complete(completer, "frobnicate_all = 1\nx = frob|")) == texts(expected)


# --- what the workspace teaches ------------------------------------------------------------------------------


def indexed(folder: Path, files: Mapping[str, str]) -> WorkspaceIndex:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return updated(WorkspaceIndex(), source_files([folder]).files)


def complete_in(completer: Completer, file: Path, source: str) -> list[str]:
    text, bar, rest = source.partition("|")
    assert bar, "no cursor in the source"
    snapshot = Snapshot(file.as_uri(), 1, text + rest, path_key(file))
    return texts(completer.complete(snapshot, len(text), limit=200))


def test_a_name_of_another_file_is_offered(completer, tmp_path):
    index = indexed(tmp_path, {"a.py": "x = 1\n", "b.py": "def frobnicate_all(x):\n    return frobnicate_all\n"})
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == []
    completer.workspace = completer.learned(index)
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == ["frobnicate_all"]
    assert complete_in(completer, tmp_path / "new.py", "y = frob|") == ["frobnicate_all"]


def test_with_the_order_that_was_kept_it_offers_the_same(tmp_path):
    """Although another session has other ids for the same words."""
    index = indexed(tmp_path, {"a.py": "x = 1\n", "b.py": "def frobnicate_all(x):\n    return frobnicate_all(x)\n"})
    source = "zeta = frobnicate_one = 1\ny = frob|"
    fresh, kept = Completer(models.checkpoint()), Completer(models.checkpoint())
    complete_in(kept, tmp_path / "c.py", "other_name = another_name\ny = |")
    fresh.workspace = fresh.learned(index)
    kept.workspace = kept.learned(decoded_index(encoded(ordered(index))))
    kept.close((tmp_path / "c.py").as_uri())
    assert complete_in(kept, tmp_path / "a.py", source) == complete_in(fresh, tmp_path / "a.py", source)


def test_of_the_open_file_only_what_stands_in_the_editor_counts(completer, tmp_path):
    """What was saved of it may have been deleted since."""
    index = indexed(tmp_path, {"a.py": "frobnicate_all = 1\n", "b.py": "frobnicate_one = 1\n"})
    completer.workspace = completer.learned(index)
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == ["frobnicate_one"]
    assert complete_in(completer, tmp_path / "b.py", "y = frob|") == ["frobnicate_all"]
    assert sorted(complete_in(completer, tmp_path / "c.py", "y = frob|")) == ["frobnicate_all", "frobnicate_one"]


def test_a_workspace_can_be_replaced_and_taken_away(completer, tmp_path):
    index = indexed(tmp_path, {"b.py": "frobnicate_all = 1\n", "c.py": "frobnicate_one = 1\n"})
    completer.workspace = completer.learned(index)
    assert len(complete_in(completer, tmp_path / "a.py", "y = frob|")) == 2
    completer.workspace = completer.learned(without(index, [path_key(tmp_path / "b.py")]))
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == ["frobnicate_one"]
    completer.workspace = None
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == []


def test_a_workspace_of_no_files_and_of_empty_files_teaches_nothing(completer, tmp_path):
    before = complete_in(completer, tmp_path / "a.py", "y = |")
    for files in ({}, {"b.py": "", "c.py": "# nothing\n"}):
        completer.workspace = completer.learned(indexed(tmp_path, files))
        assert complete_in(completer, tmp_path / "a.py", "y = |") == before


def test_secrets_of_the_workspace_are_never_offered(completer, tmp_path):
    index = indexed(tmp_path, {"b.py": "password = 'swordfish'\nkey = 'aX9$k2LqT8'\n"})
    completer.workspace = completer.learned(index)
    for typed in ("swo", "aX9"):
        assert complete_in(completer, tmp_path / "a.py", f"x = '{typed}|") == []


def test_to_forget_is_to_know_nothing_of_files_and_workspace(completer, tmp_path):
    completer.workspace = completer.learned(indexed(tmp_path, {"b.py": "frobnicate_all = 1\n"}))
    complete_in(completer, tmp_path / "a.py", "frobnicate_one = 1\ny = frob|")
    completer.forget()
    assert completer.workspace is None
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == []
    fresh = Completer(models.checkpoint())
    for source in ("y = frob|", "frobnicate_two = 1\ny = |", "import |"):
        assert complete(completer, source) == complete(fresh, source)


def test_what_was_learned_before_forgetting_is_not_used(completer, tmp_path):
    """A thread may be sorting a workspace while another is told to forget it."""
    index = indexed(tmp_path, {"b.py": "frobnicate_all = 1\n"})
    late = completer.learned(index)
    completer.forget()
    completer.workspace = late
    # Its ids are now those of other words.
    source = "other_name = 1\nanother_name = 2\ny = |"
    assert complete(completer, source) == complete(Completer(models.checkpoint()), source)
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == []
    completer.workspace = completer.learned(index)
    assert complete_in(completer, tmp_path / "a.py", "y = frob|") == ["frobnicate_all"]


def test_a_workspace_that_is_learned_while_a_completion_is_made_is_no_trouble(tmp_path):
    """It comes with words that were unknown when the completion began."""
    lines = "\n    ".join(f"x = self.frobnicate_{number}" for number in range(50))
    index = indexed(tmp_path, {"b.py": f"def f(self):\n    {lines}\n"})

    class LearningMeanwhile(Knowledge):
        def _rest_of_workspace(self, path: str) -> WorkspaceModel:
            self.workspace = self.learned(index)
            return super()._rest_of_workspace(path)

    completer = Completer(models.checkpoint())
    completer.knowledge = LearningMeanwhile(models.checkpoint())
    assert complete_in(completer, tmp_path / "a.py", "def f(self):\n    x = |")
    completer.forget()
    assert "frobnicate_7" in complete_in(completer, tmp_path / "a.py", "def f(self):\n    x = self.fr|")


def test_warming_up_changes_no_answer(completer):
    completer.warm_up()
    for source in ("y = frob|", "frobnicate_two = 1\ny = |", "s|"):
        assert complete(completer, source) == complete(Completer(models.checkpoint()), source)


# --- what can be imported ------------------------------------------------------------------------------------

SHAPES = """
class Shape:
    def __init__(self):
        self.sides, self.frobnicated = 0, True

    def area(self): ...

def square(): ...
"""


@pytest.fixture
def importing(tmp_path) -> Completer:
    (tmp_path / "shapes.py").write_text(SHAPES, encoding="utf-8")
    completer = Completer(models.checkpoint())
    completer.importable = Importable([tmp_path], Environment((), (), ""))
    return completer


def test_the_names_of_an_imported_module_are_offered_and_no_others(importing, tmp_path):
    for source in ("import shapes\nother = shapes.|", "from shapes import |"):
        found = complete_in(importing, tmp_path / "a.py", source)
        assert {"Shape", "square"} <= set(found)
        assert all(text in ("Shape", "square") or text.startswith("__") for text in found if text.isidentifier())
    assert complete_in(importing, tmp_path / "a.py", "import shapes\nx = shapes.sq|") == ["square"]


def test_what_an_import_can_begin_with_is_offered(importing, tmp_path):
    assert "shapes" in complete_in(importing, tmp_path / "a.py", "from sha|")


def test_the_attributes_of_self_are_offered_before_the_file_uses_them(importing, tmp_path):
    source = "import shapes\n\nclass Square(shapes.Shape):\n    def f(self):\n        x = self.|"
    for typed, name in (("ar", "area"), ("si", "sides"), ("frob", "frobnicated")):
        assert name in complete_in(importing, tmp_path / "a.py", source.replace("|", f"{typed}|"))


def test_attributes_that_no_model_has_met_are_among_the_first(importing, tmp_path):
    source = "import shapes\n\nclass Square(shapes.Shape):\n    def f(self):\n        x = self.|"
    assert {"area", "sides", "frobnicated"} <= set(complete_in(importing, tmp_path / "a.py", source)[:10])


def test_what_every_object_has_is_not_put_first(importing, tmp_path):
    source = "class Empty:\n    pass\n\n\nx = Empty()\ny = x.|"
    found = complete_in(importing, tmp_path / "a.py", source)
    assert found
    assert not [text for text in found[:10] if text.startswith("__")]


def test_names_that_are_known_have_the_kinds_that_are_known(importing, tmp_path):
    text = "import shapes\nx = shapes."
    snapshot = Snapshot("file:///a.py", 1, text, path_key(tmp_path / "a.py"))
    kinds = {item.text: item.kind for item in importing.complete(snapshot, len(text), limit=50).items}
    assert kinds["Shape"] is CompletionKind.CLASS
    assert kinds["square"] is CompletionKind.FUNCTION


def test_a_list_of_all_names_is_complete(importing, tmp_path):
    text = "import shapes\nx = shapes."
    snapshot = Snapshot("file:///a.py", 1, text, path_key(tmp_path / "a.py"))
    assert importing.complete(snapshot, len(text), limit=50).complete
    assert not importing.complete(snapshot, len(text), limit=2).complete


def test_where_nothing_is_known_the_models_say_all(importing, completer, tmp_path):
    for source in ("x = unknown_thing.|", "x = is|", "import nowhere\nx = nowhere.|"):
        importing.forget()
        completer.forget()
        assert complete_in(importing, tmp_path / "a.py", source) == complete_in(completer, tmp_path / "a.py", source)
