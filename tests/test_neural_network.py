"""Networks as language models, whatever runs them: the laws, how words are read, and what is predicted."""

from dataclasses import replace
from typing import Any

import laws
import models
import networks
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codelm.errors import UsageError
from codelm.model import ReadsWords, log_probs, reading
from codelm.neural.model import NeuralModel
from codelm.neural.outputs import Outputs, Said
from codelm.neural.pieces import buckets_of
from codelm.neural.torch_network import TorchNetwork
from codelm.vocabulary import PAD, UNK

SIZE = networks.SIZE
NAMES = tuple(networks.SHAPES)
each_model = pytest.mark.parametrize(
    ("name", "runner"), [(name, runner) for name in NAMES for runner in networks.RUNNERS]
)
each_runner = pytest.mark.parametrize("runner", networks.RUNNERS)
# torch on a CPU takes another way for one row than for many; ONNX Runtime gives the same bits.
TOLERANCE = 1e-4
ANY_WORD = st.integers(1, SIZE + 5)  # and some behind the vocabulary
few_examples = settings(max_examples=8)


# --- the laws ----------------------------------------------------------------------------------------------------


@each_model
@few_examples
@given(context=laws.contexts(SIZE + 5))
def test_rows_normalise_and_have_no_zero(name, runner, context):
    laws.rows_normalise(networks.opened(name, runner), SIZE, context, tolerance=1e-5)


@each_model
@few_examples
@given(first=laws.contexts(SIZE + 5), second=laws.contexts(SIZE + 5))
def test_reading_in_pieces_equals_reading_at_once(name, runner, first, second):
    laws.reading_is_stepwise(networks.opened(name, runner), SIZE, first, second, tolerance=TOLERANCE)


@each_model
@few_examples
@given(context=laws.contexts(SIZE), words=st.lists(ANY_WORD, min_size=1, max_size=9))
def test_rows_are_independent(name, runner, context, words):
    words = [min(word, SIZE - 1) for word in words]
    laws.rows_are_independent(networks.opened(name, runner), SIZE, context, np.array(words), tolerance=TOLERANCE)


@each_model
@few_examples
@given(context=laws.contexts(SIZE), word=ANY_WORD)
def test_no_call_changes_a_state(name, runner, context, word):
    laws.states_never_change(networks.opened(name, runner), SIZE, context, word)


@each_model
@few_examples
@given(
    context=laws.contexts(SIZE),
    k=st.integers(1, 20) | st.integers(1, SIZE + 5),
    allowed=st.none() | st.sets(st.integers(-2, SIZE + 3)).map(lambda ids: np.array(sorted(ids), np.int64)),
)
def test_proposals_agree_with_scores(name, runner, context, k, allowed):
    model = networks.opened(name, runner)
    if allowed is not None and len(allowed) and (allowed[0] < 0 or allowed[-1] >= SIZE):
        possible = allowed[(allowed >= 0) & (allowed < SIZE)]  # what the model lacks is never proposed
        state = model.read(model.start(), context)
        np.testing.assert_array_equal(model.propose(state, k, allowed), model.propose(state, k, possible))
        allowed = possible
    laws.proposals_agree_with_scores(model, SIZE, context, k, allowed)


# --- states ------------------------------------------------------------------------------------------------------


def test_the_arrays_of_a_state_cannot_be_written():
    model = networks.opened(NAMES[0], "onnx, int8")
    state = model.read(model.start(), np.array([3, 4]))
    model.propose(state, 3)
    arrays = (*state.core, state.projected, state.said[0].log_probs, state.said[0].best, model.vectors(state))
    assert not any(array.flags.writeable for array in arrays)


@each_runner
def test_the_head_is_asked_once_for_a_state_and_not_for_reading(runner, monkeypatch):
    model = networks.opened(NAMES[0], runner)
    asked = []
    ask = model._ask
    monkeypatch.setattr(model, "_ask", lambda projected: asked.append(projected) or ask(projected))
    state = model.read(model.start(), np.array([3, 4, 5]))
    assert not asked
    model.propose(state, 3)
    model.score(state, np.array([[4, 5]]))
    model.propose(state, 3, np.array([7, 8]))
    assert len(asked) == 1


