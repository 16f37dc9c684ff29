"""A model as a folder: written whole or not at all, checked before anything of it is used.

::

    manifest.json            what it is: format, version, kind, shapes, training data, measured quality
    vocabulary.txt           see codelm.vocabulary
    MODEL_CARD.md            the same for people
    ngram.1.words.npy …      the arrays of codelm.trie.Level, memory-mapped
    ngram.1.best_ids.npy …   those of codelm.best_lists.BestLists, for the wide contexts of that length

Processes that open the same checkpoint share its arrays. Nothing in it is ever unpickled. Whatever is wrong (a missing
file, a cut array, an index that leads outside) is a ``CheckpointError`` that names the file.
"""

import hashlib
import json
import math
import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codelm.best_lists import BestLists, listed_ids, no_lists
from codelm.errors import CheckpointError, VocabularyError
from codelm.folder import MANIFEST, replaced_folder
from codelm.ngram import NGram
from codelm.trie import Level, carries_of, halved
from codelm.vocabulary import PAD, Vocabulary
from codelm.weights import Weights, unfitted

FORMAT = "codelm checkpoint"
VERSION = 2
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
    weights: Weights | None = None
    """The weights with which the model is mixed with others; None where it was not mixed."""


def save(
    folder: Path,
    model: NGram,
    vocabulary: Vocabulary,
    *,
    name: str,
    stream: str,
    facts: Mapping[str, Any],
    card: str = "",
    weights: Weights | None = None,
) -> None:
    """Write a checkpoint, replacing one of that name; ``card`` is its model card. Raises StorageError."""
    lists = [*model.lists, no_lists()]
    with replaced_folder(folder, FORMAT) as new:
        (new / VOCABULARY_FILE).write_bytes(vocabulary.text().encode())
        if card:
            (new / CARD_FILE).write_bytes(card.encode())
        levels = []
        for length, (level, best) in enumerate(zip(model.levels, lists, strict=True), 1):
            for part, array in _parts(level, best).items():
                np.save(_array_file(new, length, part), array, allow_pickle=False)
            quantised = level.weight_table is not None
            levels.append({"ngrams": len(level.words), "quantised": quantised, "listed": len(best.contexts)})
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "kind": "ngram",
            "name": name,
            "stream": stream,
            "vocabulary": {"size": len(vocabulary), "sha256": vocabulary.sha256},
            "ngram": {"order": model.order, "root_backoff": model.root_backoff, "levels": levels},
            **({} if weights is None else {"mixture": weights.as_json()}),
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
    vocabulary = _vocabulary(folder, _field(folder, manifest, "vocabulary", dict))
    stream = _field(folder, manifest, "stream", str)
    if stream not in ("code", "code_tokens"):
        raise CheckpointError(f"{folder / MANIFEST}: unknown stream {stream!r}")
    known = ("format", "version", "kind", "name", "stream", "vocabulary", "ngram", "mixture")
    return Checkpoint(
        folder=folder,
        name=_field(folder, manifest, "name", str),
        stream=stream,
        vocabulary=vocabulary,
        model=_ngram(folder, _field(folder, manifest, "ngram", dict), len(vocabulary)),
        facts={key: value for key, value in manifest.items() if key not in known},
        weights=_weights(folder, manifest),
    )


def default_weights() -> Weights:
    """Return the weights for a model without its own: the bundled model's, which are much like any other's."""
    return _weights(BUNDLED, _manifest(BUNDLED)) or unfitted()


def _weights(folder: Path, manifest: Mapping[str, Any]) -> Weights | None:
    if "mixture" not in manifest:
        return None
    try:
        return Weights.from_json(_field(folder, manifest, "mixture", dict))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: 'mixture': {error}") from error


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


def _vocabulary(folder: Path, stated: Mapping[str, Any]) -> Vocabulary:
    path = folder / VOCABULARY_FILE
    try:
        vocabulary = Vocabulary.read(path)
        content = path.read_bytes()
    except VocabularyError as error:
        raise CheckpointError(str(error)) from error
    if stated.get("sha256") != hashlib.sha256(content).hexdigest():
        raise CheckpointError(f"{path} is not the vocabulary that the manifest names")
    return vocabulary


def _field(folder: Path, manifest: Mapping[str, Any], name: str, kind: type) -> Any:
    value = manifest.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CheckpointError(f"{folder / MANIFEST}: '{name}' is missing or of the wrong type")
    return value


# --- the arrays of an n-gram model ----------------------------------------------------------------------------


