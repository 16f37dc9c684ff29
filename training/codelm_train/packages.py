"""Package lists: wheels from the package index, pinned, fetched once, never installed and never run.

A list is a table with tabs between columns and a header::

    package   version  license     split  wheel                          sha256
    flask     3.1.3    BSD-3-Clause  train  flask-3.1.3-py3-none-any.whl  f4bcbefc…
    cpython   3.11     PSF-2.0     train

``package`` and ``version`` are required, other columns are passed over. ``wheel`` pins one file, also where
it was built for another Python or system: only its source is read, so a list means the same files everywhere.
``cpython`` is the running Python's standard library. Lines that begin with ``#`` are comments.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from codelm.errors import CorpusError
from codelm_train import filters, licences
from codelm_train.documents import Document, Dropped, Source
from codelm_train.split import split_named

CPYTHON = "cpython"
_DOWNLOADING = ".downloading-"
_PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:")
_NAME, _VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"), re.compile(r"[A-Za-z0-9][A-Za-z0-9._!+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHEEL = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl"
)


@dataclass(frozen=True, slots=True)
class Package:
    """One row of a package list."""

    name: str
    version: str
    licence: str | None = None
    split: str | None = None
    wheel: str | None = None
    sha256: str | None = None


def read_list(path: Path) -> list[Package]:
    """Read a package list. Raises CorpusError that names the line which is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not a package list: not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    header: list[str] = []
    packages: dict[str, Package] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if not header:
            header = cells
            if not {"package", "version"} <= set(header):
                raise CorpusError(
                    f"{path}:{number}: a header with the columns package and version, and tabs, is missing"
                )
            continue
        if len(cells) > len(header):
            raise CorpusError(f"{path}:{number}: {len(cells)} columns where the header names {len(header)}")
        try:
            package = _package({column: cell for column, cell in zip(header, cells, strict=False) if cell})
        except CorpusError as error:
            raise CorpusError(f"{path}:{number}: {error}") from error
        if _plain(package.name) in packages:
            raise CorpusError(f"{path}:{number}: {package.name} is listed twice")
        packages[_plain(package.name)] = package
    if not packages:
        raise CorpusError(f"{path}: no packages in it")
    return list(packages.values())


def fetch(package: Package, cache: Path) -> Path:
    """Return the package's wheel in the folder ``cache``, downloaded with pip if it is not there.

    Raises CorpusError where pip finds no such wheel, or where it is not the file that the list pins.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        wheel = _cached(package, cache)
        if wheel is None:
            return _download(package, cache)
        _check_sha256(package, wheel, "delete it, and it is fetched again")
    except OSError as error:
        raise CorpusError(f"{cache}: cannot keep wheels there: {error.strerror or error}") from error
    return wheel


def source_of(package: Package, wheel: Path, suffixes: tuple[str, ...] = (".py",)) -> Source:
    """Return the source that a wheel is: its files with such names. Raises CorpusError if it is no wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = sorted(archive.namelist())
            licence = _licence(archive, names)
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        raise CorpusError(f"{wheel}: not a wheel ({error}); delete it, and it is fetched again") from error
    return Source(
        kind="package",
        name=package.name,
        location=wheel,
        files=tuple(name for name in names if name.endswith(suffixes)),
        version=package.version,
        licence=(package.licence or licence) if licence == licences.UNKNOWN else licence,
        split=package.split,
        sha256=sha256_of(wheel),
    )


def read(source: Source) -> Iterator[Document]:
    """Yield the Python files of a wheel."""
    try:
        with zipfile.ZipFile(source.location) as archive:
            for file in source.files:
                reason = filters.too_large(archive.getinfo(file).file_size)
                content = Dropped(reason) if reason else archive.read(file)
                yield Document(source, source.name, file, content, source.split)
    except (zipfile.BadZipFile, OSError) as error:
        raise CorpusError(f"{source.location}: cannot be read ({error}); delete it, and it is fetched again") from error


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _package(row: dict[str, str]) -> Package:
    name, version = row.get("package", ""), row.get("version", "")
    wheel, sha256 = row.get("wheel"), row.get("sha256")
    if not _NAME.fullmatch(name):
        raise CorpusError(f"{name!r} is no package's name")
    if not _VERSION.fullmatch(version):
        raise CorpusError(f"{name}: {version!r} is no version; a package list pins every one")
    if wheel and not _WHEEL.fullmatch(wheel):
        raise CorpusError(f"{name}: {wheel!r} is no wheel's file name")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise CorpusError(f"{name}: {sha256!r} is no SHA-256: 64 hexadecimal digits, in lower case")
    split = split_named(row["split"]) if "split" in row else None
    return Package(name, version, row.get("license"), split, wheel, sha256)


def _cached(package: Package, cache: Path) -> Path | None:
    for file in sorted(cache.iterdir()):
        match = _WHEEL.fullmatch(file.name)
        if match is None or (package.wheel and file.name != package.wheel):
            continue
        if _plain(match["name"]) == _plain(package.name) and match["version"] == package.version:
            return file
    return None


def _download(package: Package, cache: Path) -> Path:
    """Fetch a wheel beside the cache and rename it into it, so that the cache holds only whole files."""
    for left in cache.glob(f"{_DOWNLOADING}*"):
        if time.time() - left.stat().st_mtime > 86_400:  # a process that was killed left it
            shutil.rmtree(left)
    with TemporaryDirectory(prefix=_DOWNLOADING, dir=cache) as name:
        folder = Path(name)
        command = [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS, *_built_for(package.wheel)]
        command += ["--dest", name, f"{package.name}=={package.version}"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        wheels = [file for file in folder.iterdir() if _WHEEL.fullmatch(file.name)]
        if done.returncode or not wheels:
            raise CorpusError(f"{package.name}=={package.version}: pip fetched no wheel: {_last_error(done.stderr)}")
        if package.wheel and wheels[0].name != package.wheel:
            raise CorpusError(f"{package.name}: pip fetched {wheels[0].name} where the list says {package.wheel}")
        _check_sha256(package, wheels[0], "it was not kept; correct the list if this is the file that is meant")
        return wheels[0].rename(cache / wheels[0].name)


def _check_sha256(package: Package, wheel: Path, advice: str) -> None:
    if package.sha256 and package.sha256 != (came := sha256_of(wheel)):
        raise CorpusError(f"{wheel.name}: its SHA-256 is {came}, the list says {package.sha256}; {advice}")


def _built_for(wheel: str | None) -> list[str]:
    """Return pip's options that ask for the build which ``wheel`` names, where it is one of several."""
    match = _WHEEL.fullmatch(wheel or "")
    if match is None or match["platform"] == "any":
        return []
    python = match["python"].split(".")[0]  # cp311
    platforms = [option for tag in match["platform"].split(".") for option in ("--platform", tag)]
    # Of "py3" pip makes 3.0, which is too old for any package.
    version = ["--python-version", python[2:], "--ignore-requires-python"]
    return ["--implementation", python[:2], *version, "--abi", match["abi"], *platforms]


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it says nothing"])[-1]


def _licence(archive: zipfile.ZipFile, names: list[str]) -> str:
    metadata = next((name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)), None)
    if metadata is None:
        raise zipfile.BadZipFile("no METADATA in it")
    pattern = re.compile(r"(?i)[^/]+\.dist-info/(licenses/)?(licen[cs]e|copying)[^/]*")
    texts = [archive.read(name).decode("utf-8", "replace") for name in names if pattern.fullmatch(name)]
    return licences.of_metadata(archive.read(metadata).decode("utf-8", "replace"), texts)


def _plain(name: str) -> str:
    """Return a package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
