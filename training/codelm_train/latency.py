"""How long a model takes for what an editor asks of it, on the processor that this runs on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from codelm.errors import CorpusError
from codelm.model import Ids, LanguageModel

S = TypeVar("S")
Clock = Callable[[], float]

WORDS = 256  # of a context that is read at once
ROWS = 8  # hypotheses that a step of a beam advances together
ONE_BEST, ROWS_BEST = 5, 64  # proposals that are asked for behind a step of one row, and of several
ROUNDS = 30
_WARM_UP = 3  # rounds that count nothing: arrays are mapped in, caches fill


@dataclass(frozen=True, slots=True)
class Times:
    """Medians over all rounds, in milliseconds.

    ``wall`` is what passes for who waits; ``cpu`` is what all threads of the process compute meanwhile. A model that
    computes in several threads has more of the second, a busy machine makes more of the first.
    """

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Latency:
    """What a model takes, each measured at different places of real code."""

    read_ms: Times
    """Reading a context of ``words`` words at once."""
    step_ms: Times
    """Reading one word more, finding the best 5 behind it and scoring them."""
    rows_step_ms: Times
    """The same for ``rows`` rows together and the best 64 of each."""
    words: int
    rows: int

    def as_json(self) -> dict[str, object]:
        """Return it as one JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Latency":
        """Return the latency that ``as_json`` made ``raw`` of."""
        read, step, rows_step = (Times(**raw[name]) for name in ("read_ms", "step_ms", "rows_step_ms"))
        return cls(read, step, rows_step, raw["words"], raw["rows"])

    def told(self) -> str:
        """Return it as one line; what is waited for, not what is computed."""
        return (
            f"{self.read_ms.wall:.2f} ms to read {self.words} words, {self.step_ms.wall:.2f} ms for a step, "
            f"{self.rows_step_ms.wall:.2f} ms for one of {self.rows} rows"
        )


def measure(
    model: LanguageModel[S],
    ids: NDArray[np.integer],
    vocabulary_size: int,
    *,
    words: int = WORDS,
    rows: int = ROWS,
    rounds: int = ROUNDS,
    wall: Clock = time.perf_counter,
    cpu: Clock = time.process_time,
) -> Latency:
    """Measure a model on real words, ids (T,), as it reads them; V is ``vocabulary_size``.

    Each round is at another place, and reads as many words as there are where that is fewer than ``words``. Clocks
    tell seconds. Raises CorpusError when there are not even two words.
    """
    if len(ids) < 2:
        raise CorpusError("there is nothing to measure on: the split has fewer than two words")
    words = min(words, len(ids) - 1)
    one, every = np.zeros(1, np.int64), np.arange(rows, dtype=np.int64)
    read, step, rows_step = _Watch(wall, cpu), _Watch(wall, cpu), _Watch(wall, cpu)
    for place in np.linspace(0, len(ids) - words - 1, _WARM_UP + rounds).astype(np.int64).tolist():
        *context, following = ids[place : place + words + 1].tolist()
        start, read_ids, next_id = model.start(), np.array(context, np.int64), np.array([following], np.int64)
        with read:
            state = model.read(start, read_ids)
        with step:
            _step(model, state, one, next_id, ONE_BEST, vocabulary_size)
        # As in a beam: its rows are different continuations of one context, and each goes on with another word.
        best = np.resize(_possible(model.propose(state, min(rows, vocabulary_size))), rows)
        beam = model.step(state, np.zeros(rows, np.int64), best)
        others = np.roll(best, 1)
        with rows_step:
            _step(model, beam, every, others, ROWS_BEST, vocabulary_size)
    return Latency(read.times(), step.times(), rows_step.times(), words, rows)


class _Watch:
    """Knows how long its blocks took."""

    def __init__(self, wall: Clock, cpu: Clock):
        self._wall, self._cpu = wall, cpu
        self._began = 0.0, 0.0
        self._found: list[tuple[float, float]] = []

    def __enter__(self) -> None:
        self._began = self._wall(), self._cpu()

    def __exit__(self, *error: object) -> None:
        wall, cpu = self._began
        self._found.append((self._wall() - wall, self._cpu() - cpu))

    def times(self) -> Times:
        waited, computed = zip(*self._found[_WARM_UP:], strict=True)
        return Times(1000 * median(waited), 1000 * median(computed))


def _step(model: LanguageModel[S], state: S, rows: Ids, ids: Ids, k: int, size: int) -> None:
    """Do what a beam search does between two words."""
    after = model.step(state, rows, ids)
    best = model.propose(after, min(k, size))
    model.score(after, np.maximum(best, 0))  # -1 stands where there are fewer


def _possible(proposals: Ids) -> Ids:
    """Return the proposals of the first row without what fills it: (K,)."""
    first: Ids = proposals[0]
    return first[first >= 0]
