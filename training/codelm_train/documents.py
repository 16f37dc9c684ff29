"""What goes into a corpus: sources, and the documents that they hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codelm_train.licences import UNKNOWN

Kind = Literal["folder", "package", "stdlib", "rows"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is left out."""

    reason: str
    """A short phrase, the same for all documents that are left out for it."""


@dataclass(frozen=True, slots=True)
class Source:
    """One project, or a file of rows from many: where documents come from, as a corpus records it."""

    kind: Kind
    name: str
    """The project's name; of rows the file's."""
    location: Path
    """A folder, a wheel, or a file of rows."""
    files: tuple[str, ...] = ()
    """The Python files in ``location``: sorted paths with ``/`` between parts. Of rows none."""
    version: str | None = None
    licence: str = UNKNOWN
    split: str | None = None
    """train, validation or test where the source says so."""
    sha256: str | None = None
    """Of the wheel, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file, or a row: what becomes one sequence of words."""

    source: Source
    project: str
    path: str
    """Inside the project, with ``/`` between parts."""
    content: bytes | str | tuple[str, ...] | Dropped
    """A file's bytes, a row's text, a row's words, or why there is nothing of these."""
    split: str | None
    """train, validation or test where the source says so."""
