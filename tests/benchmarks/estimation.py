"""How fast n-grams are counted and estimated, and in how much memory: a section of ``make bench``.

The reference is sorting as many 64-bit numbers as there are words, once for each order. ``python
tests/benchmarks/estimation.py TRAIN TEST`` measures the text that ``stdlib_text.py`` writes instead of a sample, and
how well the model predicts TEST; where the package ``kenlm`` is installed and ``--arpa FILE`` names a model that KenLM
made of the same text, what that one says of TEST too.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from codelm.model import Ids
from codelm.vocabulary import Vocabulary, most_frequent
from codelm_train.count import count
from codelm_train.encode import encoded, word_counts
from codelm_train.evaluate import evaluate
from codelm_train.smoothing import estimate
from codelm_train.tokenised import tokenised
from codelm_train.trie import to_model

Row = Callable[[str, str, float, str], None]

ORDER = 5
ROUNDS = 3


def section(ids: Ids, starts: Ids, size: int, row: Row, order: int = ORDER) -> None:
    """Measure the estimation of sequences ids (T,) with starts (N + 1,), over ``size`` ids."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "ids.npy", ids)
        np.save(Path(folder) / "starts.npy", starts)
        seconds, peak = _alone(_estimated, folder, size, order)
        reference, _ = _alone(_sorted_keys, folder, size, order)
        _, before = _alone(_opened, folder, size, order)
    name, text = f"estimation, order {order}", len(ids) * 8 / 1e6
    row(name, f"{len(ids) / seconds / 1e6:.2f} Mtokens/s", seconds / reference, "a sort for each order")
    row("  its memory", f"{peak - before:.0f} MB", (peak - before) / text, "the text as 64-bit numbers")


Work = Callable[[Ids, Ids, int, int], object]


def _estimated(ids: Ids, starts: Ids, size: int, order: int) -> None:
    """Make a model of ids."""
    with tempfile.TemporaryDirectory() as folder:
        counted = count(ids, starts, size=size, order=order, folder=Path(folder))
        to_model(estimate(counted, size, Path(folder)))


def _sorted_keys(ids: Ids, starts: Ids, size: int, order: int) -> None:
    """Sort as many 64-bit numbers once for each order."""
    keys = np.random.default_rng(0).integers(0, 2**40, len(ids))
    for _ in range(order):
        np.sort(keys)


def _opened(ids: Ids, starts: Ids, size: int, order: int) -> None:
    """Do nothing: what a process takes that has the text and the code."""


def _alone(work: Work, folder: str, size: int, order: int) -> tuple[float, float]:
    """Return the least CPU seconds of some calls, in a process of its own, and its greatest memory in megabytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, folder, size, order))


def _measured(work: Work, folder: str, size: int, order: int) -> tuple[float, float]:
    ids, starts = np.load(Path(folder) / "ids.npy"), np.load(Path(folder) / "starts.npy")
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work(ids, starts, size, order)
        taken.append(time.process_time() - began)
    return min(taken), _peak()


def _peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent had as the child's, in what getrusage says
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _nothing(ids: Ids) -> float:
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--order", type=int, default=ORDER)
    parser.add_argument("--min-count", type=int, default=2)
    parser.add_argument("--arpa", type=Path, help="KenLM's model of the same text")
    args = parser.parse_args()
    began = time.process_time()
    corpus = tokenised(args.train)
    reading = time.process_time() - began
    split = corpus.split("train")
    vocabulary = most_frequent(word_counts(corpus, split), 0, args.min_count)
    ids = encoded(corpus.lexicon.words, split.ids, vocabulary)
    print(f"{'reading the text':<34}{reading:>14.2f} s")
    section(ids, split.starts, len(vocabulary), _printed, args.order)
    with tempfile.TemporaryDirectory() as folder:
        counted = count(ids, split.starts, size=len(vocabulary), order=args.order, folder=Path(folder))
        model = to_model(estimate(counted, len(vocabulary), Path(folder)))
        test = tokenised(args.test, "test").split("test")
        words = tokenised(args.test, "test").lexicon.words
        found = evaluate(model, vocabulary, words, test.ids, test.starts, every=len(test.ids))
        print(f"{'perplexity':<34}{found.all.perplexity:>16.3f}")
    kenlms(args.arpa, args.test, vocabulary)


def kenlms(arpa: Path | None, test: Path, vocabulary: Vocabulary) -> None:
    """Print the perplexity that KenLM's own model has of the test text."""
    if arpa is None or find_spec("kenlm") is None:
        print("KenLM is left out: " + ("no --arpa" if arpa is None else "the package kenlm is not installed"))
        return
    import kenlm

    theirs, total, tokens = kenlm.Model(str(arpa)), 0.0, 0
    for line in test.read_text(encoding="utf-8").splitlines():
        known = " ".join(word if word in vocabulary else "<unk>" for word in line.split())
        total += theirs.score(known)
        tokens += len(known.split()) + 1
    print(f"{'perplexity, KenLM':<34}{10 ** (-total / tokens):>16.3f}")


def _printed(what: str, figure: str, ratio: float, reference: str) -> None:
    print(f"{what:<34}{figure:>16}{ratio:>9.2f} x  {reference}", flush=True)


if __name__ == "__main__":
    main()
