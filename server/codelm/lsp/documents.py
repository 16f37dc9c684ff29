"""The documents that an editor has open. Each state of one is an immutable value."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from codelm.completion import Snapshot
from codelm.lexer import common_prefix
from codelm.lsp.convert import to_offset
from codelm.lsp.lines import Encoding, Lines
from codelm.lsp.uris import path_of


@dataclass(frozen=True, slots=True)
class Document:
    """One version of one open document, with its lines indexed. ``language`` is the editor's name for it."""

    uri: str
    language: str
    version: int
    lines: Lines

    @property
    def is_python(self) -> bool:
        """Whether it is in the language that is completed."""
        return self.language == "python"

    @property
    def snapshot(self) -> Snapshot:
        """What a completer sees of it."""
        return Snapshot(self.uri, self.version, self.lines.text, path_of(self.uri))


def opened(item: types.TextDocumentItem) -> Document:
    """Return the first version of a document."""
    return Document(item.uri, item.language_id, item.version, Lines.of(item.text))


def end_of_change(old: str, new: str) -> int:
    """Return where in a new text ends what an old one doesn't have there."""
    most = min(len(old), len(new))
    same = common_prefix(old[: -most - 1 : -1], new[: -most - 1 : -1])
    return len(new) - same


def changed(
    document: Document,
    version: int,
    changes: Sequence[types.TextDocumentContentChangeEvent],
    encoding: Encoding,
) -> Document:
    """Return the document after an editor's changes: each applies to what the one before it left.

    A change with a range replaces that range, one without it the whole text. Ranges that don't exist are
    clamped to what does, and one written backwards is turned round.
    """
    lines = document.lines
    for change in changes:
        if isinstance(change, types.TextDocumentContentChangePartial):
            start = to_offset(lines, change.range.start, encoding)
            end = to_offset(lines, change.range.end, encoding)
            lines = lines.edit(min(start, end), max(start, end), change.text)
        else:
            lines = Lines.of(change.text)
    return replace(document, version=version, lines=lines)
