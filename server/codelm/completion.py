"""What a completer is asked and what it answers: plain values, quick to import."""

from dataclasses import dataclass
from enum import Enum


class CompletionKind(Enum):
    """What a completion is, as far as the model can tell."""

    KEYWORD = "keyword"
    VARIABLE = "variable"
    FUNCTION = "function"
    METHOD = "method"
    CLASS = "class"
    CONSTANT = "constant"
    FIELD = "field"
    MODULE = "module"
    VALUE = "value"  # a string
    LINE = "line"  # several tokens
    TEXT = "text"  # a word of a comment or string


class Source(Enum):
    """What proposed it most: the part of the mixture that most of its probability comes from."""

    FILE = "file"
    PROJECT = "project"
    NAMES = "names"  # what modules and classes are known to have
    NETWORK = "network"
    BASE = "base"  # the n-gram model


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of one document. Offsets into ``text`` count characters (code points)."""

    uri: str
    version: int | None
    text: str
    path: str = ""
    """The document's file, as ``workspace_files.path_key`` writes it; empty for none."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One proposal: ``text`` replaces what stands between ``Completions.start`` and the cursor."""

    text: str
    kind: CompletionKind
    probability: float
    source: Source = Source.BASE


@dataclass(frozen=True, slots=True)
class Completions:
    """Proposals, best first. ``start`` is the offset where the replaced text begins; it ends at the cursor.

    Both lie on one line. ``complete`` says that typing on can only narrow this list, so that an editor need not ask
    again.
    """

    items: tuple[Completion, ...]
    start: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Selected:
    """The item selected in an editor's list: ``text`` would replace what stands from ``start`` to the cursor."""

    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The rest of a line, as ghost text: ``text`` replaces what stands from ``start`` to ``end``.

    Both are offsets on the cursor's line, the cursor between them; what is replaced on its left ``text`` begins with.
    ``probability``: of being accepted as it is, as far as the model can tell.
    """

    text: str
    start: int
    end: int
    probability: float
    source: Source = Source.BASE


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Suggestions, best first; none where they would be a nuisance."""

    items: tuple[Suggestion, ...]
