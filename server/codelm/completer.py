"""Text and a cursor in, completions out. Knows nothing of editors and does no I/O."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from codelm import grammar, rerank, suggest
from codelm.beam import never
from codelm.buffer import scan
from codelm.candidates import Candidates, Finder
from codelm.checkpoint import Checkpoint
from codelm.completion import Completions, Selected, Snapshot, Suggestions
from codelm.cursor import Cursor, cursor_at
from codelm.errors import Cancelled
from codelm.importable import Importable
from codelm.knowledge import AUTO, Knowledge
from codelm.learned import LearnedWorkspace
from codelm.lexer import Kind, Lexed, Token
from codelm.names import Names, log_sum, sources_of
from codelm.phrases import Phrases
from codelm.prose_completer import ProseCompleter, ProseRequest
from codelm.request import Request
from codelm.scope import place_of
from codelm.session import SessionVocabulary
from codelm.shown import Shown
from codelm.strings import Strings
from codelm.suggest import Beginnings, Chosen
from codelm.surroundings import Surroundings, surroundings
from codelm.vocabulary import UNK, Vocabulary
from codelm.words import LONG_STRING
from codelm.workspace import WorkspaceIndex
from codelm.workspace_states import StatesUpdate, WorkspaceStates

# Tokens before the cursor that are made words for the grammar: a logical line most often.
_CONTEXT_TOKENS = 512
# The best words that a suggested line may begin with: those behind them are not sure enough.
_MOST_BEGINNINGS = 30

_Asked = tuple[Snapshot, int, Checkpoint, LearnedWorkspace | None]


class Completer:
    """Completes Python with a model, and with what it learns from the open files and the workspace.

    Not thread-safe: one worker asks it one thing at a time. Only ``learned``, ``learn_prose`` and what is about states
    may be called, and ``workspace`` and ``importable`` be set, on any thread.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.importable: Importable | None = None
        self.knowledge = Knowledge(checkpoint)
        vocabulary = checkpoint.vocabulary
        self._names, self._strings, self._phrases = Names(vocabulary), Strings(vocabulary), Phrases(vocabulary)
        self._prose: ProseCompleter | None = None  # made when it is needed, or in time that is left over
        self._prose_lock = Lock()
        self._shown: dict[str, Shown] = {}
        self._finder: Finder | None = None
        self._last: tuple[_Asked, Request | None, Candidates | None] | None = None  # of the last list

    # --- what is learned ----------------------------------------------------------------------------------

    @property
    def workspace(self) -> LearnedWorkspace | None:
        """What ``learned`` returned; None for no workspace."""
        return self.knowledge.workspace

    @workspace.setter
    def workspace(self, workspace: LearnedWorkspace | None) -> None:
        self.knowledge.workspace = workspace

    def forget(self) -> None:
        """Forget every word that was learned: open files are learned anew when they are next completed in."""
        self._shown.clear()
        self._last = None
        self.knowledge.forget()
        if self._prose is not None:
            self._prose.forget()

    def opened(self, snapshot: Snapshot, offset: int | None = None) -> None:
        """Have a document that was opened, or that much was put into, read between completions, up to ``offset``."""
        self.knowledge.opened(snapshot, offset)

    def close(self, uri: str) -> None:
        """Forget an open document."""
        self._shown.pop(uri, None)
        self._last = None
        self.knowledge.close(uri)
        if self._prose is not None:
            self._prose.close(uri)

    def learned(self, index: WorkspaceIndex, states: WorkspaceStates | None = None) -> LearnedWorkspace:
        """Return a workspace as ``workspace`` takes it: a third of a second for a million words. Any thread may ask."""
        return self.knowledge.learned(index, states)

    @property
    def has_prose(self) -> bool:
        """Whether there is a model of prose."""
        return self.knowledge.checkpoint.prose is not None

    def learn_prose(self, index: WorkspaceIndex) -> None:
        """Use the prose of a workspace, where there is a model of prose: a third of a second for a million words.

        Any thread may call it.
        """
        if (completer := self._prose_completer()) is not None:
            completer.workspace = completer.learned(index) if len(index) else None

    @property
    def states_key(self) -> str:
        """What tells the network's states from all others; "" where none are kept. See ``Knowledge.states_key``."""
        return self.knowledge.states_key

    def states_update(self, index: WorkspaceIndex, states: WorkspaceStates | None) -> StatesUpdate:
        """Return how states become those of an index's files. See ``Knowledge.states_update``."""
        return self.knowledge.states_update(index, states)

    @property
    def has_network(self) -> bool:
        """Whether the checkpoint has a network, open or not."""
        return self.knowledge.checkpoint.shape is not None

    def open_network(self, device: str = AUTO) -> str:
        """Open the checkpoint's network. Takes up to seconds; any thread may do it. See ``Knowledge.open_network``."""
        return self.knowledge.open_network(device)

    def idle(self, cancelled: Callable[[], bool] = never) -> bool:
        """Do a little of what is due between completions, some 10 ms; return whether there is more."""
        if self.knowledge.idle(cancelled):
            return True
        if cancelled():
            return False
        if self._prose is None and (prose := self._prose_completer()) is not None:
            prose.warm_up()
            return True
        return self._names.idle(self.knowledge.checkpoint.trained)

    def warm_up(self) -> None:
        """Have ready what is made when it is first needed, so that nobody waits for it at the first key.

        Nothing is learned: there is no word before the cursor.
        """
        self.complete(Snapshot("", 0, "s"), 1, limit=1)
        self.close("")

    # --- completing ---------------------------------------------------------------------------------------

    def complete(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        multi_token: bool = True,
        prose: bool = True,
        deadline: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> Completions:
        """Return at most ``limit`` completions at ``offset`` characters into the snapshot.

        ``prose``: whether there are any in comments, docstrings and strings of several words. ``deadline``
        (``time.monotonic()`` seconds) ends the search for items of several tokens. Raises Cancelled soon after
        ``cancelled()`` turns true.
        """
        request, named = self._request(snapshot, offset, deadline, cancelled)
        self._last = self._asked(snapshot, offset), request, named
        if request is None and prose and (in_prose := self._in_prose(snapshot, offset)) is not None:
            completer, asked = in_prose
            return completer.complete(asked, limit)
        if request is None or request.cursor.kind is Kind.NUMBER:
            return Completions((), offset, complete=True)
        if cancelled():
            raise Cancelled
        cursor = request.cursor
        if cursor.kind is Kind.STRING:
            return self._strings.complete(request, limit)
        best, scores, complete = self._names.best(request, limit, named)
        items = self._names.items(request, best, scores, named)
        if multi_token and self.knowledge.checkpoint.stream == "code" and len(best):
            # Behind the first five, so that they never push a single name out of sight.
            items[5:5] = self._phrases.items(request, best, scores, items, deadline=deadline, cancelled=cancelled)
            items = items[:limit]
        return Completions(tuple(items), cursor.start, complete and request.context.whole)

    # --- lines ---------------------------------------------------------------------------------------------

    def suggest(
        self,
        snapshot: Snapshot,
        offset: int,
        *,
        limit: int,
        selected: Selected | None = None,
        least: float,
        asked: bool = False,
        prose: bool = True,
        deadline: float = math.inf,
        cancelled: Callable[[], bool] = never,
    ) -> Suggestions:
        """Return at most ``limit`` suggestions of how the line goes on, each at least so probable.

        That is ``suggest.LEAST`` at the least. ``asked``: whether somebody has asked for them, so that a little is
        better than nothing. ``prose``: whether there are any in prose, too. With an item ``selected`` in the list of
        completions, how the line goes on behind that. While a suggestion is typed it stays, and costs nothing.
        ``deadline`` (``time.monotonic()`` seconds) ends the search. Raises Cancelled soon after ``cancelled()`` turns
        true.
        """
        least = max(least, suggest.LEAST)
        shown = self._shown.get(snapshot.uri)
        still = shown.still(snapshot.text, offset, selected) if shown is not None else []
        if kept := [suggestion for suggestion in still if suggestion.probability >= least]:
            return Suggestions(tuple(kept[:limit]))
        if selected is None:
            found = self._found(snapshot, offset, limit, least, deadline, cancelled, asked=asked, prose=prose)
        elif not selected.text.startswith(snapshot.text[selected.start : offset]):
            found = []
        else:
            accepted, behind = suggest.with_selected(snapshot, offset, selected)
            found = self._found(
                accepted, behind, limit, least, deadline, cancelled, asked=asked, prose=prose, accepted=True
            )
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
        asked: bool,
        prose: bool,
        accepted: bool = False,
    ) -> list[Chosen]:
        """Return what is suggested; with ``accepted`` the name before the cursor is not being typed any more."""
        last, self._last = self._last, None
        if last is not None and last[0] == self._asked(snapshot, offset):  # the list was asked for a moment ago
            _, request, named = last
        else:
            request, named = self._request(snapshot, offset, deadline, cancelled)
        if cancelled():
            raise Cancelled
        if request is None and prose and (in_prose := self._in_prose(snapshot, offset)) is not None:
            completer, wanted = in_prose
            return completer.suggest(wanted, least=least, limit=limit, deadline=deadline, cancelled=cancelled)
        if request is None or self.knowledge.checkpoint.stream != "code":
            return []
        cursor = request.cursor
        tokens = self._tokens_before(snapshot, offset, cursor.start)
        replaced = int(cursor.kind is Kind.STRING and cursor.behind in ("'", '"') and cursor.behind in cursor.typed)
        around = surroundings(tokens, cursor.start, snapshot.text, offset, replaced)
        if around is None or cursor.inside:
            return []
        begin = self._beginnings(request, named, around, accepted)
        known = {candidate.name for candidate in named.items} if named is not None else set()
        known_there = [text in known for text in begin.texts]
        begin = replace(
            begin, sources=tuple(sources_of(request.mixture, request.state, begin.ids, begin.log_probs, known_there))
        )
        lines = suggest.search(
            request.mixture, request.state, begin, around,
            self._session.word, cursor.quote,
            least=least, limit=limit, deadline=deadline, cancelled=cancelled,
        )  # fmt: skip
        return suggest.choose(lines, around, least=least, limit=limit, asked=asked)

    def _beginnings(
        self, request: Request, named: Candidates | None, around: Surroundings, accepted: bool
    ) -> Beginnings:
        """Return the words that a line may go on with at the cursor."""
        cursor, mixture, state, word = request.cursor, request.mixture, request.state, self._session.word
        if cursor.kind is Kind.STRING:
            ids, scores, texts = self._strings.fitting(request, _MOST_BEGINNINGS)
            others = np.array([[UNK, self._vocabulary.id(LONG_STRING)]])
            return suggest.typed(ids, scores, texts, cursor.typed, math.exp(log_sum(mixture.score(state, others))))
        if accepted and cursor.typed:
            ids = self._session.ids([cursor.typed])
            return Beginnings(np.where(ids < mixture.size, ids, UNK), np.zeros(1, np.float32), (cursor.typed,))
        if not cursor.typed and named is None:
            ids, scores = rerank.best_next(mixture, state, _MOST_BEGINNINGS, None, request.context.reranker)
            return suggest.untyped(ids, scores, around, word)
        ids, scores, _ = self._names.best(request, _MOST_BEGINNINGS, named)
        texts = tuple(map(word, ids.tolist()))
        if not cursor.typed:
            return Beginnings(ids, scores, texts)
        unseen = 0.0 if named is not None else math.exp(mixture.score(state, np.array([[UNK]]))[0, 0])
        return suggest.typed(ids, scores, texts, cursor.typed, unseen, UNK if named is None else None)

    # --- prose ---------------------------------------------------------------------------------------------

    def _in_prose(self, snapshot: Snapshot, offset: int) -> tuple[ProseCompleter, ProseRequest] | None:
        """Return what answers, and what is asked of it, where the cursor is in prose and the model knows any."""
        completer = self._prose_completer()
        if completer is None:
            return None
        lexed, at = self._lexed_to(snapshot, offset)
        request = completer.request(snapshot, offset, lexed, at)
        return None if request is None else (completer, request)

    def _prose_completer(self) -> ProseCompleter | None:
        model = self.knowledge.checkpoint.prose
        with self._prose_lock:  # the thread that learns may need it first
            if self._prose is None and model is not None:
                self._prose = ProseCompleter(model)
        return self._prose

    def _lexed_to(self, snapshot: Snapshot, offset: int) -> tuple[Lexed, int]:
        """Return the tokens of a snapshot up to an offset and a letter, and the number of the one with that letter."""
        lexed = self.knowledge.file(snapshot.uri).lex(snapshot.text[:offset] + "x")
        at = len(lexed.tokens) - 1
        while not lexed.tokens[at].text:
            at -= 1
        return lexed, at

    def _tokens_before(self, snapshot: Snapshot, offset: int, start: int) -> Sequence[Token]:
        lexed = self.knowledge.file(snapshot.uri).lex(snapshot.text[:offset] + "x")
        end = bisect_right(lexed.tokens, start, key=lambda token: token.end)
        return lexed.tokens[max(0, end - _CONTEXT_TOKENS) : end]

    # --- where the cursor is ------------------------------------------------------------------------------

    def _request(
        self, snapshot: Snapshot, offset: int, deadline: float, cancelled: Callable[[], bool]
    ) -> tuple[Request | None, Candidates | None]:
        """Return what is asked, and the names that are known to be there; None for a request in prose or a number.

        A letter is put where the cursor is and the text up to there is lexed: the token that the letter ends up
        in is the one that is being typed, and the blocks that its line opens or closes are those of the cursor.
        """
        lexed, at = self._lexed_to(snapshot, offset)
        before = lexed.tokens[max(0, at - _CONTEXT_TOKENS) : at]
        cursor = cursor_at(lexed.tokens[at], before, snapshot.text[offset : offset + 1])
        if cursor is None:
            return None, None
        places = self.knowledge.file(snapshot.uri).learn(lexed, at, snapshot.text, offset)
        named = self._named(snapshot, offset, cursor) if cursor.kind is not Kind.STRING else None
        if named is not None:
            self._session.learn(candidate.name for candidate in named.items)
        context = self.knowledge.context(
            snapshot, places, cursor.words, inside=cursor.inside, typing=bool(cursor.typed),
            deadline=deadline, cancelled=cancelled,
        )  # fmt: skip
        return Request(cursor, context, self._session), named

    def _asked(self, snapshot: Snapshot, offset: int) -> _Asked:
        """Return all that an answer depends on."""
        return snapshot, offset, self.knowledge.checkpoint, self.workspace

    @property
    def _session(self) -> SessionVocabulary:
        return self.knowledge.session

    @property
    def _vocabulary(self) -> Vocabulary:
        return self.knowledge.checkpoint.vocabulary

    def _named(self, snapshot: Snapshot, offset: int, cursor: Cursor) -> Candidates | None:
        """Return the names that imports and classes are known to have at the cursor; None where nothing is known."""
        index = self.importable
        place = place_of(grammar.line_of(cursor.words))
        if index is None or place is None:
            return None
        if self._finder is None or self._finder.index is not index:
            self._finder = Finder(index)
        name, is_package = index.module_name(Path(snapshot.path)) if snapshot.path else ("__main__", False)
        return self._finder.find(place, scan(snapshot.text, name, is_package), offset)
