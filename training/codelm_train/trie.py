"""An estimated n-gram model, and how it becomes one that answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.ngram import NGram
from codelm.trie import Level
from codelm_train.columns import Column, Numbers


@dataclass(frozen=True, eq=False)
class TrieLevel:
    """What a model keeps of a level, n n-grams in the order of ``codelm_train.count.CountedLevel``.

    ``words`` (n,); ``first`` (contexts + 1,): where those of each context begin; ``masses`` a (n,); ``backoffs`` γ
    (n,) of each n-gram as a context, 1 where nothing followed it, and 1 for all at the highest level.
    """

    words: Numbers
    first: Numbers
    masses: Numbers
    backoffs: Numbers


@dataclass(frozen=True, eq=False)
class Trie:
    """An estimated model: levels, shortest n-grams first; ``size`` ids; γ of the empty context."""

    levels: tuple[TrieLevel, ...]
    size: int
    root_backoff: float


def to_model(trie: Trie) -> NGram:
    """Return an estimate as a model, unrounded (float32). What is in files stays there, mapped into memory."""
    levels = []
    word_type = np.uint16 if trie.size <= 1 << 16 else np.uint32
    longer: Iterable[TrieLevel | None] = (*trie.levels[1:], None)
    for level, next_level in zip(trie.levels, longer, strict=True):
        words, masses = _whole(level.words, word_type), _whole(level.masses, np.float32)
        if next_level is None:
            levels.append(Level(words, masses))
        else:
            first, backoffs = _whole(next_level.first, np.uint32), _whole(level.backoffs, np.float32)
            levels.append(Level(words, masses, first=first, backoffs=backoffs))
    return NGram(levels, trie.size, trie.root_backoff)


def _whole(numbers: Numbers, dtype: type[np.generic]) -> NDArray[Any]:
    if isinstance(numbers, Column) and numbers.dtype == dtype:
        return numbers.mapped()
    found: NDArray[Any] = numbers[:].astype(dtype, copy=False)
    return found
