"""Text and a cursor in, completions out. Knows nothing of editors and does no I/O."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np

from codelm import beam, grammar, layout, suggest
from codelm.beam import Hypothesis, never
from codelm.buffer import scan
from codelm.candidates import Candidates, Finder
from codelm.checkpoint import Checkpoint, default_weights
from codelm.completion import Completion, CompletionKind, Completions, Selected, Snapshot, Suggestions
from codelm.errors import Cancelled
from codelm.file_cache import FileModel
from codelm.file_words import FILLER
from codelm.form_cache import FormModel
from codelm.fstring import open_field
from codelm.grammar import Expected
from codelm.importable import Importable
from codelm.learned import LearnedWorkspace, learned
from codelm.lexer import Kind, Token, lex
from codelm.mixture import Caches, Mixture, MixtureState
from codelm.model import Ids, Scores, among
from codelm.open_file import OpenFile
from codelm.scope import place_of
from codelm.session import SessionVocabulary
from codelm.shown import Shown
from codelm.suggest import Beginnings, Chosen
from codelm.surroundings import Surroundings, surroundings
from codelm.vocabulary import EOS, PAD, UNK
from codelm.weights import Weights
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE, STRUCTURE_WORDS, words_of
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache, WorkspaceModel

# Tokens before the cursor that are made words for the grammar: a logical line most often.
_CONTEXT_TOKENS = 512
# Words before the cursor that are read: no model looks further back.
_CONTEXT_WORDS = FILLER
# The beam that makes items of several tokens, and when such an item is worth a place in the list.
_BEAMS, _LONGEST_LINE, _MOST_LINES = 4, 8, 2
_SURE_ENOUGH = 0.25  # the least probability of all that follows the first token
# The least probability, among all strings, of a string that is proposed: a quote may begin any sentence.
_LEAST_STRING = 0.01
# The best words that a suggested line may begin with: those behind them are not sure enough.
_MOST_BEGINNINGS = 30
# Documents whose words are remembered, so that a keystroke learns only what it changed.
_REMEMBERED = 32
# How probable it is that a name is one of those that are known to be there, where others are possible.
_NAMED_SHARE = 0.9
# Of the names that are known to be there, how probable it is that one is meant that no model has met there.
_UNMET_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class _Cursor:
    """What stands at the cursor: the token being typed (it may be empty), and the words before it."""

    kind: Kind
    typed: str
    start: int
    words: Sequence[str]
    behind: str
    """The character right of the cursor."""
    quote: str
    """The quotes that strings have here."""
    is_in_field: bool = False
    """Whether it is in a replacement field of an f-string."""


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """One request: the cursor, the models as they are now, and their state behind the words before the cursor."""

    cursor: _Cursor
    mixture: Mixture[Any]
    state: MixtureState[Any]


class Completer:
    """Completes Python with a model, and with what it learns from the open files and the workspace.

    Not thread-safe: one worker asks it one thing at a time. Only ``learned`` may be called, and ``workspace`` and
    ``importable`` be set, on any thread.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self.workspace: LearnedWorkspace | None = None
        self.importable: Importable | None = None
        self._weights: Weights = checkpoint.weights or default_weights()
        self._finder: Finder | None = None
        self._nothing = WorkspaceCache(())
        self.forget()

    # --- what is learned ----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget every word that was learned: open files are learned anew when they are next completed in."""
        self._session = SessionVocabulary(self.checkpoint.vocabulary)
        self._files: dict[str, OpenFile] = {}
        self._shown: dict[str, Shown] = {}
        self._others: tuple[LearnedWorkspace | None, str, WorkspaceModel | None] = None, "", None
        self.workspace = None

    def close(self, uri: str) -> None:
        """Forget an open document."""
        self._files.pop(uri, None)
        self._shown.pop(uri, None)

    def learned(self, index: WorkspaceIndex) -> LearnedWorkspace:
        """Return a workspace as ``workspace`` takes it: a third of a second for a million words. Any thread may ask."""
        return learned(index, self._session)

    # --- completing ---------------------------------------------------------------------------------------

    def complete(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        multi_token: bool = True,
        deadline: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> Completions:
        """Return at most ``limit`` completions at ``offset`` characters into the snapshot.

        ``deadline`` (``time.monotonic()`` seconds) ends the search for items of several tokens. Raises Cancelled
        soon after ``cancelled()`` turns true.
        """
        request, named = self._request(snapshot, offset)
        if request is None or request.cursor.kind is Kind.NUMBER:
            return Completions((), offset, complete=True)
        if cancelled():
            raise Cancelled
        cursor, mixture, state = request.cursor, request.mixture, request.state
        if cursor.kind is Kind.STRING:
            return self._strings(request, limit)
        best, scores, complete = self._names(request, limit, named)
        kinds = {candidate.name: candidate.kind for candidate in named.items} if named else {}
        words = [self._session.word(word) for word in best.tolist()]
        items = [
            Completion(word, kinds.get(word, kind), math.exp(score))
            for word, kind, score in zip(words, self._kinds(request, best, words), scores.tolist(), strict=True)
        ]
        if multi_token and self.checkpoint.stream == "code" and len(best):
            count = min(len(best), _BEAMS)
            found = beam.lines(
                mixture, state, best[:count], scores[:count], beam.ending_at(self._line_ends),
                beams=_BEAMS, longest=_LONGEST_LINE, least=math.log(_SURE_ENOUGH),
                cancelled=cancelled, deadline=deadline,
            )  # fmt: skip
            # Behind the first five, so that they never push a single name out of sight.
            items[5:5] = self._several(found, cursor, {item.text for item in items})
            items = items[:limit]
        return Completions(tuple(items), cursor.start, complete)

    # --- lines ---------------------------------------------------------------------------------------------

    def suggest(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        selected: Selected | None = None,
        least: float,
        deadline: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> Suggestions:
        """Return at most ``limit`` suggestions of how the line goes on, each at least so probable.

        That is ``suggest.LEAST`` at the least. With an item ``selected`` in the list of completions, how the line goes
        on behind that. While a suggestion is typed it stays, and costs nothing. ``deadline`` (``time.monotonic()``
        seconds) ends the search. Raises Cancelled soon after ``cancelled()`` turns true.
        """
        least = max(least, suggest.LEAST)
        shown = self._shown.get(snapshot.uri)
        still = shown.still(snapshot.text, offset, selected) if shown is not None else []
        if kept := [suggestion for suggestion in still if suggestion.probability >= least]:
            return Suggestions(tuple(kept[:limit]))
        if selected is None:
            found = self._found(snapshot, offset, limit, least, deadline, cancelled)
        elif not selected.text.startswith(snapshot.text[selected.start : offset]):
            found = []
        else:
            accepted, behind = suggest.with_selected(snapshot, offset, selected)
            found = self._found(accepted, behind, limit, least, deadline, cancelled, accepted=True)
            found = [suggest.extending(selected, chosen, accepted.text, behind - offset) for chosen in found]
        self._shown[snapshot.uri] = Shown(snapshot.text, offset, selected, found)
        return Suggestions(tuple(chosen.suggestion for chosen in found))

    def _found(
        self,
        snapshot: Snapshot,
        offset: int,
        limit: int,
        least: float,
        deadline: float,
        cancelled: Callable[[], bool],
        *,
        accepted: bool = False,
    ) -> list[Chosen]:
        """Return what is suggested; with ``accepted`` the name before the cursor is not being typed any more."""
        request, named = self._request(snapshot, offset)
        if request is None or self.checkpoint.stream != "code":
            return []
        if cancelled():
            raise Cancelled
        cursor = request.cursor
        tokens = self._tokens_before(snapshot, offset, cursor.start)
        replaced = int(cursor.kind is Kind.STRING and cursor.behind in ("'", '"') and cursor.behind in cursor.typed)
        around = surroundings(tokens, cursor.start, snapshot.text, offset, replaced)
        if around is None or cursor.is_in_field:
            return []
        lines = suggest.search(
            request.mixture, request.state, self._beginnings(request, named, around, accepted), around,
            self._session.word, cursor.quote,
            least=least, limit=limit, deadline=deadline, cancelled=cancelled,
        )  # fmt: skip
        return suggest.choose(lines, around, least=least, limit=limit)

    def _beginnings(
        self, request: _Request, named: Candidates | None, around: Surroundings, accepted: bool
    ) -> Beginnings:
        """Return the words that a line may go on with at the cursor."""
        cursor, mixture, state, word = request.cursor, request.mixture, request.state, self._session.word
        if cursor.kind is Kind.STRING:
            ids, scores, texts = self._fitting_strings(request, _MOST_BEGINNINGS)
            others = np.array([[UNK, self.checkpoint.vocabulary.id(LONG_STRING)]])
            return suggest.typed(ids, scores, texts, cursor.typed, math.exp(_log_sum(mixture.score(state, others))))
        if accepted and cursor.typed:
            ids = self._session.ids([cursor.typed])
            return Beginnings(np.where(ids < mixture.size, ids, UNK), np.zeros(1, np.float32), (cursor.typed,))
        if not cursor.typed and named is None:
            ids, scores = beam.best_next(mixture, state, _MOST_BEGINNINGS)
            return suggest.untyped(ids, scores, around, word)
        ids, scores, _ = self._names(request, _MOST_BEGINNINGS, named)
        texts = tuple(map(word, ids.tolist()))
        if not cursor.typed:
            return Beginnings(ids, scores, texts)
        unseen = 0.0 if named is not None else math.exp(mixture.score(state, np.array([[UNK]]))[0, 0])
        return suggest.typed(ids, scores, texts, cursor.typed, unseen, UNK if named is None else None)

    def _tokens_before(self, snapshot: Snapshot, offset: int, start: int) -> Sequence[Token]:
        lexed = self._file(snapshot.uri).lex(snapshot.text[:offset] + "x")
        end = bisect_right(lexed.tokens, start, key=lambda token: token.end)
        return lexed.tokens[max(0, end - _CONTEXT_TOKENS) : end]

    # --- where the cursor is ------------------------------------------------------------------------------

    def _request(self, snapshot: Snapshot, offset: int) -> tuple[_Request | None, Candidates | None]:
        """Return what is asked, and the names that are known to be there; None for a request in a comment or a number.

        A letter is put where the cursor is and the text up to there is lexed: the token that the letter ends up
        in is the one that is being typed, and the blocks that its line opens or closes are those of the cursor.
        """
        file = self._file(snapshot.uri)
        lexed = file.lex(snapshot.text[:offset] + "x")
        at = len(lexed.tokens) - 1
        while not lexed.tokens[at].text:
            at -= 1
        before = lexed.tokens[max(0, at - _CONTEXT_TOKENS) : at]
        cursor = _cursor(lexed.tokens[at], before, snapshot.text[offset : offset + 1])
        if cursor is None:
            return None, None
        places = file.learn(lexed, at, snapshot.text, offset)
        named = self._named(snapshot, offset, cursor) if cursor.kind is not Kind.STRING else None
        if named is not None:
            self._session.learn(candidate.name for candidate in named.items)
        others = self._rest_of_workspace(snapshot.path)
        # The session's words are counted now: every word that a part may speak of has been learned.
        size, weights = len(self._session), self._weights.caches
        caches = Caches(
            FileModel(places, size, weights["file"]),
            FormModel(places, size, weights["form"], self._session.forms()),
            others.over(size),
        )
        mixture = Mixture(self.checkpoint.model, len(self.checkpoint.vocabulary), caches, size, self._weights)
        return _Request(cursor, mixture, self._read(mixture, cursor)), named

    def _file(self, uri: str) -> OpenFile:
        file = self._files.pop(uri, None) or OpenFile(self._session)
        self._files[uri] = file
        if len(self._files) > _REMEMBERED:
            self.close(next(iter(self._files)))
        return file

    def _rest_of_workspace(self, path: str) -> WorkspaceModel:
        """Return the workspace without the open file, whose text in the editor is newer than the one on disk."""
        workspace, of, model = self._others
        if model is None or workspace is not self.workspace or of != path:
            workspace = self.workspace
            usable = workspace is not None and workspace.session is self._session
            cache, span = (workspace.cache, workspace.span(path)) if workspace and usable else (self._nothing, (0, 0))
            model = cache.model(len(self._session), self._weights.caches["workspace"], span)
            self._others = workspace, path, model
        return model

    def _read(self, mixture: Mixture[Any], cursor: _Cursor) -> MixtureState[Any]:
        """Return the models' state behind the words before the cursor.

        Once something is typed in the first statement of a file, they are told that a line ended before it. What
        begins a file is nearly always an import: of anything else they know more from the middle of files.
        """
        words = cursor.words
        if (words or cursor.typed) and not any(word in STRUCTURE_WORDS.values() for word in words):
            words = [NEWLINE, *words]
        return mixture.read(mixture.start(), self._session.ids(words[-_CONTEXT_WORDS:]))

    # --- single tokens ------------------------------------------------------------------------------------

    def _names(self, request: _Request, limit: int, named: Candidates | None) -> tuple[Ids, Scores, bool]:
        """Return the best names and keywords, their log probabilities, and whether no other fits what is typed."""
        cursor, mixture, state = request.cursor, request.mixture, request.state
        if named is not None and named.exhaustive:
            fitting, fitting_scores = self._fitting(named, request)
            best, scores = _best(fitting, fitting_scores, limit)
            complete = named.complete and len(fitting) <= limit
        else:
            allowed = self._allowed(cursor.words, mixture.size)
            if cursor.typed:
                fitting = self._session.beginning_with(cursor.typed)
                allowed = fitting[among(fitting, allowed)]
            best, scores = beam.best_next(mixture, state, limit, allowed)
            complete = len(allowed) <= limit
            if named is not None:
                fitting, fitting_scores = self._fitting(named, request)
                best, scores = _with_named(best, scores, fitting, fitting_scores, limit)
                complete = complete and named.complete
        if not cursor.typed:
            return best, scores, complete
        # Words written exactly as typed come first: "S" means Set rather than self.
        exact = np.array([self._session.word(word).startswith(cursor.typed) for word in best.tolist()], bool)
        order = np.argsort(~exact, kind="stable")
        return best[order], scores[order], complete

    def _named(self, snapshot: Snapshot, offset: int, cursor: _Cursor) -> Candidates | None:
        """Return the names that imports and classes are known to have at the cursor; None where nothing is known."""
        index = self.importable
        place = place_of(grammar.line_of(cursor.words))
        if index is None or place is None:
            return None
        if self._finder is None or self._finder.index is not index:
            self._finder = Finder(index)
        name, is_package = index.module_name(Path(snapshot.path)) if snapshot.path else ("__main__", False)
        return self._finder.find(place, scan(snapshot.text, name, is_package), offset)

    def _fitting(self, named: Candidates, request: _Request) -> tuple[Ids, Scores]:
        """Return the named candidates that begin with what is typed, sorted ids, and the log probability of each among
        them: what the models say, and for the names that they have never met there, a little for each.
        """
        typed = request.cursor.typed
        names = [name for candidate in named.items if (name := candidate.name).casefold().startswith(typed.casefold())]
        if not (typed or named.exhaustive):  # every object has its __init__: it says nothing of what is meant
            names = [name for name in names if not _is_dunder(name)]
        ids, first = np.unique(self._session.ids(names), return_index=True)
        known = (ids > EOS) & (ids < request.mixture.size)
        ids, first = ids[known], first[known]
        if not len(ids):
            return ids, np.zeros(0, np.float32)
        scores = request.mixture.score(request.state, ids[None, :])[0]
        even = np.array([_likely(names[place]) for place in first.tolist()])
        probabilities = (1 - _UNMET_SHARE) * np.exp(scores - _log_sum(scores)) + _UNMET_SHARE * even / even.sum()
        return ids, np.log(probabilities).astype(np.float32)

    def _allowed(self, words: Sequence[str], size: int) -> Ids:
        """Return the sorted ids of the names and keywords that Python's grammar doesn't rule out."""
        wanted, forbidden = grammar.expected(words)
        known = self._allowed_ids(wanted, forbidden)
        if wanted is Expected.KEYWORD:
            return known
        names = self._session.names()
        return np.concatenate([known, names[: names.searchsorted(size)]])

    @cached_property
    def _allowed_ids(self) -> Callable[[Expected, frozenset[str]], Ids]:
        vocabulary = self.checkpoint.vocabulary
        classes = {
            Expected.NAME: vocabulary.names, Expected.KEYWORD: vocabulary.keywords, Expected.ANY: vocabulary.proposable,
        }  # fmt: skip

        @lru_cache(maxsize=16)
        def allowed(wanted: Expected, forbidden: frozenset[str]) -> Ids:
            return np.setdiff1d(classes[wanted], vocabulary.ids(sorted(forbidden)))

        return allowed

    def _kinds(self, request: _Request, best: Ids, words: Sequence[str]) -> list[CompletionKind]:
        """Return the kinds of words, from how they are written and whether a call is likely to follow."""
        if not len(best):
            return []
        model, vocabulary = self.checkpoint.model, self.checkpoint.vocabulary
        known = np.where(best < len(vocabulary), best, UNK)
        after = model.step(request.state.base, np.zeros(len(best), np.int64), known)
        called = np.exp(model.score(after, np.full((len(best), 1), vocabulary.id("(")))[:, 0]) > 0.5
        line = grammar.line_of(request.cursor.words)
        return [_kind_of(word, bool(is_called), line) for word, is_called in zip(words, called, strict=True)]

    # --- strings ------------------------------------------------------------------------------------------

    def _strings(self, request: _Request, limit: int) -> Completions:
        """Return the short strings that fit the one being typed, in its own quotes."""
        cursor, mixture, state = request.cursor, request.mixture, request.state
        _, scores, texts = self._fitting_strings(request, limit)
        # It is a string already: what matters is how probable each is among all strings.
        every_string = np.concatenate([self._every_string, self._session.strings()])
        scores = scores - _log_sum(mixture.score(state, every_string[None, : every_string.searchsorted(mixture.size)]))
        items = []
        for text, score in zip(texts, scores.tolist(), strict=True):
            if math.exp(score) >= _LEAST_STRING:
                text = text[:-1] if cursor.behind == text[-1] else text
                items.append(Completion(text, CompletionKind.VALUE, math.exp(score)))
        return Completions(tuple(items), cursor.start, complete=False)

    def _fitting_strings(self, request: _Request, limit: int) -> tuple[Ids, Scores, tuple[str, ...]]:
        """Return the best short strings that begin as the one being typed, and how they are written in its quotes."""
        cursor = request.cursor
        opening = re.match(r"([a-zA-Z]*)(['\"])", cursor.typed)
        assert opening is not None
        prefix, quote = opening.groups()
        content = cursor.typed[opening.end() :]
        word_prefix = prefix.lower().replace("u", "") + '"'
        fitting = self._session.beginning_with(word_prefix + content)
        allowed = fitting[: fitting.searchsorted(request.mixture.size)]
        best, scores = beam.best_next(request.mixture, request.state, limit, allowed)
        inner = [self._session.word(number)[len(word_prefix) : -1] for number in best.tolist()]
        good = [place for place, text in enumerate(inner) if text.startswith(content) and quote not in text]
        return best[good], scores[good], tuple(f"{prefix}{quote}{inner[place]}{quote}" for place in good)

    @cached_property
    def _every_string(self) -> Ids:
        """The sorted ids of all strings of the vocabulary, the long ones' word included."""
        vocabulary = self.checkpoint.vocabulary
        strings = [n for n, word in enumerate(vocabulary.words) if word[-1:] in ("'", '"')]
        return np.array(sorted([*strings, vocabulary.id(LONG_STRING)]), np.int64)

    # --- several tokens -----------------------------------------------------------------------------------

    @cached_property
    def _line_ends(self) -> frozenset[int]:
        """The ids at which a line stops: its end, and what can't be written because it stands for many texts."""
        unwritable = (NEWLINE, INDENT, DEDENT, LONG_STRING, LONG_NUMBER)
        return frozenset([PAD, UNK, EOS, *(self.checkpoint.vocabulary.id(word) for word in unwritable)])

    def _several(self, found: Sequence[Hypothesis], cursor: _Cursor, listed: set[str]) -> list[Completion]:
        """Return items of several names or keywords, at most one for each first token."""
        items: list[Completion] = []
        begun: set[int] = set()
        for hypothesis in found:
            words = _whole_part([self._session.word(word) for word in hypothesis.ids[: _sure_part(hypothesis)]])
            if hypothesis.ids[0] in begun or sum(word.isidentifier() for word in words) < 2:
                continue
            written = [layout.in_quotes(word, cursor.quote) for word in words]
            text = layout.text_of(written, grammar.line_of(cursor.words))
            if text not in listed:
                begun.add(hypothesis.ids[0])
                probability = math.exp(sum(hypothesis.log_probs[: len(words)]))
                items.append(Completion(text, CompletionKind.LINE, probability))
            if len(items) == _MOST_LINES:
                break
        return items


def _best(ids: Ids, scores: Scores, limit: int) -> tuple[Ids, Scores]:
    """Return the ``limit`` ids with the best scores, best first, and their scores."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return ids[order], scores[order]


def _with_named(best: Ids, scores: Scores, named: Ids, named_scores: Scores, limit: int) -> tuple[Ids, Scores]:
    """Return the best of what the models propose and of the names that are known to be there.

    These have ``_NAMED_SHARE`` of the probability among them.
    """
    if not len(named):
        return best, scores
    others = ~np.isin(best, named)
    ids = np.concatenate([named, best[others]])
    rest = scores[others] - (_log_sum(scores[others]) if others.any() else 0.0)
    of_all = np.concatenate([named_scores + math.log(_NAMED_SHARE), rest + math.log(1 - _NAMED_SHARE)])
    return _best(ids, of_all.astype(np.float32), limit)


def _likely(name: str) -> float:
    """Return how likely a name is to be meant that no model has met: by whom it is meant for."""
    if not name.startswith("_"):
        return 1.0
    return 0.02 if _is_dunder(name) else 0.3


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _log_sum(log_probs: Scores) -> float:
    """Return the logarithm of the sum of probabilities."""
    return float(np.logaddexp.reduce(log_probs, axis=None))


def _cursor(token: Token, before: Sequence[Token], behind: str) -> _Cursor | None:
    """Return the cursor at the end of a token that is being typed, its last letter not being typed at all."""
    typed = token.text[:-1]
    if token.kind is Kind.STRING and (field := open_field(typed)) is not None:
        other = "'" if typed.lstrip("fFrRtT")[:1] == '"' else '"'
        return _in_field(typed[field:], token.start + field, before, behind, other)
    if token.kind not in (Kind.NAME, Kind.KEYWORD, Kind.STRING):
        return None
    is_number = bool(before) and before[-1].kind is Kind.NUMBER  # the cursor is right behind one
    if is_number and typed:
        return None  # "1e", "0x": it is being typed
    if token.kind is Kind.STRING and not _is_short_string(typed):
        return None
    kind = Kind.NUMBER if is_number else token.kind
    return _Cursor(kind, typed, token.start, list(words_of(before)), behind, layout.preferred_quote(before))


def _in_field(field: str, start: int, before: Sequence[Token], behind: str, quote: str) -> _Cursor | None:
    """Return the cursor in a replacement field of an f-string that begins at ``start``: as in a pair of brackets."""
    tokens = [token for token in lex(field + "x") if token.text]
    typed = tokens.pop()
    if typed.kind not in (Kind.NAME, Kind.KEYWORD) or (tokens and tokens[-1].kind is Kind.NUMBER):
        return None
    words = [*words_of(before), "(", *words_of(tokens)]
    return _Cursor(typed.kind, typed.text[:-1], start + typed.start, words, behind, quote, is_in_field=True)


def _is_short_string(typed: str) -> bool:
    """Return whether a string that is being typed may still become a word: one line, single quotes, no blank."""
    return bool(re.fullmatch(r"""[a-zA-Z]*(?:"[^"\s]*|'[^'\s]*)""", typed))


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


def _kind_of(word: str, is_called: bool, line: Sequence[str]) -> CompletionKind:
    if iskeyword(word):
        return CompletionKind.KEYWORD
    if line and (line[0] in ("import", "from")) and "import" not in line[1:]:
        return CompletionKind.MODULE
    if word.isupper() and len(word) > 1:
        return CompletionKind.CONSTANT
    if word[0].isupper():
        return CompletionKind.CLASS
    after_dot = bool(line) and line[-1] == "."
    if is_called:
        return CompletionKind.METHOD if after_dot else CompletionKind.FUNCTION
    return CompletionKind.FIELD if after_dot else CompletionKind.VARIABLE
