"""The indexes of workspaces on the disk, so that the next start need not read every file.

::

    <the user's cache folder>/codelm/workspaces/
    ├── generation                    replaced when everything is forgotten
    └── 5f0c…/                        a workspace: the hash of its roots
        ├── index                     see ``workspace_format``; may be removed at any time, and is made again
        ├── importable.txt            see ``importable_store``; so may this
        ├── states                    what a network made of the files, see ``workspace_states``; and this
        └── forgotten/                an empty file for each file that must never be learned from again
            ├── 83ab…                 named by the hash of its path, so that this tells nobody what it was
            └── workspace             for the workspace as a whole

The words of an index are the user's code: folders and files are for this user alone. An index that is broken is no
error, it is made again. Several servers may use the folder at the same time: a file is replaced whole, the last one
wins, and what one forgets the others don't bring back.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from codelm.errors import StorageError
from codelm.importable_store import FILE as IMPORTABLE
from codelm.workspace import WorkspaceIndex, without
from codelm.workspace_files import path_key
from codelm.workspace_format import BrokenIndexError, decoded_index, encoded
from codelm.workspace_states import BrokenStatesError, WorkspaceStates, decoded_states, encoded_states

MOST_BYTES = 200_000_000
"""Of all workspaces' indexes together. The workspaces that were not opened for longest lose theirs first."""

_INDEX, _STATES, _NEW = "index", "states", ".new"
_FORGOTTEN, _WORKSPACE, _GENERATION = "forgotten", "workspace", "generation"
_KEPT = (_INDEX, _STATES, IMPORTABLE)
_ABANDONED_AFTER = 3600  # seconds: a file that a killed process left half written
_HASH_BYTES = 16
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What of a workspace must never be learned from again. ``path in forgotten`` asks for a file's ``path_key``."""

    marks: frozenset[str] = frozenset()

    @property
    def workspace(self) -> bool:
        """Whether it is the whole workspace."""
        return _WORKSPACE in self.marks

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and (self.workspace or _mark_of(path) in self.marks)


class WorkspaceStore:
    """The index of one workspace on the disk. Its functions may be called from any thread."""

    def __init__(self, roots: Sequence[Path], cache: Path | None = None, most_bytes: int = MOST_BYTES):
        """Take the workspace's roots, in any order; nothing is written yet.

        ``cache`` is codelm's cache folder, in place of the user's.
        """
        self.base = (cache or _cache_folder()) / "workspaces"
        self.folder = self.base / _name_of(roots)
        self._most_bytes = most_bytes
        self._generation = ""
        with suppress(StorageError):  # saving will tell
            self._generation = _read_text(self.base / _GENERATION)

    def load(self) -> tuple[WorkspaceIndex | None, str]:
        """Return the index without what was forgotten, or None and, for the log, why it could not be used.

        There is no reason to tell where there is no index.
        """
        path = self.folder / _INDEX
        try:
            index = decoded_index(path.read_bytes())
            os.utime(path)  # the time of its last use
            forgotten = self.forgotten()
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{path} cannot be used: {error.strerror}"
        except BrokenIndexError as error:
            return None, f"{path} is made again: {error}"
        except StorageError as error:
            return None, str(error)
        return (None, "") if forgotten.workspace else (_allowed(index, forgotten), "")

    def save(self, index: WorkspaceIndex) -> bool:
        """Write the index, without what was forgotten. Raises StorageError.

        Returns False, and leaves nothing, when another process has forgotten everything since this store was made, or
        another thread since saving began: the words of this index are among what must not come back.
        """
        return self._save(_INDEX, lambda forgotten: encoded(_allowed(index, forgotten)))

    def load_states(self, key: str) -> tuple[WorkspaceStates | None, str]:
        """Return the states that the network with a key has in files, or None and, for the log, why they are of no use.

        There is no reason to tell where there are none, or those of another network.
        """
        path = self.folder / _STATES
        try:
            if not self.may_keep():
                return None, ""
            states = decoded_states(path.read_bytes())
            os.utime(path)
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{path} cannot be used: {error.strerror}"
        except BrokenStatesError as error:
            return None, f"{path} is made again: {error}"
        except StorageError as error:
            return None, str(error)
        return (states if states.key == key else None), ""

    def save_states(self, states: WorkspaceStates, files: Mapping[str, str]) -> bool:
        """Write the states of files, by their paths the digests of their words, as ``save`` does an index."""

        def content(forgotten: Forgotten) -> bytes:
            return encoded_states(states.only(digest for path, digest in files.items() if path not in forgotten))

        return self._save(_STATES, content)

    def _save(self, name: str, content: Callable[[Forgotten], bytes]) -> bool:
        generation = self._generation  # another thread may forget everything while this one writes
        if _read_text(self.base / _GENERATION) != generation:
            return False
        written = None
        # What another process forgets while this one writes is taken out again.
        while written is None or self.forgotten() != written:
            written = self.forgotten()
            if written.workspace:
                self._remove_index()
            else:
                _replace(self.folder / name, content(written), self.base)
        if _read_text(self.base / _GENERATION) != generation:
            self._remove_index()
            return False
        with _reported(self.base):
            _make_room(self.base, self.folder, self._most_bytes)
        return True

    def forgotten(self) -> Forgotten:
        """Return what must not be learned from. Raises StorageError when that cannot be read."""
        with _reported(self.folder):
            try:
                return Forgotten(frozenset(os.listdir(self.folder / _FORGOTTEN)))  # noqa: PTH208 - names, not paths
            except (FileNotFoundError, NotADirectoryError):
                return Forgotten()

    def may_keep(self) -> bool:
        """Return whether more of the workspace may be written: nothing has forgotten it. Raises StorageError."""
        return _read_text(self.base / _GENERATION) == self._generation and not self.forgotten().workspace

    def forget(self, path: str | Path) -> None:
        """Remove a file's words from the disk, now and for good. Raises StorageError."""
        key = path_key(path)
        self._mark(_mark_of(key))
        with _reported(self.folder):
            _remove(self.folder, IMPORTABLE)
            _remove(self.folder, _STATES)
        index, _ = self.load()
        if index is None or not self.save(index):
            self._remove_index()  # broken, perhaps, or another's: the words could be in it all the same

    def forget_workspace(self) -> None:
        """Remove the workspace's words from the disk; it is not learned from again. Raises StorageError."""
        self._mark(_WORKSPACE)
        self._remove_index()

    def learn_again(self, path: str | Path | None = None) -> None:
        """Allow a forgotten file, or with None the workspace and all its files, to be learned. Raises StorageError."""
        with _reported(self.folder):
            marks = self.forgotten().marks if path is None else {_mark_of(path_key(path))}
            for mark in marks:
                (self.folder / _FORGOTTEN / mark).unlink(missing_ok=True)

    def forget_all(self) -> None:
        """Remove the words of all workspaces from the disk. Raises StorageError.

        What was forgotten before stays forgotten. Other processes that run keep their words in memory, but save them
        no more. The caller lets go of the index that it has.
        """
        generation = secrets.token_hex(_HASH_BYTES)
        _replace(self.base / _GENERATION, generation.encode(), self.base)
        self._generation = generation
        with _reported(self.base):
            for folder in _folders(self.base):
                _remove_words(folder)

    def _mark(self, mark: str) -> None:
        with _reported(self.folder):
            _private_folder(self.folder / _FORGOTTEN, self.base)
            os.close(os.open(self.folder / _FORGOTTEN / mark, os.O_CREAT | os.O_WRONLY, 0o600))

    def _remove_index(self) -> None:
        with _reported(self.folder):
            _remove_words(self.folder)


