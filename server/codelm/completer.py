"""Text and a cursor in, completions out. Knows nothing of editors and does no I/O."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from keyword import iskeyword

import numpy as np

from codelm import beam, grammar, layout
from codelm.beam import Hypothesis, never
from codelm.checkpoint import Checkpoint
from codelm.completion import Completion, CompletionKind, Completions, Snapshot
from codelm.errors import Cancelled
from codelm.fstring import open_field
from codelm.grammar import Expected
from codelm.lexer import Kind, Lexed, Token, lex, lex_from_scratch, relex
from codelm.model import Ids, Scores
from codelm.ngram import NGramState
from codelm.vocabulary import EOS, PAD, UNK
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE, STRUCTURE_WORDS, words_of

# Tokens before the cursor that are made words and read: more than the longest context of any n-gram.
_CONTEXT_TOKENS = 512
# The beam that makes items of several tokens, and when such an item is worth a place in the list.
_BEAMS, _LONGEST_LINE, _MOST_LINES = 4, 8, 2
_SURE_ENOUGH = 0.25  # the least probability of all that follows the first token
# The least probability, among all strings, of a string that is proposed: a quote may begin any sentence.
_LEAST_STRING = 0.01
# Documents whose last tokens are remembered, so that a keystroke lexes only what it changed.
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class _Cursor:
    """What stands at the cursor: the token being typed (it may be empty), and the words before it."""

    kind: Kind
    typed: str
    start: int
    words: Sequence[str]
    behind: str
    """The character right of the cursor."""


class Completer:
    """Completes Python with one model. Not thread-safe: one worker asks it one thing at a time."""

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self._vocabulary = checkpoint.vocabulary
        self._model = checkpoint.model
        self._lexed: dict[str, Lexed] = {}

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
        cursor = self._cursor(snapshot, offset)
        if cursor is None:
            return Completions((), offset, complete=True)
        if cancelled():
            raise Cancelled
        state = self._read(cursor)
        if cursor.kind is Kind.STRING:
            return self._strings(state, cursor, limit)
        best, scores, complete = self._names(state, cursor, limit)
        items = [
            Completion(self._vocabulary.words[word], kind, math.exp(score))
            for word, kind, score in zip(
                best.tolist(), self._kinds(state, cursor.words, best), scores.tolist(), strict=True
            )
        ]
        if multi_token and self.checkpoint.stream == "code" and len(best):
            count = min(len(best), _BEAMS)
            found = beam.lines(
                self._model, state, best[:count], scores[:count],
                beams=_BEAMS, longest=_LONGEST_LINE, ends=self._line_ends, cancelled=cancelled, deadline=deadline,
            )  # fmt: skip
            # Behind the first five, so that they never push a single name out of sight.
            items[5:5] = self._several(found, cursor.words, {item.text for item in items})
            items = items[:limit]
        return Completions(tuple(items), cursor.start, complete)

    # --- where the cursor is ------------------------------------------------------------------------------

    def _cursor(self, snapshot: Snapshot, offset: int) -> _Cursor | None:
        """Return what stands at the cursor; None where nothing may be proposed: in a comment, or in a number.

        A letter is put where the cursor is and the text up to there is lexed: the token that the letter ends up
        in is the one that is being typed, and the blocks that its line opens or closes are those of the cursor.
        """
        text = snapshot.text[:offset] + "x"
        lexed = self._remembered(snapshot.uri, text)
        at = len(lexed.tokens) - 1
        while not lexed.tokens[at].text:
            at -= 1
        token = lexed.tokens[at]
        typed = token.text[:-1]
        before = lexed.tokens[max(0, at - _CONTEXT_TOKENS) : at]
        behind = snapshot.text[offset : offset + 1]
        if token.kind is Kind.STRING and (field := open_field(typed)) is not None:
            return _in_field(typed[field:], token.start + field, before, behind)
        if token.kind not in (Kind.NAME, Kind.KEYWORD, Kind.STRING):
            return None
        if before and before[-1].kind is Kind.NUMBER:
            return None  # "1e", "0x": a number is being typed
        if token.kind is Kind.STRING and not _is_short_string(typed):
            return None
        return _Cursor(token.kind, typed, token.start, list(words_of(before)), behind)

    def _remembered(self, uri: str, text: str) -> Lexed:
        old = self._lexed.pop(uri, None)
        lexed = lex_from_scratch(text) if old is None else relex(old, text)
        self._lexed[uri] = lexed
        if len(self._lexed) > _REMEMBERED:
            del self._lexed[next(iter(self._lexed))]
        return lexed

    def _read(self, cursor: _Cursor) -> NGramState:
        """Return the model's state behind the words before the cursor.

        Once something is typed in the first statement of a file, the model is told that a line ended before it. What
        begins a file is nearly always an import: of anything else it knows more from the middle of files.
        """
        words = cursor.words
        if (words or cursor.typed) and not any(word in STRUCTURE_WORDS.values() for word in words):
            words = [NEWLINE, *words]
        return self._model.read(self._model.start(), self._vocabulary.ids(words))

    # --- single tokens ------------------------------------------------------------------------------------

    def _names(self, state: NGramState, cursor: _Cursor, limit: int) -> tuple[Ids, np.ndarray, bool]:
        """Return the best names and keywords, their log probabilities, and whether no other fits what is typed."""
        allowed = self._allowed(cursor.words)
        if not cursor.typed:
            best, scores = beam.best_next(self._model, state, limit, allowed)
            return best, scores, len(allowed) <= limit
        fitting = _common(allowed, self._vocabulary.beginning_with(cursor.typed))
        best, scores = beam.best_next(self._model, state, limit, fitting)
        # Words written exactly as typed come first: "S" means Set rather than self.
        exact = np.array([self._vocabulary.words[word].startswith(cursor.typed) for word in best.tolist()], bool)
        order = np.argsort(~exact, kind="stable")
        return best[order], scores[order], len(fitting) <= limit

    def _allowed(self, words: Sequence[str]) -> Ids:
        """Return the sorted ids of the names and keywords that Python's grammar doesn't rule out."""
        wanted, forbidden = grammar.expected(words)
        return self._allowed_ids(wanted, forbidden)

    @cached_property
    def _allowed_ids(self) -> Callable[[Expected, frozenset[str]], Ids]:
        vocabulary = self._vocabulary
        classes = {
            Expected.NAME: vocabulary.names, Expected.KEYWORD: vocabulary.keywords, Expected.ANY: vocabulary.proposable,
        }  # fmt: skip

        @lru_cache(maxsize=16)
        def allowed(wanted: Expected, forbidden: frozenset[str]) -> Ids:
            return np.setdiff1d(classes[wanted], vocabulary.ids(sorted(forbidden)))

        return allowed

    def _kinds(self, state: NGramState, words: Sequence[str], best: Ids) -> list[CompletionKind]:
        """Return the kinds of words, from how they are written and whether a call is likely to follow."""
        if not len(best):
            return []
        after = self._model.step(state, np.zeros(len(best), np.int64), best)
        call = np.full((len(best), 1), self._vocabulary.id("("))
        called = np.exp(self._model.score(after, call)[:, 0]) > 0.5
        line = grammar.line_of(words)
        return [
            _kind_of(self._vocabulary.words[word], bool(is_called), line)
            for word, is_called in zip(best.tolist(), called, strict=True)
        ]

    # --- strings ------------------------------------------------------------------------------------------

    def _strings(self, state: NGramState, cursor: _Cursor, limit: int) -> Completions:
        """Return the short strings that fit the one being typed, in its own quotes."""
        opening = re.match(r"([a-zA-Z]*)(['\"])", cursor.typed)
        assert opening is not None
        prefix, quote = opening.groups()
        content = cursor.typed[opening.end() :]
        word_prefix = prefix.lower().replace("u", "") + '"'
        fitting = self._vocabulary.beginning_with(word_prefix + content)
        best, scores = beam.best_next(self._model, state, limit, fitting)
        # It is a string already: what matters is how probable each is among all strings.
        scores = scores - _log_sum(self._model.score(state, self._every_string[None, :]))
        closing = "" if cursor.behind == quote else quote
        items = []
        for word, score in zip(best.tolist(), scores.tolist(), strict=True):
            inner = self._vocabulary.words[word][len(word_prefix) : -1]
            if math.exp(score) >= _LEAST_STRING and inner.startswith(content) and quote not in inner:
                items.append(Completion(f"{prefix}{quote}{inner}{closing}", CompletionKind.VALUE, math.exp(score)))
        return Completions(tuple(items), cursor.start, complete=False)

    @cached_property
    def _every_string(self) -> Ids:
        """The ids of all strings, the long ones' word included."""
        strings = [n for n, word in enumerate(self._vocabulary.words) if word[-1:] in ("'", '"')]
        return np.array([*strings, self._vocabulary.id(LONG_STRING)], np.int64)

    # --- several tokens -----------------------------------------------------------------------------------

    @cached_property
    def _line_ends(self) -> frozenset[int]:
        """The ids at which a line stops: its end, and what can't be written because it stands for many texts."""
        unwritable = (NEWLINE, INDENT, DEDENT, LONG_STRING, LONG_NUMBER)
        return frozenset([PAD, UNK, EOS, *(self._vocabulary.id(word) for word in unwritable)])

    def _several(self, found: Sequence[Hypothesis], before: Sequence[str], listed: set[str]) -> list[Completion]:
        """Return items of several names or keywords, at most one for each first token."""
        items: list[Completion] = []
        begun: set[int] = set()
        for hypothesis in found:
            words = _whole_part([self._vocabulary.words[word] for word in hypothesis.ids[: _sure_part(hypothesis)]])
            if hypothesis.ids[0] in begun or sum(word.isidentifier() for word in words) < 2:
                continue
            text = layout.text_of(words, grammar.line_of(before))
            if text not in listed:
                begun.add(hypothesis.ids[0])
                probability = math.exp(sum(hypothesis.log_probs[: len(words)]))
                items.append(Completion(text, CompletionKind.LINE, probability))
            if len(items) == _MOST_LINES:
                break
        return items


def _common(many: Ids, few: Ids) -> Ids:
    """Return the ids of ``few`` that ``many`` has, both sorted. (numpy's intersect1d would sort them all again.)"""
    places = np.minimum(many.searchsorted(few), max(len(many) - 1, 0))
    return few[many[places] == few] if len(many) else few[:0]


def _log_sum(log_probs: Scores) -> float:
    """Return the logarithm of the sum of probabilities."""
    return float(np.logaddexp.reduce(log_probs, axis=None))


def _in_field(field: str, start: int, before: Sequence[Token], behind: str) -> _Cursor | None:
    """Return the cursor in a replacement field of an f-string that begins at ``start``: as in a pair of brackets."""
    tokens = [token for token in lex(field + "x") if token.text]
    typed = tokens.pop()
    if typed.kind not in (Kind.NAME, Kind.KEYWORD) or (tokens and tokens[-1].kind is Kind.NUMBER):
        return None
    words = [*words_of(before), "(", *words_of(tokens)]
    return _Cursor(typed.kind, typed.text[:-1], start + typed.start, words, behind)


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
