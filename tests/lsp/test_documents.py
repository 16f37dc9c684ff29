"""Open documents: whatever an editor changes, the text and its lines are as if it had been sent whole."""

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from codelm.lsp.convert import to_position
from codelm.lsp.documents import changed, end_of_change, opened
from codelm.lsp.lines import Encoding, Lines

CHARACTERS = st.sampled_from(["\r\n", "\r", "\n", "a", "bc", "é", "🐍", "\f", "\u2028", "\ud83d", "\ude00"])
PIECES = st.lists(CHARACTERS, max_size=12).map("".join)
EDITS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), PIECES), max_size=12)
ENCODINGS = st.sampled_from(Encoding)


@given(text=PIECES, at=st.integers(0, 30), removed=st.integers(0, 8), added=PIECES)
def test_where_a_change_ends(text, at, removed, added):
    at = min(at, len(text))
    new = text[:at] + added + text[at + removed :]
    end = end_of_change(text, new)
    assert end <= at + len(added)
    assert text.endswith(new[end:])


def test_a_change_ends_behind_what_was_added():
    assert end_of_change("f(b)", "f(a, b)") == len("f(a, ")


def document(text: str):
    return opened(types.TextDocumentItem("file:///a.py", "python", 1, text))


def replacing(lines: Lines, start: int, end: int, text: str, encoding: Encoding):
    """Return the change that an editor sends for an edit between two offsets."""
    where = types.Range(to_position(lines, start, encoding), to_position(lines, end, encoding))
    return types.TextDocumentContentChangePartial(where, text)


@given(PIECES, EDITS)
def test_an_edited_index_equals_a_fresh_one(text, edits):
    lines = Lines.of(text)
    for start, length, inserted in edits:
        start = min(start, len(lines.text))
        end = min(start + length, len(lines.text))
        before = lines
        text = text[:start] + inserted + text[end:]
        old_starts = before.starts()
        lines = lines.edit(start, end, inserted)
        assert lines.text == text
        assert lines.starts() == Lines.of(text).starts()
        assert [lines.line_of(n) for n in range(len(text) + 1)] == [
            Lines.of(text).line_of(n) for n in range(len(text) + 1)
        ]
        assert before.starts() == old_starts, "an edit never changes the index that it started from"


@given(PIECES, EDITS, ENCODINGS)
def test_incremental_changes_equal_the_full_text(text, edits, encoding):
    incremental, expected = document(text), text
    for version, (start, length, inserted) in enumerate(edits, start=2):
        start = min(start, len(expected))
        end = min(start + length, len(expected))
        change = replacing(incremental.lines, start, end, inserted, encoding)
        incremental = changed(incremental, version, [change], encoding)
        # No position lies between "\r" and "\n": an editor's edits don't either.
        start -= expected[max(start - 1, 0) : start + 1] == "\r\n"
        end -= expected[max(end - 1, 0) : end + 1] == "\r\n"
        expected = expected[:start] + inserted + expected[end:]
        assert incremental.snapshot.text == expected
        assert incremental.snapshot.version == version
        full = changed(document(text), version, [types.TextDocumentContentChangeWholeDocument(expected)], encoding)
        assert full.snapshot == incremental.snapshot
        assert full.lines.starts() == incremental.lines.starts()


def test_changes_apply_in_order_each_to_what_the_last_one_left():
    first = document("one\ntwo\n")
    second = changed(
        first,
        2,
        [
            types.TextDocumentContentChangePartial(types.Range(types.Position(0, 0), types.Position(1, 0)), "🐍"),
            types.TextDocumentContentChangePartial(types.Range(types.Position(0, 2), types.Position(0, 3)), "T"),
        ],
        Encoding.UTF16,
    )
    assert second.lines.text == "🐍Two\n"
    assert first.lines.text == "one\ntwo\n"


def test_a_range_past_the_end_is_clamped_and_a_backward_one_turned_round():
    far = types.Range(types.Position(9, 9), types.Position(1, 1))
    change = types.TextDocumentContentChangePartial(far, "X")
    assert changed(document("one\ntwo"), 2, [change], Encoding.UTF16).lines.text == "one\ntX"


def test_a_key_in_a_long_file_touches_few_lines():
    """The cost of a key is a copy of the index; the scan looks at the lines around it only."""
    lines = Lines.of("value = 1\r\n" * 10_000)
    for line in (5_000, 5_000, 4_999, 9_999, 0):
        offset = lines.end(line)
        lines = lines.edit(offset, offset, "\n2")
    assert lines.starts() == Lines.of(lines.text).starts()
