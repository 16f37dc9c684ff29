"""One continuation of a text, or the best few: greedy, sampled, or by beam search, over any language model.

V is the size of the vocabulary. Log probabilities are natural; those in a ``Hypothesis`` are always the model's own,
whatever the temperature, and of whatever was left out.
"""

import math
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm import beam
from codelm.beam import Hypothesis
from codelm.errors import UsageError
from codelm.model import Ids, LanguageModel, Scores, log_probs
from codelm.vocabulary import PAD

S = TypeVar("S")
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a word is drawn from; as it stands by default, the model's own distribution.

    Raises UsageError, naming the setting, for one that cannot be.
    """

    temperature: float = 1.0
    """Probabilities are raised to the power of 1 / temperature (Ackley, Hinton and Sejnowski 1985): below 1 what is
    probable becomes more so."""
    top_k: int = 0
    """Only the k most probable words are drawn (Fan, Lewis and Dauphin 2018); 0: all."""
    top_p: float = 1.0
    """Only the nucleus is drawn, the fewest words that have this probability together (Holtzman et al. 2020, "The
    Curious Case of Neural Text Degeneration"); 1: all."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise UsageError(f"temperature {self.temperature} is not a finite number above 0")
        if self.top_k < 0:
            raise UsageError(f"top_k {self.top_k} is not 0, for all words, or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p {self.top_p} is not above 0 and at most 1")


def distribution(log_probs: NDArray[np.floating], sampling: Sampling) -> Probabilities:
    """Return the probabilities of which a word is drawn: (V,) → (V,), summing to one.

    The temperature comes first, then ``top_k``, then ``top_p`` of what that left. Of equally probable words the lower
    ids are kept. An id of log probability -inf has probability 0; one at least must have another.
    """
    exact = log_probs.astype(np.float64)
    with np.errstate(over="ignore"):  # at a temperature near 0 all but the best become -inf
        probabilities: Probabilities = np.exp((exact - exact.max()) / sampling.temperature)
    probabilities /= probabilities.sum()
    count = sampling.top_k or len(exact)
    if count < len(exact) or sampling.top_p < 1:
        # In the model's own order: the temperature may round different probabilities to one.
        ranked = np.argsort(-exact, kind="stable")
        if sampling.top_p < 1:  # sums that are rounded could leave out rare words at 1
            masses = np.cumsum(probabilities[ranked[:count]])
            count = min(count, int(np.searchsorted(masses, sampling.top_p * masses[-1])) + 1)
        probabilities[ranked[count:]] = 0
        probabilities /= probabilities.sum()
    return probabilities


def sample(
    model: LanguageModel[S],
    state: S,
    size: int,
    sampling: Sampling,
    rng: np.random.Generator,
    longest: int,
    ends: Set[int],
    never: Set[int] = frozenset(),
) -> Hypothesis:
    """Draw words from a state of one row until a word of ``ends`` comes, at most ``longest``; V is ``size``.

    The word that ended it is not in it, and it does not matter which it was: the log probability of the end is that of
    all ``ends`` together. The words of ``never`` are left out before anything else; where nothing else is possible,
    the hypothesis is cut there.
    """
    excluded, ending = list(never), list(ends)

    def drawn(state: S) -> tuple[int, float] | None:
        row = log_probs(model, state, 1, size)[0].copy()  # the answer may be the state's
        row[excluded] = -np.inf
        if not np.isfinite(row).any():
            return None
        word = int(rng.choice(size, p=distribution(row, sampling)))
        return word, float(np.logaddexp.reduce(row[ending]) if word in ends else row[word])

    return _continued(model, state, drawn, longest, ends)


def greedy(
    model: LanguageModel[S], state: S, longest: int, ends: Set[int], never: Set[int] = frozenset()
) -> Hypothesis:
    """Take the most probable word again and again, until it is one of ``ends``, at most ``longest`` times.

    It is what a ``search`` with one beam finds. The words of ``never`` are left out.
    """
    possible = _Without(model, never)

    def best(state: S) -> tuple[int, float] | None:
        ids, scores = beam.best_next(possible, state, 1)
        return (int(ids[0]), float(scores[0])) if len(ids) else None

    return _continued(model, state, best, longest, ends)


def search(
    model: LanguageModel[S], state: S, beams: int, longest: int, ends: Set[int], never: Set[int] = frozenset()
) -> list[Hypothesis]:
    """Search for the most probable continuations of a state of one row with a beam of so many hypotheses.

    Returns different ones, the most probable first: those that a word of ``ends`` ended, which is not in them, and
    those of ``longest`` words. The words of ``never`` are left out. See ``codelm.beam.lines``.
    """
    possible = _Without(model, never)
    first, scores = beam.best_next(possible, state, beams)
    ending = np.isin(first, list(ends))
    found = beam.lines(
        possible, state, first[~ending], scores[~ending], beam.ending_at(ends), beams=beams, longest=longest
    )
    if ending.any():
        found.append(Hypothesis((), ()).ending(float(np.logaddexp.reduce(scores[ending]))))
    return sorted(found, key=lambda hypothesis: -hypothesis.log_prob)


def _continued(
    model: LanguageModel[S],
    state: S,
    choose: Callable[[S], tuple[int, float] | None],
    longest: int,
    ends: Set[int],
) -> Hypothesis:
    """Lengthen nothing by the words that ``choose`` finds for each state, with their log probabilities."""
    hypothesis, row = Hypothesis((), ()), np.zeros(1, np.int64)
    for _ in range(longest):
        if hypothesis.ids:
            state = model.step(state, row, np.array(hypothesis.ids[-1:], np.int64))
        chosen = choose(state)
        if chosen is None:
            break
        word, log_prob = chosen
        if word in ends:
            return hypothesis.ending(log_prob)
        hypothesis = hypothesis.followed_by(word, log_prob)
    return hypothesis


class _Without(Generic[S]):
    """A language model that never proposes some words; probabilities are as they are without that."""

    def __init__(self, model: LanguageModel[S], never: Set[int]):
        self._model = model
        self._never = sorted(never | {PAD})

    def start(self) -> S:
        return self._model.start()

    def read(self, state: S, ids: Ids) -> S:
        return self._model.read(state, ids)

    def step(self, state: S, rows: Ids, ids: Ids) -> S:
        return self._model.step(state, rows, ids)

    def propose(self, state: S, k: int, allowed: Ids | None = None) -> Ids:
        best = self._model.propose(state, k + len(self._never), allowed)
        left_out = np.isin(best, self._never)
        to_the_end = np.argsort(left_out, axis=1, kind="stable")
        return np.take_along_axis(np.where(left_out, -1, best), to_the_end, axis=1)[:, :k]

    def score(self, state: S, ids: Ids) -> Scores:
        return self._model.score(state, ids)
