"""Where a workspace's modules are: its own folders, the standard library, what is installed. Nothing is executed."""

import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_VENV_NAMES = (".venv", "venv", "env", ".env")
_LARGEST_LINKS = 100_000  # bytes of a file that says where other folders are
# How far below a workspace's folder its source folders are looked for, and how many folders are looked at.
_DEEPEST_SOURCE, _MOST_FOLDERS = 3, 500
_NO_SOURCES = frozenset(["node_modules", "__pycache__", "build", "dist", "site-packages", "venv", "env"])


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter's folders. ``stdlib`` holds the standard library's folders, ``site`` those of what is installed.

    ``found`` says in words where it was found, for a log.
    """

    stdlib: tuple[Path, ...]
    site: tuple[Path, ...]
    found: str


def find_environment(
    roots: Sequence[Path], interpreter: str = "", variables: Mapping[str, str] = os.environ
) -> Environment:
    """Return the environment of a workspace with the folders ``roots``.

    The first of these that is one: ``interpreter`` (an interpreter's path or its environment's folder, relative to
    the first root), a virtual environment in a root, ``$VIRTUAL_ENV``, ``$CONDA_PREFIX``, ``python3`` on ``$PATH``.
    Else it has the standard library of codelm's own interpreter, and nothing is installed.
    """
    for path, why in _possible(roots, interpreter, variables):
        environment = _environment_at(path, why)
        if environment is not None:
            return environment
    return Environment(_own_stdlib(), (), "no environment; codelm's own standard library")


def _possible(roots: Sequence[Path], interpreter: str, variables: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if interpreter:
        path = Path(interpreter).expanduser()
        if not path.is_absolute() and roots:
            path = roots[0] / path
        yield path, "the configured interpreter"
    for root in roots:
        for name in _VENV_NAMES:
            if (root / name / "pyvenv.cfg").is_file():
                yield root / name, "the workspace's virtual environment"
        try:
            inside = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        except OSError:  # a root that is gone, or not ours to read, has no environment
            inside = []
        for name in inside:
            if name not in _VENV_NAMES and (root / name / "pyvenv.cfg").is_file():
                yield root / name, "the workspace's virtual environment"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if variables.get(variable):
            yield Path(variables[variable]), f"${variable}"
    for folder in variables.get("PATH", "").split(os.pathsep):
        for name in ("python3", "python", "python3.exe", "python.exe"):
            if folder and (path := Path(folder) / name).is_file():
                yield path, "$PATH"


def _environment_at(path: Path, why: str) -> Environment | None:
    """Return the environment of an interpreter or of an environment's folder; None when there is none."""
    try:
        prefix = path if path.is_dir() else _prefix_of(path)
        if prefix is None:
            return None
        settings = _pyvenv(prefix)
        base = prefix
        if (home := settings.get("home")) and not _is_remote(home):
            base = Path(home).parent if Path(home).name.lower() in ("bin", "scripts") else Path(home)
        stdlib = _stdlib(base, settings.get("version_info") or settings.get("version", ""))
        site = _site(prefix)
        if settings.get("include-system-site-packages", "").lower() == "true":
            site += _site(base)
    except OSError:  # what can't be read is no environment; the next one may be
        return None
    if not stdlib and not site:
        return None
    installed = [*site, *(linked for folder in site for linked in linked_folders(folder))]
    return Environment(tuple(stdlib) or _own_stdlib(), _each_once(installed), f"{why}: {prefix}")


def _each_once(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return folders without those that are another by a link: ``lib64`` is often ``lib``."""
    return tuple({folder.resolve(): folder for folder in reversed(list(folders))}.values())[::-1]


def _prefix_of(interpreter: Path) -> Path | None:
    """Return the folder of the environment that an interpreter belongs to; links to it count as it, but for pyenv's."""
    if interpreter.parent.name == "shims" and (interpreter.parent.parent / "versions").is_dir():
        return _pyenv_version(interpreter.parent.parent)
    if not interpreter.is_file():
        return None
    for place in (interpreter, interpreter.resolve()):
        prefix = place.parent.parent if place.parent.name.lower() in ("bin", "scripts") else place.parent
        if (prefix / "pyvenv.cfg").is_file() or _stdlib(prefix, "") or _site(prefix):
            return prefix
    return None


def _pyenv_version(root: Path) -> Path | None:
    """Return the folder of the version that pyenv uses by default."""
    chosen = root / "version"
    names = chosen.read_text(encoding="utf-8", errors="replace").split() if chosen.is_file() else []
    for name in names:
        versions = sorted((root / "versions").glob(f"{name}*")) if re.fullmatch(r"[\w.-]+", name) else []
        if versions:
            return versions[-1]
    return None


def _pyvenv(prefix: Path) -> dict[str, str]:
    """Return the settings in a virtual environment's ``pyvenv.cfg``, empty when it is none."""
    file = prefix / "pyvenv.cfg"
    if not file.is_file() or file.stat().st_size > _LARGEST_LINKS:
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition("=") for line in lines[:100])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _versions(prefix: Path) -> list[Path]:
    """Return the folders ``lib/pythonX.Y`` of an environment, the newest version first."""
    found = [
        folder
        for library in ("lib", "lib64")
        for folder in (prefix / library).glob("python3.*")
        if re.fullmatch(r"python3\.\d+t?", folder.name)
    ]
    return sorted(found, key=lambda folder: int(re.findall(r"\d+", folder.name)[1]), reverse=True)


