"""One model of several: models that were trained, what the open file teaches, and the workspace.

    p(w | h) = Σ λ_i(h) · p_i(w | h)

The parts are an n-gram model and a neural network, or one of them; caches of the open file, by its words and by its
form, and of the workspace; and, with a network, neural caches of the open file and of the workspace, which compare what
the network makes of contexts.
The weights λ follow from what each part knows of a context before the answer is known (``codelm.gate``);
``codelm_train.mix`` fits them.

A word of the session that the trained models lack is read by them as they can (``codelm.model.ReadsWords``) and
predicted as ``[UNK]``: of that probability the share ``seen_again`` goes to the session's words, to each by how often
the caches have seen it, and the rest stays with ``[UNK]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import Places
from codelm.gate import CONTEXT, LOOKED_AT, context_signals
from codelm.model import Ids, LanguageModel, Scores
from codelm.neural.model import NeuralModel
from codelm.neural_cache import NeuralCache
from codelm.neural_workspace import NeuralWorkspace
from codelm.vocabulary import PAD, UNK
from codelm.weights import BASE, FILE, FORM, NETWORK, NEURAL, NEURAL_WORKSPACE, WORKSPACE, Weights

S = TypeVar("S")
Floats = NDArray[np.float64]

# What a word of the session that no cache holds counts, at most: it was deleted, say, and is not impossible.
_ONCE_SEEN = 0.01


class Part(LanguageModel[S], Protocol[S]):
    """A model that tells what it knows of a context before the answer is known."""

    def signals(self, state: S) -> Floats:
        """Return what the gate asks of each row: (B, signals), as many as ``codelm.weights.SIGNALS`` says."""
        ...


class Cache(Part[S], Protocol[S]):
    """A part that learns in the session."""

    @property
    def empty(self) -> bool:
        """Whether it has learned nothing."""
        ...

    def experts(self, state: S, word: int) -> Floats:
        """Return what each of the cache's experts says of a word, for a state of one row."""
        ...

    def match_lengths(self, state: S) -> Ids:
        """Return the length of each row's longest match, -1 where the cache is empty: (B,)."""
        ...


class CountingCache(Cache[S], Protocol[S]):
    """A cache that says how often it has seen a word."""

    def counts_from(self, first: int) -> Floats:
        """Return how often the cache has seen the ids from ``first`` on."""
        ...


class FileCache(CountingCache[S], Protocol[S]):
    """A cache of the open file."""

    @property
    def places(self) -> Places:
        """The words of the file."""
        ...


@dataclass(frozen=True, eq=False)
class Trained:
    """The models that were trained, over the same ``known`` ids: at least one of them is there."""

    known: int
    ngram: Part[Any] | None = None
    network: NeuralModel[Any] | None = None

    @property
    def quickest(self) -> Part[Any]:
        """The model that answers in the least time: for what need not be exact."""
        model = self.network if self.ngram is None else self.ngram
        assert model is not None
        return model

    def reading(self, words: Sequence[str]) -> "Trained":
        """Return the same, where the network reads the ids behind the vocabulary as these words."""
        return self if self.network is None else replace(self, network=self.network.reading(words))


@dataclass(frozen=True, eq=False)
class Caches:
    """What the session has learned. ``neural`` and ``neural_workspace`` go with a network only, the latter with weights
    that have ``states``.
    """

    file: FileCache[Any]
    form: Cache[Any]
    workspace: CountingCache[Any]
    neural: NeuralCache | None = None
    neural_workspace: NeuralWorkspace | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Ranked:
    """The best ids of B rows, best first, and their log probabilities (B, K); what each part said of them
    (parts, B, K).
    """

    ids: Ids
    scores: Scores
    said: Floats

    def said_of(self, ids: Ids) -> Floats | None:
        """Return what each part said of ids (1, C); None where not all of them are among the best of one row."""
        if len(self.ids) != 1 or not self.ids.size:
            return None
        order = self.ids[0].argsort()
        places = order[self.ids[0][order].searchsorted(ids[0]).clip(max=len(order) - 1)]
        return self.said[:, :, places] if np.array_equal(self.ids[0][places], ids[0]) else None


