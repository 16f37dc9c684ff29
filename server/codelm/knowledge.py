"""All that completions draw on: the trained models, the words of the open files, and the workspace.

``context`` brings them together as one mixture, at the state behind the words before a cursor. The network answers when
it was opened and can read what is missing in time; without it, the n-gram model and the caches answer at once.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from codelm import checkpoint
from codelm.beam import never
from codelm.caches import caches_of
from codelm.checkpoint import CPU, Checkpoint, default_weights
from codelm.completion import Snapshot
from codelm.errors import CodelmError
from codelm.file_words import FILLER, Places
from codelm.learned import LearnedWorkspace, learned
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids
from codelm.neural.model import NetworkState, NeuralModel
from codelm.neural.prefix import PrefixCache, Reading
from codelm.neural_workspace import NeuralWorkspace
from codelm.open_file import OpenFile
from codelm.rerank import Reranker
from codelm.session import SessionVocabulary
from codelm.weights import NETWORK, WORKSPACE, Weights
from codelm.words import NEWLINE, STRUCTURE_WORDS
from codelm.workspace import WorkspaceIndex
from codelm.workspace_cache import WorkspaceCache, WorkspaceModel
from codelm.workspace_states import StatesUpdate, WorkspaceStates
from codelm.workspace_states import nothing as no_states

# Words before the cursor that are read by all but the network: none of the others looks further back.
_CONTEXT_WORDS = FILLER
# Documents whose words are remembered, so that a keystroke learns only what it changed.
_REMEMBERED = 32
# Words that the network reads while someone waits, at most, and how many it reads in a second at the least.
_AT_ONCE, _A_SECOND = 768, 10_000
_LEAST_READ = 64  # a tail that is shorter than this says little
# Words that it reads between completions, in some 10 ms.
_IN_BETWEEN = 256

AUTO = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The models as they are now, and their state behind the words before a cursor; what ranks their best words again.

    ``whole``: whether nothing is missing that time would bring: the network, if there is one, with all of the document.
    """

    mixture: Mixture
    state: MixtureState
    whole: bool
    reranker: Reranker | None = None


@dataclass(eq=False, slots=True)
class _Document:
    """What is remembered of an open document. ``prefix`` goes with a network."""

    file: OpenFile
    prefix: PrefixCache[Any] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class _Others:
    """What the workspace teaches but for one file: by its words, and by the network's states, where there are any."""

    words: WorkspaceModel
    states: NeuralWorkspace | None = None


class _Drawn(NamedTuple):
    """All that a context is made of: while a word is typed, nothing of it changes from key to key."""

    trained: Trained
    places: Places
    others: _Others
    state: NetworkState[Any] | None
    whole: bool
    size: int
    tail: bytes


