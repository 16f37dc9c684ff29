"""A network that torch runs: on a GPU (``cuda``, ``mps``), or on torch's ``cpu``.

Weights are read from safetensors, never unpickled, and their names, types and shapes are checked before one is read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from codelm.errors import CheckpointError, UsageError
from codelm.model import Ids
from codelm.neural.files import WEIGHTS, open_outputs
from codelm.neural.model import NeuralModel
from codelm.neural.modules import Network
from codelm.neural.outputs import Outputs, Said, listed
from codelm.neural.readings import Readings
from codelm.neural.shape import Shape
from codelm.neural.table import Floats

Tensors = tuple[Tensor, ...]


def open_torch_network(
    folder: Path, shape: Shape, words: Sequence[str], device: str, *, captured: bool = False
) -> "TorchNetwork":
    """Open a network over the words of a vocabulary, run by torch on a device.

    Raises CheckpointError, naming the file that is wrong, and UsageError where there is no such device.
    """
    outputs = open_outputs(folder, shape)
    return TorchNetwork(read_weights(folder / WEIGHTS, shape), shape, outputs, words, device, captured=captured)


def read_weights(path: Path, shape: Shape) -> Mapping[str, Tensor]:
    """Read the parameters of a network of a shape. Raises CheckpointError, naming the file."""
    expected = {name: list(tensor.shape) for name, tensor in _empty(shape).state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            if found.keys() != expected.keys():
                raise CheckpointError(f"{path} is not of this network: it holds {', '.join(sorted(found))}")
            for name, part in found.items():
                if part.get_dtype() != "F32" or part.get_shape() != expected[name]:
                    held = f"{part.get_dtype()} {part.get_shape()}"
                    raise CheckpointError(f"{path} is not of this network: {name} is {held}, not F32 {expected[name]}")
            weights = {name: file.get_tensor(name) for name in expected}
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is broken: {error}") from error
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path} is broken: a value of {name} is no number")
    return weights


class TorchNetwork(NeuralModel[Tensor]):
    """A network by torch. Implements ``LanguageModel[NetworkState[Tensor]]``."""

    def __init__(
        self, weights: Mapping[str, Tensor], shape: Shape, outputs: Outputs, words: Sequence[str], device: str,
        *, captured: bool = False,
    ):  # fmt: skip
        """Take the parameters of ``codelm.neural.modules.Network``, on any device.

        ``captured``: whether steps are recorded as CUDA graphs, one for each number of rows, and replayed: for small
        networks, whose kernels take less time than starting them. Raises UsageError where there is no such device.
        """
        super().__init__(shape, outputs, Readings(shape, words))
        self._device = _device(device)
        if captured and self._device.type != "cuda":
            raise UsageError(f"only steps on a CUDA device can be captured, not on {device!r}")
        self._network = _empty(shape)
        self._network.load_state_dict({name: tensor.to(self._device) for name, tensor in weights.items()}, assign=True)
        self._network.requires_grad_(False)
        self._network.eval()
        self._captured: dict[int, _Step] | None = {} if captured else None

    def _nothing(self) -> Tensors:
        return self._network.start(1)

    @torch.inference_mode()
    def _run(self, ids: Ids, core: Tensors) -> tuple[Tensors, Tensor]:
        own, pieces, lengths = self._readings.of(ids.ravel())
        starts = np.cumsum(lengths) - lengths
        found = self._network.reader(*(torch.from_numpy(part).to(self._device) for part in (own, pieces, starts)))
        vectors = found.view(*ids.shape, self.shape.embedding)
        if self._captured is not None and len(ids) == 1:
            step = self._captured.get(ids.shape[1])
            if step is None:
                step = self._captured[ids.shape[1]] = _Step(self._network, ids.shape[1])
            return step.run(vectors, core)
        projected, after = self._network.core(vectors, core)
        return after, projected

    def _last(self, projected: Tensor) -> Tensor:
        return projected[0] if len(projected) == 1 else projected[-1].clone()

    def _floats(self, array: Tensor) -> Floats:
        return _array(array)

    @torch.inference_mode()
    def _picked(self, array: Tensor, rows: Ids, axis: int) -> Tensor:
        return array.index_select(axis, torch.from_numpy(rows).to(self._device))

    @torch.inference_mode()
    def _ask(self, projected: Tensor) -> Said:
        log_probs = self._network.log_probs(projected)
        best = log_probs.topk(listed(self.shape)).indices
        return Said(_array(log_probs), best.cpu().numpy())


class _Step:
    """A step of the core for B rows, recorded as a CUDA graph. It reads and writes tensors of its own."""

    def __init__(self, network: Network, rows: int):
        self._vectors = network.bias.new_zeros(1, rows, network.shape.embedding)
        self._states = network.start(rows)
        warming = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # libraries make their plans before anything is recorded
        warming.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warming):
            for _ in range(3):
                network.core(self._vectors, self._states)
        torch.cuda.current_stream().wait_stream(warming)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._projected, self._after = network.core(self._vectors, self._states)

    def run(self, vectors: Tensor, states: Tensors) -> tuple[Tensors, Tensor]:
        """Return the states behind one word a row, (1, B, E), and what the head reads (1, B, P)."""
        self._vectors.copy_(vectors)
        for own, given in zip(self._states, states, strict=True):
            own.copy_(given)
        self._graph.replay()
        return tuple(state.clone() for state in self._after), self._projected.clone()


def _empty(shape: Shape) -> Network:
    """Return a network whose parameters have shapes, and no values yet."""
    with torch.device("meta"):
        return Network(shape)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch without CUDA asserts
        reason = str(error).partition("\n")[0]
        raise UsageError(f"torch has no device {name!r} here: {reason}") from error
    return device


def _array(tensor: Tensor) -> Floats:
    found: Floats = tensor.float().cpu().numpy()
    return found
