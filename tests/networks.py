"""Small random networks for the tests, of every kind of part, and as checkpoints."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import models
import numpy as np
import torch

from codelm import checkpoint
from codelm.neural.files import CORE, HEAD, open_network
from codelm.neural.model import NeuralModel
from codelm.neural.modules import Network
from codelm.neural.reduction import Reduction
from codelm.neural.shape import Shape
from codelm.neural.torch_network import open_torch_network
from codelm.weights import unfitted
from codelm_train.networks.export import save
from codelm_train.networks.graphs import export_graphs

SIZE = 300  # words of the vocabulary
_SMALL: dict[str, Any] = {"words": SIZE, "pieces": 64, "embedding": 16, "hidden": 24}
_CNN: dict[str, Any] = _SMALL | {"kind": "cnn", "rows": SIZE, "outputs": 100}
SHAPES = {
    "lstm, tied": Shape(**_SMALL, kind="lstm", outputs=120, rows=120, projection=16, tied=True),
    "lstm of two layers, all words are outputs and have no pieces": Shape(
        **_SMALL | {"pieces": 0}, kind="lstm", outputs=SIZE, rows=SIZE, layers=2
    ),
    "lstm with few outputs": Shape(**_SMALL, kind="lstm", outputs=20, rows=30, projection=12),
    "cnn, dilated, gated, residual": Shape(**_CNN, layers=3, kernel=3, dilation=2, gated=True, residual=True),
    "cnn, rectified, projected": Shape(**_CNN, layers=2, kernel=2, projection=8),
    "cnn of kernel 1": Shape(**_CNN, kernel=1, gated=True),
}
RUNNERS = ("onnx, int8", "onnx, fp32", "torch")


@cache
def network(name: str) -> Network:
    """A network of one of the shapes. Its weights are larger than a new one's, so that it has opinions."""
    torch.manual_seed(len(name))
    made = Network(SHAPES[name])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)
        made.bias.normal_()
    return made.eval()


def tail_shares(shape: Shape) -> np.ndarray:
    """Shares that sum to one: (V - outputs + 1,)."""
    return np.log(np.random.default_rng(1).dirichlet(np.ones(shape.words - shape.outputs + 1))).astype(np.float32)


def write(folder: Path, name: str, *, int8: bool = True) -> Path:
    """A checkpoint of one of the networks."""
    made = network(name)
    save(
        folder, made, models.vocabulary(SIZE), tail_shares(made.shape), name="small", stream="code",
        facts={"training": {"steps": 5}}, card="# Small\n",
    )  # fmt: skip
    if not int8:
        for file, graph in zip((CORE, HEAD), export_graphs(made, int8=False), strict=True):
            (folder / file).write_bytes(graph)
    return folder


@cache
def opened(name: str, runner: str) -> NeuralModel[Any]:
    """One of the networks, opened from a checkpoint that is gone by then, but for what is mapped of it."""
    words = models.vocabulary(SIZE).words
    with tempfile.TemporaryDirectory() as folder:
        written = write(Path(folder) / "model", name, int8=runner == "onnx, int8")
        if runner == "torch":
            return open_torch_network(written, SHAPES[name], words, "cpu")
        return open_network(written, SHAPES[name], words)


def write_mixture(
    folder: Path, name: str = "lstm, tied", *, torch: bool = True, states: Reduction | None = None
) -> Path:
    """A checkpoint of an n-gram model of the same words and one of the networks, whose ``states`` are kept."""
    with tempfile.TemporaryDirectory() as parts:
        ngram = Path(parts) / "ngram"
        checkpoint.save(
            ngram, models.ngram(3, SIZE), models.vocabulary(SIZE),
            name="ngram", stream="code", facts={"training": {"tokens": 9}},
        )  # fmt: skip
        loaded = [checkpoint.load(ngram), checkpoint.load(write(Path(parts) / "network", name))]
        checkpoint.save_mixed(folder, loaded, replace(unfitted(), states=states), torch=torch)
    return folder
