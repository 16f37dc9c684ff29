"""Completions in prose: comments, docstrings, and strings of several words.

An n-gram model of prose and what the open file's own prose teaches are mixed as code's are. A list has the words that
begin as the one being typed; ghost text has the rest of that word, and the words behind it as far as they are sure.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

import numpy as np

from codelm import beam, suggest
from codelm.beam import Hypothesis, Judge, Next, never
from codelm.caches import caches_of
from codelm.checkpoint import Checkpoint, default_weights
from codelm.completion import Completion, CompletionKind, Completions, Snapshot, Suggestion
from codelm.file_words import FILLER
from codelm.learned import LearnedWorkspace, learned
from codelm.lexer import Lexed, lex_from_scratch
from codelm.mixture import Mixture, MixtureState
from codelm.model import Ids
from codelm.names import sources_of
from codelm.open_file import OpenFile
from codelm.prose import LINE_END, MARKS, ProseCursor, learned_prose, prose_cursor, written
from codelm.session import SessionVocabulary
from codelm.suggest import Beginnings, Chosen
from codelm.vocabulary import EOS, PAD, UNK
from codelm.weights import WORKSPACE
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache, WorkspaceModel

_REMEMBERED = 32  # documents
_CONTEXT_TOKENS = 64  # of the code before the cursor, whole lines: what the prose there speaks of
_BEAMS, _LONGEST = 4, 8
_MOST_BEGINNINGS = 30
_SHORTEST = 2  # characters that a suggestion adds, at least
_LEAST_LETTERS = 2  # of a word, before a list of such words opens
# How much surer than a line of code a word must be, and how sure all that is suggested, where that is more than a word.
# With the first at 1 there were half as many suggestions more, of which 30 % were right instead of 36 %, and they saved
# 32.0 % of the keys instead of 31.2 %.
_SURER, _SURE, _SURE_OF_MORE = 1.5, 0.9, 0.4


@dataclass(frozen=True, slots=True, eq=False)
class ProseRequest:
    """What is asked: the cursor, the models as they are now, and their state behind the words before the cursor."""

    cursor: ProseCursor
    offset: int
    mixture: Mixture
    state: MixtureState


class ProseCompleter:
    """Completes prose with a model of it and the words of the open files and the workspace.

    Not thread-safe: only ``learned`` may be called, and ``workspace`` be set, on any thread.
    """

    def __init__(self, opened: Checkpoint):
        self._opened = opened
        self._weights = opened.weights or default_weights()
        self._nothing = WorkspaceCache(())
        self.workspace: LearnedWorkspace | None = None
        self.forget()

    def forget(self) -> None:
        """Forget every word that was learned."""
        self._session = SessionVocabulary(self._opened.vocabulary)
        self._files: dict[str, OpenFile] = {}
        self.workspace = None

    def learned(self, index: WorkspaceIndex) -> LearnedWorkspace:
        """Return the prose of a workspace as ``workspace`` takes it. Any thread may ask."""
        return learned(index, self._session)

    def close(self, uri: str) -> None:
        """Forget an open document."""
        self._files.pop(uri, None)

    def warm_up(self) -> None:
        """Have ready what is made when it is first needed. Nothing is learned: there is no word before the cursor."""
        typed = "# th"
        lexed = lex_from_scratch(f"{typed}x")
        request = self.request(Snapshot("", 0, typed), len(typed), lexed, 0)
        assert request is not None
        self.complete(request, 1)
        self.close("")

    def request(self, snapshot: Snapshot, offset: int, lexed: Lexed, at: int) -> ProseRequest | None:
        """Return what is asked at an offset; None where no prose is.

        ``lexed``: the text up to there with a letter behind it, which token number ``at`` ends with.
        """
        cursor = prose_cursor(lexed.tokens[_line_before(lexed, at) : at + 1], offset)
        if cursor is None:
            return None
        here = cursor.words[len(cursor.words) - cursor.here :] if cursor.here else ()
        places = self._file(snapshot.uri).learn(
            lexed, at, snapshot.text, _behind(snapshot.text, offset, lexed, at), here
        )
        forms = self._session.forms()
        caches = caches_of(places, self._others(snapshot.path, len(forms)), self._weights.caches, forms)
        mixture = Mixture(self._opened.trained, caches, len(forms), self._weights, forms)
        state = mixture.behind({}, self._session.ids(cursor.words[-FILLER:]))
        return ProseRequest(cursor, offset, mixture, state)

    def complete(self, request: ProseRequest, limit: int) -> Completions:
        """Return the words that begin as the one being typed, the most probable first."""
        cursor = request.cursor
        if len(cursor.typed.removeprefix(" ")) < _LEAST_LETTERS:
            return Completions((), request.offset, complete=False)
        begin = self._beginnings(request, limit)
        sources = sources_of(request.mixture, request.state, begin.ids, begin.log_probs, [False] * len(begin.ids))
        items = [
            Completion(text.removeprefix(" "), CompletionKind.TEXT, math.exp(log_prob), source)
            for text, log_prob, source in zip(begin.texts, begin.log_probs.tolist(), sources, strict=True)
            if text != cursor.typed
        ]
        return Completions(tuple(items[:limit]), cursor.start, complete=False)

    def suggest(
        self, request: ProseRequest, *, least: float, limit: int, deadline: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> list[Chosen]:  # fmt: skip
        """Return how the text may go on, on its line: words, of which a line of code would be as sure as ``least``.

        Raises Cancelled.
        """
        least = min(least * _SURER, max(least, _SURE))
        begin = self._beginnings(request, _MOST_BEGINNINGS)
        good = np.flatnonzero(begin.log_probs >= math.log(least))
        good = good[np.argsort(-begin.log_probs[good], kind="stable")][:_BEAMS]
        if not len(good):
            return []
        texts = dict(zip(begin.ids.tolist(), begin.texts, strict=True))
        found = beam.lines(
            request.mixture, request.state, begin.ids[good], begin.log_probs[good], self._judge(request.cursor),
            beams=_BEAMS, longest=_LONGEST, least_of_all=math.log(least), deadline=deadline, cancelled=cancelled,
        )  # fmt: skip
        chosen = [one for hypothesis in found if (one := self._chosen(request, hypothesis, texts, least)) is not None]
        chosen.sort(key=lambda one: -one.suggestion.probability * len(one.suggestion.text))
        different: list[Chosen] = []
        for one in chosen:
            if not any(other.suggestion.text.startswith(one.suggestion.text) for other in different):
                different.append(one)
        return different[:limit]

    def _chosen(
        self, request: ProseRequest, hypothesis: Hypothesis, texts: dict[int, str], least: float
    ) -> Chosen | None:
        """Return as much of a hypothesis as is worth most: what it adds, by how probable that is."""
        cursor, word = request.cursor, self._session.word
        words = [texts[hypothesis.ids[0]], *(written(word(number)) for number in hypothesis.ids[1:])]
        probabilities = [math.exp(min(0.0, total)) for total in accumulate(hypothesis.log_probs)]
        ends = list(accumulate(map(len, words)))
        best, most = 0, 0.0
        for count in range(1, len(words) + 1):
            added = ends[count - 1] - len(cursor.typed)
            sure = least if count == 1 + (words[0] == cursor.typed) else max(least, _SURE_OF_MORE)
            if probabilities[count - 1] < sure:
                continue
            if added >= _SHORTEST and words[count - 1][-1:].isalnum() and added * probabilities[count - 1] > most:
                best, most = count, added * probabilities[count - 1]
        if not best:
            return None
        # The blank before what is typed stands there already, or a line's end does in its place.
        blank = int(cursor.typed.startswith(" "))
        text = "".join(words[:best])[blank:]
        marks = tuple((end - blank, p) for end, p in zip(ends[:best], probabilities, strict=False))
        ids, scores = np.array(hypothesis.ids[:1]), np.array(hypothesis.log_probs[:1], np.float32)
        (source,) = sources_of(request.mixture, request.state, ids, scores, [False])
        suggestion = Suggestion(text, cursor.start, request.offset, probabilities[best - 1], source)
        return Chosen(suggestion, marks, is_whole=False)

    def _beginnings(self, request: ProseRequest, limit: int) -> Beginnings:
        """Return the words that may come next, with what is typed."""
        typed, mixture, state = request.cursor.typed, request.mixture, request.state
        if typed.removeprefix(" "):
            fitting = self._session.beginning_with(typed)
            ids, scores = beam.best_next(mixture, state, limit, fitting[: fitting.searchsorted(mixture.size)])
            unseen = math.exp(mixture.score(state, np.array([[UNK]]))[0, 0])
            begin = suggest.typed(ids, scores, self._written(ids), typed, unseen, UNK)
            good = [place for place, text in enumerate(begin.texts) if _is_possible(text, request.cursor)]
            texts = tuple(begin.texts[place] for place in good)
            return Beginnings(begin.ids[good], begin.log_probs[good], texts)
        ids, scores = beam.best_next(mixture, state, limit)
        texts = self._written(ids)
        rest = max(0.0, 1 - float(np.exp(scores).sum()))
        follows = self._judge(request.cursor)(())
        good = [place for place, number in enumerate(ids.tolist()) if follows(number) is Next.GOES_ON]
        good = [place for place in good if texts[place].startswith(typed)]
        total = rest + float(np.exp(scores[good]).sum())
        return Beginnings(ids[good], scores[good] - np.float32(math.log(total)), tuple(texts[at] for at in good))

    def _written(self, ids: Ids) -> tuple[str, ...]:
        return tuple(written(self._session.word(number)) for number in ids.tolist())

    def _judge(self, cursor: ProseCursor) -> Judge:
        """Return what words do to a text that goes on at the cursor."""

        def follows(number: int) -> Next:
            if number == UNK:
                return Next.CUTS
            if number == PAD:
                return Next.CANNOT
            word = self._session.word(number)
            if number == EOS or word in MARKS or word == LINE_END:
                return Next.ENDS
            return Next.GOES_ON if _is_possible(written(word), cursor) else Next.CANNOT

        return lambda _: follows

    def _others(self, path: str, size: int) -> WorkspaceModel:
        """Return what the workspace teaches but for the open file."""
        weights, workspace = self._weights.caches[WORKSPACE], self.workspace
        if workspace is None or workspace.session is not self._session:
            return self._nothing.model(size, weights)
        return workspace.cache.model(size, weights, workspace.span(path))

    def _file(self, uri: str) -> OpenFile:
        file = self._files.pop(uri, None) or OpenFile(self._session, learned_prose)
        self._files[uri] = file
        if len(self._files) > _REMEMBERED:
            del self._files[next(iter(self._files))]
        return file


def _is_possible(text: str, cursor: ProseCursor) -> bool:
    """Return whether a text can stand at the cursor without ending the string there."""
    return not (cursor.quotes and cursor.quotes in text)


def _line_before(lexed: Lexed, at: int) -> int:
    """Return the place of the token at which a line begins, so many tokens before number ``at``."""
    number = bisect_right(lexed.marks, max(0, at - _CONTEXT_TOKENS), key=attrgetter("place")) - 1
    return lexed.marks[number].place if number >= 0 else 0


def _behind(text: str, offset: int, lexed: Lexed, at: int) -> int:
    """Return the offset behind a string of several lines that the cursor is in, or the cursor's."""
    begin = lexed.tokens[at].text.lstrip("rRuUfFtT")[:3]
    if begin in ('"""', "'''") and (end := text.find(begin, offset)) >= 0:
        return end + 3
    return offset
