"""What a network costs at the least: ONNX Runtime's calls on inputs that are ready, and copying its weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from codelm.model import Ids
from codelm.neural.files import CORE, HEAD
from codelm.neural.network import BEST_IDS, LOG_PROBS, PROJECTED, core_names, open_session


class Bare:
    """The calls of ONNX Runtime alone, for states and words that are ready."""

    def __init__(self, folder: Path, network: Any):
        self._network, self._names = network, core_names(network.shape)[0]
        self._core, self._head = (open_session((folder / name).read_bytes()) for name in (CORE, HEAD))

    def step(self, state: Any, ids: Ids) -> Callable[[], object]:
        """Return the call that reads ids (T, B)."""
        vectors = self._network.read_vectors(ids.ravel()).reshape(*ids.shape, -1)
        inputs = dict(zip(self._names, (vectors, *state.core), strict=True))
        return lambda: self._core.run(None, inputs)

    def said(self, state: Any) -> Callable[[], object]:
        """Return the call that asks the head."""
        inputs = {PROJECTED: state.projected}
        return lambda: self._head.run([LOG_PROBS, BEST_IDS], inputs)

    def step_and_said(self, rows: int) -> Callable[[], object]:
        """Return the calls that read a word a row, from the beginning, and ask the head."""
        start = self._network.picked(self._network.start(), np.zeros(rows, np.int64))
        ids = np.arange(10, 10 + rows)
        step, said = self.step(start, ids[None, :]), self.said(self._network.step(start, np.arange(rows), ids))
        return lambda: (step(), said())


def copying(folder: Path) -> Callable[[], object]:
    """Return the call that copies as many bytes as core and head have, nearly all of them weights."""
    source = np.zeros(sum((folder / name).stat().st_size for name in (CORE, HEAD)), np.uint8)
    target = np.ones_like(source)
    return lambda: np.copyto(target, source)
