"""A vocabulary with words of one's own behind those that it has."""

from collections.abc import Mapping

from codelm.vocabulary import Vocabulary, most_frequent


def extended(vocabulary: Vocabulary, counts: Mapping[str, int], size: int = 0, min_count: int = 1) -> Vocabulary:
    """Return the vocabulary with the most frequent of the words that it lacks and that were seen ``min_count`` times.

    It has at most ``size`` words then (0: any number), and never fewer than before. Its own words keep their ids; what
    was counted of them is added to their counts.
    """
    room = max(size - len(vocabulary), 0) if size else 0
    new = {word: count for word, count in counts.items() if word not in vocabulary}
    added = most_frequent(new, 0, min_count)
    words, numbers = added.words[3:], added.counts[3:]
    if size:
        words, numbers = words[:room], numbers[:room]
    known = [count + counts.get(word, 0) for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)]
    known[:3] = vocabulary.counts[:3]
    return Vocabulary([*vocabulary.words, *words], [*known, *numbers])