@each_runner
@pytest.mark.parametrize("name", NAMES)
def test_contexts_are_read_side_by_side_as_each_alone(name, runner):
    model = networks.opened(name, runner)
    ids = np.random.default_rng(3).integers(1, SIZE + 3, (20, 4))  # (T, B)
    state, along = model.read_along(model.picked(model.start(), np.zeros(4, np.int64)), ids)
    assert along.shape == (20, 4, model.shape.width)
    tolerance = 0 if runner == "onnx, int8" else TOLERANCE
    for row in range(4):
        read = model.start()
        for word in range(20):
            read = model.read(read, ids[word : word + 1, row])
            np.testing.assert_allclose(along[word, row], model.vectors(read)[0], atol=tolerance, rtol=0)
        alone = model.picked(state, np.array([row]))
        for found, expected in zip((*alone.core, alone.projected), (*read.core, read.projected), strict=True):
            np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=tolerance, rtol=0)


@each_runner
@pytest.mark.parametrize("name", NAMES)
def test_a_context_of_any_length_can_be_read(name, runner):
    model = networks.opened(name, runner)
    ids = np.random.default_rng(1).integers(1, SIZE, 1200)
    whole = model.read(model.start(), ids)
    pieces = model.read(model.read(model.start(), ids[:700]), ids[700:])
    np.testing.assert_allclose(model.vectors(whole), model.vectors(pieces), atol=TOLERANCE)
    assert model.vectors(whole).shape == (1, model.shape.width)


@each_runner
def test_no_words_and_no_rows_are_no_work(runner, monkeypatch):
    """Not all that runs networks can do nothing, so it is not asked to."""
    model = networks.opened(NAMES[0], runner)
    start, none = model.start(), np.zeros(0, np.int64)
    monkeypatch.setattr(model, "_after", None)
    np.testing.assert_array_equal(model.vectors(model.read(start, none)), model.vectors(start))
    assert model.vectors(model.step(start, none, none)).shape == (0, model.shape.width)


def test_a_sequence_begins_with_pad():
    model = networks.opened(NAMES[0], "torch")
    net = networks.network(NAMES[0])
    with torch.inference_mode():
        one, none = torch.tensor([[PAD]]), torch.zeros(0, dtype=torch.int64)
        projected, _ = net(one[0], none, torch.tensor([0]), torch.tensor([[0]]), net.start(1))
    np.testing.assert_allclose(model.vectors(model.start()), projected[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("cnn")])
def test_a_cnn_forgets_what_is_out_of_its_sight(name):
    model = networks.opened(name, "onnx, int8")
    seen = model.shape.receptive_field
    rng = np.random.default_rng(2)
    last = rng.integers(1, SIZE, seen)
    first, second = (model.read(model.start(), np.concatenate([rng.integers(1, SIZE, 9), last])) for _ in range(2))
    np.testing.assert_array_equal(first.projected, second.projected)
    for length in range(1, seen):  # and it sees each word up to there
        other = last.copy()
        other[-length] = other[-length] % (SIZE - 1) + 1
        assert (model.read(model.start(), other).projected != model.read(model.start(), last).projected).any()


# --- reading -----------------------------------------------------------------------------------------------------


def vector(model: Any, number: int) -> np.ndarray:
    return model.read_vectors(np.array([number]))[0]


def by_hand(name: str, own: int, word: str) -> np.ndarray:
    """The row of its own and the mean of those of its pieces."""
    reader = networks.network(name).reader
    buckets, _ = buckets_of([word], networks.SHAPES[name].pieces)
    pieces = reader.pieces[torch.from_numpy(buckets.astype(np.int64))]
    found = reader.own[own] + (pieces.mean(0) if len(buckets) else 0)
    return found.detach().numpy()


