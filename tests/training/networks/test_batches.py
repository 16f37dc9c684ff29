"""Both kinds of batches, against reading each sequence by itself: packed streams, and whole sequences."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codelm.neural.modules import Network
from codelm.neural.shape import Shape
from codelm.vocabulary import Vocabulary
from codelm_train.networks.buckets import Buckets
from codelm_train.networks.fit import Objective
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.softmax import every_output
from codelm_train.networks.words import IGNORED, Words

PAD, EOS = 20, 21  # behind a lexicon of 20 words
Batches = Lanes | Buckets
Sequence = tuple[int, ...]

TEXTS = st.lists(st.lists(st.integers(0, 19), max_size=40).map(tuple), min_size=1, max_size=12)


def split(texts: list[Sequence]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([word for text in texts for word in text], np.uint32), np.cumsum([0, *map(len, texts)])


def lanes(texts: list[Sequence], order: list[int], lanes: int, length: int) -> Lanes:
    return Lanes(*split(texts), np.array(order, np.int64), lanes, length, PAD, EOS)


def buckets(texts: list[Sequence], order: list[int], budget: int, seed: int = 0) -> Buckets:
    return Buckets(*split(texts), np.array(order, np.int64), budget, PAD, EOS, np.random.default_rng(seed))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Sequence], list[int], Batches]:
    """Any sequences, in an order of some of them, in batches of either kind."""
    texts = draw(TEXTS)
    order = draw(st.permutations(range(len(texts))))[: draw(st.integers(0, len(texts)))]
    if draw(st.booleans()):
        return texts, order, lanes(texts, order, draw(st.integers(1, 5)), draw(st.integers(2, 9)))
    return texts, order, buckets(texts, order, draw(st.integers(1, 90)))


def read_back(made: Batches) -> list[tuple[Sequence, Sequence]]:
    """What a network that carries its states would take for sequences: their inputs and targets."""
    found: list[tuple[list[int], list[int]]] = []
    reading: dict[int, tuple[list[int], list[int]]] = {}
    for step in range(len(made)):
        rows = np.arange(made.count(step))
        places = made.places(step, rows)
        assert places.inputs.shape == places.targets.shape
        assert places.fresh.shape == rows.shape
        for row in rows.tolist():
            if places.fresh[row] or not made.carried:
                reading[row] = ([], [])
                found.append(reading[row])
            there = places.targets[:, row] != IGNORED
            assert (np.diff(there.astype(int)) <= 0).all(), "nothing stands behind what is empty"
            assert (places.inputs[~there, row][1:] == PAD).all()
            reading[row][0].extend(places.inputs[there, row].tolist())
            reading[row][1].extend(places.targets[there, row].tolist())
    return [(tuple(inputs), tuple(targets)) for inputs, targets in found if inputs]


@given(batches())
def test_every_sequence_is_read_once_from_its_begin_to_its_end(made):
    """Each word and each [EOS] is predicted exactly once, from the word before; no state crosses a border."""
    texts, order, some = made
    expected = [((PAD, *texts[place]), (*texts[place], EOS)) for place in order]
    assert sorted(read_back(some)) == sorted(expected)


@given(batches(), st.data())
def test_some_rows_of_a_batch_are_those_of_the_whole(made, data):
    """So that processes can share a batch out: what one of them reads doesn't depend on the others."""
    _, _, some = made
    for step in range(len(some)):
        every = np.arange(some.count(step))
        chosen = np.array(data.draw(st.lists(st.sampled_from(every.tolist()), min_size=1)))
        whole, part = some.places(step, every), some.places(step, chosen)
        np.testing.assert_array_equal(part.inputs, whole.inputs[:, chosen])
        np.testing.assert_array_equal(part.targets, whole.targets[:, chosen])
        np.testing.assert_array_equal(part.fresh, whole.fresh[chosen])


