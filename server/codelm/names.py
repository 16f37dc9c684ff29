"""The names and keywords that a list of completions holds: which ones, in which order, of which kind.

What the models propose, as far as it fits what is typed and what Python's grammar allows; and the names that modules
and classes are known to have.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from keyword import iskeyword

import numpy as np

from codelm import grammar, rerank
from codelm.candidates import Candidates
from codelm.completion import Completion, CompletionKind, Source
from codelm.grammar import Expected
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids, Scores, among
from codelm.request import Request
from codelm.vocabulary import EOS, UNK, Vocabulary
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL, NEURAL_WORKSPACE, WORKSPACE
from codelm.words import NEWLINE

# How probable it is that a name is one of those that are known to be there, where others are possible.
_NAMED_SHARE = 0.9
# Of the names that are known to be there, how probable it is that one is meant that no model has met there.
_UNMET_SHARE = 0.15
# Words, the most frequent ones, of which that is found out before they are asked for: in 30 ms altogether.
_COMMON = 4096
# In front of what else functions are called: one behind which a call is likely makes a word a function.
_BEFORE_CALLS = ("=", "(", "if", NEWLINE)
_SOURCES = {
    FILE: Source.FILE, FORM: Source.FILE, NEURAL: Source.FILE, WORKSPACE: Source.PROJECT,
    NEURAL_WORKSPACE: Source.PROJECT, NETWORK: Source.NETWORK, BASE: Source.BASE,
}  # fmt: skip


class Names:
    """Chooses names, over a vocabulary and the session's words behind it."""

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary
        # Whether a call is likely behind a word, by whether a dot stands in front of it, and by the word.
        self._calls: dict[bool, dict[int, bool]] = {True: {}, False: {}}
        self._ahead = [True, False]

    def idle(self, trained: Trained) -> bool:
        """Find out a little of what would be asked of one word after another; return whether there may be more."""
        if trained.ngram is None or not self._ahead:  # a network would take long
            return False
        after_dot = self._ahead.pop()
        common = np.arange(EOS + 1, min(_COMMON, trained.known))
        self._calls[after_dot] |= self._calls_of(trained, common, after_dot=after_dot)
        return True

    def items(self, request: Request, best: Ids, scores: Scores, named: Candidates | None) -> list[Completion]:
        """Return the best words, with their log probabilities, as items of a list."""
        known = {candidate.name: candidate.kind for candidate in named.items} if named else {}
        words = [request.session.word(word) for word in best.tolist()]
        kinds, sources = (
            self._kinds(request, best, words),
            sources_of(request.mixture, request.state, best, scores, [w in known for w in words]),
        )
        return [
            Completion(word, known.get(word, kind), math.exp(score), source)
            for word, kind, score, source in zip(words, kinds, scores.tolist(), sources, strict=True)
        ]

    def best(self, request: Request, limit: int, named: Candidates | None) -> tuple[Ids, Scores, bool]:
        """Return the best names and keywords, their log probabilities, and whether no other fits what is typed."""
        cursor, mixture, state = request.cursor, request.mixture, request.state
        if named is not None and named.exhaustive:
            fitting, fitting_scores = self._fitting(named, request)
            best, scores = _best(fitting, fitting_scores, limit)
            complete = named.complete and len(fitting) <= limit
        else:
            allowed = self._allowed(request)
            if cursor.typed:
                fitting = request.session.beginning_with(cursor.typed)
                allowed = fitting[among(fitting, allowed)]
            best, scores = rerank.best_next(mixture, state, limit, allowed, request.context.reranker)
            complete = len(allowed) <= limit
            if named is not None:
                fitting, fitting_scores = self._fitting(named, request)
                best, scores = _with_named(best, scores, fitting, fitting_scores, limit)
                complete = complete and named.complete
        if not cursor.typed:
            return best, scores, complete
        # Words written exactly as typed come first: "S" means Set rather than self.
        exact = np.array([request.session.word(word).startswith(cursor.typed) for word in best.tolist()], bool)
        order = np.argsort(~exact, kind="stable")
        return best[order], scores[order], complete

    def _fitting(self, named: Candidates, request: Request) -> tuple[Ids, Scores]:
        """Return the named candidates that begin with what is typed, sorted ids, and the log probability of each among
        them: what the models say, and for the names that they have never met there, a little for each.
        """
        typed = request.cursor.typed
        names = [name for candidate in named.items if (name := candidate.name).casefold().startswith(typed.casefold())]
        if not (typed or named.exhaustive):  # every object has its __init__: it says nothing of what is meant
            names = [name for name in names if not _is_dunder(name)]
        ids, first = np.unique(request.session.ids(names), return_index=True)
        known = (ids > EOS) & (ids < request.mixture.size)
        ids, first = ids[known], first[known]
        if not len(ids):
            return ids, np.zeros(0, np.float32)
        scores = request.mixture.score(request.state, ids[None, :])[0]
        even = np.array([_likely(names[place]) for place in first.tolist()])
        probabilities = (1 - _UNMET_SHARE) * np.exp(scores - log_sum(scores)) + _UNMET_SHARE * even / even.sum()
        return ids, np.log(probabilities).astype(np.float32)

    def _allowed(self, request: Request) -> Ids:
        """Return the sorted ids of the names and keywords that Python's grammar doesn't rule out."""
        wanted, forbidden = grammar.expected(request.cursor.words)
        known = self._allowed_ids(wanted, forbidden)
        if wanted is Expected.KEYWORD:
            return known
        names = request.session.names()
        return np.concatenate([known, names[: names.searchsorted(request.mixture.size)]])

    @cached_property
    def _allowed_ids(self) -> Callable[[Expected, frozenset[str]], Ids]:
        vocabulary = self._vocabulary
        classes = {
            Expected.NAME: vocabulary.names, Expected.KEYWORD: vocabulary.keywords, Expected.ANY: vocabulary.proposable,
        }  # fmt: skip

        @lru_cache(maxsize=16)
        def allowed(wanted: Expected, forbidden: frozenset[str]) -> Ids:
            known, others = classes[wanted], vocabulary.ids(sorted(forbidden))
            places = known.searchsorted(others)
            return np.delete(known, places[known.take(places, mode="clip") == others])

        return allowed

    def _kinds(self, request: Request, best: Ids, words: Sequence[str]) -> list[CompletionKind]:
        """Return the kinds of words, from how they are written and whether a call is likely to follow."""
        line = grammar.line_of(request.cursor.words)
        written = [_written_kind(word, line) for word in words]
        asked = [word for word, kind in zip(best.tolist(), written, strict=True) if kind is None]
        after_dot = line[-1:] == ["."]
        called = self._called(request.mixture.trained, asked, after_dot=after_dot)
        return [
            kind or _callable_kind(is_called=word in called, after_dot=after_dot)
            for word, kind in zip(best.tolist(), written, strict=True)
        ]

    def _called(self, trained: Trained, words: Sequence[int], *, after_dot: bool) -> set[int]:
        """Return those of the words behind which a call is likely; all that the model lacks are one to it.

        It is asked once for each word, and not behind all that stands before the cursor: that took longer than all else
        that is found out of a list's items.
        """
        calls = self._calls[after_dot]
        known = {word: word if word < trained.known else UNK for word in words}
        if new := [word for word in dict.fromkeys(known.values()) if word not in calls]:
            calls |= self._calls_of(trained, np.array(new, np.int64), after_dot=after_dot)
        return {word for word, as_known in known.items() if calls[as_known]}

    def _calls_of(self, trained: Trained, ids: Ids, *, after_dot: bool) -> dict[int, bool]:
        """Return whether a call is likely behind each of some words."""
        model, bracket = trained.quickest, np.full((len(ids), 1), self._vocabulary.id("("))
        scores = np.full(len(ids), -np.inf)
        for before in (".",) if after_dot else _BEFORE_CALLS:
            state = model.read(model.start(), self._vocabulary.ids([before]))
            after = model.step(state, np.zeros(len(ids), np.int64), ids)
            np.maximum(scores, model.score(after, bracket)[:, 0], out=scores)
        return dict(zip(ids.tolist(), (scores > math.log(0.5)).tolist(), strict=True))


