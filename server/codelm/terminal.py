"""``codelm-lsp complete FILE:LINE:COLUMN``: what an editor would be offered there, in the terminal."""

import argparse
import json
import tokenize
from dataclasses import dataclass
from pathlib import Path

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.completer import Completer
from codelm.completion import Completion, Completions, Snapshot, Suggestion, Suggestions
from codelm.environment import find_environment
from codelm.errors import UsageError
from codelm.importable import Importable
from codelm.workspace_files import path_key

_MOST_LINES = 2
_WIDEST = 60  # characters of the texts' column


@dataclass(frozen=True, slots=True)
class Found:
    """What is proposed at a place: a list of completions, and how the line may go on. ``typed``: what these replace."""

    completions: Completions
    lines: Suggestions
    typed: str


def complete(args: argparse.Namespace) -> int:
    """Print the completions at ``args.where``. Raises UsageError when there is no such place."""
    file, line, column = place(args.where)
    text = read(file)
    model = checkpoint.load(checkpoint.find(args.model))
    found = find(model, text, offset_of(text, line, column, args.where), file, args.limit)
    print(as_json(found, model.name) if args.json else as_table(found))
    return 0


def find(model: Checkpoint, text: str, offset: int, file: Path | None = None, limit: int = 10) -> Found:
    """Return what is proposed at a place of a text, that of ``file`` if it has one."""
    completer = Completer(model)
    snapshot = Snapshot("untitled:text", None, text)
    if file is not None:
        folder = file.absolute().parent
        completer.importable = Importable([folder], find_environment([folder]))
        snapshot = Snapshot(file.absolute().as_uri(), None, text, path_key(file))
    completions = completer.complete(snapshot, offset, limit=limit)
    lines = completer.suggest(snapshot, offset, limit=_MOST_LINES, least=0, asked=True)
    return Found(completions, lines, text[completions.start : offset])


def place(where: str) -> tuple[Path, int, int]:
    """Read ``FILE:LINE:COLUMN``; LINE and COLUMN count from 1. Raises UsageError."""
    file, line, column = [*where.rsplit(":", 2), "", ""][:3]
    if not file or not all(number.isascii() and number.isdecimal() and int(number) > 0 for number in (line, column)):
        raise UsageError(f"expected FILE:LINE:COLUMN with numbers from 1 on, not {where!r}")
    return Path(file), int(line), int(column)


def read(file: Path) -> str:
    """Return the text of a Python file in the encoding that it declares. Raises UsageError."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not text in the encoding that it declares: {error}") from error


def offset_of(text: str, line: int, column: int, where: str) -> int:
    """Return the offset, in characters, of a place in a text. Raises UsageError when the text has no such place."""
    lines = text.split("\n")
    if line > len(lines):
        raise UsageError(f"{where}: the file has {len(lines)} lines")
    if column > len(lines[line - 1]) + 1:
        raise UsageError(f"{where}: line {line} has {len(lines[line - 1])} characters")
    return sum(len(before) + 1 for before in lines[: line - 1]) + column - 1


def as_json(found: Found, model: str) -> str:
    """Return what is proposed as one JSON object."""
    listed = found.completions
    items = [{"text": i.text, "kind": i.kind.value, **_sure(i)} for i in listed.items]
    lines = [{"text": line.text, "start": line.start, "end": line.end, **_sure(line)} for line in found.lines.items]
    return json.dumps(
        {"model": model, "start": listed.start, "complete": listed.complete, "items": items, "lines": lines}
    )


def as_table(found: Found) -> str:
    """Return what is proposed as lines of text, best first, with the rest of the line behind a ``…``."""
    listed, typed = found.completions.items, found.typed
    if not listed and not found.lines.items:
        return f"nothing to propose{f' that begins with {typed!r}' if typed else ' here'}"
    rows: list[tuple[str, str, Completion | Suggestion]] = [(item.text, item.kind.value, item) for item in listed]
    rows += [(f"… {line.text}", "rest", line) for line in found.lines.items]
    width = min(max(len(text) for text, _, _ in rows), _WIDEST)
    return "\n".join(f"{text:<{width}}  {kind:<9} {i.probability:7.2%}  {i.source.value}" for text, kind, i in rows)


def _sure(item: Completion | Suggestion) -> dict[str, object]:
    return {"probability": round(item.probability, 6), "source": item.source.value}
