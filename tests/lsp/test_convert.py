"""Positions and completions between codelm and an editor.

A text here is anything an editor can send: astral characters, lone surrogates, form feeds, every kind of line
break. The reference implementations are slow and plain.
"""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from lsprotocol.converters import get_converter

from codelm.completion import Completion, CompletionKind, Completions, Source
from codelm.lsp.convert import (
    FIRST_KINDS,
    JsonList,
    ask_again,
    nothing,
    to_completion_list,
    to_offset,
    to_position,
)
from codelm.lsp.lines import Encoding, Lines

CHARACTERS = st.sampled_from("ab\n\r\f\v\x1c\x85\u2028é€𝒳🐍\ud83d\ude00") | st.characters(codec=None)
TEXTS = st.lists(CHARACTERS | st.just("\r\n"), max_size=40).map("".join)
ENCODINGS = st.sampled_from(Encoding)


def split(text: str) -> list[str]:
    """Cut a text into its lines with their line breaks."""
    pieces = [*re.split(r"(\r\n|\r|\n)", text), ""]
    return [line + end for line, end in zip(pieces[::2], pieces[1::2], strict=True)]


def width(character: str, encoding: Encoding) -> int:
    """Return the units that one character takes."""
    match encoding:
        case Encoding.UTF8:
            return len(character.encode("utf-8", "surrogatepass"))
        case Encoding.UTF16:
            return 2 if ord(character) > 0xFFFF else 1
        case Encoding.UTF32:
            return 1


def places(text: str, encoding: Encoding) -> list[tuple[int, int, int]]:
    """Return offset, line and units of each place where a cursor can stand."""
    result, offset = [], 0
    for number, line in enumerate(split(text)):
        visible, units = line.rstrip("\r\n"), 0
        for index, character in enumerate(visible + "|"):
            result.append((offset + index, number, units))
            units += width(character, encoding)
        offset += len(line)
    return result


@given(TEXTS)
def test_lines_end_with_line_feeds_and_carriage_returns_only(text):
    lines, starts = split(text), [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line))
    index = Lines.of(text)
    assert index.starts() == starts
    assert [text[index.start(n) : index.end(n)] for n in range(len(index))] == [line.rstrip("\r\n") for line in lines]


@given(TEXTS, ENCODINGS)
def test_positions_agree_with_the_reference_both_ways(text, encoding):
    index = Lines.of(text)
    for offset, line, units in places(text, encoding):
        assert to_offset(index, types.Position(line, units), encoding) == offset
        assert to_position(index, offset, encoding) == types.Position(line, units)


@given(TEXTS, ENCODINGS)
def test_a_position_inside_a_character_means_its_start(text, encoding):
    index = Lines.of(text)
    for offset, line, units in places(text, encoding):
        if offset < index.end(line):
            for inside in range(width(text[offset], encoding)):
                assert to_offset(index, types.Position(line, units + inside), encoding) == offset


@given(TEXTS, ENCODINGS, st.integers(0, 2**31 - 1))
def test_a_position_past_an_end_means_the_end(text, encoding, far):
    index = Lines.of(text)
    for line in range(len(index)):
        longest = 4 * (index.end(line) - index.start(line))
        past = min(longest + far, 2**31 - 1)
        assert to_offset(index, types.Position(line, past), encoding) == index.end(line)
    below = min(len(index) + far, 2**31 - 1)
    assert to_offset(index, types.Position(below, 0), encoding) == len(text)


@given(TEXTS, ENCODINGS)
def test_every_offset_has_a_position(text, encoding):
    index = Lines.of(text)
    for offset in range(-1, len(text) + 2):
        back = to_offset(index, to_position(index, offset, encoding), encoding)
        inside_a_line_break = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
        assert back == (offset - 1 if inside_a_line_break else min(max(offset, 0), len(text)))


def test_units_of_one_line():
    """``é`` is 2 bytes, ``🐍`` 4 bytes and 2 UTF-16 units; the form feed doesn't end the line."""
    index = Lines.of("x\né🐍\fz")
    end = len(index.text)
    assert to_position(index, end, Encoding.UTF8) == types.Position(1, 8)
    assert to_position(index, end, Encoding.UTF16) == types.Position(1, 5)
    assert to_position(index, end, Encoding.UTF32) == types.Position(1, 4)


def completion_list(text: str, *items: str, start: int, complete: bool = True, **options):
    """Complete at the end of ``text`` with plain variables."""
    completions = Completions(tuple(Completion(item, CompletionKind.VARIABLE, 0.1) for item in items), start, complete)
    return as_read(to_completion_list(completions, Lines.of(text), len(text), Encoding.UTF16, **options))


