"""Ghost text in the Language Server Protocol's types. Pure functions."""

from dataclasses import replace

from lsprotocol import types

from codelm.completion import Selected, Suggestion, Suggestions
from codelm.lsp.convert import to_offset, to_range
from codelm.lsp.lines import Encoding, Lines


def no_suggestions() -> types.InlineCompletionList:
    """Return the answer where nothing is to be suggested."""
    return types.InlineCompletionList(items=[])


def to_selected(chosen: types.SelectedCompletionInfo, lines: Lines, cursor: int, encoding: Encoding) -> Selected | None:
    """Return the item that is selected in the editor's list.

    None for one that no suggestion can extend: one that doesn't replace a text that ends at the cursor, on its line.
    """
    start, end = (to_offset(lines, place, encoding) for place in (chosen.range.start, chosen.range.end))
    if end != cursor or lines.line_of(start) != lines.line_of(cursor):
        return None
    return Selected(start, chosen.text)


def moved(suggestions: Suggestions, by: int) -> Suggestions:
    """Return suggestions for a text that begins so many characters later, or, below 0, earlier."""
    return Suggestions(
        tuple(replace(item, start=item.start + by, end=item.end + by) for item in suggestions.items)
    )  # fmt: skip


def to_inline_list(
    suggestions: Suggestions, lines: Lines, cursor: int, encoding: Encoding
) -> types.InlineCompletionList:
    """Return suggestions as an editor takes them. ``cursor`` is an offset.

    Raises ``ValueError`` where the replaced text isn't around the cursor, or not on one line: no editor takes that.
    """
    return types.InlineCompletionList([_item(item, lines, cursor, encoding) for item in suggestions.items])


def _item(item: Suggestion, lines: Lines, cursor: int, encoding: Encoding) -> types.InlineCompletionItem:
    replaced = to_range(lines, item.start, item.end, encoding)
    if not item.start <= cursor <= item.end or replaced.start.line != replaced.end.line:
        raise ValueError("the text that a suggestion replaces must be around the cursor and lie on its line")
    # An editor shows what begins with the replaced text. Where that is more than what was typed, such as a bracket
    # that closes behind the cursor, the suggestion itself doesn't, so this is compared in its place.
    old = lines.text[item.start : item.end]
    return types.InlineCompletionItem(item.text, filter_text=None if item.text.startswith(old) else old, range=replaced)
