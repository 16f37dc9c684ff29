"""Networks as ONNX graphs say what torch says; and as checkpoints they are whole."""

import json
from typing import Any

import models
import networks
import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from codelm.checkpoint import load
from codelm.errors import StorageError
from codelm.neural.modules import Network
from codelm.neural.network import core_names, open_session
from codelm.vocabulary import PAD
from codelm_train.networks.export import save
from codelm_train.networks.graphs import export_graphs, int8_rows

each_network = pytest.mark.parametrize("name", networks.SHAPES)
ROWS = 3
# How far 8 bits move a log probability of the random networks of networks.py, in nats, at most and on average: measured
# are 0.41 and 0.067, of the CNN of three layers, and 0.06 and 0.011 of LSTMs.
MOST, ON_AVERAGE = 0.8, 0.1


class Graphs:
    """The graphs of a network, in sessions."""

    def __init__(self, network: Network, *, int8: bool):
        self.shape = network.shape
        self._core, self._head = map(open_session, export_graphs(network, int8=int8))

    def read(self, vectors: np.ndarray, states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        projected, *after = self._core.run(None, dict(zip(core_names(self.shape)[0], (vectors, *states), strict=True)))
        return projected, after

    def head(self, projected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._head.run(["log_probs", "best", "best_ids"], {"projected": projected})


def drawn(shape: Any, words: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(words).normal(size=(words, rows, shape.embedding)).astype(np.float32)


def nothing(shape: Any, rows: int = ROWS) -> list[np.ndarray]:
    return [np.zeros((length, rows, width), np.float32) for length, width in shape.states()]


def differences(name: str, *, int8: bool) -> list[np.ndarray]:
    """How far the log probabilities of graphs are from torch's: of first words, a second, and nine at once."""
    network = networks.network(name)
    graphs, states = Graphs(network, int8=int8), nothing(network.shape)
    expected = network.start(ROWS)
    found = []
    for words in (1, 1, 9):
        vectors = drawn(network.shape, words)
        projected, states = graphs.read(vectors, states)
        with torch.inference_mode():
            of_torch, expected = network.core(torch.from_numpy(vectors), expected)
            log_probs = network.log_probs(of_torch).numpy()
        assert projected.shape == of_torch.shape
        assert [state.shape for state in states] == [state.shape for state in expected]
        for word in range(words):
            row = graphs.head(projected[word])[0]
            assert (row[:, PAD] == -np.inf).all()
            found.append((row - np.where(np.isinf(log_probs[word]), 0, log_probs[word]))[:, PAD + 1 :])
        if not int8:
            for state, same in zip(states, expected, strict=True):
                np.testing.assert_allclose(state, same.numpy(), atol=1e-4)
    return found


@each_network
def test_in_fp32_graphs_say_what_torch_says(name):
    for difference in differences(name, int8=False):
        np.testing.assert_allclose(difference, 0, atol=1e-4)


@each_network
def test_in_int8_they_say_nearly_the_same(name):
    found = np.abs(np.concatenate(differences(name, int8=True)))
    assert found.max() < MOST
    assert found.mean() < ON_AVERAGE
    assert found.max() > 1e-3, "these are not in 8 bits"


def test_in_int8_the_best_words_are_mostly_the_same():
    shared = []
    for name in networks.SHAPES:
        network = networks.network(name)
        exact, rounded = (Graphs(network, int8=int8) for int8 in (False, True))
        vectors = drawn(network.shape, 20)
        best = [
            graphs.head(graphs.read(vectors, nothing(network.shape))[0][-1])[2][:, :5] for graphs in (exact, rounded)
        ]
        shared += [len(set(a) & set(b)) / 5 for a, b in zip(*map(np.ndarray.tolist, best), strict=True)]
    assert np.mean(shared) > 0.9


@each_network
def test_the_list_of_the_head_is_its_best_outputs(name):
    graphs = Graphs(networks.network(name), int8=True)
    log_probs, best, ids = graphs.head(np.random.default_rng(1).normal(size=(4, graphs.shape.width)).astype(np.float32))
    count = min(64, graphs.shape.outputs)
    np.testing.assert_array_equal(best, -np.sort(-log_probs, axis=1)[:, :count])
    np.testing.assert_array_equal(np.take_along_axis(log_probs, ids, axis=1), best)


@each_network
def test_what_is_said_of_a_row_does_not_depend_on_the_others(name):
    """Not even where they are a thousand times as large, and rounded with it would leave nothing of it."""
    graphs = Graphs(networks.network(name), int8=True)
    vectors = drawn(graphs.shape, 5)
    vectors[:, 1:] *= 1000
    together, _ = graphs.read(vectors, nothing(graphs.shape))
    alone, _ = graphs.read(vectors[:, :1].copy(), nothing(graphs.shape, 1))
    np.testing.assert_allclose(together[:, :1], alone, atol=1e-4)
    said = graphs.head(np.concatenate([alone[-1], alone[-1] * 1000]))[0]
    np.testing.assert_allclose(said[0, 1:], graphs.head(alone[-1])[0][0, 1:], atol=1e-4)


@each_network
@pytest.mark.parametrize("int8", [True, False])
def test_graphs_are_of_standard_operators_and_of_any_length_and_number_of_rows(name, int8):
    for graph in export_graphs(networks.network(name), int8=int8):
        model = onnx.load_model_from_string(graph)
        onnx.checker.check_model(model, full_check=True)
        assert [version.domain for version in model.opset_import] == [""]
        assert b"location" not in graph  # what refers to other files is not opened
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            assert "B" in [dim.dim_param for dim in dims]
            assert value.name not in ("vectors", "projected") or len(dims) < 3 or dims[0].dim_param == "T"


def test_products_of_bytes_cannot_saturate():
    """The sum of two products must fit into 16 bits: of activations from 0 to 127 and of weights from -127 to 127."""
    network = networks.network("lstm, tied")
    products = 0
    for graph in (onnx.load_model_from_string(part).graph for part in export_graphs(network)):
        nodes = list(graph.node)
        constants = list(graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                nodes += attribute.g.node
                constants += attribute.g.initializer
        values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in constants}
        for node in nodes:
            if node.op_type == "MatMulInteger":
                _, weights, zero = node.input
                largest = int(values[zero]) + 63
                assert 2 * largest * int(np.abs(values[weights].astype(int)).max()) <= 2**15 - 1
                products += 1
    assert products == 4  # words to gates, state to gates, projection, head


def test_a_row_of_zeros_stays_one():
    graphs = Graphs(networks.network("lstm with few outputs"), int8=True)
    said = graphs.head(np.zeros((1, graphs.shape.width), np.float32))[0][0]
    bias = networks.network("lstm with few outputs").bias.detach().numpy()[1:]
    np.testing.assert_allclose(said[1:], bias - np.logaddexp.reduce(bias), atol=1e-5)


@given(
    matrix=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.floats(-9, 9, width=32)
    )
)
def test_rows_in_8_bits(matrix):
    rows, scales = int8_rows(matrix)
    assert (rows.dtype, scales.dtype) == (np.int8, np.float32)
    assert (scales > 0).all()
    assert rows.min() >= -127
    error = np.abs(rows * scales[:, None].astype(np.float64) - matrix)
    assert (error <= scales[:, None] * 0.501).all()


# --- checkpoints --------------------------------------------------------------------------------------------------


def write(folder, name="lstm, tied", **options) -> None:
    network = networks.network(name)
    save(
        folder, network, models.vocabulary(networks.SIZE), networks.tail_shares(network.shape),
        name="small", stream="code", facts={"training": {"tokens": 9}}, **options,
    )  # fmt: skip


FILES = {
    "manifest.json", "vocabulary.txt", "tail_shares.npy", "words.npy", "word_scales.npy", "core.onnx", "head.onnx",
    "weights.safetensors",
}  # fmt: skip
PIECES = {"pieces.npy", "piece_scales.npy"}


def test_what_is_written(tmp_path):
    write(tmp_path / "m")
    assert {file.name for file in (tmp_path / "m").iterdir()} == FILES | PIECES
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text(encoding="utf-8"))
    shape = networks.SHAPES["lstm, tied"]
    assert (manifest["format"], manifest["version"], manifest["kind"]) == ("codelm checkpoint", 3, "lstm")
    assert manifest["network"] == shape.as_json()
    assert manifest["training"] == {"tokens": 9}


def test_a_network_without_pieces_has_no_table_of_them(tmp_path):
    write(tmp_path / "m", "lstm of two layers, all words are outputs and have no pieces")
    assert {file.name for file in (tmp_path / "m").iterdir()} == FILES
    load(tmp_path / "m")


def test_curves_and_a_card_come_along_where_there_are_some(tmp_path):
    (tmp_path / "curves").write_text("step,bits\n", encoding="utf-8")
    write(tmp_path / "m", card="# Small\n", curves=tmp_path / "curves")
    assert (tmp_path / "m" / "metrics.csv").read_text(encoding="utf-8") == "step,bits\n"
    assert (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8") == "# Small\n"


def test_a_checkpoint_is_replaced_and_nothing_else(tmp_path):
    write(tmp_path / "m")
    write(tmp_path / "m", "cnn of kernel 1")
    assert load(tmp_path / "m").shape == networks.SHAPES["cnn of kernel 1"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(StorageError, match="photos exists and is not a codelm checkpoint"):
        write(tmp_path / "photos")


def test_a_network_that_was_trained_in_bf16_is_written_in_fp32(tmp_path):
    network = Network(networks.SHAPES["lstm, tied"]).to(torch.bfloat16)
    save(
        tmp_path / "m", network, models.vocabulary(networks.SIZE), networks.tail_shares(network.shape),
        name="m", stream="code", facts={},
    )  # fmt: skip
    load(tmp_path / "m", "cpu:0")
