"""The vocabulary of a corpus: its own words, or those of a base with its own behind them."""

from collections.abc import Mapping

from codelm.checkpoint import Checkpoint
from codelm.vocabulary import SPECIAL_WORDS, Vocabulary, most_frequent


def vocabulary_of(counts: Mapping[str, int], size: int, min_count: int, base: Checkpoint | None = None) -> Vocabulary:
    """Return the vocabulary of words that were counted, which extends that of ``base`` if there is one."""
    if base is None:
        return most_frequent(counts, size, min_count)
    return extended(base.vocabulary, counts, size, min_count)


def extended(vocabulary: Vocabulary, counts: Mapping[str, int], size: int = 0, min_count: int = 1) -> Vocabulary:
    """Return the vocabulary with the most frequent of the words that it lacks and that were seen ``min_count`` times.

    It has at most ``size`` words then (0: any number), and never fewer than before. Its own words keep their ids; what
    was counted of them is added to their counts.
    """
    special = len(SPECIAL_WORDS)
    new = {word: count for word, count in counts.items() if word not in vocabulary}
    added = most_frequent(new, max(size - len(vocabulary), 0) + special if size else 0, min_count)
    known = [count + counts.get(word, 0) for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)]
    known[:special] = vocabulary.counts[:special]
    return Vocabulary([*vocabulary.words, *added.words[special:]], [*known, *added.counts[special:]])
