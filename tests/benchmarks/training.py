"""``python tests/benchmarks/training.py``: how fast networks train, beside what the machine multiplies in that run.

The share of the matrix rate counts the multiplications of matrices alone, forward and backward; the rate itself is that
of one large product in bfloat16. On a GPU (``make bench-gpu``): two sizes, and the latency of a step with and without
a captured graph.
"""

import argparse
import statistics
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from codelm.neural.modules import Network
from codelm.neural.outputs import Outputs
from codelm.neural.torch_network import TorchNetwork
from codelm.vocabulary import Vocabulary, most_frequent
from codelm.words import words
from codelm_train.corpus import Split
from codelm_train.networks.device import in_bf16
from codelm_train.networks.fit import Objective, Task, fit, optimizer_of
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.settings import NetworkSettings
from codelm_train.networks.softmax import Sampler
from codelm_train.networks.words import Words

ROUNDS = 5
SMALL = NetworkSettings(lanes=64, validations=1, sampled=1024, head=1024, full_share=0.0)
LARGE = replace(SMALL, embedding=512, hidden=1024, projection=512, layers=2)


def corpus() -> tuple[tuple[str, ...], Split, Vocabulary]:
    """Return the standard library's modules: their lexicon, their sequences and a vocabulary of 40,000 words."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(folder.rglob("*.py")) if not {"site-packages", "lib2to3"} & set(file.parts)]
    sequences = [words(file.read_text(encoding="utf-8", errors="replace")) for file in files]
    counts = Counter(word for sequence in sequences for word in sequence)
    lexicon = tuple(counts)
    numbers = {word: number for number, word in enumerate(lexicon)}
    ids = np.array([numbers[word] for sequence in sequences for word in sequence], np.uint32)
    starts = np.cumsum([0, *map(len, sequences)], dtype=np.int64)
    names = tuple(str(number) for number in range(len(sequences)))
    return lexicon, Split(ids, starts, ("stdlib",) * len(names), names), most_frequent(counts)


def task(settings: NetworkSettings) -> tuple[Task, int]:
    """Return a training on the standard library, and the size of its vocabulary."""
    lexicon, split, vocabulary = corpus()
    shape = settings.shape(len(vocabulary))
    known = Words(lexicon, vocabulary, shape)
    counts = np.bincount(split.ids, minlength=len(lexicon))
    outputs = known.output_counts(counts, shape.outputs, len(split))
    return Task(settings, known, split, None, outputs, known.tail_shares(counts)), len(vocabulary)


def timed(work: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """Return the median seconds of one call."""
    taken = []
    for number in range(rounds + 2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number > 1:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Return what the device multiplies, in operations a second."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / timed(lambda: a @ b, device, 9)


def operations(settings: NetworkSettings) -> float:
    """Return the operations of matrices for a word: forward, and twice that backward."""
    inputs = [settings.embedding, *[settings.hidden] * (settings.layers - 1)]
    core = sum(2 * 4 * settings.hidden * (wide + settings.hidden) for wide in inputs)
    candidates = settings.head + settings.sampled
    return 3 * (core + 2 * settings.hidden * settings.projection + 2 * settings.projection * candidates)


def bare_steps(what: Task, network: Network, device: torch.device, *, bf16: bool) -> float:
    """Return the seconds of a step of training: nothing but network, loss, gradients and optimizer, on one batch."""
    settings = what.settings
    order = np.random.default_rng(0).permutation(len(what.train))
    lanes = Lanes(
        what.train.ids, what.train.starts, order, settings.lanes, settings.length, what.words.pad, what.words.eos
    )
    batch = what.words.batch(lanes.places(1, np.arange(settings.lanes))).to(device)
    sampler = Sampler(what.output_counts, settings.head, settings.sampled)
    candidates = sampler.draw(np.random.default_rng(0)).to(device)
    objective, optimizer = Objective(network), optimizer_of(network, settings, device)
    states = network.start(settings.lanes)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss, _ = objective(batch, states, candidates)
        (loss / batch.targets.numel()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    return timed(step, device)


def measured(
    name: str, settings: NetworkSettings, device: torch.device, steps: int, size: int, precision: str = "auto"
) -> None:
    """Print the speed of bare steps and of the whole loop."""
    what, words_ = task(settings)
    bf16 = in_bf16(precision, device)
    dtype = torch.bfloat16 if bf16 else torch.float32
    torch.manual_seed(0)
    network = Network(settings.shape(words_)).to(device)
    tokens = settings.lanes * settings.length
    rates, bare, whole = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):  # in turn, so that what else the machine does falls on all alike
            rates.append(matrix_rate(device, dtype, size))
            bare.append(bare_steps(what, network, device, bf16=bf16))
            run = replace(what, settings=replace(settings, steps=steps))
            place = fit(run, network, Path(folder) / str(number), device, bf16=bf16).place
            whole.append((place.seconds, place.tokens))  # from the first step to the last, as the learning rate counts
    rate, step = statistics.median(rates), statistics.median(bare)
    seconds = statistics.median(taken / read * tokens for taken, read in whole)
    used = operations(settings) * tokens / step
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    print(
        f"{name:<26}{parameters:>6.1f} M parameters{tokens / step:>12,.0f} tokens/s in bare steps"
        f"{used / 1e12:>8.2f} TFLOP/s{used / rate:>7.0%} of the {dtype} matrix rate ({rate / 1e12:.2f} TFLOP/s)"
        f"{seconds / step - 1:>+7.1%} time in the loop of {steps} steps", flush=True,
    )  # fmt: skip


def main() -> int:
    """Measure what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true", help="on a GPU, two sizes, and a step's latency")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (default: as torch likes)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.gpu:
        for precision in ("bf16", "fp32"):
            measured("LSTM E256 H512", SMALL, torch.device("cpu"), 100, 2048, precision)
        return 0
    if not torch.cuda.is_available():
        print("make bench-gpu: torch finds no GPU here", file=sys.stderr)
        return 2
    device = torch.device("cuda")
    print(torch.cuda.get_device_name())
    measured("LSTM E256 H512", replace(SMALL, lanes=1024), device, 100, 8192)
    measured("LSTM E512 H1024 x 2", replace(LARGE, lanes=1024), device, 100, 8192)
    for name, settings in (("LSTM E256 H512", SMALL), ("LSTM E512 H1024 x 2", LARGE)):
        latency(name, settings, device)
    return 0


def latency(name: str, settings: NetworkSettings, device: torch.device) -> None:
    """Print how long a step of 8 rows takes, with its best 64, with and without a captured graph."""
    what, size = task(settings)
    weights = Network(settings.shape(size)).state_dict()
    _, _, vocabulary = corpus()
    found = []
    for captured in (False, True):
        outputs = Outputs(settings.shape(size), what.tail_shares)
        model = TorchNetwork(weights, settings.shape(size), outputs, vocabulary.words, device.type, captured=captured)
        state = model.read(model.start(), np.arange(3, 259))
        rows, ids = np.zeros(8, np.int64), np.arange(10, 18)
        found.append(timed(lambda: model.propose(model.step(state, rows, ids), 64), device, 50))  # noqa: B023
    plain, graph = found
    print(
        f"{name:<26}a step of 8 rows and its best 64: {plain * 1e3:.2f} ms, with a captured graph {graph * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