def as_read(sent: JsonList) -> types.CompletionList:
    """Return a list as a client reads it."""
    return get_converter().structure(json.loads(json.dumps(sent)), types.CompletionList)


def test_items_replace_what_is_typed():
    [item] = completion_list("🐍 = se", "self", start=4).items
    assert item.text_edit == types.TextEdit(types.Range(types.Position(0, 5), types.Position(0, 7)), "self")
    assert item.label == "self"


def test_the_order_is_kept_by_sort_text():
    items = completion_list("", *[f"name{i}" for i in range(200)], start=0).items
    assert [item.label for item in sorted(items, key=lambda item: item.sort_text)] == [item.label for item in items]


OTHERS = ["0.9999.bar", "9.9999.x", "00000", "15.9999.zip.00.", "v00", "y23", " 0", "47"]
"""How the items of pyrefly, zuban, basedpyright, jedi and ty are sorted."""


@pytest.mark.parametrize(
    ("ranking", "probabilities", "front"),
    [
        ("beside", [0.6, 0.3, 0.1], 2),
        ("beside", [0.3, 0.28, 0.27, 0.26], 3),
        ("beside", [0.2, 0.3], 0),
        ("first", [0.2, 0.1], 2),
        ("last", [0.9, 0.1], 0),
    ],
)
def test_items_stand_among_those_of_other_servers_as_the_user_wants(ranking, probabilities, front):
    items = [Completion(f"name{n}", CompletionKind.VARIABLE, p) for n, p in enumerate(probabilities)]
    answer = to_completion_list(Completions(tuple(items), 0, True), Lines.of(""), 0, Encoding.UTF8, ranking=ranking)
    ours = [item["sortText"] for item in answer["items"]]
    assert sorted(ours) == ours
    others = [text for text in OTHERS if text[0] != " "]  # ty's blanks come before all
    assert all(text < min(others) for text in ours[:front])
    assert all(text > max(OTHERS) for text in ours[front:])


@pytest.mark.parametrize(
    ("typed", "text", "filter_text"),
    [
        ("", "self", "self"),
        ("se", "self", "self"),
        ("fo", "Foo", "foo"),
        ("SE", "self", "SElf"),
        ("xy", "other", "xyother"),
    ],
)
def test_the_filter_text_begins_as_typed(typed, text, filter_text):
    [item] = completion_list(typed, text, start=0).items
    assert item.filter_text == filter_text
    assert item.text_edit.new_text == text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("self.name = name", "self.name = name"),
        ("try:\n    pass", "try: …"),
        ("\n    pass\n", "pass"),
        ("a\fb", "a …"),
        (" ", " "),
    ],
)
def test_labels_are_one_line(text, label):
    [item] = completion_list("", text, start=0).items
    assert item.label == label


def test_an_incomplete_list_says_so():
    assert completion_list("", "a", start=0, complete=True).is_incomplete is False
    assert completion_list("", "a", start=0, complete=False).is_incomplete is True
    assert nothing() == {"isIncomplete": False, "items": []}
    assert ask_again() == {"isIncomplete": True, "items": []}


@pytest.mark.parametrize("kind", CompletionKind)
def test_every_kind_has_an_icon_that_every_client_knows(kind):
    completions = Completions((Completion("x", kind, 0.5),), 0, complete=True)
    [new] = as_read(to_completion_list(completions, Lines.of(""), 0, Encoding.UTF8)).items
    [old] = as_read(to_completion_list(completions, Lines.of(""), 0, Encoding.UTF8, FIRST_KINDS)).items
    assert old.kind in FIRST_KINDS
    assert types.CompletionItemKind(new.kind).name == {"LINE": "Text"}.get(kind.name, kind.name.capitalize())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (Source.FILE, "file"),
        (Source.PROJECT, "project"),
        (Source.NAMES, "names"),
        (Source.NETWORK, "network"),
        (Source.BASE, None),
    ],
)
def test_an_item_says_where_it_comes_from_to_editors_that_show_it(source, shown):
    completions = Completions((Completion("x", CompletionKind.VARIABLE, 0.5, source),), 0, complete=True)
    [plain] = as_read(to_completion_list(completions, Lines.of(""), 0, Encoding.UTF8)).items
    [item] = as_read(to_completion_list(completions, Lines.of(""), 0, Encoding.UTF8, details=True)).items
    assert plain.label_details is None
    assert item.label_details == (shown and types.CompletionItemLabelDetails(description=shown))
    assert item.label == plain.label == "x"


@pytest.mark.parametrize("start", [0, 4])
def test_a_replaced_text_lies_between_the_line_start_and_the_cursor(start):
    with pytest.raises(ValueError, match="its line"):
        completion_list("a\nb", "x", start=start)
