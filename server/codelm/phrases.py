"""The items of several tokens in a list of completions, such as ``self.name = name``: how likely words go on."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from codelm import beam, grammar, layout
from codelm.beam import Hypothesis
from codelm.completion import Completion, CompletionKind, Source
from codelm.model import Ids, Scores
from codelm.request import Request
from codelm.vocabulary import EOS, PAD, UNK, Vocabulary
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE

# The beam that makes them, and when such an item is worth a place in the list.
_BEAMS, _LONGEST, _MOST = 4, 8, 2
_SURE_ENOUGH = 0.25  # the least probability of all that follows the first token
_LIKELY = 0.05  # that of the first token, among all that fit: an item that begins otherwise is no help


class Phrases:
    """Makes items of several tokens, over a vocabulary and the session's words behind it."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def items(
        self, request: Request, first: Ids, scores: Scores, single: Sequence[Completion], *,
        deadline: float, cancelled: Callable[[], bool],
    ) -> list[Completion]:  # fmt: skip
        """Return items that begin with the likely ones of the ``first`` words, the best first, with their log
        probabilities; these words as items are ``single``. Raises Cancelled.
        """
        count = int((scores[:_BEAMS] >= np.logaddexp.reduce(scores) + math.log(_LIKELY)).sum())
        # How words go on that are listed already, the n-grams and what was learned know: the network would take twice
        # the time.
        mixture, state = request.mixture.without_network(request.state)
        found = beam.lines(
            mixture, state, first[:count], scores[:count], beam.ending_at(self._line_ends),
            beams=_BEAMS, longest=_LONGEST, least=math.log(_SURE_ENOUGH), cancelled=cancelled, deadline=deadline,
        )  # fmt: skip
        sources = dict(zip(first.tolist(), (item.source for item in single), strict=True))
        return self._items(found, request, {item.text for item in single}, sources)

    @cached_property
    def _line_ends(self) -> frozenset[int]:
        """The ids at which a line stops: its end, and what can't be written because it stands for many texts."""
        unwritable = (NEWLINE, INDENT, DEDENT, LONG_STRING, LONG_NUMBER)
        return frozenset([PAD, UNK, EOS, *(self._vocabulary.id(word) for word in unwritable)])

    def _items(
        self, found: Sequence[Hypothesis], request: Request, listed: set[str], sources: Mapping[int, Source]
    ) -> list[Completion]:
        """Return items of several names or keywords, at most one for each first token."""
        items: list[Completion] = []
        begun: set[int] = set()
        for hypothesis in found:
            words = _whole_part([request.session.word(word) for word in hypothesis.ids[: _sure_part(hypothesis)]])
            if hypothesis.ids[0] in begun or sum(word.isidentifier() for word in words) < 2:
                continue
            written = [layout.in_quotes(word, request.cursor.quote) for word in words]
            text = layout.text_of(written, grammar.line_of(request.cursor.words))
            if text not in listed:
                begun.add(hypothesis.ids[0])
                probability = math.exp(sum(hypothesis.log_probs[: len(words)]))
                items.append(Completion(text, CompletionKind.LINE, probability, sources[hypothesis.ids[0]]))
            if len(items) == _MOST:
                break
        return items


def _sure_part(hypothesis: Hypothesis) -> int:
    """Return how many words are probable enough, given the first."""
    total = 0.0
    for place, log_prob in enumerate(hypothesis.log_probs[1:], 1):
        total += log_prob
        if total < math.log(_SURE_ENOUGH):
            return place
    return len(hypothesis.ids)


def _whole_part(words: Sequence[str]) -> Sequence[str]:
    """Return the words up to the last that can end an expression, and to the first bracket that they didn't open."""
    depth = 0
    whole = 0
    for place, word in enumerate(words, 1):
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if depth < 0:
            break
        if layout.is_value(word):
            whole = place
    return words[:whole]
