"""A network as two ONNX graphs: its core and its head.

The graphs are built operator by operator, of standard ones alone, because all that takes time in a network is one map,
``_linear``. In int8 it is::

    x (…, K)  →  scale of each row: its largest value / 63  →  x in 7 bits, as uint8 around 64
                 (1 / 63 of what an LSTM remembers, which is between -1 and 1)
    W (N, K)  →  scale of each output: its largest weight / 127  →  W in 8 bits
    MatMulInteger, in int32  →  times both scales  →  plus the bias

Two things are unlike what ONNX Runtime's own quantisation makes:

- Each row has its own scale, or all have the same one, always. Its dynamic quantisation takes one for a whole tensor
  (its DynamicQuantizeLSTM too), so what a word is read as would depend on the words that are read with it, and on the
  other rows of a beam: no model of codelm may do that (``codelm.model``).
- Activations have 7 bits. Processors with AVX2 or AVX-512 but without VNNI add pairs of products of bytes in 16 bits,
  and saturate: 2 · 127 · 127 fits into them, 2 · 255 · 127 does not. The eighth bit is worth nothing that could be
  measured (all of int8 cost an LSTM of 512 less than 0.0005 nats a word); unsigned weights, which don't saturate
  either, take a third longer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from codelm.neural.cnn import CausalLayer, CnnCore
from codelm.neural.lstm import LstmCore
from codelm.neural.modules import Network
from codelm.neural.network import BEST, BEST_IDS, LOG_PROBS, PROJECTED, core_names
from codelm.neural.outputs import listed
from codelm.vocabulary import PAD

Floats = NDArray[np.float32]
# Of ONNX: what ONNX Runtime 1.18 reads. The version of the file, and that of its operators.
_FILE, _OPERATORS = 8, 17
_WEIGHT_LEVELS, LEVELS, _ZERO = 127, 63, 64
_SMALLEST = np.float32(1e-20)  # what a row is divided by at least: one of zeros stays zeros
_END = np.iinfo(np.int64).max


def export_graphs(network: Network, *, int8: bool = True) -> tuple[bytes, bytes]:
    """Return the graphs of a network's core and head.

    Core: ``vectors`` (T, B, E) and ``state_0`` … (length, B, width) → ``projected`` (T, B, P) and ``next_0`` …. Head:
    ``projected`` (B, P) → ``log_probs`` (B, outputs), and the ``best`` K of them, best first, with ``best_ids`` (B, K).
    T and B are any; all numbers are float32, ids int64. ``int8``: whether it computes in 8 bits; without, it is exact.
    """
    return _core(network, int8).SerializeToString(), _head(network, int8).SerializeToString()


def int8_rows(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return a matrix (N, K) in 8 bits, -127 to 127, and the scale of each row (N,), which is positive."""
    scales = np.maximum(np.abs(matrix).max(axis=1, initial=0), _SMALLEST) / _WEIGHT_LEVELS
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales.astype(np.float32)


