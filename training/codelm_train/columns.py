"""Arrays that are longer than memory should hold: written piece by piece, read slice by slice, made once.

A folder of work holds *steps*. A step is a few columns, files of plain numbers, and a marker, ``NAME.json``, with
their lengths and checksums. The marker is written when the columns are whole; a process that was killed has left no
marker, and columns that are not what their marker says are made again. So finished steps survive, and only they do.
"""

import errno
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

_CHECKED_AT_A_TIME = 1 << 24  # bytes


class Numbers(Protocol):
    """An array (n,) of which slices are read: one in memory, or a ``Column``."""

    def __len__(self) -> int:
        """Return n."""
        ...

    def __getitem__(self, part: slice, /) -> Any:
        """Return the numbers of a slice without a step, as an array."""
        ...


class Column:
    """An array (n,) in a file. A slice of it is read into memory; nothing stays there behind it."""

    def __init__(self, file: Path, dtype: str, length: int):
        """Take the file of ``length`` numbers of the type ``dtype``."""
        self.file, self.dtype, self._length = file, np.dtype(dtype), length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> NDArray[Any]:
        start, stop, _ = part.indices(self._length)
        count = max(stop - start, 0)
        found = np.fromfile(self.file, self.dtype, count, offset=start * self.dtype.itemsize)
        if len(found) < count:
            raise OSError(errno.EIO, "the file was cut off", str(self.file))
        return found

    def mapped(self) -> NDArray[Any]:
        """Return it as a read-only array in mapped memory; the file must not change while it is used."""
        if self._length == 0:  # an empty file cannot be mapped
            return np.zeros(0, self.dtype)
        return np.asarray(np.memmap(self.file, self.dtype, "r", shape=(self._length,)))


class Writer:
    """Writes a column, piece after piece. Raises OSError, which a full disk does too: nothing is written by mapping."""

    def __init__(self, file: Path, dtype: str):
        """Begin the file anew; numbers will be converted to ``dtype``."""
        self._file, self._dtype = file, np.dtype(dtype)
        self._opened: BinaryIO = file.open("wb")
        self.length, self.checksum = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def append(self, numbers: NDArray[Any]) -> None:
        """Write the next numbers (k,)."""
        raw = np.ascontiguousarray(numbers, self._dtype).data
        self._opened.write(raw)
        self.checksum = zlib.crc32(raw, self.checksum)
        self.length += len(numbers)


def step(
    folder: Path, name: str, dtypes: Mapping[str, str], make: Callable[[dict[str, Writer]], None]
) -> dict[str, Column]:
    """Return the columns of a step: those that are there already, or what ``make`` writes.

    ``dtypes`` names the columns with their types; ``make`` is given a writer for each. Raises OSError.
    """
    marker = folder / f"{name}.json"
    files = {column: folder / f"{name}.{column}" for column in dtypes}
    lengths = _finished(marker, files, dtypes)
    if lengths is not None:
        return {column: Column(files[column], dtypes[column], lengths[column]) for column in dtypes}
    marker.unlink(missing_ok=True)
    columns, told = _written(files, dtypes, make)
    new = marker.with_suffix(".new")
    new.write_text(json.dumps(told), encoding="utf-8")
    new.replace(marker)
    return columns


def written(
    folder: Path, name: str, dtypes: Mapping[str, str], make: Callable[[dict[str, Writer]], None]
) -> dict[str, Column]:
    """Return the columns that ``make`` writes, as in a step, but always anew. Raises OSError."""
    return _written({column: folder / f"{name}.{column}" for column in dtypes}, dtypes, make)[0]


def _written(
    files: Mapping[str, Path], dtypes: Mapping[str, str], make: Callable[[dict[str, Writer]], None]
) -> tuple[dict[str, Column], dict[str, list[str | int]]]:
    """Return what ``make`` wrote, and the type, length and checksum of each column."""
    with ExitStack() as opened:
        writers = {column: opened.enter_context(Writer(file, dtypes[column])) for column, file in files.items()}
        make(writers)
    return (
        {column: Column(files[column], dtypes[column], writer.length) for column, writer in writers.items()},
        {column: [dtypes[column], writer.length, writer.checksum] for column, writer in writers.items()},
    )


def _finished(marker: Path, files: Mapping[str, Path], dtypes: Mapping[str, str]) -> dict[str, int] | None:
    """Return the lengths of a finished step's columns; None where it is not finished, or not what its marker says."""
    try:
        told = json.loads(marker.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(told, dict) or told.keys() != files.keys():
        return None
    for column, file in files.items():
        size, checksum = _checked(file)
        length = size // np.dtype(dtypes[column]).itemsize
        if told[column] != [dtypes[column], length, checksum]:
            return None
    return {column: int(told[column][1]) for column in files}


def _checked(file: Path) -> tuple[int, int]:
    """Return the size and the checksum of a file's content; of a missing one, those of an empty one."""
    size, checksum = 0, 0
    if not file.exists():
        return size, checksum
    with file.open("rb") as opened:
        while part := opened.read(_CHECKED_AT_A_TIME):
            size += len(part)
            checksum = zlib.crc32(part, checksum)
    return size, checksum
