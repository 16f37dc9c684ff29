"""The files of an n-gram model in a checkpoint's folder: written as they are in memory, checked when opened.

::

    ngram.1.words.npy …      the arrays of codelm.trie.Level
    ngram.1.best_ids.npy …   those of codelm.best_lists.BestLists, for the wide contexts of that length
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.arrays import mapped_array
from codelm.best_lists import BestLists, listed_ids, no_lists
from codelm.errors import CheckpointError
from codelm.folder import MANIFEST
from codelm.manifest import field
from codelm.ngram import NGram
from codelm.trie import Level, carries_of, halved
from codelm.vocabulary import PAD

HIGHEST_ORDER = 16


def save_ngram(folder: Path, model: NGram) -> Mapping[str, Any]:
    """Write the arrays of a model; return what the manifest is to say of them."""
    levels = []
    for length, (level, best) in enumerate(zip(model.levels, [*model.lists, no_lists()], strict=True), 1):
        for part, array in _parts(level, best).items():
            np.save(_array_file(folder, length, part), array, allow_pickle=False)
        quantised = level.weight_table is not None
        levels.append({"ngrams": len(level.words), "quantised": quantised, "listed": len(best.contexts)})
    return {"order": model.order, "root_backoff": model.root_backoff, "levels": levels}


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


def open_ngram(folder: Path, stated: Mapping[str, Any], size: int) -> NGram:
    """Open the model over ``size`` ids that the manifest states. Raises CheckpointError, naming the file."""
    order = field(folder, stated, "order", int)
    root_backoff = field(folder, stated, "root_backoff", float)
    levels = field(folder, stated, "levels", list)
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
        self._count: int = field(folder, stated, "ngrams", int)
        self._listed: int = field(folder, stated, "listed", int)
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
        return mapped_array(_array_file(self._folder, self._length, name), dtypes, shape)

    def _check(self, name: str, good: bool, problem: str) -> None:
        if not good:
            raise CheckpointError(f"{_array_file(self._folder, self._length, name)} is broken: {problem}")


def _are_masses(values: NDArray[Any]) -> bool:
    return bool(np.all((values >= 0) & (values <= 1)))
