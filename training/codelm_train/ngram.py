"""An n-gram model of a corpus, as large or as small as asked for."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.errors import UsageError
from codelm.model import Ids
from codelm.ngram import NGram
from codelm.vocabulary import Vocabulary
from codelm_train.corpus import Corpus
from codelm_train.count import BLOCK, count
from codelm_train.encode import encoded
from codelm_train.facts import data_facts
from codelm_train.progress import Progress, silent
from codelm_train.prune import prune, quantise
from codelm_train.recipe import NGramRecipe
from codelm_train.smoothing import SMOOTHINGS, estimate
from codelm_train.split import TRAIN
from codelm_train.trie import to_model

HIGHEST_ORDER = 8
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
# What a checkpoint holds besides n-grams and vocabulary: manifest, model card, tables, the heads of the arrays.
_BESIDES = 60_000


def train(
    corpus: Corpus, vocabulary: Vocabulary, recipe: NGramRecipe, folder: Path, progress: Progress = silent
) -> NGram:
    """Return the model of the corpus's training split. Raises UsageError for what the recipe can't mean.

    What it takes more room than memory for is in ``folder``, and so are the arrays of a model that is not pruned:
    the folder must stay while the model is used. A count that was interrupted goes on there. Raises OSError.
    """
    max_bytes = check(vocabulary, recipe)
    split = corpus.split(TRAIN)
    ids = _narrow(split.ids, encoded(corpus.lexicon.words, np.arange(len(corpus.lexicon)), vocabulary), vocabulary)
    counted = count(ids, split.starts, size=len(vocabulary), order=recipe.order, folder=folder, progress=progress)
    trie = estimate(counted, len(vocabulary), folder, recipe.smoothing, progress)
    if recipe.prune or max_bytes is not None:
        trie = prune(trie, counted, cutoffs=recipe.prune, max_bytes=max_bytes, progress=progress)
    model = to_model(trie)
    return model if max_bytes is None else quantise(model)


def check(vocabulary: Vocabulary, recipe: NGramRecipe) -> int | None:
    """Return the bytes that the n-grams of a model may take, if the recipe limits them.

    Raises UsageError for what the recipe can't mean.
    """
    if not 1 <= recipe.order <= HIGHEST_ORDER:
        raise UsageError(f"the order {recipe.order} is not between 1 and {HIGHEST_ORDER}")
    if any(cutoff < 0 for cutoff in recipe.prune):
        raise UsageError(f"prune has a negative number: {', '.join(map(str, recipe.prune))}")
    if recipe.smoothing not in SMOOTHINGS:
        raise UsageError(f"no such smoothing: {recipe.smoothing}; there are {', '.join(SMOOTHINGS)}")
    if not recipe.size:
        return None
    max_bytes = bytes_of(recipe.size) - len(vocabulary.text().encode()) - _BESIDES
    if max_bytes < 0:
        raise UsageError(f"a vocabulary of {len(vocabulary):,} words doesn't fit into {recipe.size}")
    return max_bytes


def _narrow(places: NDArray[np.uint32], table: Ids, vocabulary: Vocabulary) -> NDArray[np.unsignedinteger[Any]]:
    """Return ``table[places]``, (T,), in as few bytes as the vocabulary allows and without wider ones in between."""
    table = table.astype(np.uint16 if len(vocabulary) <= 1 << 16 else np.uint32)
    ids: NDArray[np.unsignedinteger[Any]] = np.empty(len(places), table.dtype)
    for at in range(0, len(places), BLOCK):
        ids[at : at + BLOCK] = table[places[at : at + BLOCK]]
    return ids


def bytes_of(size: str) -> int:
    """Return the bytes of a size such as "10MB" (a million bytes each). Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B?)\s*", size.upper())
    unit = match and (match[2] if match[2].endswith("B") or not match[2] else match[2] + "B")
    if match is None or unit is None:
        raise UsageError(f"{size!r} is no size; write it as 10MB or 800KB")
    return int(float(match[1]) * _UNITS[unit])


def facts(corpus: Corpus, recipe: NGramRecipe) -> dict[str, Any]:
    """Return what a checkpoint says of the data that it was trained on, and of how."""
    return {"training": {"smoothing": recipe.smoothing, **data_facts(corpus)}}
