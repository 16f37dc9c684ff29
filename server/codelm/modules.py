"""Which modules there are, and which file each is, from folders' listings alone.

A folder is listed when it is first asked for, and again only when it has changed.
"""

import math
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG
from sys import intern
from typing import NamedTuple

from codelm.exports import is_name

FRESH = 2.0  # seconds for which what was seen on the disk is taken for what is there
_MOST_FOLDERS = 5_000
_MOST_NAMES = 20_000  # of one folder
_STUBS = "-stubs"
_DEEPEST = 20  # packages in packages


class Stamp(NamedTuple):
    """What tells one version of a file from another."""

    size: int
    mtime_ns: int


class Found(NamedTuple):
    """A module's place. ``file`` is its source or stub, "" when it has none (an extension, a namespace package).

    ``folders`` are those that its submodules are in.
    """

    name: str
    file: str
    is_package: bool
    is_stub: bool
    folders: tuple[str, ...]


class _Listed(NamedTuple):
    """What one folder has of a name."""

    source: str = ""
    stub: str = ""
    is_extension: bool = False
    is_folder: bool = False


_Listing = dict[str, _Listed]
_NOTHING: _Listing = {}


class Modules:
    """The modules in some folders, those of earlier folders before others of the same name. Threads may share it."""

    def __init__(self, folders: Sequence[Path]):
        self.folders = tuple(str(folder) for folder in folders)
        self._listings: dict[str, tuple[float, int, _Listing]] = {}
        self._lock = threading.Lock()
        self.changes = 0
        """How often a listing was made: what was found before may be another now."""

    def submodules(self, package: str) -> list[str]:
        """Return the names of the modules in ``package``, without its own; of all top-level ones for ""."""
        folders: Sequence[str] = self.folders
        if package:
            found = self.find(package)
            folders = found.folders if found is not None else ()
        names: dict[str, None] = {}
        for folder in folders:
            for name, listed in self._listing(folder).items():
                if (
                    is_name(name)
                    and (package or name != "__main__")
                    and name != "__init__"
                    and (listed.source or listed.stub or listed.is_extension or self._has_modules(folder, name))
                ):
                    names[name] = None
        return list(names)

    def _has_modules(self, folder: str, name: str) -> bool:
        """Return whether a folder is a package: what has no module right in it is taken for data."""
        if name == "__pycache__":
            return False
        return any(
            inner == "__init__" or listed.source or listed.stub or listed.is_extension or listed.is_folder
            for inner, listed in self._listing(f"{folder}{os.sep}{name}").items()
            if inner != "__pycache__"
        )

    def find(self, name: str) -> Found | None:
        """Return where the module ``name`` is; None when there is none."""
        parts = name.split(".")
        if len(parts) > _DEEPEST or not all(part.isidentifier() for part in parts):
            return None
        folders = self.folders
        found = None
        for place, part in enumerate(parts):
            found = self._find_in(folders, part, ".".join(parts[: place + 1]), top=place == 0)
            if found is None:
                return None
            folders = found.folders
        return found

    def _find_in(self, folders: Sequence[str], part: str, name: str, top: bool) -> Found | None:
        spaces: list[str] = []
        stubs = [
            f"{folder}{os.sep}{part}{_STUBS}" for folder in folders if top and part + _STUBS in self._listing(folder)
        ]
        for folder in stubs:
            init = self._listing(folder).get("__init__", _Listed())
            if init.stub:
                own = self._find_in(folders, part, name, top=False)
                inside = own.folders if own is not None else ()
                return Found(name, f"{folder}{os.sep}{init.stub}", True, True, (folder, *inside))
        for folder in folders:
            listed = self._listing(folder).get(part)
            if listed is None:
                continue
            path = f"{folder}{os.sep}{part}"
            if listed.is_folder:
                init = self._listing(path).get("__init__", _Listed())
                if file := init.stub or init.source:
                    return Found(name, f"{path}{os.sep}{file}", True, bool(init.stub), (*spaces, path))
                if init.is_extension:
                    return Found(name, "", True, False, (*spaces, path))
            if file := listed.stub or listed.source:
                return Found(name, f"{folder}{os.sep}{file}", False, bool(listed.stub), tuple(spaces))
            if listed.is_extension:
                return Found(name, "", False, False, tuple(spaces))
            if listed.is_folder:
                spaces.append(path)
        if spaces and any(self._listing(space) for space in spaces):
            return Found(name, "", True, False, tuple(spaces))
        return None

    def _listing(self, folder: str) -> _Listing:
        now = time.monotonic()
        known = self._listings.get(folder)
        if known is not None and now - known[0] < FRESH:
            return known[2]
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - paths are strings here, for speed
            if known is not None and known[1] == changed:
                listing = known[2]
            else:
                listing = _listed(folder)
                self.changes += 1
        except OSError:  # gone, or not ours to read: it has no modules
            changed, listing = 0, _NOTHING
            self.changes += known is not None and known[2] is not _NOTHING
        with self._lock:
            self._listings[folder] = (now, changed, listing)
            if len(self._listings) > _MOST_FOLDERS:
                del self._listings[next(iter(self._listings))]
        return listing

    def forget(self) -> None:
        """Look at every folder again when it is asked for next."""
        with self._lock:
            self._listings = {folder: (-math.inf, at, listing) for folder, (_, at, listing) in self._listings.items()}


def _listed(folder: str) -> _Listing:
    """Return the modules and folders right in a folder. Raises OSError."""
    listing: _Listing = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(listing) >= _MOST_NAMES:
                break
            name, dot, rest = entry.name.partition(".")
            if not name or entry.name.endswith((".dist-info", ".egg-info", ".libs")):
                continue
            old = listing.get(name, _Listed())
            if not dot:
                if (name.isidentifier() or name.endswith(_STUBS)) and entry.is_dir():
                    listing[intern(name)] = old._replace(is_folder=True)
            elif rest == "py":
                listing[intern(name)] = old._replace(source=entry.name)
            elif rest == "pyi":
                listing[intern(name)] = old._replace(stub=entry.name)
            elif rest.endswith(("so", "pyd")) and rest.rpartition(".")[2] in ("so", "pyd"):
                listing[intern(name)] = old._replace(is_extension=True)
    return listing


def stamp(file: str) -> Stamp:
    """Return the stamp of a file. Raises OSError, also when it is no plain file: a pipe would never end."""
    status = os.stat(file)  # noqa: PTH116
    if not S_ISREG(status.st_mode):
        raise OSError(f"{file} is no plain file")
    return Stamp(status.st_size, status.st_mtime_ns)
