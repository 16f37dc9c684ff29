"""How well a model predicts code that it was not trained on.

Every word is predicted from all words before it in its sequence. An unknown word counts as the class ``[UNK]`` in
bits and perplexity, and as a miss in the rankings, where ``[UNK]`` itself is never proposed. The end of each
sequence, ``[EOS]``, counts as a word in bits and perplexity and not in the rankings.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import chain
from keyword import iskeyword
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CorpusError
from codelm.model import Ids, LanguageModel
from codelm.vocabulary import EOS, UNK, Vocabulary
from codelm_train.encode import encoded
from codelm_train.progress import Progress, silent

S = TypeVar("S")

BATCH = 256  # sequences that are read side by side
RANKED = 10  # proposals that are looked at: a word behind them has the reciprocal rank 0


@dataclass(frozen=True, slots=True)
class Scores:
    """What is reported of some class of words; shares are between 0 and 1.

    ``perplexity`` is 2 to the power of ``bits_per_token``; ``mrr`` is the mean reciprocal rank among the first ten.
    """

    tokens: int
    perplexity: float
    bits_per_token: float
    unknown_share: float
    top1: float
    top5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of all words and, apart, of the identifiers among them (names that are no keywords)."""

    all: Scores
    identifiers: Scores

    def as_json(self) -> dict[str, object]:
        """Return the numbers as one JSON object: those of all words, and ``identifiers``."""
        return {**asdict(self.all), "identifiers": asdict(self.identifiers)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation that ``as_json`` made ``raw`` of."""
        names = [field.name for field in fields(Scores)]
        return cls(
            Scores(**{name: raw[name] for name in names}), Scores(**{name: raw["identifiers"][name] for name in names})
        )


def evaluate(
    model: LanguageModel[S],
    vocabulary: Vocabulary,
    words: tuple[str, ...],
    ids: NDArray[np.integer],
    starts: Ids,
    *,
    every: int = 1,
    progress: Progress = silent,
) -> Evaluation:
    """Score sequences of ``words``: their places ids (T,), starts (sequences + 1,).

    ``every``: rank only each n-th word of a sequence (bits and perplexity are always of all). Raises
    CorpusError when there is nothing to score.
    """
    if len(ids) == 0:
        raise CorpusError("there is nothing to evaluate: the split has no words")
    is_identifier = np.array([word.isidentifier() and not iskeyword(word) for word in words], bool)
    known = encoded(words, ids, vocabulary)
    log_probs = np.empty(len(ids), np.float64)
    ranks = np.zeros(len(ids), np.int64)  # 0: not among the proposals
    ranked = np.zeros(len(ids), bool)
    ends = np.zeros(len(starts) - 1, np.float64)
    longest_first = np.argsort(-np.diff(starts), kind="stable")
    batches = [longest_first[at : at + BATCH] for at in range(0, len(longest_first), BATCH)]
    steps = chain.from_iterable(_steps(model, known, starts, batch) for batch in batches)
    total = sum(int(np.diff(starts)[batch[0]]) + 1 for batch in batches)
    for step in progress(steps, total, "evaluating"):
        ended = step.words == EOS
        ends[step.sequences[ended]] = step.log_probs[ended]
        places = step.places[~ended]
        log_probs[places] = step.log_probs[~ended]
        if step.number % every == every // 2:
            ranked[places] = True
            ranks[places] = _ranks(model.propose(step.state, RANKED + 1), step.words)[~ended]
    everything = np.ones(len(ids), bool)
    return Evaluation(
        _scores(log_probs, ranks, known == UNK, everything, ranked, ends),
        _scores(log_probs, ranks, known == UNK, is_identifier[ids], ranked, np.zeros(0)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Step(Generic[S]):
    """The n-th words of R sequences at once, and what the model said of them before it read them.

    ``words`` (R,) is ``[EOS]`` for a sequence that has ended; ``places`` (R,) is where each word stands.
    """

    number: int
    state: S
    sequences: Ids
    places: Ids
    words: Ids
    log_probs: NDArray[np.float64]


def _steps(model: LanguageModel[S], known: Ids, starts: Ids, batch: Ids) -> Iterator[_Step[S]]:
    """Read the sequences of a batch, the longest first, side by side."""
    lengths = np.diff(starts)[batch]
    state = model.start()
    for number in range(int(lengths[0]) + 1):
        alive = batch[lengths >= number]
        places = starts[alive] + number
        has_word = lengths[: len(alive)] > number
        words = np.where(has_word, known[np.minimum(places, len(known) - 1)], EOS)
        # The first state is of one row, which all sequences share.
        scores = model.score(state, words[None, :])[0] if number == 0 else model.score(state, words[:, None])[:, 0]
        yield _Step(number, state, alive, places, words, scores.astype(np.float64))
        rows = np.flatnonzero(has_word)
        state = model.step(state, np.zeros(len(rows), np.int64) if number == 0 else rows, words[rows])


def _ranks(proposals: Ids, words: Ids) -> Ids:
    """Return the place of each word, from 1, among the ten best words; 0 where it is not there or unknown: (R,)."""
    ranks = np.zeros(len(words), np.int64)
    rows = np.broadcast_to(proposals, (len(words), proposals.shape[1])).tolist()
    for row, (proposed, word) in enumerate(zip(rows, words.tolist(), strict=True)):
        names = [other for other in proposed if other != UNK][:RANKED]
        if word != UNK and word in names:
            ranks[row] = names.index(word) + 1
    return ranks


def _scores(
    log_probs: NDArray[np.float64],
    ranks: Ids,
    unknown: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    ranked: NDArray[np.bool_],
    ends: NDArray[np.float64],
) -> Scores:
    tokens = int(chosen.sum()) + len(ends)
    nats = -(float(log_probs[chosen].sum()) + float(ends.sum())) / max(tokens, 1)
    places = ranks[chosen & ranked]
    count = max(len(places), 1)
    return Scores(
        tokens=tokens,
        perplexity=math.exp(nats),
        bits_per_token=nats / math.log(2),
        unknown_share=float(unknown[chosen].sum()) / max(tokens, 1),
        top1=float((places == 1).sum()) / count,
        top5=float(((places >= 1) & (places <= 5)).sum()) / count,
        mrr=float((1 / places[places > 0]).sum()) / count,
    )