@dataclass(frozen=True, eq=False)
class MixtureState:
    """B contexts: the state of each part, by its name, and the last words (B, LOOKED_AT), ``[PAD]`` before them."""

    parts: Mapping[str, Any]
    last: Ids
    shares: list[Floats] = field(default_factory=list)  # λ of each row, once it was asked for: (B, parts)
    ranked: list[Ranked] = field(default_factory=list)  # what was proposed last


class Mixture:
    """Trained models and caches as one ``LanguageModel[MixtureState]``."""

    def __init__(self, trained: Trained, caches: Caches, size: int, weights: Weights, forms: NDArray[np.int16]):
        """Take the parts, all over ``size`` ids but for the trained ones, and the ``forms`` (size,) of all ids."""
        self.trained, self.known, self.size, self.caches = trained, trained.known, size, caches
        self.forms = forms
        models = {BASE: trained.ngram, NETWORK: trained.network}
        learned = {FILE: caches.file, FORM: caches.form, WORKSPACE: caches.workspace}
        self._models: dict[str, Part[Any]] = {name: model for name, model in models.items() if model is not None}
        # What has learned nothing has no share.
        self.learned: dict[str, Cache[Any]] = {name: cache for name, cache in learned.items() if not cache.empty}
        """The caches that compare words, as far as they have learned anything."""
        neural = {NEURAL: caches.neural, NEURAL_WORKSPACE: caches.neural_workspace}
        self._neural = {name: cache for name, cache in neural.items() if cache is not None and not cache.empty}
        self._stepped: dict[str, Part[Any]] = {**self._models, **self.learned}
        self._parts: dict[str, Any] = {**self._stepped, **self._neural}
        self.parts = tuple(self._parts)
        """The names of the parts that are there, in their order."""
        self._weights = weights
        self._gate = weights.gate.over(self.parts)
        counts = caches.file.counts_from(self.known) + caches.workspace.counts_from(self.known)
        unseen = self._deleted = counts == 0
        # All unseen words together count as one at most: their number must not matter to those that are there.
        share = weights.seen_again / (counts.sum() + 1)
        counts[unseen] = min(_ONCE_SEEN, 1 / max(int(unseen.sum()), 1))
        # What a model's [UNK] gives to each id from ``known`` on, and what it keeps.
        self._spread = counts * share
        self._kept = 1 - self._spread.sum()

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> MixtureState:
        """Return the state at the beginning of a sequence."""
        return self._state({name: part.start() for name, part in self._stepped.items()}, np.full((1, LOOKED_AT), PAD))

    def read(self, state: MixtureState, ids: Ids) -> MixtureState:
        """Return the state after a context: ids (T,)."""
        last = np.concatenate([state.last[0], ids[-LOOKED_AT:]])[None, -LOOKED_AT:]
        return self._state({name: part.read(state.parts[name], ids) for name, part in self._stepped.items()}, last)

    def behind(self, models: Mapping[str, Any], ids: Ids) -> MixtureState:
        """Return the state after all words of a sequence so far, ids (T,). ``models``: by their names, the states of
        parts that have read them already.
        """
        parts = {
            name: models[name] if name in models else part.read(part.start(), ids)
            for name, part in self._stepped.items()
        }
        return self._state(parts, np.concatenate([np.full(LOOKED_AT, PAD), ids[-LOOKED_AT:]])[None, -LOOKED_AT:])

    def step(self, state: MixtureState, rows: Ids, ids: Ids) -> MixtureState:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        stepped = {name: part.step(state.parts[name], rows, ids) for name, part in self._stepped.items()}
        return self._state(stepped, np.concatenate([state.last[rows, 1:], ids[:, None]], axis=1))

    def score(self, state: MixtureState, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        if not len(ids):
            return np.zeros(ids.shape, np.float32)
        for ranked in state.ranked:  # who asks for proposals asks for their scores next
            if np.array_equal(ids, ranked.ids[:, : ids.shape[1]]):
                return ranked.scores[:, : ids.shape[1]].copy()
        return self._mixed(state, self.said(state, ids))

    def propose(self, state: MixtureState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row, among those that a part proposes: (B, K), best first, -1 fills."""
        if not len(state.last):
            return np.zeros((0, k), np.int64)
        proposed = self.candidates(state, k, allowed)
        said = self.said(state, proposed)
        scores = self._mixed(state, said)
        scores[proposed < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.full((len(proposed), k), -1, np.int64)
        rows = np.arange(len(proposed))[:, None]
        best[:, : order.shape[1]] = proposed[rows, order]
        state.ranked[:] = [Ranked(best[:, : order.shape[1]].copy(), scores[rows, order], said[:, rows, order])]
        return best

    def candidates(self, state: MixtureState, k: int, allowed: Ids | None = None) -> Ids:
        """Return the ids that are among the k best of a part, each once, in no order: (B, C), -1 between them."""
        proposed = np.concatenate([part.propose(own, k, allowed) for part, own in self._with_states(state)], axis=1)
        proposed.sort(axis=1)
        proposed[:, 1:][proposed[:, 1:] == proposed[:, :-1]] = -1
        return proposed[:, proposed[0] >= 0] if len(proposed) == 1 else proposed

    # --- what is asked besides ----------------------------------------------------------------------------

    def contributions(self, state: MixtureState, ids: Ids) -> Floats:
        """Return what each part adds to the probabilities of ids (B, C): (parts, B, C)."""
        return self._shared(state, self.said(state, ids))

    def said(self, state: MixtureState, ids: Ids) -> Floats:
        """Return the probabilities that each part gives to ids (B, C): (parts, B, C).

        That of a trained model's ``[UNK]`` is spread over the session's words.
        """
        for ranked in state.ranked:
            if (kept := ranked.said_of(ids)) is not None:
                return kept
        said = np.empty((len(self.parts), *ids.shape))
        new = ids >= self.known
        any_new, unknown = new.any(), ids == UNK
        for number, (name, (part, own)) in enumerate(zip(self.parts, self._with_states(state), strict=True)):
            np.exp(part.score(own, ids), out=said[number])
            if name in self._models:
                if any_new:
                    said[number][new] *= self._spread[ids[new] - self.known]
                said[number][unknown] *= self._kept
        return said

    def without_network(self, state: MixtureState) -> tuple["Mixture", MixtureState]:
        """Return the mixture of what answers at once, with its state: for what is asked for often and need not be as
        good as it can be. Where nothing else was trained than a network, that is all of it.
        """
        if self.trained.ngram is None or self.trained.network is None:
            return self, state
        caches = replace(self.caches, neural=None, neural_workspace=None)
        light = Mixture(Trained(self.known, self.trained.ngram), caches, self.size, self._weights, self.forms)
        return light, light._state({name: state.parts[name] for name in light._stepped}, state.last)

    def still_there(self, ids: Ids) -> Ids:
        """Return those of the ids that a trained model knows or a cache holds: the others were deleted."""
        new = np.maximum(ids - self.known, 0)
        return ids[(ids < self.known) | ~self._deleted.take(new, mode="clip")] if len(self._deleted) else ids

    def shares(self, state: MixtureState) -> Floats:
        """Return how the parts share the probability of each row: (B, parts)."""
        if not state.shares:
            state.shares.append(self._gate(list(self.signals(state).values())))
        return state.shares[0]

    def signals(self, state: MixtureState) -> dict[str, Floats]:
        """Return what the gate is asked with: the signals of the context, and of each part, by their names."""
        parts = zip(self.parts, self._with_states(state), strict=True)
        return {CONTEXT: context_signals(self.forms[state.last])} | {n: part.signals(own) for n, (part, own) in parts}

    def _shared(self, state: MixtureState, said: Floats) -> Floats:
        """Return what parts said (parts, B, C), times their shares."""
        shared: Floats = said * self.shares(state).T[:, :, None]
        return shared

    def _mixed(self, state: MixtureState, said: Floats) -> Scores:
        """Return the logarithms of what all parts together said: (B, C)."""
        with np.errstate(divide="ignore"):
            found: Scores = np.log(np.add.reduce(self._shared(state, said))).astype(np.float32)
        return found  # that of [PAD] alone is -inf

    def _state(self, parts: dict[str, Any], last: Ids) -> MixtureState:
        if self._neural:
            assert self.trained.network is not None
            vectors = self.trained.network.vectors(parts[NETWORK])
            parts |= {name: cache.state(vectors) for name, cache in self._neural.items()}
        return MixtureState(parts, last)

    def _with_states(self, state: MixtureState) -> list[tuple[Any, Any]]:
        """Return the parts with their states, in their order."""
        return [(part, state.parts[name]) for name, part in self._parts.items()]