def _stdlib(base: Path, version: str) -> list[Path]:
    """Return the standard library's folders of the interpreter in ``base``."""
    folders = [folder for folder in [*_versions(base), base / "Lib"] if (folder / "os.py").is_file()]
    wanted = re.match(r"3\.\d+", version)
    if wanted:
        folders.sort(key=lambda folder: folder.name.rstrip("t") != f"python{wanted[0]}")
    if not folders:
        return []
    extensions = [folders[0] / "lib-dynload", base / "DLLs"]
    return [folders[0], *(folder for folder in extensions if folder.is_dir())]


def _site(prefix: Path) -> list[Path]:
    """Return the folders that an environment's packages are installed in."""
    folders = [folder / name for folder in _versions(prefix) for name in ("site-packages", "dist-packages")]
    # Debian installs its own packages beside the versions.
    folders += [prefix / "Lib" / "site-packages", prefix / "lib" / "python3" / "dist-packages"]
    return [folder for folder in folders if folder.is_dir()]


def linked_folders(site: Path) -> list[Path]:
    """Return the folders that the ``.pth`` files in ``site`` name: where editable packages are.

    Their lines that are code are left alone. An editable package's module that maps names to folders is read, too.
    """
    found: list[Path] = []
    try:
        names = sorted(entry.name for entry in os.scandir(site))
    except OSError:  # nothing is linked from what can't be read
        return []
    for name in names:
        if name.endswith(".pth") or (name.startswith("__editable__") and name.endswith("_finder.py")):
            file = site / name
            try:
                if file.stat().st_size > _LARGEST_LINKS:
                    continue
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            lines = text.splitlines() if name.endswith(".pth") else _mapped_folders(text)
            for line in lines:
                line = line.strip()
                if line and not line.startswith(("#", "import ", "import\t")) and not _is_remote(line):
                    folder = site / line
                    if folder.is_dir():
                        found.append(folder)
    return found


def _is_remote(path: str) -> bool:
    """Return whether a path that a file says is on another machine (for Windows), or none at all: codelm is offline."""
    return path.startswith(("\\\\", "//")) or "\0" in path


def _mapped_folders(finder: str) -> Iterator[str]:
    """Yield the folders above the packages that a setuptools finder (``MAPPING = {...}``) names."""
    import ast

    mapping = re.search(r"^MAPPING[^=\n]*=\s*(\{[^}]*\})", finder, re.M)
    try:
        packages = ast.literal_eval(mapping[1]) if mapping else {}
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # some other finder
        return
    for name, path in packages.items():
        if isinstance(name, str) and isinstance(path, str) and Path(path).stem == name.rpartition(".")[2]:
            yield str(Path(path).parents[name.count(".")])


def _own_stdlib() -> tuple[Path, ...]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    extensions = [stdlib / "lib-dynload", Path(sys.base_prefix) / "DLLs"]
    return (stdlib, *(folder for folder in extensions if folder.is_dir()))


def source_folders(roots: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders of a workspace that modules are imported from: its roots, and folders with packages in them.

    Such a folder (``src``, ``server``) is no package itself. Hidden folders and environments are left out.
    """
    found: dict[Path, None] = {}
    for root in roots:
        found[root] = None
        todo = [(root, 0)]
        seen = 0
        while todo and seen < _MOST_FOLDERS:
            folder, depth = todo.pop(0)
            seen += 1
            for inner in _plain_folders(folder):
                if (inner / "__init__.py").is_file():
                    found[folder] = None
                elif depth < _DEEPEST_SOURCE and not (inner / "pyvenv.cfg").is_file():
                    if inner.name == "src":
                        found[inner] = None
                    todo.append((inner, depth + 1))
    return tuple(found)


def _plain_folders(folder: Path) -> list[Path]:
    try:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(folder))
    except OSError:  # not ours to read: nothing to import
        return []
    return [
        folder / name for name, is_folder in entries if is_folder and name[0] != "." and name.lower() not in _NO_SOURCES
    ]
