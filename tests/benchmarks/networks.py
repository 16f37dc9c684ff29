"""``python tests/benchmarks/networks.py``: how fast a network predicts on the CPU, on one thread.

An LSTM (E256 H512 P256, 16,000 outputs) in 8 bits by ONNX Runtime, beside one product of matrices in 32 bits by numpy
that is as large as its head's. Its weights are random: that makes no difference to the time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: one thread for the reference too

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from training import SMALL, corpus, task

from codelm import checkpoint
from codelm.neural.modules import Network
from codelm_train.networks.export import save

ROUNDS = 50


def cpu(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median CPU seconds of one call."""
    taken = []
    for number in range(rounds + 3):
        began = time.process_time()
        work()
        if number > 2:
            taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    """Print a line for each thing that a beam asks of a network."""
    torch.manual_seed(0)
    what, size = task(SMALL)
    text = corpus()
    vocabulary = text[2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network"
        network = Network(SMALL.shape(size))
        save(path, network, vocabulary, what.tail_shares, name="random", stream="code", facts={})
        checkpoint.load(path)  # the first network pays for importing ONNX Runtime
        opening = cpu(lambda: checkpoint.load(path), 5)
        model = checkpoint.load(path).model
        lexicon, split, _ = text
        ids = vocabulary.ids(lexicon[place] for place in split.ids[:1000].tolist())
        state = model.read(model.start(), ids[:256])
        one, eight = (model.step(state, np.zeros(rows, np.int64), ids[256 : 256 + rows]) for rows in (1, 8))
        turn = {rows: (np.arange(rows), ids[300 : 300 + rows]) for rows in (1, 8)}
        a, b = np.random.default_rng(0).random((8, 256), np.float32), np.ones((256, 16_000), np.float32)
        reference = cpu(lambda: a @ b)
        rows = [
            ("opening", opening),
            ("reading 512 words", cpu(lambda: model.read(model.start(), ids[:512]), 10)),
            ("a step of 1 row, its best 5", cpu(lambda: model.propose(model.step(one, *turn[1]), 5))),
            ("a step of 8 rows", cpu(lambda: model.step(eight, *turn[8]))),
            ("a step of 8 rows, their best 64", cpu(lambda: model.propose(model.step(eight, *turn[8]), 64))),
        ]
    for name, seconds in rows:
        print(f"{name:<34}{seconds * 1e3:>12.2f} ms{seconds / reference:>9.2f} x  numpy's product of the head's size")


if __name__ == "__main__":
    main()
