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


@dataclass(frozen=True, slots=True)
class Completions:
    """Proposals, best first. ``start`` is the offset where the replaced text begins; it ends at the cursor.

    Both lie on one line. ``complete`` says that typing on can only narrow this list, so that an editor need not ask
    again.
    """

    items: tuple[Completion, ...]
    start: int
    complete: bool
