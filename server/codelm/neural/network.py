"""A network that ONNX Runtime runs on the CPU.

onnxruntime is imported when the first network is opened: it takes 0.1 s, and an n-gram model does without.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from codelm.model import Ids
from codelm.neural.model import NeuralModel
from codelm.neural.outputs import Outputs, Said
from codelm.neural.readings import Readings
from codelm.neural.shape import Shape
from codelm.neural.table import Floats, Tables
from codelm.neural.word_vectors import WordVectors

VECTORS, PROJECTED, LOG_PROBS, BEST_IDS, BEST = "vectors", "projected", "log_probs", "best_ids", "best"


def core_names(shape: Shape) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the inputs and outputs of a core's graph."""
    numbers = range(len(shape.states()))
    return [VECTORS, *(f"state_{n}" for n in numbers)], [PROJECTED, *(f"next_{n}" for n in numbers)]


def open_session(graph: bytes, threads: int = 1) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of a graph. Raises what ONNX Runtime does."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # an editor's processor is not ours to heat
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Network(NeuralModel[Floats]):
    """A network by ONNX Runtime. Implements ``LanguageModel[NetworkState[Floats]]``."""

    def __init__(self, shape: Shape, outputs: Outputs, readings: Readings, tables: Tables, core: Any, head: Any):
        """Take the tables, and the sessions of core and head, which fit the shape."""
        super().__init__(shape, outputs, readings)
        self._tables, self._core, self._head = tables, core, head
        self._vectors = WordVectors(tables, readings)
        self._inputs = core_names(shape)[0]

    def reading(self, words: Sequence[str]) -> Self:
        """Return the same network, which reads the ids V, V + 1, … as these words: see ``NeuralModel``."""
        other = super().reading(words)
        other._vectors = WordVectors(self._tables, other._readings)
        return other

    def read_vectors(self, ids: Ids) -> Floats:
        """Return what the core reads of ids: (N,) → (N, E)."""
        return self._vectors.of(ids)

    def _nothing(self) -> tuple[Floats, ...]:
        return tuple(np.zeros((length, 1, width), np.float32) for length, width in self.shape.states())

    def _run(self, ids: Ids, core: tuple[Floats, ...]) -> tuple[tuple[Floats, ...], Floats]:
        vectors = self.read_vectors(ids.ravel()).reshape(*ids.shape, self.shape.embedding)
        projected, *after = self._core.run(None, dict(zip(self._inputs, (vectors, *core), strict=True)))
        for array in (projected, *after):
            array.flags.writeable = False
        return tuple(after), projected

    def _last(self, projected: Floats) -> Floats:
        last: Floats = projected[0] if len(projected) == 1 else projected[-1].copy()
        last.flags.writeable = False
        return last

    def _floats(self, array: Floats) -> Floats:
        return array

    def _picked(self, array: Floats, rows: Ids, axis: int) -> Floats:
        return array.take(rows, axis=axis)

    def _ask(self, projected: Floats) -> Said:
        log_probs, best = self._head.run([LOG_PROBS, BEST_IDS], {PROJECTED: projected})
        for array in (log_probs, best):
            array.flags.writeable = False
        return Said(log_probs, best)
