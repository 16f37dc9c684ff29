"""Make ``codelm/stdlib_names.txt``: what the standard library's sources don't say about its names.

That is all about the modules that have no Python source (``math``), and about the others the names that they make as
they run (``multiprocessing.Pool``) and the types that are written nowhere in them (what ``re.compile`` returns). It is
read from typeshed's stubs, which mypy brings along (Apache License 2.0): they know what Python has on every system,
and nothing is imported. To make the file again, for instance when there is a new Python::

    python -m codelm_train.stdlib_names
"""

import importlib.util
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from codelm import exports, importable_store
from codelm.exports import CLASS, ClassBody, Entry, Module
from codelm.folder import replace_file

_HEADER = (
    "# What the standard library's sources don't say about its names, a module a line (see importable_store.py).\n"
    "# Made by `python -m codelm_train.stdlib_names` from typeshed's stubs (Apache License 2.0).\n"
)
# Nobody's imports, or gone from Python since.
_LEFT_OUT = frozenset(["_typeshed", "distutils", "lib2to3", "msilib", "this", "antigravity", "pydoc_data", "nt"])


def stubs() -> Path:
    """Return the folder of typeshed's stubs of the standard library."""
    spec = importlib.util.find_spec("mypy")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("mypy is not installed: it brings typeshed along")
    return Path(spec.submodule_search_locations[0]) / "typeshed" / "stdlib"


def lines(folder: Path, stdlib: Path, only: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of the file, from the stubs in ``folder`` and the sources in ``stdlib``; ``only`` some."""
    for stub in sorted(folder.rglob("*.pyi")):
        parts = stub.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        if (only and name not in only) or parts[0] in _LEFT_OUT or parts[0] not in sys.stdlib_module_names:
            continue
        said = _inlined(_read(stub, name, is_package), folder)
        module = stdlib.joinpath(*name.split("."))
        source = next((file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()), None)
        if source is None:
            yield f"{name}\t{importable_store.encode(_used(said))}"
        else:
            left = _unsaid(said, _read(source, name, source.stem == "__init__"))
            if left.entries or left.classes:
                yield f"+{name}\t{importable_store.encode(left)}"


@cache
def _read(file: Path, name: str, is_package: bool) -> Module:
    module = exports.read(file.read_bytes(), name, is_package=is_package, is_stub=file.suffix == ".pyi")
    assert module is not None, file
    return module


def _inlined(module: Module, folder: Path) -> Module:
    """Return a stub with what it takes from the stub of a module that really takes it from this one.

    The stub of ``_ast`` imports its classes from that of ``ast``; the modules do it the other way round.
    """
    entries, classes = dict(module.entries), dict(module.classes)
    for name, entry in module.entries.items():
        origin, _, imported = entry.source.partition(":")
        if not imported or name in module.hidden or (module.name[0] != "_" and module.name != "posix"):
            continue
        file = next((f for f in (folder / f"{origin}.pyi", folder / origin / "__init__.pyi") if f.is_file()), None)
        if file is None:
            continue
        defining = _read(file, origin, file.stem == "__init__")
        found = defining.entries.get(imported)
        if found is not None and not found.source:
            entries[name] = found
            if imported in defining.classes:
                classes[name] = defining.classes[imported]
    return module._replace(entries=entries, classes=classes)


def _roots(entries: Mapping[str, Entry], classes: Mapping[str, ClassBody]) -> set[str]:
    """Return the names that types and bases begin with."""
    types = [entry.type for entry in entries.values()]
    for body in classes.values():
        types += [*body.bases, *(member.type for member in body.members.values())]
    return {type_.lstrip("=").partition(".")[0].removesuffix("()") for type_ in types if type_}


def _used(module: Module) -> Module:
    """Return a stub without what it imports for itself, as far as no type names it."""
    roots = _roots(module.entries, module.classes)
    dropped = {name for name in module.hidden if name not in roots}
    entries = {name: entry for name, entry in module.entries.items() if name not in dropped}
    return module._replace(entries=entries, hidden=module.hidden - dropped)


def _unsaid(said: Module, source: Module) -> Module:
    """Return what a stub says and the source does not: names, types, and classes that are defined elsewhere."""
    public = {name: entry for name, entry in said.entries.items() if name not in said.hidden}
    classes: dict[str, ClassBody] = {}
    for name, body in said.classes.items():
        own = source.classes.get(name)
        says_more = own is None or any(
            member not in own.members or (entry.type and not own.members[member].type)
            for member, entry in body.members.items()
        )
        if name[0] != "_" and name.partition(".")[0] in public and says_more:
            classes[name] = body  # all of it: another Python may have moved the class away
    entries = {
        name: entry
        for name, entry in public.items()
        if (not entry.source or (name not in source.entries and entry.source.partition(":")[0] not in source.stars))
        and not name.startswith("__")
        and (
            (name not in source.entries and name[0] != "_")
            or (entry.kind is CLASS and name in classes)
            or (
                name in source.entries
                and entry.type
                and not source.entries[name].type
                and not source.entries[name].source
            )
        )
    }
    # What the types are made of, where the source does not know it.
    roots = _roots(entries, classes)
    helpers = {name: said.entries[name] for name in said.hidden if name in roots and name not in source.entries}
    return Module(said.name, said.is_package, {**entries, **helpers}, classes, hidden=frozenset(helpers))


def text(only: Collection[str] = ()) -> str:
    """Return the content of the file."""
    return _HEADER + "\n".join(lines(stubs(), Path(sysconfig.get_path("stdlib")), only)) + "\n"


if __name__ == "__main__":
    replace_file(Path(importable_store.__file__).parent / "stdlib_names.txt", text())
