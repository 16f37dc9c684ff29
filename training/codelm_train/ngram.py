"""An n-gram model of a corpus, as large or as small as asked for."""

import re
from typing import Any

from codelm.errors import UsageError
from codelm.ngram import NGram
from codelm.vocabulary import Vocabulary
from codelm_train.corpus import Corpus
from codelm_train.count import count, estimate, to_model
from codelm_train.encode import encoded
from codelm_train.progress import Progress, silent
from codelm_train.prune import prune, quantise
from codelm_train.recipe import NGramRecipe
from codelm_train.split import TRAIN

HIGHEST_ORDER = 8
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
# What a checkpoint holds besides n-grams and vocabulary: manifest, model card, tables, the heads of the arrays.
_BESIDES = 40_000


def train(corpus: Corpus, vocabulary: Vocabulary, recipe: NGramRecipe, progress: Progress = silent) -> NGram:
    """Return the model of the corpus's training split. Raises UsageError for what the recipe can't mean."""
    if not 1 <= recipe.order <= HIGHEST_ORDER:
        raise UsageError(f"the order {recipe.order} is not between 1 and {HIGHEST_ORDER}")
    if any(cutoff < 0 for cutoff in recipe.prune):
        raise UsageError(f"prune has a negative number: {', '.join(map(str, recipe.prune))}")
    max_bytes = None
    if recipe.size:
        max_bytes = bytes_of(recipe.size) - len(vocabulary.text().encode()) - _BESIDES
        if max_bytes < 0:
            raise UsageError(f"a vocabulary of {len(vocabulary):,} words doesn't fit into {recipe.size}")
    split = corpus.split(TRAIN)
    ids = encoded(corpus.lexicon.words, split.ids, vocabulary)
    counted = count(ids, split.starts, size=len(vocabulary), order=recipe.order, progress=progress)
    trie = estimate(counted, len(vocabulary))
    if recipe.prune or max_bytes is not None:
        trie = prune(trie, counted, cutoffs=recipe.prune, max_bytes=max_bytes)
    model = to_model(trie)
    return model if max_bytes is None else quantise(model)


def bytes_of(size: str) -> int:
    """Return the bytes of a size such as "10MB" (a million bytes each). Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B?)\s*", size.upper())
    unit = match and (match[2] if match[2].endswith("B") or not match[2] else match[2] + "B")
    if match is None or unit is None:
        raise UsageError(f"{size!r} is no size; write it as 10MB or 800KB")
    return int(float(match[1]) * _UNITS[unit])


def facts(corpus: Corpus) -> dict[str, Any]:
    """Return what a checkpoint says of the data that it was trained on."""
    kept = ("name", "version", "licence", "split", "sha256", "words")
    return {
        "training": {
            "tokens": len(corpus.split(TRAIN).ids),
            "sources": [{key: source.get(key) for key in kept} for source in corpus.manifest["sources"]],
            "dropped": dict(corpus.manifest["dropped"]),
        }
    }
