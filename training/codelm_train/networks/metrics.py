"""The curves of a training: a CSV for people and ``report``, and TensorBoard's events."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from codelm.errors import CorpusError
from codelm.folder import replaced_file

CURVES = "metrics.csv"
EVENTS = "tensorboard"


@dataclass(frozen=True, slots=True)
class Row:
    """One point of the curves; None is not measured there."""

    step: int
    tokens: int
    """Words trained on, in all."""
    seconds: float
    """Time trained, over all resumptions."""
    loss: float | None = None
    """Mean loss of the words since the last point, in bits; of the sampled softmax while that is trained with."""
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_second: float | None = None
    validation_bits: float | None = None
    validation_perplexity: float | None = None
    validation_top1: float | None = None
    validation_top5: float | None = None


NAMES = tuple(field.name for field in fields(Row))


class Metrics:
    """Writes curves into a folder, going on behind ``step`` where a training was resumed."""

    def __init__(self, folder: Path, step: int):
        """Open the curves of a training at a step; what stands behind it was lost and is measured again."""
        from torch.utils.tensorboard import SummaryWriter

        file = folder / CURVES
        kept = [row for row in read(file) if row.step <= step] if file.exists() else []
        with replaced_file(file) as new, new.open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened, lineterminator="\n").writerows([NAMES, *map(_texts, kept)])
        self._file = file.open("a", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._events = SummaryWriter(str(folder / EVENTS), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._events.close()

    def add(self, row: Row) -> None:
        """Write a point."""
        self._csv.writerow(_texts(row))
        self._file.flush()
        for name in NAMES[2:]:
            value = getattr(row, name)
            if value is not None:
                self._events.add_scalar(name, value, row.step)


def read(file: Path) -> list[Row]:
    """Read curves, but for a last line that was never written whole.

    Raises CorpusError, naming the line that is none.
    """
    rows = []
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    for number, texts in enumerate(csv.reader(lines), 1):
        if number == 1 and tuple(texts) == NAMES:
            continue
        try:
            step, tokens, *rest = texts
            values = [float(text) if text else None for text in rest]
            rows.append(Row(int(step), int(tokens), values[0] or 0.0, *values[1:]))
        except (ValueError, TypeError, IndexError) as error:
            raise CorpusError(f"{file}:{number}: no point of a training's curves") from error
    return rows


def _texts(row: Row) -> list[str]:
    values = [getattr(row, name) for name in NAMES]
    return ["" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]