def _parts(level: Level, best: BestLists) -> dict[str, NDArray[Any]]:
    parts = {
        "words": level.words,
        "weights": level.weights,
        "weight_table": level.weight_table,
        "first": None if level.first is None else halved(level.every_span()),
        "backoffs": level.backoffs,
        "backoff_table": level.backoff_table,
    }
    if len(best.contexts):
        parts |= {
            "best_contexts": best.contexts,
            "best_ids": best.ids,
            "best_rests": best.rests,
            "best_scales": best.scales,
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
    lists: list[BestLists] = []
    for length in range(order, 0, -1):
        files = _LevelFiles(folder, length, levels[length - 1], size)
        if opened:
            lists.insert(0, files.best_lists(opened[0]))
        opened.insert(0, files.level(opened[0] if opened else None))
    return NGram(opened, size, root_backoff, lists)


class _LevelFiles:
    """The files of one level, as its manifest states them. Raises CheckpointError, naming the file that is wrong."""

    def __init__(self, folder: Path, length: int, stated: object, size: int):
        if not isinstance(stated, dict):
            raise CheckpointError(f"{folder / MANIFEST}: 'levels' holds something that is no level")
        self._folder = folder
        self._length = length
        self._size = size
        self._count: int = _field(folder, stated, "ngrams", int)
        self._listed: int = _field(folder, stated, "listed", int)
        self._quantised = stated.get("quantised") is True
        self._id_types = [np.uint16, np.uint32] if size <= 1 << 16 else [np.uint32]

    def level(self, longer: Level | None) -> Level:
        """Open the level; ``longer`` is the next one, None for the highest."""
        words = self._part("words", self._id_types, self._count)
        self._check("words", self._count > 0 and int(words.max()) < self._size, "an id is outside the vocabulary")
        self._check("words", self._length == 1 or int(words.min()) != PAD, "[PAD] stands behind other words")
        weights = self._masses("weights")
        if longer is None:
            return Level(words, weights, self._table("weight_table"))
        first = self._part("first", [np.uint16, np.uint32], self._count + 1)
        carries = carries_of(first)
        level = Level(
            words, weights, self._table("weight_table"),
            first, self._masses("backoffs"), self._table("backoff_table"), carries,
        )  # fmt: skip
        begin, end = first.item(0), level.span(self._count - 1)[1]
        # Lower halves that fall say that something is carried, so no places they could hold are out of order.
        in_order = first.dtype == np.uint16 or bool(np.all(first[:-1] <= first[1:]))
        self._check("first", begin == 0 and end == len(longer.words) and in_order, "its places are out of order")
        return level

    def best_lists(self, longer: Level) -> BestLists:
        """Open what is ready for the wide contexts of this length."""
        if self._listed == 0:
            return no_lists()
        contexts = self._part("best_contexts", [np.uint32], self._listed)
        in_order = int(contexts[-1]) < self._count and bool(np.all(contexts[:-1] < contexts[1:]))
        self._check("best_contexts", in_order, "its nodes are out of order")
        ids = self._part("best_ids", self._id_types, self._listed, listed_ids(self._size))
        known = int(ids.max()) < self._size and int(ids.min()) != PAD
        self._check("best_ids", known, "an id is outside the vocabulary")
        rests = self._part("best_rests", [np.float32], self._listed)
        self._check("best_rests", _are_masses(rests), "a value is not between 0 and 1")
        scales = None
        if longer.weight_table is not None:
            scales = self._part("best_scales", [np.float32], self._listed)
            self._check("best_scales", bool(np.all((scales >= 0) & np.isfinite(scales))), "a value is no factor")
        return BestLists(contexts, ids, rests, scales)

    def _masses(self, name: str) -> NDArray[Any]:
        masses = self._part(name, [np.uint8 if self._quantised else np.float32], self._count)
        self._check(name, self._quantised or _are_masses(masses), "a value is not between 0 and 1")
        return masses

    def _table(self, name: str) -> NDArray[np.float32] | None:
        if not self._quantised:
            return None
        values = self._part(name, [np.float32], 256)
        self._check(name, _are_masses(values), "a value is not between 0 and 1")
        return values

    def _part(self, name: str, dtypes: Sequence[type], *shape: int) -> NDArray[Any]:
        return _array(_array_file(self._folder, self._length, name), dtypes, shape)

    def _check(self, name: str, good: bool, problem: str) -> None:
        if not good:
            raise CheckpointError(f"{_array_file(self._folder, self._length, name)} is broken: {problem}")


def _are_masses(values: NDArray[Any]) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))


def _array(path: Path, dtypes: Sequence[type], shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array as ``np.save`` wrote it. (``np.load`` takes eight times as long to understand a header.)"""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        raise CheckpointError(f"{path} is no array: {error}") from error
    header = _HEADER.match(mapped)
    if header is None:
        raise CheckpointError(f"{path} is no array: it does not begin like one")
    written, dtype = header["type"].decode(), np.dtype(dtypes[0])
    for other in map(np.dtype, dtypes):
        dtype = other if other.str == written else dtype
    if dtype.str != written or header["shape"].decode() != str(shape):
        held = f"{written} {header['shape'].decode()}"
        raise CheckpointError(f"{path} holds {held}, not {dtype.str} {shape}")
    begin = header.end()
    if len(mapped) != begin + math.prod(shape) * dtype.itemsize:
        raise CheckpointError(f"{path} is no array: it is cut short, or something was added")
    return np.ndarray(shape, dtype, buffer=mapped, offset=begin)


# NumPy's format 1.0: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00[\x00-\xff]{2}"
    rb"\{'descr': '(?P<type>[<>|][a-zA-Z]\d{0,4})', 'fortran_order': False, "
    rb"'shape': (?P<shape>\([\d, ]{0,60}\)), \} *\n"
)
