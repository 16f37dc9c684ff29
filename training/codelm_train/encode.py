"""From a corpus of open vocabulary to the ids of one vocabulary."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from codelm.vocabulary import Vocabulary
from codelm_train.corpus import Corpus, Split


def encoded(corpus: Corpus, split: Split, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the ids (T,) of all words of a split, ``[UNK]`` for those that the vocabulary lacks."""
    table = vocabulary.ids(corpus.lexicon.words)
    return table[split.ids]


def word_counts(corpus: Corpus, split: Split) -> Mapping[str, int]:
    """Return how often each word occurs in a split; words that don't occur in it are left out."""
    counts = np.bincount(split.ids, minlength=len(corpus.lexicon.words))
    return {word: int(count) for word, count in zip(corpus.lexicon.words, counts, strict=True) if count}
