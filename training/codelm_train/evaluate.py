"""How well a model predicts code that it was not trained on.

Every word is predicted from all words before it in its sequence: by the model alone, or with what caches have
learned from the file above the cursor and from the rest of its project. A word outside the model's vocabulary counts
as the one class ``[UNK]`` in bits and perplexity, whoever proposes it; it is read by its letters where the model can
(``codelm.model.ReadsWords``). In the rankings ``[UNK]`` itself is never proposed, so such a word is a miss for the
model alone; caches know many of them. The end of each sequence, ``[EOS]``, counts as a word in bits and perplexity and
not in the rankings.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import chain
from keyword import iskeyword
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm import rerank
from codelm.errors import CorpusError
from codelm.mixture import Trained
from codelm.model import Ids, LanguageModel, reading
from codelm.rerank import Reranker
from codelm.vocabulary import EOS, UNK, Vocabulary
from codelm.weights import Weights
from codelm.words import LONG_NUMBER, LONG_STRING, STRUCTURE_WORDS, form_of
from codelm_train.calibration import Calibration, calibration
from codelm_train.corpus import Split
from codelm_train.encode import encoded
from codelm_train.progress import Progress, silent
from codelm_train.replay import Workspace, walk
from codelm_train.styles import STYLES, style_of

S = TypeVar("S")

KINDS = ("identifier", "keyword", "operator", "structure", "string", "number")
BATCH = 256  # sequences that are read side by side
RANKED = 10  # proposals that are looked at: a word behind them has the reciprocal rank 0
_NOT_RANKED = -1  # 0 is the rank of a word that is not among the proposals


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
    """The scores of all words; of the identifiers among them (names that are no keywords), those in the model's
    vocabulary and those outside apart; and of each kind of word.

    ``calibration`` is that of the words ranked first; None in what was measured before it was. ``styles`` has the
    scores of all words in tests, scripts and libraries (``codelm_train.styles``), where files were told apart.
    """

    all: Scores
    identifiers: Scores
    known: Scores
    unknown: Scores
    kinds: Mapping[str, Scores]
    calibration: Calibration | None = None
    styles: Mapping[str, Scores] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the numbers as one JSON object: those of all words, and the others as objects in it."""
        identifiers = {**asdict(self.identifiers), "known": asdict(self.known), "unknown": asdict(self.unknown)}
        kinds = {kind: asdict(scores) for kind, scores in self.kinds.items()}
        calibrated = {} if self.calibration is None else {"calibration": self.calibration.as_json()}
        styles = {style: asdict(scores) for style, scores in self.styles.items()}
        return {
            **asdict(self.all), "identifiers": identifiers, "kinds": kinds, **calibrated,
            **({"styles": styles} if styles else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation that ``as_json`` made ``raw`` of."""
        identifiers = raw["identifiers"]
        return cls(
            _scores_from(raw),
            _scores_from(identifiers),
            _scores_from(identifiers["known"]),
            _scores_from(identifiers["unknown"]),
            {kind: _scores_from(part) for kind, part in raw["kinds"].items()},
            Calibration.from_json(raw["calibration"]) if "calibration" in raw else None,
            {style: _scores_from(part) for style, part in raw.get("styles", {}).items()},
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
    known, new = _with_new_words(words, ids, vocabulary)
    model = reading(model, new)
    log_probs = np.empty(len(ids), np.float64)
    ranks = np.full(len(ids), _NOT_RANKED, np.int64)
    confidences = np.zeros(len(ids), np.float64)
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
            proposals = model.propose(step.state, RANKED + 1)
            ranks[places] = _ranks(proposals, step.words)[~ended]
            confidences[places] = np.broadcast_to(_confidences(model, step.state, proposals), ended.shape)[~ended]
    return _summary(words, ids, known >= len(vocabulary), log_probs, ranks, confidences, ends)


def _with_new_words(
    words: tuple[str, ...], ids: NDArray[np.integer], vocabulary: Vocabulary
) -> tuple[Ids, tuple[str, ...]]:
    """Return the ids of words, places (T,) among ``words``, and what those behind the vocabulary stand for.

    Each word that the vocabulary lacks has an id of its own, which models score as ``[UNK]``.
    """
    known = encoded(words, ids, vocabulary)
    unknown = known == UNK
    new, numbers = np.unique(ids[unknown], return_inverse=True)
    known[unknown] = len(vocabulary) + numbers
    return known, tuple(words[place] for place in new.tolist())


def evaluate_workspace(
    trained: Trained,
    vocabulary: Vocabulary,
    weights: Weights,
    words: tuple[str, ...],
    split: Split,
    *,
    beside: Sequence[Split] = (),
    workspace: Workspace = "others",
    every: int = 1,
    reranker: Reranker | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Score a split of ``words`` as an editor would see it: with the file above the cursor, and its project, learned.

    ``beside``: the other splits of its corpus; the files of its projects there are learned too. The ``reranker`` has
    its say in the rankings, not in bits and perplexity.

    ``every``: look at each n-th word only, for bits and for ranks. Raises CorpusError when there is nothing to score.
    """
    if len(split.ids) == 0:
        raise CorpusError("there is nothing to evaluate: the split has no words")
    log_probs = np.full(len(split.ids), np.nan)
    ranks = np.full(len(split.ids), _NOT_RANKED, np.int64)
    confidences = np.zeros(len(split.ids), np.float64)
    ends: list[float] = []
    found = walk(
        split, words, vocabulary, trained, weights, beside=beside, workspaces=(workspace,), every=every,
        ends=every == 1,
    )  # fmt: skip
    total = len(split.ids) // every + (len(split) if every == 1 else 0)
    for moment in progress(found, total, "evaluating"):
        mixture, state, word = moment.mixture, moment.state, moment.word
        if word == EOS:
            ends.append(float(mixture.score(state, np.array([[EOS]]))[0, 0]))
            continue
        outside = word >= len(vocabulary)
        counted = [UNK, *range(len(vocabulary), mixture.size)] if outside else [word]
        log_probs[moment.place] = np.logaddexp.reduce(mixture.score(state, np.array([counted])), axis=None)
        proposals, scores = rerank.best_next(mixture, state, RANKED + 1, reranker=reranker)
        named = proposals != UNK
        # What is written like [EOS] is known to nobody.
        ranks[moment.place] = _ranks(proposals[None, :], np.array([word]))[0]
        confidences[moment.place] = min(1.0, math.exp(scores[named][0])) if named.any() else 0.0
    unknown = encoded(words, split.ids, vocabulary) == UNK
    styles = np.repeat([STYLES.index(style_of(path)) for path in split.paths], np.diff(split.starts))
    return _summary(words, split.ids, unknown, log_probs, ranks, confidences, np.array(ends), styles)


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
    """Return the place of each word, from 1, among the ten best words; 0 where it is not there: (R,).

    ``[UNK]`` is no word, and what a model has no other id for is never there.
    """
    ranks = np.zeros(len(words), np.int64)
    rows = np.broadcast_to(proposals, (len(words), proposals.shape[1])).tolist()
    for row, (proposed, word) in enumerate(zip(rows, words.tolist(), strict=True)):
        names = [other for other in proposed if other != UNK][:RANKED]
        if word != UNK and word in names:
            ranks[row] = names.index(word) + 1
    return ranks


def _confidences(model: LanguageModel[S], state: S, proposals: Ids) -> NDArray[np.float64]:
    """Return the probability of the best word that is not ``[UNK]`` of each row of proposals: (B, K) → (B,)."""
    unknown_first = proposals[:, 0] == UNK
    second = proposals[:, min(1, proposals.shape[1] - 1)]
    best = np.where(unknown_first, second, proposals[:, 0])
    there = best >= 0
    scores = model.score(state, np.where(there, best, UNK)[:, None])[:, 0].astype(np.float64)
    # A sum that was rounded may come to a little more than one.
    return np.where(there, np.minimum(np.exp(scores), 1.0), 0.0)


def _summary(
    words: tuple[str, ...],
    ids: NDArray[np.integer],
    unknown: NDArray[np.bool_],
    log_probs: NDArray[np.float64],
    ranks: Ids,
    confidences: NDArray[np.float64],
    ends: NDArray[np.float64],
    styles: NDArray[np.integer] | None = None,
) -> Evaluation:
    """Return the scores of the places that have a log probability; all but ``ends`` are (T,).

    ``styles``: which of ``STYLES`` each place's file has.
    """
    scored = ~np.isnan(log_probs)
    ranked = scored & (ranks != _NOT_RANKED)
    kinds = np.array([KINDS.index(kind_of(word)) for word in words], np.int64)[ids]
    identifier = kinds == KINDS.index("identifier")

    def scores(chosen: NDArray[np.bool_]) -> Scores:
        chosen = chosen & scored
        return _scores(log_probs[chosen], ranks[chosen], unknown[chosen], np.zeros(0))

    return Evaluation(
        _scores(log_probs[scored], ranks[scored], unknown[scored], ends),
        scores(identifier),
        scores(identifier & ~unknown),
        scores(identifier & unknown),
        {kind: scores(kinds == number) for number, kind in enumerate(KINDS)},
        calibration(confidences[ranked], ranks[ranked] == 1),
        {} if styles is None else {style: scores(styles == number) for number, style in enumerate(STYLES)},
    )


def kind_of(word: str) -> str:
    """Return which of ``KINDS`` a word is."""
    if word in STRUCTURE_WORDS.values():
        return "structure"
    if word.isidentifier():
        return "keyword" if iskeyword(word) else "identifier"
    return {LONG_STRING: "string", LONG_NUMBER: "number"}.get(form_of(word), "operator")


def _scores(
    log_probs: NDArray[np.float64], ranks: Ids, unknown: NDArray[np.bool_], ends: NDArray[np.float64]
) -> Scores:
    tokens = len(log_probs) + len(ends)
    nats = -(float(log_probs.sum()) + float(ends.sum())) / max(tokens, 1)
    places = ranks[ranks != _NOT_RANKED]
    count = max(len(places), 1)
    return Scores(
        tokens=tokens,
        perplexity=math.exp(nats),
        bits_per_token=nats / math.log(2),
        unknown_share=float(unknown.sum()) / max(tokens, 1),
        top1=float((places == 1).sum()) / count,
        top5=float(((places >= 1) & (places <= 5)).sum()) / count,
        mrr=float((1 / places[places > 0]).sum()) / count,
    )


def _scores_from(raw: Mapping[str, Any]) -> Scores:
    return Scores(**{part.name: raw[part.name] for part in fields(Scores)})