class Knowledge:
    """Not thread-safe: one worker asks it one thing at a time. Only ``learned``, ``open_network`` and what is about
    states may be called, and ``workspace`` be set, on any thread.
    """

    def __init__(self, opened: Checkpoint):
        self.checkpoint = opened
        self.workspace: LearnedWorkspace | None = None
        self._weights: Weights = opened.weights or default_weights()
        self._nothing = WorkspaceCache(())
        self._states_key: tuple[Any, str] = None, ""
        self.forget()

    # --- what is learned ----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget every word that was learned: open files are learned anew when they are next completed in."""
        self.session = SessionVocabulary(self.checkpoint.vocabulary)
        self._reads: tuple[Trained, Trained] | None = None
        self._last: tuple[_Drawn, Context] | None = None
        self._documents: dict[str, _Document] = {}
        self._to_be_read: dict[str, tuple[Snapshot, int]] = {}
        self._others: tuple[LearnedWorkspace | None, str, _Others | None] = None, "", None
        self.workspace = None

    def close(self, uri: str) -> None:
        """Forget an open document."""
        self._documents.pop(uri, None)
        self._to_be_read.pop(uri, None)

    def learned(self, index: WorkspaceIndex, states: WorkspaceStates | None = None) -> LearnedWorkspace:
        """Return a workspace as ``workspace`` takes it: a third of a second for a million words. Any thread may ask.

        ``states``: those of the network in some of its files; those of another network are none.
        """
        if states is not None and states.key != self.states_key:
            states = None
        return learned(index, self.session, states, self._weights.states)

    def file(self, uri: str) -> OpenFile:
        """Return the words of an open document."""
        return self._document(uri).file

    # --- the network --------------------------------------------------------------------------------------

    def open_network(self, device: str = AUTO) -> str:
        """Open the network that the checkpoint has, on a device: it answers from the next completion on.

        Returns why it runs elsewhere than asked; empty where it doesn't. Takes up to seconds, and any thread may do it.
        Raises CodelmError where it can't run at all.
        """
        opened = self.checkpoint
        if opened.shape is None or (device in (AUTO, CPU) and opened.trained.network is not None):
            return ""
        problem = ""
        if device not in (AUTO, CPU):
            try:
                self.checkpoint = checkpoint.with_network(opened, device)
            except CodelmError as error:
                problem = f"the network runs on the CPU: {error}"
        if device in (AUTO, CPU) or problem:
            self.checkpoint = checkpoint.with_network(opened)
        return problem

    @property
    def states_key(self) -> str:
        """What tells the states of the network, as they are kept, from all others; "" where none are. Any thread may
        ask. Raises CheckpointError.
        """
        opened, reduction = self.checkpoint, self._weights.states
        if opened.trained.network is None or reduction is None:
            return ""
        if self._states_key[0] is not opened:
            self._states_key = opened, f"{checkpoint.network_key(opened)} {reduction.key}"
        return self._states_key[1]

    def states_update(self, index: WorkspaceIndex, states: WorkspaceStates | None) -> StatesUpdate:
        """Return how states become those of an index's files, where ``states_key`` says that there are any.

        Any thread may ask, and take the steps.
        """
        network, reduction = self.checkpoint.trained.network, self._weights.states
        assert network is not None
        assert reduction is not None
        if states is None or states.key != self.states_key:
            states = no_states(self.states_key, reduction.dimensions)
        return StatesUpdate(states, index, network, self.checkpoint.vocabulary, reduction)

    def opened(self, snapshot: Snapshot, offset: int | None = None) -> None:
        """Have a document that was opened, or that much was put into, read in time that is left over (``idle``): up to
        ``offset``, or to its end.
        """
        self._to_be_read[snapshot.uri] = snapshot, len(snapshot.text) if offset is None else offset

    def idle(self, cancelled: Callable[[], bool] = never) -> bool:
        """Do a little of what is due, some 10 ms; return whether there is more."""
        network = self._trained().network
        if cancelled() or network is None:
            return False
        if self._to_be_read:
            snapshot, offset = self._to_be_read.pop(next(iter(self._to_be_read)))
            document = self._document(snapshot.uri)
            lexed = document.file.lex(snapshot.text[:offset])
            document.file.learn(lexed, len(lexed.tokens), snapshot.text, offset)
            self._prefix(document, network).follow(document.file.above())
            return True
        prefixes = (document.prefix for document in self._documents.values())
        return any(prefix.catch_up(_IN_BETWEEN) for prefix in prefixes if prefix is not None and not cancelled())

    # --- the mixture --------------------------------------------------------------------------------------

    def context(
        self, snapshot: Snapshot, places: Places, words: Sequence[str], *, inside: int = 0, typing: bool = False,
        deadline: float = math.inf, cancelled: Callable[[], bool] = never,
    ) -> Context:  # fmt: skip
        """Return the models and their state behind ``words``, those before a cursor.

        ``places``: the document's words above the cursor and below it. The last ``inside`` of ``words`` are not among
        them: they stand in a string. ``typing``: whether a word is being typed. The network is left out where it can't
        read what it has not read yet by the ``deadline`` (``time.monotonic()`` seconds).
        """
        self._to_be_read.pop(snapshot.uri, None)  # it is read now
        document, others = self._document(snapshot.uri), self._rest_of_workspace(snapshot.path)
        above = document.file.above()
        # Of a very long line, not all words are given.
        is_first_line = len(above) <= len(words) and not any(word in STRUCTURE_WORDS.values() for word in words)
        if is_first_line and (words or typing):
            # All are told that a line ended before it. What begins a file is nearly always an import: of anything else
            # they know more from the middle of files.
            words = [NEWLINE, *words]
        ids = self.session.ids(words)
        trained, read = self._trained(), None
        if trained.network is not None and is_first_line:
            state = trained.network.read(trained.network.start(), ids)
            read = Reading(state, trained.network.vectors(state), ids[:0], whole=True)
        elif trained.network is not None:
            prefix = self._prefix(document, trained.network)
            read = self._read(prefix, above, deadline, cancelled, trained.ngram is not None)
            if read is not None and inside:
                read = replace(read, state=trained.network.read(read.state, ids[-inside:]))
        # The session's words are counted now: every word that a part may speak of has been learned.
        forms = self.session.forms()
        tail = ids[-_CONTEXT_WORDS:]
        whole = self.checkpoint.shape is None if read is None else read.whole
        drawn = _Drawn(trained, places, others, None if read is None else read.state, whole, len(forms), tail.tobytes())
        if self._last is None or self._last[0] != drawn:
            vectors, recalled = (None, None) if read is None else (read.vectors[:-1], others.states)
            caches = caches_of(places, others.words, self._weights.caches, forms, vectors, recalled)
            asked = trained if read is not None else Trained(trained.known, trained.ngram)
            mixture = Mixture(asked, caches, len(forms), self._weights, forms)
            states = {} if read is None else {NETWORK: read.state}
            self._last = drawn, Context(mixture, mixture.behind(states, tail), whole, self.checkpoint.reranker)
        return self._last[1]

    def _read(
        self, prefix: PrefixCache[Any], ids: Ids, deadline: float, cancelled: Callable[[], bool], can_do_without: bool
    ) -> Reading[Any] | None:
        """Return what the network remembers of a document whose words above the cursor are ids (T,).

        None where it can't in time, and others can answer.
        """
        prefix.follow(ids)
        if deadline == math.inf:  # nobody waits
            return prefix.state(len(ids), cancelled)
        in_time = int(min(_AT_ONCE, max(0.0, deadline - time.monotonic()) * _A_SECOND))
        if can_do_without and in_time < min(prefix.missing, _LEAST_READ):
            return None
        return prefix.state(max(in_time, _LEAST_READ), cancelled)

    def _trained(self) -> Trained:
        """Return the trained models, reading the words of the session."""
        trained = self.checkpoint.trained
        if self._reads is None or self._reads[0] is not trained:
            self._reads = trained, trained.reading(self.session.own_words)
        return self._reads[1]

    def _prefix(self, document: _Document, network: NeuralModel[Any]) -> PrefixCache[Any]:
        if document.prefix is None or document.prefix.network is not network:
            document.prefix = PrefixCache(network)
        return document.prefix

    def _document(self, uri: str) -> _Document:
        document = self._documents.pop(uri, None) or _Document(OpenFile(self.session))
        self._documents[uri] = document
        if len(self._documents) > _REMEMBERED:
            del self._documents[next(iter(self._documents))]
        return document

    def _rest_of_workspace(self, path: str) -> _Others:
        """Return the workspace without the open file, whose text in the editor is newer than the one on disk."""
        workspace, of, others = self._others
        if others is None or workspace is not self.workspace or of != path:
            workspace, size, weights = self.workspace, len(self.session), self._weights.caches[WORKSPACE]
            if workspace is not None and workspace.session is self.session:
                words = workspace.cache.model(size, weights, workspace.span(path))
                others = _Others(words, workspace.recalled(path, size))
            else:
                others = _Others(self._nothing.model(size, weights))
            self._others = workspace, path, others
        return others
