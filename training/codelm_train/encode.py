"""From a corpus of open vocabulary to the ids of one vocabulary."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.model import LanguageModel, reading
from codelm.session import SessionVocabulary
from codelm.vocabulary import SPECIAL_WORDS, UNK, Vocabulary
from codelm_train.corpus import Corpus, Split

S = TypeVar("S")


def read_words(model: LanguageModel[S], vocabulary: Vocabulary, words: Sequence[str]) -> tuple[LanguageModel[S], S]:
    """Return a model that reads these words, those outside its vocabulary too if it can, and its state behind them."""
    session = SessionVocabulary(vocabulary)
    ids = session.learn(words)
    model = reading(model, session.own_words)
    return model, model.read(model.start(), ids)


def encoded(words: Sequence[str], places: NDArray[np.integer], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the ids (T,) of sequences of ``words``, given as their places (T,) among them.

    A word that the vocabulary lacks is ``[UNK]``, and so is one that only looks like ``[PAD]`` or ``[EOS]``: those
    stand where a sequence begins and ends, and nowhere else.
    """
    table = vocabulary.ids(words)
    table[[word in SPECIAL_WORDS for word in words]] = UNK
    ids: NDArray[np.int64] = table[places]
    return ids


def word_counts(corpus: Corpus, split: Split) -> Mapping[str, int]:
    """Return how often each word occurs in a split; words that don't occur in it are left out."""
    counts = np.bincount(split.ids, minlength=len(corpus.lexicon.words))
    return {word: int(count) for word, count in zip(corpus.lexicon.words, counts, strict=True) if count}
