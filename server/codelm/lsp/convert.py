"""From the Language Server Protocol's types to codelm's and back. Pure functions."""

from collections.abc import Collection
from typing import Any

from lsprotocol import types

from codelm.completion import CompletionKind, Completions, Source
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
    CompletionKind.TEXT: types.CompletionItemKind.Text,
}

JsonList = dict[str, Any]
"""A ``CompletionList`` as it is sent, in JSON: an answer to every key is not worth the detour over pygls's types, which
took a sixth of all that the server does.
"""

# What sorts an item before those of other servers, and behind them: theirs are sorted by "0.9999.bar", "10.9999.bar",
# "00000", "v00". (ty's, by " 0", go first all the same.)
_BEFORE, _BEHIND = "!", "~"
# They list all names that are possible, most often by the alphabet. Of ours, so many at most go before them, each at
# least so probable.
_MOST_IN_FRONT, _SURE = 3, 0.25

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


def nothing() -> JsonList:
    """Return the answer where nothing is to be proposed: no items, and typing on changes nothing."""
    return {"isIncomplete": False, "items": []}


def ask_again() -> JsonList:
    """Return the answer to a request that is out of date: no items, and the next key asks anew."""
    return {"isIncomplete": True, "items": []}


def to_completion_list(
    completions: Completions,
    lines: Lines,
    cursor: int,
    encoding: Encoding,
    kinds: Collection[types.CompletionItemKind | int] = frozenset(types.CompletionItemKind),
    *,
    ranking: str = "beside",
    details: bool = False,
) -> JsonList:
    """Return completions as an editor takes them, of the ``kinds`` that it knows. ``cursor`` is an offset.

    ``ranking``: how they stand among other servers' items, as ``codelm.settings.CompletionSettings`` has it.
    With ``details`` each says where it comes from, for editors that show that beside its label. Raises ``ValueError``
    where the replaced text begins after the cursor or on another line, for no editor takes that.
    """
    line, start = lines.place(completions.start, encoding)
    last_line, end = lines.place(cursor, encoding)
    if completions.start > cursor or line != last_line:
        raise ValueError("the text that completions replace must end at the cursor and lie on its line")
    replaced = {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
    typed = lines.text[completions.start : cursor]
    items: list[dict[str, Any]] = []
    front = _in_front(completions, ranking)
    for rank, completion in enumerate(completions.items):
        kind = _KINDS[completion.kind]
        item = {
            "label": _label(completion.text),
            "kind": int(kind if kind in kinds else types.CompletionItemKind.Variable),
            "sortText": f"{_BEFORE if rank < front else _BEHIND}{rank:04}",
            "filterText": _filter_text(completion.text, typed),
            "textEdit": {"range": replaced, "newText": completion.text},
        }
        # Of the model itself nothing is said, for most items come from it in the end.
        if details and completion.source is not Source.BASE:
            item["labelDetails"] = {"description": completion.source.value}
        items.append(item)
    return {"isIncomplete": not completions.complete, "items": items}


def _in_front(completions: Completions, ranking: str) -> int:
    """Return how many of the first completions are to stand before other servers' items."""
    if ranking != "beside":
        return len(completions.items) if ranking == "first" else 0
    first = completions.items[:_MOST_IN_FRONT]
    return next((rank for rank, item in enumerate(first) if item.probability < _SURE), len(first))


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
