"""The checkpoint that a model of one's own begins with."""

from pathlib import Path

from codelm.checkpoint import BUNDLED, Checkpoint, load
from codelm.errors import UsageError
from codelm.vocabulary import Vocabulary

NAME = "bundled"
"""What the model that codelm brings along is called."""


def open_base(name: str, home: Path = Path()) -> Checkpoint | None:
    """Open the checkpoint that is called so: ``bundled``, or a folder, relative to ``home``; None for no name.

    Raises CheckpointError.
    """
    if not name:
        return None
    return load(BUNDLED if name == NAME else home / Path(name).expanduser())


def check_words(base: Checkpoint, vocabulary: Vocabulary) -> None:
    """Raise UsageError unless a vocabulary begins with the words of a base: its models know words by their ids."""
    if vocabulary.words[: len(base.vocabulary)] != base.vocabulary.words:
        raise UsageError(f"the vocabulary does not begin with the words of {base.folder}: make one with --base")
