"""``codelm-lsp complete FILE:LINE:COLUMN``: what an editor would be offered there, in the terminal."""

import argparse
import json
import tokenize
from pathlib import Path

from codelm import checkpoint
from codelm.completer import Completer
from codelm.completion import Completions, Snapshot
from codelm.environment import find_environment
from codelm.errors import UsageError
from codelm.importable import Importable
from codelm.workspace_files import path_key


def complete(args: argparse.Namespace) -> int:
    """Print the completions at ``args.where``. Raises UsageError when there is no such place."""
    file, line, column = place(args.where)
    text = read(file)
    offset = offset_of(text, line, column, args.where)
    model = checkpoint.load(checkpoint.find(args.model))
    completer = Completer(model)
    folder = file.absolute().parent
    completer.importable = Importable([folder], find_environment([folder]))
    snapshot = Snapshot(file.absolute().as_uri(), None, text, path_key(file))
    found = completer.complete(snapshot, offset, limit=args.limit)
    print(as_json(found, model.name) if args.json else as_table(found, text[found.start : offset]))
    return 0


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


def as_json(found: Completions, model: str) -> str:
    """Return completions as one JSON object."""
    items = [{"text": i.text, "kind": i.kind.value, "probability": round(i.probability, 6)} for i in found.items]
    return json.dumps({"model": model, "start": found.start, "complete": found.complete, "items": items})


def as_table(found: Completions, typed: str) -> str:
    """Return completions as lines of text, best first; ``typed`` is what they replace."""
    if not found.items:
        return f"nothing to propose{f' that begins with {typed!r}' if typed else ' here'}"
    width = min(max(len(item.text) for item in found.items), 60)
    return "\n".join(f"{i.text:<{width}}  {i.kind.value:<9} {i.probability:7.2%}" for i in found.items)