class TestStreams:
    @given(TEXTS, st.integers(1, 5), st.integers(2, 9))
    def test_batches_have_a_fixed_length_and_lanes_end_about_together(self, texts, count, length):
        some = lanes(texts, list(range(len(texts))), count, length)
        shapes = {some.places(step, np.arange(count)).inputs.shape for step in range(len(some))}
        assert shapes == {(length, count)}
        parts = [-(-(len(text) + 1) // length) for text in texts]
        assert len(some) <= sum(parts) / count + max(parts)

    def test_a_stream_as_it_is_packed(self):
        """``^`` is read before a sequence, ``$`` predicted behind it; ``·`` is nothing."""
        some = lanes([tuple(range(6)), (6, 7), (8,)], [0, 1, 2], lanes=2, length=4)
        signs = np.array([*"abcdefghijklmnopqrst^$·"])
        read = [some.places(step, np.arange(2)) for step in range(len(some))]
        inputs, targets = ([" ".join(signs[array].T.ravel()) for array in arrays] for arrays in (
            [places.inputs for places in read], [places.targets for places in read],
        ))  # fmt: skip
        assert inputs == ["^ a b c ^ g h ^", "d e f ^ ^ i ^ ^"]
        assert targets == ["a b c d g h $ ·", "e f $ · i $ · ·"]
        assert [places.fresh.tolist() for places in read] == [[True, True], [False, True]]

    def test_no_sequences_are_no_batches(self):
        assert len(lanes([(1, 2)], [], lanes=3, length=4)) == 0


class TestSequences:
    @given(TEXTS, st.integers(1, 90))
    def test_a_batch_stays_within_its_budget_or_is_one_sequence(self, texts, budget):
        some = buckets(texts, list(range(len(texts))), budget)
        for step in range(len(some)):
            places = some.places(step, np.arange(some.count(step)))
            assert places.inputs.size <= budget or some.count(step) == 1
            assert places.fresh.all()

    def test_little_of_a_batch_is_empty(self):
        """Sequences of about the same length stand together: in the order given, half of it would be."""
        lengths = np.random.default_rng(0).integers(0, 100, 2000)
        texts = [(1,) * length for length in lengths]
        some = buckets(texts, list(range(2000)), budget=1000)
        read = [some.places(step, np.arange(some.count(step))).targets for step in range(len(some))]
        empty = sum((targets == IGNORED).sum() for targets in read) / sum(targets.size for targets in read)
        assert empty < 0.05

    def test_short_and_long_come_mixed_and_each_epoch_otherwise(self):
        texts = [(1,) * (number % 50) for number in range(500)]
        orders = []
        for seed in range(2):
            some = buckets(texts, list(range(500)), budget=100, seed=seed)
            orders.append([len(some.places(step, np.zeros(1, np.int64)).inputs) for step in range(len(some))])
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1])
        assert abs(np.corrcoef(orders[0], np.arange(len(orders[0])))[0, 1]) < 0.2


SHAPES = {
    "lstm": Shape(
        kind="lstm", words=18, outputs=15, rows=16, pieces=8, embedding=6, hidden=7, layers=2, projection=5
    ),
    "cnn": Shape(
        kind="cnn", words=18, outputs=15, rows=16, pieces=8, embedding=6, hidden=7, layers=3, kernel=3, dilation=2,
        gated=True, residual=True,
    ),
}  # fmt: skip
LEXICON = tuple(f"word{number}" for number in range(20))


def loss_of(network: Network, words: Words, made: Batches) -> float:
    """The sum of the losses of all batches, the states carried over as in training."""
    objective, total = Objective(network), 0.0
    states = network.start(made.count(0)) if made.carried else ()
    with torch.no_grad():
        for step in range(len(made)):
            places = made.places(step, np.arange(made.count(step)))
            before = states if made.carried else network.start(places.inputs.shape[1])
            loss, states = objective(words.batch(places), before, every_output(network.shape.outputs))
            total += float(loss)
    return total


@pytest.mark.parametrize("kind", ["lstm", "cnn"])
def test_a_network_reads_streams_and_sequences_as_it_reads_each_by_itself(kind):
    """Packing is only faster: the loss of all words is the same, wherever a sequence stands and whatever is before."""
    rng = np.random.default_rng(3)
    texts = [tuple(rng.integers(0, 20, length).tolist()) for length in (0, 1, 5, 6, 7, 11, 30, 40)]
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[EOS]", *LEXICON[:15]))
    words = Words(LEXICON, vocabulary, SHAPES[kind])
    torch.manual_seed(1)
    network = Network(SHAPES[kind]).eval()
    with torch.no_grad():
        network.bias.normal_()
    alone = sum(loss_of(network, words, lanes(texts, [number], 1, 50)) for number in range(len(texts)))
    order = rng.permutation(len(texts)).tolist()
    for made in (lanes(texts, order, 1, 6), lanes(texts, order, 3, 6), lanes(texts, order, 20, 4)):
        assert loss_of(network, words, made) == pytest.approx(alone, rel=1e-5)
    for budget in (1, 60, 1000):
        assert loss_of(network, words, buckets(texts, order, budget)) == pytest.approx(alone, rel=1e-5)
