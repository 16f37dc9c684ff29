"""The manifest of a checkpoint: one JSON object that says what the folder is, and what its files must fit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codelm.errors import CheckpointError
from codelm.folder import MANIFEST
from codelm.neural.shape import KINDS as NETWORKS

FORMAT = "codelm checkpoint"
VERSION = 3
NGRAM, MIXTURE = "ngram", "mixture"
KINDS = (NGRAM, *NETWORKS, MIXTURE)
"""A mixture is of an n-gram model and a network; any model may have weights with which it is mixed with caches."""


def write_manifest(folder: Path, kind: str, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a model of a kind."""
    whole = {"format": FORMAT, "version": VERSION, "kind": kind, **manifest}
    (folder / MANIFEST).write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder. Raises CheckpointError where it is none that this codelm reads."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is not a model: it has no {MANIFEST}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not the manifest of a {FORMAT}")
    if manifest.get("version") != VERSION or manifest.get("kind") not in KINDS:
        raise CheckpointError(
            f"{folder} is a {manifest.get('kind')!r} model of version {manifest.get('version')!r}; "
            f"this codelm reads {', '.join(map(repr, KINDS))} of version {VERSION}"
        )
    return manifest


def field(folder: Path, manifest: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return what a manifest, or an object in it, says by a name.

    Raises CheckpointError where that is missing or of another type.
    """
    value = manifest.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CheckpointError(f"{folder / MANIFEST}: '{name}' is missing or of the wrong type")
    return value
