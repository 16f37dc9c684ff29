"""Beam search over any language model: batched, cancellable at every step, and without side effects.

A hypothesis is a sequence of words; the beam holds the few most probable ones of equal length and lengthens all of
them with one ``step`` of the model. Greedy search is a beam of one.
"""

import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from codelm.errors import Cancelled
from codelm.model import Ids, LanguageModel, Scores

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Words that may come next: ``ids``, and the log probability of each after those before it."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: bool = False
    """Whether the line ends behind the words, rather than being cut there."""
    end_log_prob: float = 0.0
    """The log probability of that end; 0 for a line that was cut."""

    @property
    def log_prob(self) -> float:
        """The log probability of the whole, its end included."""
        return sum(self.log_probs) + self.end_log_prob

    def followed_by(self, word: int, log_prob: float) -> "Hypothesis":
        """Return the hypothesis with one more word."""
        return Hypothesis((*self.ids, word), (*self.log_probs, log_prob))

    def ending(self, log_prob: float) -> "Hypothesis":
        """Return the hypothesis that nothing more follows."""
        return Hypothesis(self.ids, self.log_probs, ended=True, end_log_prob=log_prob)


def never() -> bool:
    """Return False: nobody cancels."""
    return False


def best_next(model: LanguageModel[S], state: S, k: int, allowed: Ids | None = None) -> tuple[Ids, Scores]:
    """Return the k best next words of a state of one row, and their log probabilities: the beam's first step."""
    ids = model.propose(state, k, allowed)
    ids = ids[:, ids[0] >= 0]
    return ids[0], model.score(state, ids)[0]


def lines(
    model: LanguageModel[S],
    state: S,
    first: Ids,
    first_scores: Scores,
    *,
    beams: int,
    longest: int,
    ends: Set[int],
    least: float = -math.inf,
    cancelled: Callable[[], bool] = never,
    deadline: float = math.inf,
) -> list[Hypothesis]:
    """Lengthen each of the words ``first`` (F,), with their log probabilities, until a word of ``ends`` comes.

    Returns different hypotheses of at most ``longest`` words, the most probable first; the word that ended one is not
    in it, and it does not matter which of ``ends`` it was: their probabilities are added. Those that had no end by
    the ``deadline`` (``time.monotonic()`` seconds) or at the greatest length are returned as they stand; so are those
    that no word could lengthen without what follows their first word becoming less probable than ``least``, a
    logarithm. Raises Cancelled as soon as ``cancelled()`` says so: it is asked before each step of the model.
    """
    live = [Hypothesis((int(w),), (float(p),)) for w, p in zip(first, first_scores, strict=True)]
    ended: list[Hypothesis] = []
    rows = [0] * len(live)
    for _ in range(longest - 1):
        if cancelled():
            raise Cancelled
        if not live or time.monotonic() >= deadline:
            break
        words = [hypothesis.ids[-1] for hypothesis in live]
        state = model.step(state, np.array(rows, np.int64), np.array(words, np.int64))
        ids = model.propose(state, beams)
        scores = model.score(state, np.maximum(ids, 0))
        longer = _longer(live, ids.tolist(), scores.tolist(), ends, least)
        lengthened = {row for hypothesis, row in longer if not hypothesis.ended}
        ended += [hypothesis for row, hypothesis in enumerate(live) if row not in lengthened and least > -math.inf]
        rows, live = [], []
        for hypothesis, row in longer:
            if hypothesis.ended:
                ended.append(hypothesis)
                continue
            live.append(hypothesis)
            rows.append(row)
            if len(live) == beams:
                break
    return sorted([*ended, *live], key=lambda hypothesis: -hypothesis.log_prob)


def _longer(
    live: Sequence[Hypothesis],
    ids: Sequence[Sequence[int]],
    scores: Sequence[Sequence[float]],
    ends: Set[int],
    least: float,
) -> list[tuple[Hypothesis, int]]:
    """Return what each hypothesis may become with one more word or its end, best first, and the row it comes from."""
    longer: list[tuple[Hypothesis, int]] = []
    for row, hypothesis in enumerate(live):
        end = -math.inf
        for word, log_prob in zip(ids[row], scores[row], strict=True):
            if word in ends:
                end = float(np.logaddexp(end, log_prob))
            elif word >= 0 and sum(hypothesis.log_probs[1:]) + log_prob >= least:
                longer.append((hypothesis.followed_by(word, log_prob), row))
        if end > -math.inf:
            longer.append((hypothesis.ending(end), row))
    return sorted(longer, key=lambda candidate: -candidate[0].log_prob)