# --- names ---------------------------------------------------------------------------------------------------


def _cache_folder() -> Path:
    import platformdirs  # here: a test gives a folder of its own, and a server without a workspace needs none

    return platformdirs.user_cache_path("codelm", appauthor=False)


def _name_of(roots: Sequence[Path]) -> str:
    return _hash("\0".join(sorted({path_key(root) for root in roots})))


def _mark_of(path: str) -> str:
    return _hash(path)


def _hash(text: str) -> str:
    return hashlib.blake2b(os.fsencode(text), digest_size=_HASH_BYTES).hexdigest()


def _allowed(index: WorkspaceIndex, forgotten: Forgotten) -> WorkspaceIndex:
    return without(index, [path for path in index.files if path in forgotten]) if forgotten.marks else index


# --- the disk ------------------------------------------------------------------------------------------------


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn the system's refusal into a StorageError that names the place."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or path}: {error.strerror or error}") from error


def _private_folder(folder: Path, base: Path) -> None:
    """Make ``folder``, inside ``base``, and let only its owner look into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in (base, *(outer for outer in (folder, *folder.parents) if base in outer.parents)):
        if made.stat().st_mode & 0o077:
            made.chmod(0o700)


def _replace(target: Path, content: bytes, base: Path) -> None:
    """Write a file, for its owner alone, whole or not at all.

    It is not forced to the disk: the checksum tells when a failing machine has lost it.
    """
    with _reported(target):
        for attempt in range(1, _ATTEMPTS + 1):
            new = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_NEW}")
            try:
                _private_folder(target.parent, base)
                with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600), "wb") as file:
                    file.write(content)
                new.replace(target)
                return
            except FileNotFoundError:  # another process forgot something, and removed what was half written
                if attempt == _ATTEMPTS:
                    raise
            finally:
                new.unlink(missing_ok=True)


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write "\r\n" for "\n"


def _read_text(path: Path) -> str:
    """Return a file's text, "" where there is none. Raises StorageError."""
    with _reported(path):
        try:
            return path.read_bytes().decode("ascii", "replace")
        except FileNotFoundError:
            return ""


def _folders(base: Path) -> list[Path]:
    return [folder for folder in base.iterdir() if folder.is_dir()] if base.exists() else []


def _remove_words(folder: Path) -> None:
    """Remove a workspace's indexes, and what killed processes left of others."""
    for name in _KEPT:
        _remove(folder, name)
    with suppress(OSError):  # something is left in it
        folder.rmdir()


def _remove(folder: Path, name: str) -> None:
    """Remove a file, and those that were to take its place."""
    for file in folder.glob(f"*{name}*"):
        file.unlink(missing_ok=True)


def _make_room(base: Path, ours: Path, most_bytes: int) -> None:
    """Remove the indexes that were used longest ago, until all together are small enough; never ours.

    Also what was never finished, since its process was killed.
    """
    indexes: dict[Path, tuple[float, int]] = {}
    for file in chain.from_iterable(base.glob(f"*/*{name}*") for name in _KEPT):
        with suppress(FileNotFoundError):  # another process removed it
            status = file.stat()
            if file.name in _KEPT:
                used, size = indexes.get(file.parent, (0.0, 0))
                indexes[file.parent] = max(used, status.st_mtime), size + status.st_size
            elif time.time() - status.st_mtime > _ABANDONED_AFTER:
                file.unlink()
    excess = sum(size for _, size in indexes.values()) - most_bytes
    for folder, (_, size) in sorted(indexes.items(), key=lambda item: item[1]):
        if excess > 0 and folder != ours:
            _remove_words(folder)
            excess -= size
