"""How good a network is said to be, against reading each sequence by itself and ranking every word."""

import math

import numpy as np
import pytest
import torch
import trainings

from codelm.neural.modules import Network
from codelm.vocabulary import PAD, UNK
from codelm_train.corpus import Split
from codelm_train.networks import train as training
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.validate import some_sequences, validate


@pytest.fixture(params=["lstm", "cnn"])
def trained(request):
    """A network with opinions, in training."""
    settings = trainings.settings(kind=request.param, tied=False, dropout=0.5)
    task = training.task(trainings.corpus(), trainings.vocabulary(), settings)
    torch.manual_seed(3)
    network = Network(settings.shape(300), settings.dropout)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
        network.bias.normal_()
        network.bias[UNK] = 4.0  # what would often be ranked first, if it were a word
    return task, network


def test_it_is_what_slow_reading_finds(trained):
    task, network = trained
    split = task.validation
    order = np.arange(3, 9)
    quality = validate(network, task.words, task.tail_shares, split, order, torch.device("cpu"))
    assert network.training

    network.eval()
    nats, first, among, tokens = 0.0, 0, 0, 0
    for sequence in order:
        whole = Lanes(split.ids, split.starts, np.array([sequence]), 1, 100, task.words.pad, task.words.eos)
        places = whole.places(0, np.zeros(1, np.int64))
        batch = task.words.batch(places)
        with torch.no_grad():
            projected, _ = network(batch.own, batch.pieces, batch.starts, batch.words, network.start(1))
            rows = network.log_probs(projected)[:, 0].double().numpy()
        tails = task.words.tail(places.targets)[:, 0]
        for row, target, tail in zip(rows, batch.targets[:, 0].tolist(), tails, strict=True):
            if target < 0:
                continue
            tokens += 1
            nats -= row[target] + (task.tail_shares[tail] if tail >= 0 else 0)
            row[[PAD, UNK]] = -np.inf
            rank = int((row > row[target]).sum())
            first += rank == 0 and target != UNK
            among += rank < 5 and target != UNK
    assert quality.tokens == tokens == int(np.diff(split.starts)[order].sum()) + len(order)
    assert quality.bits == pytest.approx(nats / tokens / math.log(2), rel=1e-5)
    assert quality.perplexity == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    assert (quality.top1, quality.top5) == (first / tokens, among / tokens)


def test_all_words_of_the_vocabulary_share_what_is_left(trained):
    """With the shares of what is no output, the probabilities of all words sum to one."""
    task, network = trained
    network.eval()
    batch = task.words.batch(Lanes(
        task.train.ids, task.train.starts, np.arange(5), 2, 20, task.words.pad, task.words.eos
    ).places(0, np.arange(2)))  # fmt: skip
    with torch.no_grad():
        projected, _ = network(batch.own, batch.pieces, batch.starts, batch.words, network.start(2))
        outputs = network.log_probs(projected).exp()
    rest = outputs[..., UNK] * float(np.exp(task.tail_shares).sum())
    known = outputs.sum(-1) - outputs[..., UNK]
    assert torch.allclose(known + rest, torch.ones(20, 2), atol=1e-5)


def split_of(lengths: list[int]) -> Split:
    names = ("",) * len(lengths)
    return Split(np.zeros(sum(lengths), np.uint32), np.cumsum([0, *lengths]), names, names)


@pytest.mark.parametrize(("tokens", "at_least"), [(1, 1), (100, 100), (10_000, 1000)])
def test_some_sequences_have_about_so_many_words(tokens, at_least):
    split = split_of([10] * 100)
    chosen = some_sequences(split, tokens, seed=1)
    assert len(set(chosen.tolist())) == len(chosen)
    assert at_least <= 10 * len(chosen) <= max(tokens + 20, 1000)


def test_always_the_same_ones_for_a_seed():
    split = split_of([10] * 100)
    assert some_sequences(split, 200, 1).tolist() == some_sequences(split, 200, 1).tolist()
    assert some_sequences(split, 200, 1).tolist() != some_sequences(split, 200, 2).tolist()


def test_one_sequence_at_least():
    assert some_sequences(split_of([0]), 5, 0).tolist() == [0]