def test_a_word_is_its_own_vector_and_the_mean_of_its_pieces():
    name = "lstm with few outputs"
    model, words = networks.opened(name, "onnx, int8"), models.vocabulary(SIZE).words
    rows = model.shape.rows
    for number in (PAD, UNK, 5, rows - 1, rows, SIZE - 1):
        own = number if number < rows else UNK
        np.testing.assert_allclose(vector(model, number), by_hand(name, own, words[number]), atol=0.02)


@each_runner
@pytest.mark.parametrize("name", [NAMES[0], NAMES[3]])
def test_words_of_a_session_are_read_by_their_pieces(name, runner):
    model = networks.opened(name, runner)
    other = model.reading(["read_headers", "[EOS]"])
    known, unknown, nothing = (model.read(model.start(), np.array([number])) for number in (5, SIZE, UNK))
    np.testing.assert_array_equal(model.vectors(unknown), model.vectors(nothing))
    first, second, third = (other.read(other.start(), np.array([SIZE + number])) for number in range(3))
    vectors = [model.vectors(state) for state in (known, nothing, first, second)]
    assert all((vectors[a] != vectors[b]).any() for a in range(4) for b in range(a))
    np.testing.assert_array_equal(other.vectors(third), model.vectors(nothing))  # nobody knows the third
    np.testing.assert_array_equal(other.vectors(other.read(other.start(), np.array([5]))), model.vectors(known))


def test_what_is_only_written_like_a_special_word_is_a_word():
    name = NAMES[0]
    model = networks.opened(name, "onnx, int8").reading(["[EOS]"])
    np.testing.assert_allclose(vector(model, SIZE), by_hand(name, UNK, "EOS"), atol=0.02)


def test_reading_copies_nothing_and_leaves_the_network_as_it_was():
    model = networks.opened(NAMES[0], "onnx, int8")
    before = vector(model, SIZE)
    first, second = model.reading(["one_word"]), model.reading(["another"])
    assert first._core is model._core
    assert first._tables is model._tables
    assert (vector(first, SIZE) != vector(second, SIZE)).any()
    np.testing.assert_array_equal(vector(model, SIZE), before)
    assert not np.isin(SIZE, list(model._readings._known))


def test_models_that_cannot_read_other_words_stay_as_they_are():
    assert isinstance(networks.opened(NAMES[0], "onnx, int8"), ReadsWords)
    model = models.ngram(2, SIZE)
    assert reading(model, ["one_word"]) is model


# --- what is predicted -------------------------------------------------------------------------------------------


@each_runner
@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_to_the_unknown_word_is_shared(name, runner):
    model, shape = networks.opened(name, runner), networks.SHAPES[name]
    state = model.read(model.start(), np.array([9, 8, 7]))
    own = model._said(state).log_probs[0]
    found = log_probs(model, state, 1, SIZE)[0]
    shares = networks.tail_shares(shape)
    assert found[PAD] == -np.inf
    np.testing.assert_allclose(np.delete(found[: shape.outputs], [PAD, UNK]), np.delete(own, [PAD, UNK]))
    np.testing.assert_allclose(found[UNK], own[UNK] + shares[0], rtol=1e-6)
    np.testing.assert_allclose(found[shape.outputs :], own[UNK] + shares[1:], rtol=1e-5)
    behind = model.score(state, np.array([[SIZE, SIZE + 1000, -1]]))[0]
    np.testing.assert_array_equal(behind, np.repeat(found[UNK], 3))


