"""From what a person names on the command line to documents.

A SOURCE is a folder, a ``.py`` file, ``stdlib``, a package list (``.tsv``) or CodeSearchNet rows (``.jsonl``,
``.jsonl.gz``). ``find`` looks everything up and fetches what has to be fetched, so that what is wrong is said
before the long work begins; ``read`` then yields the documents one by one.
"""

import os
import platform
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from codelm.errors import CorpusError
from codelm_train import filters, licences, packages, rows
from codelm_train.documents import Document, Dropped, Source
from codelm_train.lexing import decoded
from codelm_train.notebooks import SUFFIX
from codelm_train.progress import Progress, silent

Suffixes = tuple[str, ...]
STDLIB = "stdlib"
ACCEPTED = "a folder, a .py file, stdlib, a package list (.tsv) or CodeSearchNet rows (.jsonl, .jsonl.gz)"
_PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


def find(
    names: Sequence[str | Path], cache: Path, *, notebooks: bool = False, progress: Progress = silent
) -> list[Source]:
    """Return the sources that ``names`` stand for, in their order; wheels are fetched into ``cache``.

    ``notebooks``: whether those in folders and packages are among their files. Raises CorpusError for the first name
    that is missing, of no accepted kind, broken, or without any such file.
    """
    found: list[Source] = []
    suffixes = (".py", SUFFIX) if notebooks else (".py",)
    for name in names:
        try:
            sources = [stdlib()] if name == STDLIB else _find(Path(name), cache, suffixes, progress)
        except OSError as error:
            raise CorpusError(f"{error.filename or name}: cannot be read: {error.strerror}") from error
        if not any(source.files or source.kind == "rows" for source in sources):
            raise CorpusError(f"{name}: no Python files in it")
        found += sources
    return found


def read(source: Source, *, code_tokens: bool = False) -> Iterator[Document]:
    """Yield the documents of ``source``. ``code_tokens``: take the words of rows as they are."""
    if source.kind == "rows":
        yield from rows.read(source, code_tokens=code_tokens)
    elif source.kind == "package":
        yield from packages.read(source)
    else:
        for file in source.files:
            yield Document(source, source.name, file, _content(source.location / file), source.split)


def stdlib() -> Source:
    """Return the standard library of the running Python, its tests included."""
    folder = Path(sysconfig.get_path("stdlib"))
    return Source("stdlib", "cpython", folder, _files(folder, (".py",)), platform.python_version(), "PSF-2.0")


def _find(path: Path, cache: Path, suffixes: Suffixes, progress: Progress) -> list[Source]:
    name = path.name.lower()
    if not path.exists():
        raise CorpusError(f"{path}: no such file or folder; a source is {ACCEPTED}")
    if path.is_dir():
        return _projects(path.resolve(), suffixes)
    if name.endswith(".py"):
        return [_single(path.resolve())]
    if name.endswith(".tsv"):
        return _packages(path, cache, suffixes, progress)
    if name.endswith((".jsonl", ".jsonl.gz")):
        return [Source("rows", path.name.partition(".jsonl")[0], path.resolve())]
    raise CorpusError(f"{path}: not a source; a source is {ACCEPTED}")


def _single(file: Path) -> Source:
    """Return the source that one file is. Raises CorpusError where there is no text to read."""
    content = _content(file)
    text = content if isinstance(content, Dropped) else decoded(content)
    if isinstance(text, Dropped):
        raise CorpusError(f"{file}: {text.reason}; a source is {ACCEPTED}")
    return Source("folder", file.stem, file.parent, (file.name,))


def _packages(path: Path, cache: Path, suffixes: Suffixes, progress: Progress) -> list[Source]:
    """Return the packages of a list; ``cpython`` among them is the running Python's standard library."""
    found = []
    listed = packages.read_list(path)
    for package in progress(listed, len(listed), f"fetching the packages of {path.name}"):
        if package.name == packages.CPYTHON:
            found.append(replace(stdlib(), split=package.split))
        else:
            found.append(packages.source_of(package, packages.fetch(package, cache), suffixes))
    return found


def _projects(folder: Path, suffixes: Suffixes) -> list[Source]:
    """Return a folder's projects: itself, or those of its children that look like projects, and the rest."""
    if _is_project(folder):
        return [_project(folder, folder.name, _files(folder, suffixes))]
    children = [child for child in sorted(folder.iterdir()) if child.is_dir() and _is_project(child)]
    names = {child.name for child in children}
    rest = tuple(file for file in _files(folder, suffixes) if file.split("/")[0] not in names)
    projects = [_project(child, child.name, _files(child, suffixes)) for child in children]
    return [*projects, *([_project(folder, folder.name, rest)] if rest else [])]


def _project(folder: Path, name: str, files: tuple[str, ...]) -> Source:
    return Source("folder", name, folder, files, licence=licences.of_folder(folder))


def _is_project(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _PROJECT_MARKS)


def _files(folder: Path, suffixes: Suffixes) -> tuple[str, ...]:
    """Return the paths of the files with such names in ``folder``, but for hidden folders and installed packages."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not _is_skipped(Path(parent, name)))
        inside = Path(parent).relative_to(folder)
        found += [
            (inside / name).as_posix() for name in files if name.endswith(suffixes) and Path(parent, name).is_file()
        ]
    return tuple(sorted(found))


def _is_skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name in ("__pycache__", "site-packages", "dist-packages", "node_modules")
        or (folder / "pyvenv.cfg").exists()
    )


def _content(file: Path) -> bytes | Dropped:
    """Return a file's bytes, unless it is too large or may not be read."""
    try:
        reason = filters.too_large(file.stat().st_size)
        return Dropped(reason) if reason else file.read_bytes()
    except OSError:  # no permission, gone since it was listed: counted like every other dropped file
        return Dropped("unreadable")


def _raise(error: OSError) -> None:
    raise error


def documents(sources: Iterable[Source], *, code_tokens: bool = False) -> Iterator[Document]:
    """Yield the documents of all ``sources``, in their order."""
    for source in sources:
        yield from read(source, code_tokens=code_tokens)


def count(sources: Iterable[Source]) -> int | None:
    """Return how many documents ``sources`` have, None where that is not known before they are read."""
    listed = list(sources)
    return None if any(source.kind == "rows" for source in listed) else sum(len(source.files) for source in listed)
