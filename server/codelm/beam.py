"""Beam search over any language model: batched, cancellable at every step, and without side effects.

A hypothesis is a sequence of words; the beam holds the few most probable ones of equal length and lengthens all of
them with one ``step`` of the model. Greedy search is a beam of one.
"""

import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from codelm.errors import Cancelled
from codelm.model import Ids, LanguageModel, Scores

S = TypeVar("S")

# The least probability that words have which can come, where a model is nearly sure of those that cannot.
_LEAST_POSSIBLE = 0.05


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


class Next(Enum):
    """What a word does to the line that it comes behind."""

    GOES_ON = "the line goes on with it"
    ENDS = "the line ends before it"
    ENDS_BEHIND = "the line ends behind it"
    CUTS = "it comes, but nobody can write it: the line is known up to there"
    CANNOT = "it cannot come there"


Judge = Callable[[Sequence[int]], Callable[[int], Next]]
"""Of the words of a hypothesis: what each word does that may come next."""


def ending_at(ends: Set[int]) -> Judge:
    """Return the judge of lines that end before the words ``ends``, wherever these come."""

    def follows(word: int) -> Next:
        return Next.ENDS if word in ends else Next.GOES_ON

    return lambda _: follows


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
    judge: Judge,
    *,
    beams: int,
    longest: int,
    least: float = -math.inf,
    least_of_all: float = -math.inf,
    wanted: int | None = None,
    cancelled: Callable[[], bool] = never,
    deadline: float = math.inf,
) -> list[Hypothesis]:
    """Lengthen each of the words ``first`` (F,), with their log probabilities, until ``judge`` says that a line ends.

    Returns different hypotheses of at most ``longest`` words, the most probable first; the word that ended one before
    it is not in it, and it does not matter which that was: their probabilities are added. Those that had no end by
    the ``deadline`` (``time.monotonic()`` seconds) or at the greatest length are returned as they stand; so are those
    that were cut, and those that no word could lengthen without what follows their first word becoming less probable
    than ``least``, or all of it than ``least_of_all``, logarithms both. The probability of words that cannot come is
    that of the others. With ``wanted`` the search stops once so many
    lines have ended that nothing unfinished can become more probable than. Raises Cancelled as soon as ``cancelled()``
    says so: it is asked before each step of the model.
    """
    live = [Hypothesis((int(w),), (float(p),)) for w, p in zip(first, first_scores, strict=True)]
    bounds = _Bounds(least, least_of_all)
    done: list[Hypothesis] = []
    rows = [0] * len(live)
    for _ in range(longest - 1):
        if cancelled():
            raise Cancelled
        if not live or time.monotonic() >= deadline or (wanted is not None and _decided(done, live, wanted)):
            break
        words = [hypothesis.ids[-1] for hypothesis in live]
        state = model.step(state, np.array(rows, np.int64), np.array(words, np.int64))
        ids = model.propose(state, beams)
        scores = model.score(state, np.maximum(ids, 0))
        longer, left = _longer(live, ids.tolist(), scores.tolist(), judge, bounds)
        done += left
        rows, live = [], []
        for hypothesis, row in longer:
            if hypothesis.ended:
                done.append(hypothesis)
                continue
            live.append(hypothesis)
            rows.append(row)
            if len(live) == beams:
                break
    return sorted([*done, *live], key=lambda hypothesis: -hypothesis.log_prob)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The least log probabilities: of what follows a first word, and of a whole hypothesis."""

    behind: float
    of_all: float

    @property
    def any(self) -> bool:
        return max(self.behind, self.of_all) > -math.inf

    def allow(self, hypothesis: Hypothesis) -> bool:
        behind = sum(hypothesis.log_probs[1:])
        return behind >= self.behind and behind + hypothesis.log_probs[0] >= self.of_all


def _decided(done: Sequence[Hypothesis], live: Sequence[Hypothesis], wanted: int) -> bool:
    """Return whether so many lines have ended that are as probable as anything that is unfinished."""
    best = max(hypothesis.log_prob for hypothesis in live)
    return sum(hypothesis.ended and hypothesis.log_prob >= best for hypothesis in done) >= wanted


def _longer(
    live: Sequence[Hypothesis],
    ids: Sequence[Sequence[int]],
    scores: Sequence[Sequence[float]],
    judge: Judge,
    bounds: _Bounds,
) -> tuple[list[tuple[Hypothesis, int]], list[Hypothesis]]:
    """Return what each hypothesis may become with one more word or its end, best first, and the row it comes from.

    Besides, those that stay as they are: that were cut, or that no word lengthens within the bounds.
    """
    longer: list[tuple[Hypothesis, int]] = []
    left: list[Hypothesis] = []
    for row, hypothesis in enumerate(live):
        follows = judge(hypothesis.ids)
        end = -math.inf
        cut = lengthened = False
        judged = [(word, p, follows(word)) for word, p in zip(ids[row], scores[row], strict=True) if word >= 0]
        possible = 1 - sum(math.exp(p) for _, p, does in judged if does is Next.CANNOT)
        for word, score, does in judged:
            log_prob = score if possible == 1 else score - math.log(max(possible, _LEAST_POSSIBLE))
            if does is Next.ENDS:
                end = float(np.logaddexp(end, log_prob))
            elif does is Next.CUTS:
                cut = True
            elif does is not Next.CANNOT and bounds.allow(one_more := hypothesis.followed_by(word, log_prob)):
                lengthened = True
                longer.append((one_more.ending(0.0) if does is Next.ENDS_BEHIND else one_more, row))
        if end > -math.inf:
            longer.append((hypothesis.ending(end), row))
        if cut or (bounds.any and not lengthened):
            left.append(hypothesis)
    return sorted(longer, key=lambda candidate: -candidate[0].log_prob), left
