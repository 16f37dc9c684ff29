r"""What is kept of modules on the disk: one text file, a line for each module.

::

    codelm importable 1 of 0.1.0 <sha256 of all that follows>
    ["/…/json/__init__.py", 14020, 1700000000000000000, "json"]<TAB>{"entries": {…}, …}

The same lines, without file and stamp, are in ``stdlib_names.txt``: the standard library's modules that have no Python
source, and, behind a ``+``, what the sources of the others don't say. A line is decoded when its module is asked for.

An entry is one string: the letter of its kind, its source and its type, with blanks between them and those at the end
left out. The file is made by the user's codelm for itself; still nothing in it is trusted: what has another shape is
dropped.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from sys import intern
from typing import NamedTuple

from codelm import __version__
from codelm.completion import CompletionKind
from codelm.errors import StorageError
from codelm.exports import ClassBody, Entry, Module
from codelm.modules import Stamp

FILE = "importable.txt"
LARGEST = 16_000_000  # bytes of the file; more is neither written nor read
_HEADER = f"codelm importable 1 of {__version__}"
_STDLIB = Path(__file__).parent / "stdlib_names.txt"
_LETTERS = {
    CompletionKind.VARIABLE: "v", CompletionKind.FUNCTION: "f", CompletionKind.METHOD: "m", CompletionKind.CLASS: "c",
    CompletionKind.CONSTANT: "k", CompletionKind.FIELD: "a", CompletionKind.MODULE: "p",
}  # fmt: skip
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


class Line(NamedTuple):
    """A module as it stands in a file: of which version of the source it is, and what it holds, not yet decoded."""

    stamp: Stamp
    name: str
    encoded: str


def encode(module: Module) -> str:
    """Return what a module holds, as one line of JSON."""
    content = {
        "package": module.is_package,
        "entries": _encoded(module.entries),
        "classes": {name: [list(body.bases), _encoded(body.members)] for name, body in module.classes.items()},
        "stars": list(module.stars),
        "hidden": sorted(module.hidden),
        "dynamic": module.is_dynamic,
    }
    kept = {key: value for key, value in content.items() if value}
    if module.public is not None:
        kept["public"] = list(module.public)
    return json.dumps(kept, separators=(",", ":"))


def decode(name: str, encoded: str) -> Module | None:
    """Return the module that ``encode`` made a line of; None when it has another shape."""
    try:
        content = json.loads(encoded)
        public = content.get("public")
        return Module(
            intern(name),
            content.get("package") is True,
            _decoded(content.get("entries", {})),
            {
                intern(name): ClassBody(_names(bases), _decoded(members))
                for name, (bases, members) in content.get("classes", {}).items()
            },
            _names(content.get("stars", ())),
            None if public is None else _names(public),
            frozenset(_names(content.get("hidden", ()))),
            content.get("dynamic") is True,
        )
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # all that another shape causes
        return None


def _encoded(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {name: f"{_LETTERS[kind]} {source} {type_}".rstrip() for name, (kind, source, type_) in entries.items()}


def _decoded(entries: Mapping[str, str]) -> dict[str, Entry]:
    decoded = {}
    for name, encoded in entries.items():
        letter, source, type_ = (encoded + "  ").split(" ")[:3]
        decoded[intern(name)] = Entry(_KINDS[letter], intern(source), intern(type_))
    return decoded


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(intern(name) for name in names)


# --- files ---------------------------------------------------------------------------------------------------


def write(folder: Path, lines: Mapping[str, Line]) -> None:
    """Write the modules of source files (path → line), whole or not at all, for the user's eyes only.

    The last lines are left out when all are too many. Raises StorageError, naming the file.
    """
    target = folder / FILE
    body = []
    size = 0
    for path, (stamp, name, encoded) in lines.items():
        line = f"{json.dumps([path, *stamp, name])}\t{encoded}\n"
        size += len(line)
        if size > LARGEST - 1000:
            break
        body.append(line)
    content = "".join(body).encode("ascii")
    header = f"{_HEADER} {hashlib.sha256(content).hexdigest()}\n".encode("ascii")
    new = folder / f".{FILE}.{secrets.token_hex(4)}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not folder.replace_file: from its first byte on, the file is no one else's to read.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(header + content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}; nothing was changed") from error
    finally:
        new.unlink(missing_ok=True)


def read(folder: Path) -> tuple[dict[str, Line], str]:
    """Return the modules that ``write`` wrote, and why there are none when the file is broken ("" when it is not)."""
    target = folder / FILE
    try:
        if not target.exists():
            return {}, ""
        if target.stat().st_size > LARGEST:
            return {}, f"{target} is too large: dropped"
        content = target.read_bytes()
    except OSError as error:
        return {}, f"cannot read {target}: {error.strerror or error}"
    header, _, body = content.partition(b"\n")
    if header != f"{_HEADER} {hashlib.sha256(body).hexdigest()}".encode("ascii"):
        return {}, f"{target} is broken or of another version: dropped"
    try:
        return dict(_lines(body.decode("ascii"))), ""
    except (ValueError, TypeError):
        return {}, f"{target} is of another version: dropped"


def _lines(body: str) -> Iterator[tuple[str, Line]]:
    for line in body.split("\n")[:-1]:
        key, _, encoded = line.partition("\t")
        path, size, mtime_ns, name = json.loads(key)
        yield path, Line(Stamp(int(size), int(mtime_ns)), str(name), encoded)


# --- the standard library's modules without source -----------------------------------------------------------


@cache
def _stdlib_lines() -> dict[str, str]:
    lines = _STDLIB.read_text(encoding="ascii").splitlines()
    return {name: encoded for name, _, encoded in (line.partition("\t") for line in lines if line[0] != "#")}


@cache
def stdlib_names() -> frozenset[str]:
    """Return the names of the standard library's top-level modules that have no Python source."""
    return frozenset(name for name in _stdlib_lines() if name[0] != "+" and "." not in name)


@cache
def stdlib_module(name: str) -> Module | None:
    """Return one of the standard library's modules that have no Python source; None when ``name`` is none of them."""
    encoded = _stdlib_lines().get(name)
    return None if encoded is None else decode(name, encoded)


def with_unsaid(module: Module) -> Module:
    """Return a module of the standard library with what its source does not say: names made as it runs, and types."""
    encoded = _stdlib_lines().get(f"+{module.name}")
    unsaid = None if encoded is None else decode(module.name, encoded)
    if unsaid is None:
        return module
    entries = dict(module.entries)
    for name, entry in unsaid.entries.items():
        old = entries.get(name)
        if old is None or (name in unsaid.classes and name not in module.classes):
            entries[name] = entry
        elif entry.type and not old.type and not old.source:
            entries[name] = old._replace(type=entry.type)
    classes = dict(module.classes)
    for name, body in unsaid.classes.items():
        known = classes.get(name)
        if known is None:
            classes[name] = body
            continue
        members = dict(known.members)
        for member, entry in body.members.items():
            old = members.get(member, entry)
            members[member] = old if old.type or old.source else old._replace(type=entry.type)
        classes[name] = ClassBody(known.bases, members)
    added = unsaid.hidden - module.entries.keys()
    return module._replace(entries=entries, classes=classes, hidden=module.hidden | added)
