"""From what a network says of its outputs to the probabilities of all ids.

A network has scores for the most frequent words only, ``[UNK]`` among them. What it gives to ``[UNK]`` is shared, by
how often each was seen in training, among the words of the vocabulary that are no outputs and all those outside it::

    p(id)    = p_out(id)                                           of an output
    p(id)    = p_out([UNK]) · exp(tail_shares[id - outputs + 1])   of another id of the vocabulary
    p([UNK]) = p_out([UNK]) · exp(tail_shares[0])                  of all other words together
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codelm.best_lists import greatest
from codelm.model import Ids, Scores, among
from codelm.neural.shape import Shape
from codelm.vocabulary import PAD, UNK

LISTED = 64
"""The best outputs that a head lists, if it has as many."""


@dataclass(frozen=True, eq=False)
class Said:
    """What a head says of B rows: ``log_probs`` (B, outputs), and its ``best`` outputs (B, K), best first."""

    log_probs: Scores
    best: Ids


class Outputs:
    """The outputs of a network and the ids behind them, in a vocabulary of V ids."""

    def __init__(self, shape: Shape, tail_shares: NDArray[np.float32]):
        """Take ``tail_shares`` (V - outputs + 1,), logarithms of shares that sum to one."""
        self.size, self.outputs = shape.words, shape.outputs
        self._shares = tail_shares
        # Of each id, the output that has its score, and what is added to that.
        self._output = np.minimum(np.arange(self.size), self.outputs)
        self._output[self.outputs :] = UNK
        self._added = np.zeros(self.size, np.float32)
        self._added[UNK] = tail_shares[0]
        self._added[self.outputs :] = tail_shares[1:]

    def scores(self, said: Said, ids: Ids) -> Scores:
        """Return the log probabilities of ids (B, C). An id that the vocabulary lacks scores as ``[UNK]``."""
        known = np.where((ids >= 0) & (ids < self.size), ids, UNK)
        places = self._output.take(known)
        places += np.arange(0, said.log_probs.size, self.outputs)[:, None]  # of all rows behind each other
        found: Scores = said.log_probs.ravel().take(places)
        found += self._added.take(known)
        return found

    def propose(self, said: Said, k: int, allowed: Ids | None = None) -> Ids:
        """Return the K best ids of each row, best first: (B, K), -1 where there are fewer."""
        if allowed is None:
            is_word = (said.best != PAD) & (said.best != UNK)
            if said.best.shape[1] == self.outputs or bool((is_word.sum(axis=1) >= k).all()):
                return self._of_lists(said, is_word, k)
        best = np.full((len(said.best), k), -1, np.int64)
        if allowed is not None:  # they are sorted: what can't be proposed stands at the ends
            allowed = allowed[allowed.searchsorted(PAD, "right") : allowed.searchsorted(self.size)]
        for row in range(len(best)):
            of_row = Said(said.log_probs[row : row + 1], said.best[row : row + 1])
            candidates = self._candidates(of_row, k, allowed)
            order = greatest(self.scores(of_row, candidates[None, :])[0], k)
            best[row, : len(order)] = candidates[order]
        return best

    def _of_lists(self, said: Said, is_word: NDArray[np.bool_], k: int) -> Ids:
        """Return the K best ids of each row where the head's list, of which some are words, has K or is of all."""
        words_first = np.argsort(~is_word, axis=1, kind="stable")[:, :k]
        listed: Ids = np.take_along_axis(said.best, words_first, axis=1)
        if listed.shape[1] == k and k <= said.best.shape[1] - 2:
            worst, best_of_rest = said.log_probs[np.arange(len(listed)), listed[:, -1]], self._rest[0]
            if bool((said.log_probs[:, UNK] + self._added[best_of_rest] <= worst).all()):
                return listed
        rest = np.broadcast_to(self._rest[:k], (len(said.best), len(self._rest[:k])))
        candidates = np.concatenate([said.best, rest], axis=1)
        scores = self.scores(said, candidates)
        scores[:, : is_word.shape[1]][~is_word] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = np.full((len(said.best), k), -1, np.int64)
        best[:, : order.shape[1]] = np.take_along_axis(candidates, order, axis=1)
        best[:, : order.shape[1]][np.take_along_axis(scores, order, axis=1) == -np.inf] = -1
        return best

    def _candidates(self, said: Said, k: int, allowed: Ids | None) -> Ids:
        """Return ids that include the k best of a row; there are far fewer than all where the head's list will do."""
        listed: Ids = said.best[0]
        listed = listed[(listed != PAD) & (listed != UNK)]
        if allowed is not None:
            listed = listed[among(listed, allowed)]
        if len(listed) < k and said.best.shape[1] < self.outputs:
            every: Ids = self._every if allowed is None else allowed
            return every
        listed = listed[:k]
        rest: Ids = self._rest[:k]
        if allowed is not None:
            # No id behind the outputs, nor [UNK], is better than the first of them.
            if len(listed) == k and self._score(said, rest[0]) <= self._score(said, listed[-1]):
                return listed
            rest = allowed[(allowed == UNK) | (allowed >= self.outputs)]
        candidates: Ids = np.concatenate([listed, rest])
        return candidates

    def _score(self, said: Said, number: int) -> float:
        return float(said.log_probs[0, self._output[number]] + self._added[number])

    @cached_property
    def _every(self) -> Ids:
        """All ids that can be proposed."""
        return np.delete(np.arange(self.size), PAD)

    @cached_property
    def _rest(self) -> Ids:
        """``[UNK]`` and the ids behind the outputs, the greatest share first: in every context they have this order."""
        ids = np.concatenate([[UNK], np.arange(self.outputs, self.size)])
        ordered: Ids = ids[np.argsort(-self._shares, kind="stable")]
        return ordered


def listed(shape: Shape) -> int:
    """Return K, how many of its best outputs the head of a network lists."""
    return min(LISTED, shape.outputs)