def _best(ids: Ids, scores: Scores, limit: int) -> tuple[Ids, Scores]:
    """Return the ``limit`` ids with the best scores, best first, and their scores."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return ids[order], scores[order]


def sources_of(mixture: Mixture, state: MixtureState, ids: Ids, scores: Scores, named: Sequence[bool]) -> list[Source]:
    """Return what proposed each word most, given the log probabilities that they have in the end, and which of them are
    known to be there.
    """
    if not len(ids):
        return []
    added = mixture.contributions(state, ids[None, :])[:, 0]  # (parts, N)
    most = [_SOURCES[mixture.parts[part]] for part in added.argmax(axis=0).tolist()]
    # Of those, what no model thought of has its probability from being known.
    named_most = np.array(named, bool) & (added.sum(axis=0) < 0.5 * np.exp(scores))
    return [Source.NAMES if is_named else source for source, is_named in zip(most, named_most.tolist(), strict=True)]


def _with_named(best: Ids, scores: Scores, named: Ids, named_scores: Scores, limit: int) -> tuple[Ids, Scores]:
    """Return the best of what the models propose and of the names that are known to be there.

    These have ``_NAMED_SHARE`` of the probability among them.
    """
    if not len(named):
        return best, scores
    others = ~np.isin(best, named)
    ids = np.concatenate([named, best[others]])
    rest = scores[others] - (log_sum(scores[others]) if others.any() else 0.0)
    of_all = np.concatenate([named_scores + math.log(_NAMED_SHARE), rest + math.log(1 - _NAMED_SHARE)])
    return _best(ids, of_all.astype(np.float32), limit)


def _likely(name: str) -> float:
    """Return how likely a name is to be meant that no model has met: by whom it is meant for."""
    if not name.startswith("_"):
        return 1.0
    return 0.02 if _is_dunder(name) else 0.3


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def log_sum(log_probs: Scores) -> float:
    """Return the logarithm of the sum of probabilities, which depends on them alone and not on their order."""
    return float(np.logaddexp.reduce(np.sort(log_probs, axis=None)))


def _written_kind(word: str, line: Sequence[str]) -> CompletionKind | None:
    """Return the kind that a word behind a line has by how it is written; None where it depends on what follows."""
    if iskeyword(word):
        return CompletionKind.KEYWORD
    if line and (line[0] in ("import", "from")) and "import" not in line[1:]:
        return CompletionKind.MODULE
    if word.isupper() and len(word) > 1:
        return CompletionKind.CONSTANT
    return CompletionKind.CLASS if word[0].isupper() else None


def _callable_kind(*, is_called: bool, after_dot: bool) -> CompletionKind:
    if is_called:
        return CompletionKind.METHOD if after_dot else CompletionKind.FUNCTION
    return CompletionKind.FIELD if after_dot else CompletionKind.VARIABLE
