"""How well a model predicts code that it was not trained on.

Every word is predicted from all words before it in its sequence. An unknown word counts as the class ``[UNK]`` in
bits and perplexity, and as a miss in the rankings, where ``[UNK]`` itself is never proposed. The end of each
sequence, ``[EOS]``, counts as a word in bits and perplexity and not in the rankings.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from keyword import iskeyword
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CorpusError
from codelm.model import Ids, LanguageModel
from codelm.vocabulary import EOS, UNK, Vocabulary
from codelm_train.progress import Progress, silent

S = TypeVar("S")

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

    ``every``: rank only each n-th word (bits and perplexity are always of all). Raises CorpusError when there is
    nothing to score.
    """
    if len(ids) == 0:
        raise CorpusError("there is nothing to evaluate: the split has no words")
    table = vocabulary.ids(words)
    is_identifier = np.array([word.isidentifier() and not iskeyword(word) for word in words], bool)
    known = table[ids]
    log_probs = np.empty(len(ids), np.float64)
    ranks = np.zeros(len(ids), np.int64)  # 0: not among the proposals
    ends = []
    row = np.zeros(1, np.int64)
    for begin, end in progress(_spans(starts), len(starts) - 1, "evaluating"):
        state = model.start()
        for place in range(begin, end):
            word = known[place : place + 1]
            log_probs[place] = model.score(state, word[None, :])[0, 0]
            if place % every == 0:
                ranks[place] = _rank(model, state, int(word[0]))
            state = model.step(state, row, word)
        ends.append(float(model.score(state, np.array([[EOS]], np.int64))[0, 0]))
    ranked = np.arange(len(ids)) % every == 0
    everything = np.ones(len(ids), bool)
    return Evaluation(
        _scores(log_probs, ranks, known == UNK, everything, ranked, ends),
        _scores(log_probs, ranks, known == UNK, is_identifier[ids], ranked, []),
    )


def _spans(starts: Ids) -> Iterator[tuple[int, int]]:
    yield from zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)


def _rank(model: LanguageModel[S], state: S, word: int) -> int:
    """Return the place of the word, from 1, among the ten best words; 0 when it is not there or unknown."""
    if word == UNK:
        return 0
    proposals = model.propose(state, RANKED + 1)[0]
    places = np.flatnonzero(proposals[proposals != UNK][:RANKED] == word)
    return int(places[0]) + 1 if len(places) else 0


def _scores(
    log_probs: NDArray[np.float64],
    ranks: Ids,
    unknown: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    ranked: NDArray[np.bool_],
    ends: list[float],
) -> Scores:
    tokens = int(chosen.sum()) + len(ends)
    nats = -(float(log_probs[chosen].sum()) + sum(ends)) / max(tokens, 1)
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
