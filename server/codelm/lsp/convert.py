"""From the Language Server Protocol's types to codelm's and back. Pure functions."""

from collections.abc import Collection
from typing import Any

from lsprotocol import types

from codelm.completion import Completion, CompletionKind, Completions, Source
from codelm.lsp.lines import Encoding, Lines

_KINDS = {
    CompletionKind.KEYWORD: types.CompletionItemKind.Keyword,
    CompletionKind.VARIABLE: types.CompletionItemKind.Variable,
    CompletionKind.FUNCTION: types.CompletionItemKind.Function,
    CompletionKind.METHOD: types.CompletionItemKind.Method,
    CompletionKind.CLASS: types.CompletionItemKind.Class,
    CompletionKind.CONSTANT: types.CompletionItemKind.Constant,
    CompletionKind.FIELD: types.CompletionItemKind.Field,
    CompletionKind.MODULE: types.CompletionItemKind.Module,
    CompletionKind.VALUE: types.CompletionItemKind.Value,
    # Not Snippet: VS Code sorts and hides that kind by a setting of its own.
    CompletionKind.LINE: types.CompletionItemKind.Text,
}

# What the list shows beside an item; of the model itself nothing, for most items come from it in the end.
_SOURCES: dict[Source, types.CompletionItemLabelDetails] = {
    source: types.CompletionItemLabelDetails(description=source.value) for source in Source if source is not Source.BASE
}

FIRST_KINDS = frozenset(kind for kind in types.CompletionItemKind if kind <= types.CompletionItemKind.Reference)
"""The kinds that a client knows which doesn't say which ones it knows."""


def to_offset(lines: Lines, position: types.Position, encoding: Encoding) -> int:
    """Return the offset, in characters, of a position; one that doesn't exist is clamped to one that does."""
    return lines.offset(position.line, position.character, encoding)


def to_position(lines: Lines, offset: int, encoding: Encoding) -> types.Position:
    """Return the position of an offset in characters."""
    line, character = lines.place(offset, encoding)
    return types.Position(line, character)


def to_range(lines: Lines, start: int, end: int, encoding: Encoding) -> types.Range:
    """Return the range between two offsets in characters."""
    return types.Range(to_position(lines, start, encoding), to_position(lines, end, encoding))


def nothing() -> types.CompletionList:
    """Return the answer where nothing is to be proposed: no items, and typing on changes nothing."""
    return types.CompletionList(is_incomplete=False, items=[])


def ask_again() -> types.CompletionList:
    """Return the answer to a request that is out of date: no items, and the next key asks anew."""
    return types.CompletionList(is_incomplete=True, items=[])


def to_completion_list(
    completions: Completions,
    lines: Lines,
    cursor: int,
    encoding: Encoding,
    kinds: Collection[types.CompletionItemKind | int] = frozenset(types.CompletionItemKind),
    *,
    details: bool = False,
) -> types.CompletionList:
    """Return completions as an editor takes them, of the ``kinds`` that it knows. ``cursor`` is an offset.

    With ``details`` each says where it comes from, for editors that show that beside its label. Raises ``ValueError``
    where the replaced text begins after the cursor or on another line, for no editor takes that.
    """
    replaced = to_range(lines, completions.start, cursor, encoding)
    if completions.start > cursor or replaced.start.line != replaced.end.line:
        raise ValueError("the text that completions replace must end at the cursor and lie on its line")
    typed = lines.text[completions.start : cursor]
    sources = _SOURCES if details else {}
    items = [
        _item(rank, completion, replaced, typed, kinds, sources.get(completion.source))
        for rank, completion in enumerate(completions.items)
    ]
    return types.CompletionList(is_incomplete=not completions.complete, items=items)


def to_json(answer: types.CompletionList) -> dict[str, Any]:
    """Return a list that ``to_completion_list`` made, as it is sent: what a converter would make of it, in a tenth of
    its time.
    """
    items = []
    for item in answer.items:
        assert isinstance(item.text_edit, types.TextEdit)
        edit = item.text_edit
        sent: dict[str, Any] = {
            "label": item.label,
            "kind": item.kind,
            "sortText": item.sort_text,
            "filterText": item.filter_text,
            "textEdit": {"range": _range_as_json(edit.range), "newText": edit.new_text},
        }
        if item.label_details is not None:
            sent["labelDetails"] = {"description": item.label_details.description}
        items.append(sent)
    return {"isIncomplete": answer.is_incomplete, "items": items}


def _range_as_json(found: types.Range) -> dict[str, Any]:
    return {
        "start": {"line": found.start.line, "character": found.start.character},
        "end": {"line": found.end.line, "character": found.end.character},
    }


def _item(
    rank: int,
    completion: Completion,
    replaced: types.Range,
    typed: str,
    kinds: Collection[types.CompletionItemKind | int],
    details: types.CompletionItemLabelDetails | None,
) -> types.CompletionItem:
    kind = _KINDS[completion.kind]
    return types.CompletionItem(
        label=_label(completion.text),
        label_details=details,
        kind=kind if kind in kinds else types.CompletionItemKind.Variable,
        sort_text=f"{rank:04}",
        filter_text=_filter_text(completion.text, typed),
        text_edit=types.TextEdit(replaced, completion.text),
    )


def _label(text: str) -> str:
    """Return what the list shows: the first line that isn't blank, marked where there are more."""
    first, *rest = text.strip().splitlines() or [text]
    return f"{first} …" if rest else first


def _filter_text(text: str, typed: str) -> str:
    """Return what the editor compares with the typed text: it begins just so, whatever its case.

    Some editors match by case and would drop ``Foo`` where ``fo`` is typed; others rank by how well the case
    fits, and would undo the server's order.
    """
    rest = text[len(typed) :] if text[: len(typed)].casefold() == typed.casefold() else text
    return typed + rest
