"""A model as a folder: written whole or not at all, checked before anything of it is used.

::

    manifest.json            what it is: format, version, kind, shapes, training data, measured quality
    vocabulary.txt           see codelm.vocabulary
    MODEL_CARD.md            the same for people
    ngram.1.words.npy …      the arrays of codelm.ngram.Level, memory-mapped

Nothing in it is ever unpickled. Whatever is wrong (a missing file, a cut array, an index that leads outside) is a
``CheckpointError`` that names the file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CheckpointError, VocabularyError
from codelm.folder import MANIFEST, replaced_folder
from codelm.ngram import Level, NGram
from codelm.vocabulary import Vocabulary

FORMAT = "codelm checkpoint"
VERSION = 1
BUNDLED = Path(__file__).parent / "bundled"
VOCABULARY_FILE = "vocabulary.txt"
CARD_FILE = "MODEL_CARD.md"
HIGHEST_ORDER = 16

Stream = Literal["code", "code_tokens"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model. ``stream`` says what it was trained on: lexed code, or CodeSearchNet's tokens, without lines."""

    folder: Path
    name: str
    stream: Stream
    vocabulary: Vocabulary
    model: NGram
    facts: Mapping[str, Any]
    """What the manifest tells besides: training data, licences, quality."""


def save(
    folder: Path,
    model: NGram,
    vocabulary: Vocabulary,
    *,
    name: str,
    stream: str,
    facts: Mapping[str, Any],
    card: str = "",
) -> None:
    """Write a checkpoint, replacing one of that name; ``card`` is its model card. Raises StorageError."""
    with replaced_folder(folder, FORMAT) as new:
        (new / VOCABULARY_FILE).write_bytes(vocabulary.text().encode())
        if card:
            (new / CARD_FILE).write_bytes(card.encode())
        levels = []
        for length, level in enumerate(model.levels, 1):
            for part, array in _parts(level).items():
                np.save(_array_file(new, length, part), array, allow_pickle=False)
            levels.append({"ngrams": len(level.words), "quantised": level.weight_table is not None})
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "kind": "ngram",
            "name": name,
            "stream": stream,
            "vocabulary": {"size": len(vocabulary), "sha256": vocabulary.sha256},
            "ngram": {"order": model.order, "root_backoff": model.root_backoff, "levels": levels},
            **facts,
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def find(name: str) -> Path:
    """Return the folder of the checkpoint that a user names; "" is the bundled one."""
    return Path(name).expanduser() if name else BUNDLED


def bytes_in(folder: Path) -> int:
    """Return the sum of the sizes of a checkpoint's files."""
    return sum(file.stat().st_size for file in folder.iterdir())


def load(folder: Path) -> Checkpoint:
    """Open a checkpoint. Raises CheckpointError, naming what is wrong."""
    manifest = _manifest(folder)
    try:
        vocabulary = Vocabulary.read(folder / VOCABULARY_FILE)
    except VocabularyError as error:
        raise CheckpointError(str(error)) from error
    stated = _field(folder, manifest, "vocabulary", dict)
    if stated.get("sha256") != hashlib.sha256((folder / VOCABULARY_FILE).read_bytes()).hexdigest():
        raise CheckpointError(f"{folder / VOCABULARY_FILE} is not the vocabulary that the manifest names")
    stream = _field(folder, manifest, "stream", str)
    if stream not in ("code", "code_tokens"):
        raise CheckpointError(f"{folder / MANIFEST}: unknown stream {stream!r}")
    known = ("format", "version", "kind", "name", "stream", "vocabulary", "ngram")
    return Checkpoint(
        folder=folder,
        name=_field(folder, manifest, "name", str),
        stream=stream,
        vocabulary=vocabulary,
        model=_ngram(folder, _field(folder, manifest, "ngram", dict), len(vocabulary)),
        facts={key: value for key, value in manifest.items() if key not in known},
    )


