"""``python tests/benchmarks/networks.py``: how fast a network reads and predicts on the CPU, on one thread.

An LSTM (E256 H512 P256, 16,000 outputs) in 8 bits by ONNX Runtime. What codelm adds to that is seen beside the same
calls of ONNX Runtime on inputs that are ready; how good the graphs are beside the time that the machine takes to copy
as many bytes as a step has weights. The weights are random: that makes no difference to the time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: one thread for all

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bare_network import Bare, copying
from measuring import cpu, cpu_once, in_turn
from training import SMALL, corpus, task

from codelm import checkpoint
from codelm.model import Ids
from codelm.neural.modules import Network
from codelm.neural.prefix import PrefixCache
from codelm_train.networks.export import save

ROUNDS = 50
ROWS = 8
SIDE_BY_SIDE = (1, 8, 16, 32)
PIECE = 64  # words that are read at once


def line(name: str, seconds: float, reference: float, what: str) -> None:
    """Print one figure beside its reference."""
    print(f"{name:<50}{seconds * 1e3:>9.3f} ms{seconds / reference:>8.2f} x  {what}", flush=True)


def predicting(model: Any, bare: Bare, ids: Ids, copy: Callable[[], object]) -> None:
    """Print what a popup and a step of a beam take."""
    state = model.read(model.start(), ids[:256])
    proposable = np.arange(3, model.shape.words)[::2].copy()
    for rows in (1, ROWS):
        every, words = np.arange(rows), ids[300 : 300 + rows]
        start = model.step(state, np.zeros(rows, np.int64), ids[256 : 256 + rows])
        after = model.step(start, every, words)
        step, said = bare.step(start, words[None, :]), bare.said(after)

        def whole(start: Any = start, every: Ids = every, words: Ids = words) -> None:
            after = model.step(start, every, words)
            model.score(after, np.maximum(model.propose(after, 60), 0))

        def both(step: Callable[[], object] = step, said: Callable[[], object] = said) -> None:
            step()
            said()

        copied, reference, seconds = in_turn([copy, both, whole], ROUNDS)
        what = "row" if rows == 1 else "rows"
        line(f"a step of {rows} {what} and what the head says, bare", reference, copied, "copying the weights")
        line(f"words, a step of {rows} {what}, their best 60, scores", seconds, reference, "bare ONNX Runtime")
    model.propose(after := model.step(state, np.zeros(1, np.int64), ids[256:257]), 1)
    popup = cpu(lambda: model.score(after, model.propose(after, 50, proposable)), rounds=ROUNDS)
    line("the best 50 of 20,000 allowed words, when asked", popup, reference, "bare ONNX Runtime, 8 rows")


def reading(model: Any, bare: Bare, ids: Ids) -> None:
    """Print what reading takes, of each word."""
    for rows in SIDE_BY_SIDE:
        words = ids[: PIECE * rows].reshape(rows, PIECE).T.copy()
        state = model.picked(model.start(), np.zeros(rows, np.int64))
        reference, seconds = in_turn([bare.step(state, words), partial(model.read_along, state, words)], 15)
        name = f"reading, a word of {PIECE} at once, {rows} side by side"
        line(name, seconds / words.size, reference / words.size, "bare ONNX Runtime")
    words = ids[:512]
    reference, seconds = in_turn(
        [bare.step(model.start(), words[:, None]), partial(model.read, model.start(), words)], 15
    )
    line("reading 512 words", seconds, reference, "bare ONNX Runtime")


def following(model: Any, bare: Bare, ids: Ids) -> None:
    """Print what a document of 40,000 words costs as it is edited."""
    words = np.resize(ids, 40_000)
    step = cpu(bare.step(model.start(), words[:1, None]), rounds=ROUNDS)
    cache = PrefixCache(model)
    opening = cpu_once(lambda: (cache.follow(words), cache.state(512)))
    line("opening 40,000 words, their last 512 read", opening, step, "a bare step")
    while cache.catch_up(4096):
        pass

    def edit(back: int) -> None:
        nonlocal words
        words = np.append(words[: len(words) - back], words[:1] + np.arange(back + 1) % 2)
        cache.follow(words)
        cache.state(512)

    for back in (0, 3):
        what = "a word more" if not back else f"an edit {back} words back"
        line(f"{what} behind 40,000 words", cpu(partial(edit, back), rounds=ROUNDS), step, "a bare step")


def main() -> None:
    """Print a line for each thing that an editor asks of a network."""
    torch.manual_seed(0)
    what, size = task(SMALL)
    lexicon, split, vocabulary = corpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network"
        save(path, Network(SMALL.shape(size)), vocabulary, what.tail_shares, name="random", stream="code", facts={})
        checkpoint.load(path)  # the first network pays for importing ONNX Runtime
        copy = copying(path)
        line("opening", cpu(lambda: checkpoint.load(path), rounds=5), cpu(copy, rounds=ROUNDS), "copying the weights")
        model: Any = checkpoint.load(path).model
        bare = Bare(path, model)
        ids = vocabulary.ids(lexicon[place] for place in split.ids[:4096].tolist())
        predicting(model, bare, ids, copy)
        reading(model, bare, ids)
        following(model, bare, ids)


if __name__ == "__main__":
    main()
