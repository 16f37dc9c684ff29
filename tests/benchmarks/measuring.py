"""What the benchmarks have in common: the CPU time of a call, its row in the table, and the model that is measured.

CPU time, the median of several rounds. A ratio says more than a time: machines differ and are noisy.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from codelm import checkpoint
from codelm.checkpoint import Checkpoint

ROUNDS = 7

Row = Callable[[str, str, float, str], None]
Work = Callable[[], object]


def cpu_once(work: Work) -> float:
    """Return the CPU seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def cpu(work: Work, repeats: int = 1, rounds: int = ROUNDS) -> float:
    """Return the median CPU seconds of one call."""

    def again() -> None:
        for _ in range(repeats):
            work()

    work()
    return statistics.median(cpu_once(again) for _ in range(rounds)) / repeats


def in_turn(works: Sequence[Work], rounds: int = ROUNDS) -> list[float]:
    """Return the median CPU seconds of one call of each, made in turn: what disturbs the one disturbs the other."""
    taken: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 3):
        for work, seconds in zip(works, taken, strict=True):
            spent = cpu_once(work)
            if number > 2:
                seconds.append(spent)
    return [statistics.median(seconds) for seconds in taken]


def spread(taken: Sequence[float]) -> str:
    """Return the median of some times, and what 95 of 100 don't exceed, for people."""
    most = sorted(taken)[min(int(0.95 * len(taken)), len(taken) - 1)]
    return f"{statistics.median(taken) * 1e3:.2f}, {most * 1e3:.2f} ms"


def heads() -> None:
    """Print what the columns are."""
    print(f"{'':<52}{'CPU, or median and 95 %':>24}{'ratio':>10}    to", flush=True)


def row(what: str, figure: str, ratio: float, reference: str) -> None:
    """Print a figure beside its reference."""
    print(f"{what:<52}{figure:>24}{ratio:>10.2f} x  {reference}", flush=True)


def chosen_model(description: str | None) -> Checkpoint:
    """Return the model whose folder is the command's first argument, by default the bundled one, its network open."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=checkpoint.BUNDLED, help="a checkpoint's folder")
    return checkpoint.load(parser.parse_args().model)