def _manifest(folder: Path) -> dict[str, Any]:
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
    if manifest.get("version") != VERSION or manifest.get("kind") != "ngram":
        raise CheckpointError(
            f"{folder} is a {manifest.get('kind')!r} model of version {manifest.get('version')!r}; "
            f"this codelm reads 'ngram' of version {VERSION}"
        )
    return manifest


def _field(folder: Path, manifest: Mapping[str, Any], name: str, kind: type) -> Any:
    value = manifest.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CheckpointError(f"{folder / MANIFEST}: '{name}' is missing or of the wrong type")
    return value


# --- the arrays of an n-gram model ----------------------------------------------------------------------------


def _parts(level: Level) -> dict[str, NDArray[Any]]:
    parts = {
        "words": level.words,
        "weights": level.weights,
        "weight_table": level.weight_table,
        "first": level.first,
        "backoffs": level.backoffs,
        "backoff_table": level.backoff_table,
    }
    return {name: array for name, array in parts.items() if array is not None}


def _array_file(folder: Path, length: int, part: str) -> Path:
    return folder / f"ngram.{length}.{part}.npy"


def _ngram(folder: Path, stated: Mapping[str, Any], size: int) -> NGram:
    order = _field(folder, stated, "order", int)
    root_backoff = _field(folder, stated, "root_backoff", float)
    levels = _field(folder, stated, "levels", list)
    if not 1 <= order <= HIGHEST_ORDER or len(levels) != order or not 0 < root_backoff <= 1:
        raise CheckpointError(f"{folder / MANIFEST}: 'ngram' contradicts itself")
    opened: list[Level] = []
    for length in range(order, 0, -1):
        longer = len(opened[0].words) if opened else None
        opened.insert(0, _level(folder, levels[length - 1], length, longer, size))
    return NGram(opened, size, root_backoff)


def _level(folder: Path, stated: object, length: int, longer: int | None, size: int) -> Level:
    """Open one level; ``longer`` is how many n-grams the next one has, None for the highest."""
    if not isinstance(stated, dict):
        raise CheckpointError(f"{folder / MANIFEST}: 'levels' holds something that is no level")
    count = _field(folder, stated, "ngrams", int)
    quantised = stated.get("quantised") is True
    mass_type = np.uint8 if quantised else np.float32

    def part(name: str, dtypes: Sequence[type], shape: int) -> NDArray[Any]:
        return _array(_array_file(folder, length, name), dtypes, shape)

    def check(name: str, good: bool, problem: str) -> None:
        if not good:
            raise CheckpointError(f"{_array_file(folder, length, name)} is broken: {problem}")

    def table(name: str) -> NDArray[np.float32] | None:
        if not quantised:
            return None
        values = part(name, [np.float32], 256)
        check(name, bool(np.all((values >= 0) & (values <= 1))), "a value is not between 0 and 1")
        return values

    words = part("words", [np.uint16, np.uint32], count)
    check("words", count > 0 and int(words.max()) < size, "an id is outside the vocabulary")
    weights = part("weights", [mass_type], count)
    check("weights", quantised or bool(np.all((weights >= 0) & (weights <= 1))), "a value is not between 0 and 1")
    if longer is None:
        return Level(words, weights, table("weight_table"))
    first = part("first", [np.uint32], count + 1)
    in_order = first[0] == 0 and first[-1] == longer and bool(np.all(first[:-1] <= first[1:]))
    check("first", in_order, "its places are out of order")
    backoffs = part("backoffs", [mass_type], count)
    check("backoffs", quantised or bool(np.all((backoffs >= 0) & (backoffs <= 1))), "a value is not between 0 and 1")
    return Level(words, weights, table("weight_table"), first, backoffs, table("backoff_table"))


def _array(path: Path, dtypes: Sequence[type], length: int) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError, EOFError, SyntaxError, TypeError) as error:
        raise CheckpointError(f"{path} is no array: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype not in dtypes or array.shape != (length,):
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise CheckpointError(f"{path} holds {found}, not {np.dtype(dtypes[0])} ({length},)")
    return array.view(np.ndarray)  # still the mapped memory, but memmap's own indexing is many times slower
