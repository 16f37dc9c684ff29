"""How good a network is by now: measured as it is trained, on some of the sequences of another split."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from codelm.neural.modules import Network
from codelm.vocabulary import PAD, UNK
from codelm_train.corpus import Split
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.words import IGNORED, Words

LANES, LENGTH = 32, 64
_TOP = 5


@dataclass(frozen=True, slots=True)
class Quality:
    """What a validation found, over ``tokens`` words, ends of sequences included."""

    tokens: int
    bits: float
    """Bits a token; a word that is no output is ``[UNK]`` and its share of it."""
    top1: float
    """How often the word was ranked first; ``[UNK]`` never is."""
    top5: float

    @property
    def perplexity(self) -> float:
        """2 to the power of the bits a token."""
        return 2**self.bits


def some_sequences(split: Split, tokens: int, seed: int) -> NDArray[np.int64]:
    """Return sequences, drawn at random, of about so many words together; at least one."""
    order = np.random.default_rng(seed).permutation(len(split))
    words = np.cumsum(np.diff(split.starts)[order])
    chosen: NDArray[np.int64] = np.sort(order[: int(np.searchsorted(words, tokens)) + 1])
    return chosen


def validate(
    network: Network, words: Words, shares: NDArray[np.float32], split: Split, order: NDArray[np.int64],
    device: torch.device, *, bf16: bool = False,
) -> Quality:  # fmt: skip
    """Measure a network on sequences ``order`` of a split; ``shares`` are the logarithms of ``tail_shares``."""
    lanes = Lanes(split.ids, split.starts, order, LANES, LENGTH, words.pad, words.eos)
    share = torch.from_numpy(shares).to(device)
    nats, tokens, first, among = 0.0, 0, 0, 0
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        states = network.start(LANES)
        for step in range(len(lanes)):
            places = lanes.places(step, np.arange(LANES))
            batch = words.batch(places).to(device)
            keep = (~batch.fresh).to(torch.float32)[None, :, None]
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                projected, states = network(
                    batch.own, batch.pieces, batch.starts, batch.words, tuple(state * keep for state in states)
                )
            valid = batch.targets != IGNORED
            log_probs = network.log_probs(projected[valid].float())
            targets = batch.targets[valid]
            tail = torch.from_numpy(words.tail(places.targets)).to(device)[valid]
            found = log_probs.gather(1, targets[:, None])[:, 0]
            nats -= float((found + torch.where(tail >= 0, share[tail.clamp(min=0)], 0.0)).sum())
            log_probs[:, [PAD, UNK]] = -torch.inf
            hits = log_probs.topk(min(_TOP, log_probs.shape[1])).indices == targets[:, None]
            tokens += len(targets)
            first += int(hits[:, 0].sum())
            among += int(hits.sum())
    network.train(was_training)
    return Quality(tokens, nats / tokens / math.log(2), first / tokens, among / tokens)
