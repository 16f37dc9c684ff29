"""The checkpoint that a model of one's own begins with."""

from pathlib import Path

from codelm.checkpoint import BUNDLED, Checkpoint, load

NAME = "bundled"
"""What the model that codelm brings along is called."""


def open_base(name: str, home: Path = Path()) -> Checkpoint | None:
    """Open the checkpoint that is called so: ``bundled``, or a folder, relative to ``home``; None for no name.

    Raises CheckpointError.
    """
    if not name:
        return None
    return load(BUNDLED if name == NAME else home / Path(name).expanduser())
