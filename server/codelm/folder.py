"""Folders and files that are there whole or not at all.

A folder is written beside its place under a hidden name, brought to the disk and renamed. An error removes it; what
a killed process left is removed by the next one. A process holds a lock on its hidden folder, which the system drops
when the process ends, however it ends: a hidden folder without a lock is nobody's.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codelm.errors import StorageError

MANIFEST = "manifest.json"
_NEW, _OLD = ".new", ".old"


@contextmanager
def replaced_folder(target: Path, ours: str) -> Iterator[Path]:
    """Yield a new empty folder that takes the place of ``target`` when the block ends well; else nothing changes.

    An existing ``target`` is replaced only when it is empty or its manifest contains ``ours``, the name of the
    format. Raises StorageError, naming the folder, when it is something else or cannot be written.
    """
    target = target.absolute()  # not resolved: what a link points to is not ours to replace
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_NEW}")
    lock = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        recover(target)
        refuse_foreign(target, ours)
        new.mkdir()
        lock = _lock(new)
        yield new
        for file in new.rglob("*"):
            _flush(file)
        refuse_foreign(target, ours)  # hours may have passed
        _swap(new, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {target}: {reason}; nothing was changed") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)  # gone when all went well; what can't be removed, the next one removes
        if lock is not None:
            os.close(lock)


def replace_file(target: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all. Raises StorageError, naming the file."""
    with replaced_file(target) as new:
        new.write_text(content, encoding="utf-8", newline="\n")


@contextmanager
def replaced_file(target: Path) -> Iterator[Path]:
    """Yield the path of a file to write, which takes the place of ``target`` when the block ends well.

    Raises StorageError, naming the file, when it cannot be written; then nothing changed.
    """
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_NEW}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield new
        _flush(new)
        new.replace(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}; nothing was changed") from error
    finally:
        new.unlink(missing_ok=True)


def recover(target: Path) -> None:
    """Clear up after killed processes: remove what they had not finished, put back what they were replacing."""
    for left in sorted(target.parent.glob(f".{target.name}.*")):
        if left.name.endswith(_OLD):
            if os.path.lexists(target):
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.rename(target)
        elif left.name.endswith(_NEW) and (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def refuse_foreign(target: Path, ours: str) -> None:
    """Raise StorageError where ``target`` is something that ``replaced_folder`` would not replace."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise StorageError(f"{target} exists and is not a folder")
    manifest = target / MANIFEST
    if any(target.iterdir()) and not (
        manifest.is_file() and ours in manifest.read_text(encoding="utf-8", errors="replace")
    ):
        raise StorageError(f"{target} exists and is not a {ours}: choose another name, or move it away")


def _swap(new: Path, target: Path) -> None:
    """Rename ``new`` to ``target``; what was there can be put back until it is replaced."""
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_OLD}")
    if target.exists():
        target.rename(old)
    new.rename(target)
    _flush(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Bring a file or folder to the disk."""
    if sys.platform == "win32" and path.is_dir():  # folders can't be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of ``folder``; None where another process has it."""
    if sys.platform == "win32":  # folders can't be locked there: what a killed process left stays
        return None
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
