"""The weights of a trained network, to go on from: those for torch where a checkpoint has them, else the rounded ones.

What a graph computes with in 8 bits, times its scale, is the weight to half a step in 127: closer than what a training
moves it in its first steps. ``codelm_train.networks.graphs`` says where in a graph each weight stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from codelm.checkpoint import Checkpoint
from codelm.errors import CheckpointError, UsageError
from codelm.neural.cnn import CausalLayer
from codelm.neural.files import CORE, HEAD, PIECE_SCALES, PIECES, WEIGHTS, WORD_SCALES, WORDS
from codelm.neural.lstm import LstmCore
from codelm.neural.modules import Network
from codelm.neural.torch_network import read_weights
from codelm.vocabulary import PAD
from codelm_train.networks.graphs import LEVELS

Floats = NDArray[np.float32]


def weights_of(trained: Checkpoint) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint's network, as ``Network`` names them.

    Raises UsageError where it has no network, CheckpointError where its files are broken or have no such weights.
    """
    if trained.shape is None:
        raise UsageError(f"{trained.folder} has no network")
    if (trained.folder / WEIGHTS).exists():
        return dict(read_weights(trained.folder / WEIGHTS, trained.shape))
    network = Network(trained.shape)
    with torch.no_grad():
        _fill(network, trained.folder)
    return network.state_dict()


@dataclass(frozen=True, eq=False)
class _Linear:
    """A map in a graph: its weight (N, K), and its bias (N,) if it has one."""

    weight: Floats
    bias: Floats | None


def _fill(network: Network, folder: Path) -> None:
    _copy(network.reader.own, _rows(folder, WORDS, WORD_SCALES), folder / WORDS)
    if network.shape.pieces:
        _copy(network.reader.pieces, _rows(folder, PIECES, PIECE_SCALES), folder / PIECES)
    core, head = (_maps(folder / name) for name in (CORE, HEAD))
    try:
        _fill_core(network, core, folder / CORE)
        (scores,) = head
    except (StopIteration, ValueError) as error:
        raise CheckpointError(f"{folder / CORE} or {folder / HEAD} has no weights in 8 bits to go on from") from error
    if scores.bias is None:
        raise CheckpointError(f"{folder / HEAD} has no bias")
    _copy(network.bias, np.where(np.arange(len(scores.bias)) == PAD, np.float32(0), scores.bias), folder / HEAD)
    if not network.shape.tied:
        _copy(network.output, scores.weight, folder / HEAD)


def _fill_core(network: Network, maps: list[_Linear], file: Path) -> None:
    """Fill the parameters of a core from the maps of its graph, which stand in the order in which they were made."""
    left, core = iter(maps), network.core
    if isinstance(core, LstmCore):
        for number in range(core.lstm.num_layers):
            of_words, recurrent, bias, other_bias = core.lstm.all_weights[number]
            given = next(left)
            _copy(of_words, given.weight, file)
            _copy(bias, given.bias, file)
            other_bias.zero_()  # the graph has the sum of both
            _copy(recurrent, next(left).weight, file)
    else:
        for layer in core.layers:
            assert isinstance(layer, CausalLayer)
            taps, channels = layer.convolution.kernel_size[0], layer.convolution.in_channels
            given = next(left)
            weight = given.weight.reshape(-1, taps, channels).transpose(0, 2, 1)
            _copy(layer.convolution.weight, weight, file)
            assert layer.convolution.bias is not None
            _copy(layer.convolution.bias, given.bias, file)
            if isinstance(layer.widen, nn.Linear):
                _copy(layer.widen.weight, next(left).weight, file)
    if isinstance(core.project, nn.Linear):
        given = next(left)
        _copy(core.project.weight, given.weight, file)
        _copy(core.project.bias, given.bias, file)


def _copy(parameter: Tensor, values: Floats | None, file: Path) -> None:
    if values is None or tuple(parameter.shape) != values.shape or not np.isfinite(values).all():
        raise CheckpointError(f"{file} is not of the network that the manifest names")
    parameter.copy_(torch.from_numpy(np.array(values, np.float32)))


def _rows(folder: Path, rows: str, scales: str) -> Floats:
    """Return a table of vectors, whose files were checked when the checkpoint was opened."""
    steps: Floats = np.load(folder / scales, allow_pickle=False)
    vectors: Floats = np.load(folder / rows, allow_pickle=False).astype(np.float32)
    return vectors * steps[:, None]


def _maps(file: Path) -> list[_Linear]:
    """Return the maps of a graph in their order. Raises CheckpointError."""
    try:
        return list(_maps_of(onnx.load_model_from_string(file.read_bytes()).graph))
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}") from error
    except Exception as error:  # protobuf's: it belongs to ONNX, and is none of ours
        raise CheckpointError(f"{file} cannot be read: {error}") from error


def _maps_of(graph: onnx.GraphProto) -> Iterator[_Linear]:
    constants = {constant.name: constant for constant in graph.initializer}
    users = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _maps_of(attribute.g)
        if node.op_type == "MatMulInteger":
            rows = numpy_helper.to_array(constants[node.input[1]]).T
            scales, bias = None, None
            found = users.get(node.output[0])
            while found is not None and found.op_type in ("Cast", "Mul", "Add"):
                given = [constants[name] for name in found.input if name in constants]
                if given and found.op_type == "Mul":
                    scales = numpy_helper.to_array(given[0]) * np.float32(LEVELS)
                elif found.op_type == "Add":
                    bias = numpy_helper.to_array(given[0]) if given else None
                    break
                found = users.get(found.output[0])
            if scales is None or scales.shape != rows.shape[:1]:
                raise ValueError("a product without scales")
            yield _Linear(rows.astype(np.float32) * scales[:, None], bias)
