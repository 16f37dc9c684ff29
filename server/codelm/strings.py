"""The short strings that fit one that is being typed, such as a dictionary's keys, in its own quotes."""

import math
import re
from functools import cached_property

import numpy as np

from codelm import beam
from codelm.completion import Completion, CompletionKind, Completions
from codelm.model import Ids, Scores
from codelm.names import log_sum
from codelm.request import Request
from codelm.vocabulary import Vocabulary
from codelm.words import LONG_STRING

# The least probability, among all strings, of a string that is proposed: a quote may begin any sentence.
_LEAST_STRING = 0.01


class Strings:
    """Chooses strings, over a vocabulary and the session's words behind it."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def complete(self, request: Request, limit: int) -> Completions:
        """Return the short strings that fit the one being typed, in its own quotes."""
        cursor, mixture, state = request.cursor, request.mixture, request.state
        _, scores, texts = self.fitting(request, limit)
        # It is a string already: what matters is how probable each is among all strings.
        every_string = np.concatenate([self._every_string, request.session.strings()])
        every_string = mixture.still_there(every_string[: every_string.searchsorted(mixture.size)])
        scores = scores - log_sum(mixture.score(state, every_string[None, :]))
        items = []
        for text, score in zip(texts, scores.tolist(), strict=True):
            if math.exp(score) >= _LEAST_STRING:
                text = text[:-1] if cursor.behind == text[-1] else text
                items.append(Completion(text, CompletionKind.VALUE, math.exp(score)))
        return Completions(tuple(items), cursor.start, complete=False)

    def fitting(self, request: Request, limit: int) -> tuple[Ids, Scores, tuple[str, ...]]:
        """Return the best short strings that begin as the one being typed, and how they are written in its quotes."""
        cursor = request.cursor
        opening = re.match(r"([a-zA-Z]*)(['\"])", cursor.typed)
        assert opening is not None
        prefix, quote = opening.groups()
        content = cursor.typed[opening.end() :]
        word_prefix = prefix.lower().replace("u", "") + '"'
        fitting = request.session.beginning_with(word_prefix + content)
        allowed = fitting[: fitting.searchsorted(request.mixture.size)]
        best, scores = beam.best_next(request.mixture, request.state, limit, allowed)
        inner = [request.session.word(number)[len(word_prefix) : -1] for number in best.tolist()]
        good = [place for place, text in enumerate(inner) if text.startswith(content) and quote not in text]
        return best[good], scores[good], tuple(f"{prefix}{quote}{inner[place]}{quote}" for place in good)

    @cached_property
    def _every_string(self) -> Ids:
        """The sorted ids of all strings of the vocabulary, the long ones' word included."""
        vocabulary = self._vocabulary
        strings = [n for n, word in enumerate(vocabulary.words) if word[-1:] in ("'", '"')]
        return np.array(sorted([*strings, vocabulary.id(LONG_STRING)]), np.int64)
