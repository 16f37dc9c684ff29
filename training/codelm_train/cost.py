"""What a checkpoint costs whoever loads it: seconds to open it, memory, and time for each word.

It is measured in a process of its own, ``python -m codelm_train.cost CHECKPOINT``: the one that trains has far more in
its memory.
"""

import inspect
import json
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codelm import checkpoint
from codelm.errors import TrainingError
from codelm.words import words
from codelm_train.encode import read_words
from codelm_train.latency import Latency, measure


@dataclass(frozen=True, slots=True)
class Cost:
    """``open_ms`` until the models answer, ``peak_mb`` the most memory that the process had, in millions of bytes (None
    where the system doesn't tell), ``python_mb`` what of it Python and numpy took before, and the ``latency``
    of the models, without caches.
    """

    open_ms: float
    python_mb: float | None
    peak_mb: float | None
    latency: Latency

    def as_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Cost":
        """Return the cost that ``as_json`` made ``raw`` of."""
        return cls(raw["open_ms"], raw["python_mb"], raw["peak_mb"], Latency.from_json(raw["latency"]))


def cost_of(folder: Path) -> Cost:
    """Measure the checkpoint in a folder. Raises TrainingError where it can't be opened there."""
    done = subprocess.run(
        [sys.executable, "-m", "codelm_train.cost", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise TrainingError(f"{folder} can't be measured: {said}")
    return Cost.from_json(json.loads(done.stdout))


def _here(folder: Path) -> Cost:
    before, began = _peak(), time.perf_counter()
    opened = checkpoint.load(folder)
    model, _ = read_words(opened.model, opened.vocabulary, ["import"])
    opening = 1000 * (time.perf_counter() - began)
    text = list(words(inspect.getsource(textwrap)))  # real code that is there wherever this runs
    latency = measure(model, opened.vocabulary.ids(text), len(opened.vocabulary))
    return Cost(round(opening, 1), before, _peak(), latency)


def _peak() -> float | None:
    """Return the most memory that this process has had, in millions of bytes, where the system says so (Linux)."""
    # Not getrusage's: there a process begins with what the one that started it had.
    status = Path("/proc/self/status")
    told = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8")) if status.exists() else None
    return round(int(told[1]) * 1024 / 1e6, 1) if told else None


if __name__ == "__main__":
    print(json.dumps(_here(Path(sys.argv[1])).as_json()))  # noqa: T201 - what ``cost_of`` reads
