"""Beam search over any language model: batched, cancellable at every step, and without side effects.

A hypothesis is a sequence of words; the beam holds the few most probable ones of equal length and lengthens all of
them with one ``step`` of the model. Greedy search is a beam of one.
"""

import math
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from codelm.errors import Cancelled
from codelm.model import Ids, LanguageModel, Scores

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Words that may come next: ``ids``, the log probability of each after those before it, and whether it ended."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: bool = False

    @property
    def log_prob(self) -> float:
        """The log probability of the whole."""
        return sum(self.log_probs)

    def followed_by(self, word: int, log_prob: float) -> "Hypothesis":
        """Return the hypothesis with one more word."""
        return Hypothesis((*self.ids, word), (*self.log_probs, log_prob))


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
    cancelled: Callable[[], bool] = never,
    deadline: float = math.inf,
) -> list[Hypothesis]:
    """Lengthen each of the words ``first`` (F,), with their log probabilities, until a word of ``ends`` comes.

    Returns hypotheses of at most ``longest`` words, the most probable first; the word that ended one is not in it.
    Those that had no end by the ``deadline`` (``time.monotonic()`` seconds) or at the greatest length are returned
    as they stand. Raises Cancelled as soon as ``cancelled()`` says so.
    """
    live = [Hypothesis((int(w),), (float(p),)) for w, p in zip(first, first_scores, strict=True)]
    if not live:
        return []
    ended: list[Hypothesis] = []
    state = model.step(state, np.zeros(len(first), np.int64), first)
    for _ in range(longest - 1):
        if cancelled():
            raise Cancelled
        if time.monotonic() >= deadline:
            break
        ids = model.propose(state, beams)
        scores = model.score(state, np.maximum(ids, 0))
        longer = sorted(
            (
                (live[row].log_prob + float(scores[row, column]), row, int(ids[row, column]), float(scores[row, column]))
                for row, column in zip(*np.nonzero(ids >= 0), strict=True)
            ),
            key=lambda candidate: (-candidate[0], candidate[1], candidate[2]),
        )
        following: list[tuple[int, int, float]] = []
        for _, row, word, log_prob in longer[: 2 * beams]:
            if word in ends:
                hypothesis = live[row]
                ended.append(Hypothesis(hypothesis.ids, hypothesis.log_probs, ended=True))
            elif len(following) < beams:
                following.append((row, word, log_prob))
        if not following:
            live = []
            break
        rows = np.array([row for row, _, _ in following], np.int64)
        words = np.array([word for _, word, _ in following], np.int64)
        state = model.step(state, rows, words)
        live = [live[row].followed_by(word, log_prob) for row, word, log_prob in following]
    return sorted([*ended, *live], key=lambda hypothesis: -hypothesis.log_prob)
