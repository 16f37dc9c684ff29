"""The words of a corpus as a network reads and predicts them.

A corpus has an open vocabulary: its words are places in its lexicon. A network reads a word by the row of its own and
by its pieces, so a word outside the vocabulary is not just ``[UNK]`` to it; and it predicts one of its outputs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codelm.neural.pieces import buckets_of, picked, unlike_special
from codelm.neural.shape import Shape
from codelm.vocabulary import EOS, PAD, SPECIAL_WORDS, UNK, Vocabulary
from codelm_train.encode import encoded

Ids = NDArray[np.int64]
IGNORED = -1


@dataclass(frozen=True, eq=False, slots=True)
class Places:
    """T words of B sequences side by side, as places in a lexicon.

    ``inputs`` (T, B); ``targets`` (T, B) what follows each, ``IGNORED`` where nothing does; ``fresh`` (B,): the
    sequences that begin here, so that no state is carried into them. Behind the lexicon's words stand ``[PAD]`` and
    ``[EOS]``.
    """

    inputs: Ids
    targets: Ids
    fresh: NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """What a network reads and is to predict: see ``Network.forward``; targets (T, B) are outputs, or ``IGNORED``."""

    own: Tensor
    pieces: Tensor
    starts: Tensor
    words: Tensor
    targets: Tensor
    fresh: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return it on a device."""
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))


class Words:
    """How a network of some shape reads and predicts each word of a lexicon of L words."""

    def __init__(self, words: tuple[str, ...], vocabulary: Vocabulary, shape: Shape):
        """Look every word up once."""
        ids = np.concatenate([encoded(words, np.arange(len(words)), vocabulary), [PAD, EOS]])
        self.pad, self.eos = len(words), len(words) + 1
        self._tail_size = shape.words - shape.outputs + 1
        self._own = np.where(ids < shape.rows, ids, UNK)
        self._targets = np.where(ids < shape.outputs, ids, UNK)
        self._tail = np.where(ids >= shape.outputs, ids - shape.outputs + 1, np.where(ids == UNK, 0, IGNORED))
        # A word that is only written like a special one is an unknown word with pieces; the special ones have none.
        readable = map(unlike_special, words)
        self._buckets, self._starts = buckets_of((*readable, *(SPECIAL_WORDS[PAD], SPECIAL_WORDS[EOS])), shape.pieces)

    def batch(self, places: Places) -> Batch:
        """Return the batch of some places."""
        distinct, words = np.unique(places.inputs, return_inverse=True)
        pieces, starts = picked(self._buckets, self._starts, distinct)
        targets = np.where(places.targets == IGNORED, IGNORED, self._targets[places.targets])
        words = words.reshape(places.inputs.shape)
        arrays = self._own[distinct], pieces, starts, words, targets, places.fresh
        return Batch(*map(torch.from_numpy, arrays))

    def tail(self, targets: Ids) -> Ids:
        """Return the places of targets, places in the lexicon, in ``tail_shares``; -1 for outputs: any shape."""
        return np.where(targets == IGNORED, IGNORED, self._tail[targets])

    def tail_shares(self, counts: Ids) -> NDArray[np.float32]:
        """Return the logarithm of each word's share of what the network gives to ``[UNK]``: (V - outputs + 1,).

        The first is the share of words outside the vocabulary, then come the ids that are no outputs. A word has the
        share that it had in training, by the counts (L,) of the lexicon's words, and one more occurrence.
        """
        found = np.ones(self._tail_size)
        in_tail = self._tail[: len(counts)] != IGNORED
        np.add.at(found, self._tail[: len(counts)][in_tail], counts[in_tail])
        shares: NDArray[np.float32] = np.log(found / found.sum()).astype(np.float32)
        return shares

    def output_counts(self, counts: Ids, outputs: int, sequences: int) -> Ids:
        """Return how often each output is to be predicted, (outputs,), for the counts (L,) of the lexicon's words."""
        found = np.bincount(self._targets[: len(counts)], weights=counts, minlength=outputs).astype(np.int64)
        found[EOS] += sequences
        return found
