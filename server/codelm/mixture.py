"""One model of several: a base model, what the open file teaches, by its words and by its form, and the workspace.

    p(w | h) = Σ λ_i(ℓ_file, ℓ_workspace) · p_i(w | h)

The weights λ depend on how long a context the caches of file and workspace have found again (ℓ); ``codelm_train.mix``
fits them by EM. A word of the session that the base model lacks is read by it as it can (``codelm.model.ReadsWords``)
and predicted as ``[UNK]``: of that probability the share ``seen_again`` goes to the session's words, to each by how
often the caches have seen it, and the rest stays with ``[UNK]``.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids, LanguageModel, Scores
from codelm.vocabulary import UNK
from codelm.weights import Weights

S = TypeVar("S")
Floats = NDArray[np.float64]

# What a word of the session that no cache holds counts, at most: it was deleted, say, and is not impossible.
_ONCE_SEEN = 0.01


class Cache(LanguageModel[S], Protocol[S]):
    """A language model that says how much of a context it has found again."""

    def match_lengths(self, state: S) -> Ids:
        """Return the length of each row's longest match, -1 where the cache is empty: (B,)."""
        ...

    def experts(self, state: S, word: int) -> Floats:
        """Return what each of the cache's experts says of a word, for a state of one row."""
        ...


class CountingCache(Cache[S], Protocol[S]):
    """A cache that says how often it has seen a word."""

    def counts_from(self, first: int) -> Floats:
        """Return how often the cache has seen the ids from ``first`` on."""
        ...


@dataclass(frozen=True, eq=False)
class Caches:
    """The caches of a mixture, in the order of ``codelm.weights.CACHES``."""

    file: CountingCache[Any]
    form: Cache[Any]
    workspace: CountingCache[Any]

    def all(self) -> tuple[Cache[Any], ...]:
        """Return them in their order."""
        return self.file, self.form, self.workspace


@dataclass(frozen=True, eq=False)
class MixtureState(Generic[S]):
    """The states of the base model and of each cache, of B rows each."""

    base: S
    caches: tuple[Any, ...]
    shares: list[Floats] = field(default_factory=list)  # λ of each row, once it was asked for: (B, parts)
    ranked: list[tuple[Ids, Scores]] = field(default_factory=list)  # what was proposed last, and its scores: (B, K)


class Mixture(Generic[S]):
    """A base model and caches as one ``LanguageModel[MixtureState]``."""

    def __init__(self, base: LanguageModel[S], known: int, caches: Caches, size: int, weights: Weights):
        """Take the parts: a base model of ``known`` ids, and caches over ``size`` ids."""
        self.base, self.known, self.size, self.caches = base, known, size, caches
        self._all = caches.all()
        self._weights = weights
        counts = caches.file.counts_from(known) + caches.workspace.counts_from(known)
        unseen = counts == 0
        # All unseen words together count as one at most: their number must not matter to those that are there.
        share = weights.seen_again / (counts.sum() + 1)
        counts[unseen] = min(_ONCE_SEEN, 1 / max(int(unseen.sum()), 1))
        # What the base model's [UNK] gives to each id from ``known`` on, and what it keeps.
        self._spread = counts * share
        self._kept = 1 - self._spread.sum()

    # --- the protocol -------------------------------------------------------------------------------------

    def start(self) -> MixtureState[S]:
        """Return the state at the beginning of a sequence."""
        return MixtureState(self.base.start(), tuple(cache.start() for cache in self._all))

    def read(self, state: MixtureState[S], ids: Ids) -> MixtureState[S]:
        """Return the state after a context: ids (T,)."""
        states = zip(self._all, state.caches, strict=True)
        return MixtureState(self.base.read(state.base, ids), tuple(cache.read(own, ids) for cache, own in states))

    def step(self, state: MixtureState[S], rows: Ids, ids: Ids) -> MixtureState[S]:
        """Continue row ``rows[i]`` with ``ids[i]``."""
        states = zip(self._all, state.caches, strict=True)
        return MixtureState(
            self.base.step(state.base, rows, ids),
            tuple(cache.step(own, rows, ids) for cache, own in states),
        )

    def score(self, state: MixtureState[S], ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C)."""
        for ranked, scores in state.ranked:  # who asks for proposals asks for their scores next
            if np.array_equal(ids, ranked[:, : ids.shape[1]]):
                return scores[:, : ids.shape[1]]
        shares = self._shares(state)
        probabilities = shares[:, :1] * self.base_probabilities(state, ids)
        for number, (cache, own) in enumerate(zip(self._all, state.caches, strict=True), 1):
            probabilities += shares[:, number : number + 1] * np.exp(cache.score(own, ids))
        with np.errstate(divide="ignore"):
            return np.log(probabilities).astype(np.float32)  # [PAD] alone is -inf

    def propose(self, state: MixtureState[S], k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best next ids of each row, among those that a part proposes: (B, K), best first, -1 fills."""
        states = zip(self._all, state.caches, strict=True)
        proposed = np.concatenate(
            [self.base.propose(state.base, k, allowed), *(cache.propose(own, k, allowed) for cache, own in states)],
            axis=1,
        )
        proposed.sort(axis=1)
        proposed[:, 1:][proposed[:, 1:] == proposed[:, :-1]] = -1
        if len(proposed) == 1:
            proposed = proposed[:, proposed[0] >= 0]
        scores = self.score(state, proposed)
        scores[proposed < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.full((len(proposed), k), -1, np.int64)
        rows = np.arange(len(proposed))[:, None]
        best[:, : order.shape[1]] = proposed[rows, order]
        state.ranked[:] = [(best[:, : order.shape[1]].copy(), scores[rows, order])]
        return best

    def behind(self, base: S, ids: Ids) -> MixtureState[S]:
        """Return the state after all words of a sequence so far, ids (T,), which the base model has read already."""
        return MixtureState(base, tuple(cache.read(cache.start(), ids) for cache in self._all))

    # --- what fitting asks besides ------------------------------------------------------------------------

    def base_probabilities(self, state: MixtureState[S], ids: Ids) -> Floats:
        """Return what the base model gives to ids (B, C), with its ``[UNK]`` spread over the session's words."""
        probabilities = np.exp(self.base.score(state.base, ids), dtype=np.float64)
        new = ids >= self.known
        if new.any():
            probabilities[new] *= self._spread[ids[new] - self.known]
        probabilities[ids == UNK] *= self._kept
        return probabilities

    def _shares(self, state: MixtureState[S]) -> Floats:
        if not state.shares:
            file, _, workspace = state.caches
            found = self.caches.file.match_lengths(file) + 1, self.caches.workspace.match_lengths(workspace) + 1
            state.shares.append(self._weights.parts[found])
        return state.shares[0]