class _Graph:
    """A graph that grows by operators. Within it, values have numbers for names; ``prefix`` keeps them apart."""

    def __init__(self, int8: bool, prefix: str = ""):
        self.int8 = int8
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """Add a constant; return its name."""
        name = f"{self._prefix}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Add an operator; return the names of its outputs."""
        names = [f"{self._prefix}{operator}_{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator of one output; return its name."""
        return self.add(operator, *inputs, **attributes)[0]

    def cut(self, value: str, begin: int, end: int) -> str:
        """Cut a piece out of the first axis; places below 0 are from its end."""
        places = (self.constant(np.array([place], np.int64)) for place in (begin, end, 0))
        return self("Slice", value, *places)

    def name(self, value: str, name: str) -> None:
        """Give a value that an operator made a name, as an output; others may use it already."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [name if old == value else old for old in names]

    def made(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """Return the graph."""
        return helper.make_graph(self._nodes, name, list(inputs), list(outputs), self._constants)


def _linear(graph: _Graph, value: str, weight: Floats, bias: Floats | None, *, bounded: bool = False) -> str:
    """Add ``value (…, K) · weightᵀ + bias``, for a weight (N, K). ``bounded``: all values are between -1 and 1."""
    if not graph.int8:
        found = graph("MatMul", value, graph.constant(weight.T))
    elif bounded:
        found = _bounded_product(graph, value, weight)
    else:
        found = _product_by_rows(graph, value, weight)
    return found if bias is None else graph("Add", found, graph.constant(bias))


def _bounded_product(graph: _Graph, value: str, weight: Floats) -> str:
    step = graph.constant(np.float32(1 / LEVELS))
    return _product(graph, graph("QuantizeLinear", value, step, graph.constant(np.uint8(_ZERO))), weight)


def _product_by_rows(graph: _Graph, value: str, weight: Floats) -> str:
    largest = graph("ReduceMax", graph("Abs", value), axes=[-1], keepdims=1)
    largest = graph("Max", largest, graph.constant(_SMALLEST))
    levels = graph("Mul", value, graph("Div", graph.constant(np.float32(LEVELS)), largest))
    shifted = graph("Add", graph("Round", levels), graph.constant(np.float32(_ZERO)))
    return graph("Mul", _product(graph, graph("Cast", shifted, to=TensorProto.UINT8), weight), largest)


def _product(graph: _Graph, rounded: str, weight: Floats) -> str:
    """Add the product of a weight and of values in 7 bits, as it is for a largest value of 1."""
    rows, scales = int8_rows(weight)
    product = graph("MatMulInteger", rounded, graph.constant(rows.T), graph.constant(np.uint8(_ZERO)))
    return graph("Mul", graph("Cast", product, to=TensorProto.FLOAT), graph.constant(scales / np.float32(LEVELS)))


# --- the core -----------------------------------------------------------------------------------------------------


def _core(network: Network, int8: bool) -> onnx.ModelProto:
    shape = network.shape
    graph = _Graph(int8)
    inputs, outputs = core_names(shape)
    if isinstance(network.core, LstmCore):
        value, states = _lstm(graph, network.core, inputs[0], inputs[1:])
    else:
        value, states = _cnn(graph, network.core, inputs[0], inputs[1:])
    if isinstance(network.core.project, nn.Linear):
        weight, bias = _values(network.core.project.weight), _values(network.core.project.bias)
        value = _linear(graph, value, weight, bias, bounded=isinstance(network.core, LstmCore))
    for found, name in zip((value, *states), outputs, strict=True):
        graph.name(found, name)
    sizes: list[tuple[int | str, ...]] = [(length, "B", width) for length, width in shape.states()]
    return _model(graph.made(
        "core",
        [_float(name, size) for name, size in zip(inputs, [("T", "B", shape.embedding), *sizes], strict=True)],
        [_float(name, size) for name, size in zip(outputs, [("T", "B", shape.width), *sizes], strict=True)],
    ))  # fmt: skip


def _lstm(graph: _Graph, core: LstmCore, value: str, states: Sequence[str]) -> tuple[str, list[str]]:
    """Add the layers of an LSTM; return the last one's output (T, B, H), and the hidden and cell states behind it."""
    hidden, cells = [], []
    first = graph.constant(np.array([0], np.int64))
    for layer in range(core.lstm.num_layers):
        of_words, recurrent, bias, other_bias = (_values(part) for part in core.lstm.all_weights[layer])
        # What the gates get from the words is there for all of them at once; only what they get from the state is not.
        given = _linear(graph, value, of_words, bias + other_bias, bounded=layer > 0)
        before = [graph("Gather", state, graph.constant(np.int64(layer)), axis=0) for state in states]
        step = _lstm_step(graph.int8, layer, recurrent)
        after_hidden, after_cell, value = graph.add("Scan", *before, given, outputs=3, num_scan_inputs=1, body=step)
        hidden.append(graph("Unsqueeze", after_hidden, first))
        cells.append(graph("Unsqueeze", after_cell, first))
    return value, [graph("Concat", *parts, axis=0) if len(parts) > 1 else parts[0] for parts in (hidden, cells)]


def _lstm_step(int8: bool, layer: int, recurrent: Floats) -> onnx.GraphProto:
    """Return one word's step of a layer; torch has the gates in the order input, forget, cell, output."""
    prefix = f"layer_{layer}_"
    graph = _Graph(int8, prefix)
    hidden, cell, given = (f"{prefix}{name}" for name in ("hidden", "cell", "given"))
    gates = graph("Add", given, _linear(graph, hidden, recurrent, None, bounded=True))
    let_in, keep, new, let_out = graph.add("Split", gates, outputs=4, axis=-1)
    kept = graph("Mul", graph("Sigmoid", keep), cell)
    after_cell = graph("Add", kept, graph("Mul", graph("Sigmoid", let_in), graph("Tanh", new)))
    after = graph("Mul", graph("Sigmoid", let_out), graph("Tanh", after_cell))
    width = recurrent.shape[1]
    inputs = [_float(hidden, ("B", width)), _float(cell, ("B", width)), _float(given, ("B", 4 * width))]
    outputs = [_float(name, ("B", width)) for name in (after, after_cell, graph("Identity", after))]
    return graph.made(f"{prefix}step", inputs, outputs)


def _cnn(graph: _Graph, core: CnnCore, value: str, states: Sequence[str]) -> tuple[str, list[str]]:
    """Add the layers of a CNN; return the last one's output (T, B, H), and each one's tail behind it."""
    tails = []
    for layer, tail in zip(core.layers, states, strict=True):
        assert isinstance(layer, CausalLayer)
        value, after = _causal(graph, layer, value, tail)
        tails.append(after)
    return value, tails


def _causal(graph: _Graph, layer: CausalLayer, value: str, tail: str) -> tuple[str, str]:
    """Add a convolution: the words that it looks at, side by side, are mapped at once."""
    seen = graph("Concat", tail, value, axis=0)  # (tail + T, B, C)
    (kernel,), (dilation,) = layer.convolution.kernel_size, layer.convolution.dilation
    places = [tap * dilation for tap in range(kernel)]
    taps = [graph.cut(seen, place, place - layer.tail if place < layer.tail else _END) for place in places]
    weight = _values(layer.convolution.weight)  # (N, C, kernel)
    weight = np.concatenate([weight[:, :, tap] for tap in range(kernel)], axis=1)
    assert layer.convolution.bias is not None
    found = _linear(graph, graph("Concat", *taps, axis=-1), weight, _values(layer.convolution.bias))
    if layer.gated:
        of_value, of_gate = graph.add("Split", found, outputs=2, axis=-1)
        found = graph("Mul", of_value, graph("Sigmoid", of_gate))
    else:
        found = graph("Relu", found)
    if layer.residual:
        if isinstance(layer.widen, nn.Linear):
            value = _linear(graph, value, _values(layer.widen.weight), None)
        found = graph("Add", found, value)
    return found, graph.cut(seen, -layer.tail if layer.tail else _END, _END)


# --- the head -----------------------------------------------------------------------------------------------------


def _head(network: Network, int8: bool) -> onnx.ModelProto:
    shape = network.shape
    graph = _Graph(int8)
    bias = _values(network.bias).copy()
    bias[PAD] = -np.inf
    log_probs = graph("LogSoftmax", _linear(graph, PROJECTED, _values(network.head), bias), axis=-1)
    count = listed(shape)
    best, best_ids = graph.add("TopK", log_probs, graph.constant(np.array([count], np.int64)), outputs=2)
    for found, name in ((log_probs, LOG_PROBS), (best, BEST), (best_ids, BEST_IDS)):
        graph.name(found, name)
    outputs = [
        _float(LOG_PROBS, ("B", shape.outputs)),
        _float(BEST, ("B", count)),
        helper.make_tensor_value_info(BEST_IDS, TensorProto.INT64, ("B", count)),
    ]
    return _model(graph.made("head", [_float(PROJECTED, ("B", shape.width))], outputs))


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    versions = [helper.make_opsetid("", _OPERATORS)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=_FILE, producer_name="codelm")
    onnx.checker.check_model(model)
    return model


def _float(name: str, size: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, size)


def _values(parameter: Tensor) -> Floats:
    values: Floats = parameter.detach().float().cpu().numpy()
    return values
