"""The index of what a workspace can import: which modules there are, and what they hold.

Nothing is imported and nothing is run: folders are listed and files are read, when they are asked for. What was read
is remembered as long as its file stays the same: in memory and, where there is a folder for it, on the disk. Files that
were forgotten are not read, nor those of the workspace that hold secrets: all that is told of such a file is that there
is a module of its name.

One thread asks; another may read meanwhile what was too large to be read while someone waits. Modules never change
once they were read, so both may use them.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codelm import exports, importable_store
from codelm.buffer import scan
from codelm.environment import Environment, source_folders
from codelm.exports import Module
from codelm.importable_store import Line
from codelm.modules import FRESH, Found, Modules, Stamp, stamp
from codelm.secrecy import holds_secrets
from codelm.workspace_files import path_key

LARGEST_FILE = 4_000_000  # bytes; a larger one is data
_LARGEST_BROKEN = 500_000  # bytes of a file that Python does not parse
BUDGET = 200_000  # bytes of source that are read while someone waits: about 60 ms
_MOST_MODULES = 2_000  # in memory
_MOST_NAMES = 500_000  # of all of them
_MOST_PENDING = 500
_MOST_SKIPPED = 1_000
_INSTALLED = frozenset(("site-packages", "dist-packages"))  # folders, in a workspace, of what is not the user's


@dataclass(frozen=True, slots=True)
class _Known:
    """A module in memory, and when its file was last looked at (``time.monotonic()``)."""

    stamp: Stamp
    module: Module
    checked: float
    names: int


@dataclass(slots=True)
class Reading:
    """How many bytes of source one question may still read, and which modules it would have read besides."""

    left: float = BUDGET
    missing: list[Found] = field(default_factory=list)


class Importable:
    """The index of one workspace."""

    def __init__(
        self,
        roots: Sequence[Path],
        environment: Environment,
        store: Path | None = None,
        forgotten: Container[str] = (),
    ):
        """Take the workspace's folders, its environment, and the folder that keeps what was read (None: nowhere).

        Files in ``forgotten`` (by ``path_key``) are not read.
        """
        self.environment = environment
        self._forgotten = forgotten
        self._roots = tuple(path_key(root).rstrip(os.sep) + os.sep for root in roots)
        self._sources = tuple(str(folder) for folder in source_folders(roots))
        self.modules = Modules([*map(Path, self._sources), *environment.stdlib, *environment.site])
        self._stdlib = tuple(f"{folder}{os.sep}" for folder in environment.stdlib)
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._names = 0
        self._lines: dict[str, Line] = {}
        self._pending: dict[str, Found] = {}
        self._skipped: dict[str, str] = {}
        self._unsaved = False
        self.version = 0
        """Grows whenever another answer than before is possible."""
        if store is not None:
            self._lines, problem = importable_store.read(store)
            if problem:
                self._skip(str(store / importable_store.FILE), problem)
            self._drop_lines()

    # --- asking -------------------------------------------------------------------------------------------

    def module_name(self, file: Path) -> tuple[str, bool]:
        """Return the name that a file of the workspace is imported by, and whether it is a package.

        A file outside of the workspace's folders has its own name and no package.
        """
        is_package = file.stem == "__init__"
        place = str(file.parent if is_package else file.with_suffix(""))
        folders = [folder for folder in self._sources if place.startswith(folder + os.sep)]
        if not folders:
            return file.parent.name if is_package else file.stem, is_package
        return place[len(max(folders, key=len)) + 1 :].replace(os.sep, "."), is_package

    def find(self, name: str, importer: str = "") -> Found | None:
        """Return where the module ``name`` is; a script finds the modules beside it, too."""
        found = self.modules.find(name)
        while found is None and (importer := importer.rpartition(".")[0]):
            folder = self.modules.find(importer)
            if folder is not None and not folder.file:  # a package's own modules are imported by their full names
                found = self.modules.find(f"{importer}.{name}")
        return found

    def module(self, name: str, reading: Reading, importer: str = "") -> Module | None:
        """Return what the module ``name`` holds; None when there is none.

        What ``reading`` does not allow is noted in it; as long as it is missing, the module is empty or as it was.
        """
        found = self.find(name, importer) if name else None
        if found is None:
            return importable_store.stdlib_module(name)
        if not found.file:
            return importable_store.stdlib_module(name) or exports.nothing(found.name, found.is_package)
        return self._read(found, reading)

    def in_memory(self, name: str) -> Module | None:
        """Return the module ``name`` when that costs nothing."""
        found = self.modules.find(name)
        if found is None or not found.file:
            return importable_store.stdlib_module(name)
        known = self._known.get(found.file)
        return known.module if known is not None else None

    # --- reading ------------------------------------------------------------------------------------------

    def want(self, names: Iterable[str]) -> None:
        """Note modules as pending that are likely to be asked for, so that nobody waits for them then."""
        for name in names:
            found = self.find(name)
            if found is not None and found.file and found.file not in self._known:
                self.postpone([found])

    def postpone(self, missing: Sequence[Found]) -> None:
        """Note modules as pending."""
        with self._lock:
            for found in missing:
                if len(self._pending) < _MOST_PENDING and found.file not in self._skipped:
                    self._pending[found.file] = found

    @property
    def has_pending(self) -> bool:
        """Whether there is something to read in the background."""
        return bool(self._pending)

    def read_pending(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Read what is pending, until ``stop()``; return how many modules were read. For another thread."""
        count = 0
        while self._pending and not stop():
            with self._lock:
                if not self._pending:
                    break
                _, found = self._pending.popitem()
            self._read(found, Reading(left=float("inf")))
            count += 1
        return count

    def skipped(self) -> dict[str, str]:
        """Return the files that could not be read, and why, for a log; those that were told before are left out."""
        with self._lock:
            skipped, self._skipped = self._skipped, {}
        return skipped

    def look_again(self, file: Path | None = None) -> None:
        """Look at a file (None: at everything) again when it is asked for next; it may have changed."""
        self.modules.forget()
        with self._lock:
            for path in list(self._known) if file is None else [str(file)]:
                known = self._known.get(path)
                if known is not None:
                    self._known[path] = _Known(known.stamp, known.module, float("-inf"), known.names)
            self.version += 1

    # --- forgetting ---------------------------------------------------------------------------------------

    def set_forgotten(self, forgotten: Container[str]) -> None:
        """Know nothing of these files (by ``path_key``) from now on, in place of those that were forgotten before.

        The next ``save`` takes them from the disk. For the thread that saves.
        """
        if forgotten == self._forgotten:
            return
        with self._lock:
            self._forgotten = forgotten  # from here on, nothing more of them is remembered
            known = list(self._known)
        dropped = [path for path in known if self._is_left_out(path)]
        with self._lock:
            for path in dropped:
                old = self._known.pop(path, None)
                self._names -= old.names if old is not None else 0
            self.version += 1
        self._drop_lines()
        self._unsaved = True  # also what this process knows nothing of may stand in the file

    def _is_left_out(self, file: str) -> bool:
        """Return whether a file is never read, by its own name or by that of the file that it is a link to."""
        for key in {path_key(file), path_key(os.path.realpath(file))}:
            if key in self._forgotten or (holds_secrets(os.path.basename(key)) and self._is_own(key)):  # noqa: PTH119
                return True
        return False

    def _is_own(self, key: str) -> bool:
        """Return whether a file is the workspace's own: its environment may be inside, with a ``credentials.py``."""
        return any(
            key.startswith(root) and _INSTALLED.isdisjoint(Path(key[len(root) :]).parts) for root in self._roots
        ) and not any(key.startswith(path_key(folder) + os.sep) for folder in self.environment.stdlib)

    def _drop_lines(self) -> None:
        """Drop what the disk had of files that are left out."""
        kept = {path: line for path, line in self._lines.items() if not self._is_left_out(path)}
        if len(kept) < len(self._lines):
            self._lines = kept
            self._unsaved = True

    # --- one file -----------------------------------------------------------------------------------------

    def _read(self, found: Found, reading: Reading) -> Module:
        known = self._known.get(found.file)
        if known is not None and known.module.name != found.name:
            known = None
        now = time.monotonic()
        if known is not None and now - known.checked < FRESH:
            return known.module
        old = known.module if known is not None else exports.nothing(found.name, found.is_package)
        try:
            current = stamp(found.file)
        except OSError as error:
            return self._skipped_over(found, Stamp(0, 0), error.strerror or str(error))
        if known is not None and known.stamp == current:
            return self._remember(found, current, old)
        if self._is_left_out(found.file):
            return _untold(found)
        line = self._lines.get(found.file)
        if line is not None and line.stamp == current and line.name == found.name:
            module = importable_store.decode(found.name, line.encoded)
            if module is not None:
                return self._remember(found, current, module)
        if current.size > LARGEST_FILE:
            return self._skipped_over(found, current, f"{current.size} bytes are too many")
        if current.size > reading.left:
            reading.missing.append(found)
            return old
        reading.left -= current.size
        try:
            with open(found.file, "rb") as file:  # noqa: PTH123 - paths are strings here, for speed
                source = file.read(LARGEST_FILE)
        except OSError as error:
            return self._skipped_over(found, current, error.strerror or str(error))
        read = exports.read(source, found.name, is_package=found.is_package, is_stub=found.is_stub)
        self._unsaved = True
        if read is None:
            read = _broken(source, found)
        if read is None:
            return self._skipped_over(found, current, "no Python that can be read")
        return self._remember(found, current, read)

    def _skipped_over(self, found: Found, current: Stamp, reason: str) -> Module:
        """Note why a file was not read, and take it for empty until it changes."""
        self._skip(found.file, reason)
        return self._remember(found, current, exports.nothing(found.name, found.is_package))

    def _skip(self, path: str, reason: str) -> None:
        with self._lock:
            if len(self._skipped) < _MOST_SKIPPED:
                self._skipped[path] = reason

    def _remember(self, found: Found, current: Stamp, module: Module) -> Module:
        if found.file.startswith(self._stdlib):
            module = importable_store.with_unsaid(module)
        names = len(module.entries) + sum(len(body.members) for body in module.classes.values())
        with self._lock:
            old = self._known.get(found.file)
            if old is None or old.module is not module:
                if self._is_left_out(found.file):  # it was forgotten while it was read
                    return _untold(found)
                self.version += 1
            self._known.pop(found.file, None)
            self._names += names - (old.names if old is not None else 0)
            self._known[found.file] = _Known(current, module, time.monotonic(), names)
            while len(self._known) > _MOST_MODULES or (self._names > _MOST_NAMES and len(self._known) > 1):
                _, dropped = self._known.popitem(last=False)
                self._names -= dropped.names
        return module

    # --- the disk -----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what was read to the disk, when there is a folder for it and something new. Raises StorageError."""
        if self._store is None or not self._unsaved:
            return
        self._unsaved = False
        with self._lock:
            known = list(self._known.items())
        lines: dict[str, Line] = {}
        for path, entry in reversed(known):  # what was used last is written first: it is kept when not all can be
            line = self._lines.get(path)
            if line is None or line.stamp != entry.stamp or line.name != entry.module.name:
                line = Line(entry.stamp, entry.module.name, importable_store.encode(entry.module))
            lines[path] = line
        for path, old in self._lines.items():
            lines.setdefault(path, old)
        importable_store.write(self._store, lines)
        self._lines = lines


def _untold(found: Found) -> Module:
    """Return the module of a file that is left out: whether it has a name, nobody can tell."""
    return exports.nothing(found.name, found.is_package)._replace(is_dynamic=True)


def _broken(source: bytes, found: Found) -> Module | None:
    """Return what a file exports that Python does not parse: someone is writing it, or it is for a newer Python."""
    text = exports.decoded(source) if len(source) <= _LARGEST_BROKEN else None
    if text is None or "\0" in text:
        return None
    module = scan(text, found.name, found.is_package).module
    return module if module.entries else None