OUTPUTS, WORDS = 90, 140


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1), unknown=st.floats(-8, 8), k=st.integers(1, WORDS),
    share=st.sampled_from([None, 1.0, 0.5, 0.1]), outputs=st.sampled_from([OUTPUTS, 40, WORDS]),
)  # fmt: skip
def test_proposals_are_exact_whatever_the_unknown_word_gets(seed, unknown, k, share, outputs):
    """The head lists fewer outputs than there are; the words behind them may be better than all, or worse."""
    rng = np.random.default_rng(seed)
    shape = replace(networks.SHAPES[NAMES[2]], words=WORDS, outputs=outputs)
    logits = rng.normal(size=outputs) * 2
    logits[UNK], logits[PAD] = unknown, -np.inf
    row = (logits - np.logaddexp.reduce(logits)).astype(np.float32)
    listed = np.argsort(-row, kind="stable")[: min(64, outputs)]
    said = Said(row[None, :], listed[None, :])
    made = Outputs(shape, np.log(rng.dirichlet(np.ones(WORDS - outputs + 1))).astype(np.float32))
    scores = made.scores(said, np.arange(WORDS)[None, :])[0]
    allowed = None if share is None else np.flatnonzero(rng.random(WORDS) < share)
    proposed = made.propose(said, k, allowed)[0]
    candidates = np.delete(np.arange(WORDS), PAD) if allowed is None else allowed[allowed != PAD]
    count = min(k, len(candidates))
    np.testing.assert_array_equal(scores[proposed[:count]], -np.sort(-scores[candidates])[:count])
    assert len(set(proposed[:count].tolist())) == count
    assert np.isin(proposed[:count], candidates).all()
    assert (proposed[count:] == -1).all()


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 80), rows=st.integers(0, 5), unknown=st.floats(-8, 8))
def test_what_is_proposed_for_several_rows_is_what_is_for_each(seed, k, rows, unknown):
    rng = np.random.default_rng(seed)
    shape = replace(networks.SHAPES[NAMES[2]], words=WORDS, outputs=OUTPUTS)
    logits = rng.normal(size=(rows, OUTPUTS)).astype(np.float32) * 2
    logits[:, UNK] += np.float32(unknown)
    logits[:, PAD] = -np.inf
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    said = Said(log_probs, np.argsort(-log_probs, axis=1, kind="stable")[:, :64])
    made = Outputs(shape, np.log(rng.dirichlet(np.ones(WORDS - OUTPUTS + 1))).astype(np.float32))
    proposed = made.propose(said, k)
    assert proposed.shape == (rows, k)
    for row in range(rows):
        scores = made.scores(said, np.tile(np.arange(WORDS), (rows, 1)))[row, PAD + 1 :]
        np.testing.assert_array_equal(scores[proposed[row] - PAD - 1], -np.sort(-scores)[:k])
        assert len(set(proposed[row].tolist())) == k


def test_usually_the_list_of_the_head_is_enough(monkeypatch):
    model = networks.opened("cnn, dilated, gated, residual", "onnx, int8")
    state = model.read(model.start(), np.array([9, 8, 7]))
    sizes = []
    scores = model._outputs.scores
    monkeypatch.setattr(model._outputs, "scores", lambda said, ids: sizes.append(ids.shape[1]) or scores(said, ids))
    model.propose(state, 5)
    model.propose(state, 5, np.arange(SIZE))
    assert max(sizes) <= 5 + SIZE - model.shape.outputs + 1


# --- torch -------------------------------------------------------------------------------------------------------


def torch_network(device: str, *, captured: bool = False) -> NeuralModel[Any]:
    made = networks.network(NAMES[0])
    outputs = Outputs(made.shape, networks.tail_shares(made.shape))
    words = models.vocabulary(SIZE).words
    return TorchNetwork(made.state_dict(), made.shape, outputs, words, device, captured=captured)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_said_by_name(device):
    with pytest.raises(UsageError, match=f"torch has no device '{device}' here"):
        torch_network(device)


def test_only_steps_on_cuda_can_be_captured():
    with pytest.raises(UsageError, match="only steps on a CUDA device can be captured, not on 'cpu'"):
        torch_network("cpu", captured=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("captured", [False, True])
def test_a_gpu_says_what_the_cpu_says(captured):
    here, there = torch_network("cpu"), torch_network("cuda", captured=captured)
    ids, rows = np.array([9, 8, 7]), np.zeros(4, np.int64)
    found = []
    for model in (here, there):
        state = model.step(model.read(model.start(), ids), rows, np.array([3, 4, 5, 6]))
        model.step(state, rows, np.array([6, 5, 4, 3]))  # a replay must not change what a state holds
        found.append(log_probs(model, state, 4, SIZE))
    np.testing.assert_allclose(found[1][:, 1:], found[0][:, 1:], atol=1e-2)
