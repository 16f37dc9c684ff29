"""A folder for what a long command has done so far, beside what it makes.

It survives an interruption and a kill, and goes when the command ends or fails. What is found in one is used only
where its stamp says that it was made from the same.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from codelm.errors import StorageError

_STAMP = "stamp.json"


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Yield the folder of work for making ``out``, with what an interrupted command has left there.

    Raises StorageError, naming the folder: where it is somebody else's, another command is at work in it, or it
    cannot be written; so does an OSError of the block, such as a full disk.
    """
    folder = out.absolute().with_name(f".{out.absolute().name}.work")
    try:
        lock = _opened(folder)
        try:
            yield folder
        except Exception:
            _remove(folder)
            raise
        else:
            _remove(folder)
        finally:
            os.close(lock)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}; nothing was changed") from error


def trust_only(folder: Path, stamp: Mapping[str, object]) -> None:
    """Empty a folder of work unless its stamp is ``stamp``, and stamp it so. Raises OSError."""
    file = folder / _STAMP
    text = json.dumps(stamp, sort_keys=True)
    if file.is_file() and file.read_bytes() == text.encode():
        return
    for left in folder.iterdir():
        if left != file:  # which says to the last that the folder is codelm's
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    file.write_text(text, encoding="utf-8")


def _opened(folder: Path) -> int:
    """Make the folder, or take it over; return a descriptor that holds its lock until it is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or (any(folder.iterdir()) and not (folder / _STAMP).is_file()):
        raise StorageError(f"{folder} exists and is not a folder of codelm's work: move it away")
    if sys.platform == "win32":  # folders can't be locked there
        return os.open(os.devnull, os.O_RDONLY)
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StorageError(f"{folder}: another command is at work in it") from error
    return descriptor


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what is still mapped can't be removed on Windows
