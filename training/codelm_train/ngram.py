"""An n-gram model of a corpus, as large or as small as asked for."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.checkpoint import Checkpoint
from codelm.errors import UsageError
from codelm.model import Ids
from codelm.ngram import NGram
from codelm.vocabulary import EOS, PAD, UNK, Vocabulary
from codelm_train.base import check_words
from codelm_train.corpus import Corpus, Split
from codelm_train.count import BLOCK, count
from codelm_train.encode import encoded
from codelm_train.evaluate import evaluate
from codelm_train.facts import base_facts, data_facts
from codelm_train.merge import Taught, merged
from codelm_train.progress import Progress, silent
from codelm_train.prune import prune, quantise
from codelm_train.recipe import NGramRecipe
from codelm_train.smoothing import SMOOTHINGS, estimate
from codelm_train.split import TRAIN, VALIDATION
from codelm_train.trie import to_model

HIGHEST_ORDER = 8
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
# What a checkpoint holds besides n-grams and vocabulary: manifest, model card, tables, the heads of the arrays.
_BESIDES = 60_000
WEIGHTS = (2.0, 8.0, 32.0, 128.0, 512.0, 2048.0, 8192.0)
"""How much the counts of one's own code may count beside those of a base, which has many more."""
DEFAULT_WEIGHT = 32.0
_WEIGHED = 50_000  # words that a weight is tried on


def made(
    corpus: Corpus, vocabulary: Vocabulary, recipe: NGramRecipe, folder: Path, base: Checkpoint | None = None,
    progress: Progress = silent,
) -> tuple[NGram, dict[str, Any]]:  # fmt: skip
    """Return the model of a corpus, merged with that of ``base`` if there is one, and what a checkpoint says of it.

    Raises what ``train`` does.
    """
    training: dict[str, Any] = {"smoothing": recipe.smoothing, **data_facts(corpus)}
    if base is None:
        return train(corpus, vocabulary, recipe, folder, progress), {"training": training}
    model, weight = train_onto(base, corpus, vocabulary, recipe, folder, progress)
    return model, {"training": {**training, "base": base_facts(base), "weight": weight}}


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


def train_onto(
    base: Checkpoint, corpus: Corpus, vocabulary: Vocabulary, recipe: NGramRecipe, folder: Path,
    progress: Progress = silent,
) -> tuple[NGram, float]:  # fmt: skip
    """Return the n-gram model of ``base`` merged with that of the corpus's training split, and the latter's weight.

    The weight is the one of ``WEIGHTS`` that predicts the validation split best. The vocabulary must begin with the
    words of the base; the size that the recipe names is that of the corpus's own n-grams. Raises what ``train`` does.
    """
    check_words(base, vocabulary)
    model = train(corpus, vocabulary, recipe, folder, progress)
    split = corpus.split(TRAIN)
    words = corpus.lexicon.words
    of_words = np.bincount(split.ids, minlength=len(words))
    ids = encoded(words, np.arange(len(words)), vocabulary)
    counts: NDArray[np.float64] = np.bincount(ids, of_words.astype(np.float64), len(vocabulary)).astype(np.float64)
    own = Taught(model, _with_ends(counts, len(split)))
    general = Taught(base.ngram, _counts(base, len(vocabulary), len(split.ids) / max(len(split), 1)))
    best, least = DEFAULT_WEIGHT, math.inf
    held_out = corpus.splits.get(VALIDATION)
    if held_out is not None and len(held_out.ids):
        for weight in progress(WEIGHTS, len(WEIGHTS), "weighing your code"):
            bits = _bits(to_model(merged(general, own, weight)), corpus, held_out, vocabulary)
            if bits < least:
                best, least = weight, bits
    return quantise(to_model(merged(general, own, best))), best


def _counts(base: Checkpoint, size: int, sequence: float) -> NDArray[np.float64]:
    """Return how often each id (size,) stands in what a checkpoint was trained on.

    Its sequences are not counted in it: they are taken to be about as long as others, of ``sequence`` words.
    """
    counts = np.zeros(size)
    counts[: len(base.vocabulary)] = base.vocabulary.counts
    tokens = int(base.facts["training"]["tokens"])
    counts[UNK] = max(tokens - counts.sum(), 0)
    return _with_ends(counts, round(tokens / max(sequence, 1)))


def _with_ends(counts: NDArray[np.float64], sequences: int) -> NDArray[np.float64]:
    counts[[PAD, EOS]] = sequences
    return counts


def _bits(model: NGram, corpus: Corpus, split: Split, vocabulary: Vocabulary) -> float:
    """Return the bits a word of the first sequences of a split."""
    last = max(1, int(np.searchsorted(split.starts, _WEIGHED, side="right")) - 1)
    starts = split.starts[: last + 1]
    ids = split.ids[: int(starts[-1])]
    if not len(ids):
        return math.inf
    return evaluate(model, vocabulary, corpus.lexicon.words, ids, starts, every=len(ids) + 1).all.bits_per_token


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
