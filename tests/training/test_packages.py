"""Package lists: pinned wheels, fetched with pip from an index that is a folder here."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from codelm.errors import CorpusError
from codelm_train import packages
from codelm_train.documents import Document, Source
from codelm_train.sources import documents, find


def wheel_of(
    folder: Path, name: str = "tiny_pkg", version: str = "1.0", tag: str = "py3-none-any", needs: str = ">=3"
) -> Path:
    """Write a wheel, as small as pip takes it."""
    folder.mkdir(exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "def tiny():\n    return 1\n")
        archive.writestr(f"{name}/data.bin", b"\0")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
            f"Requires-Python: {needs}\n",
        )
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def found(file: Path, cache: Path) -> list[Source]:
    return find([file], cache)


def read(file: Path, cache: Path) -> list[Document]:
    return list(documents(found(file, cache)))


def listed(folder: Path, *rows: str) -> Path:
    file = folder / "list.tsv"
    file.write_text("\n".join(row.replace(" ", "\t") for row in rows) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only package index."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_a_wheel_is_fetched_with_pip_and_kept(tmp_path: Path, index: Path) -> None:
    wheel = wheel_of(index)
    file, cache = (
        listed(tmp_path, "package version license split", "tiny-pkg 1.0 Apache-2.0 val"),
        tmp_path / "cache",
    )
    [source] = found(file, cache)
    assert (source.kind, source.name, source.version, source.split) == (
        "package",
        "tiny-pkg",
        "1.0",
        "validation",
    )
    assert source.licence == "MIT"  # the wheel knows better than the list
    assert source.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.unlink()  # the second time nothing is asked of the index
    assert [(d.project, d.path, d.split) for d in read(file, cache)] == [
        ("tiny-pkg", "tiny_pkg/__init__.py", "validation")
    ]
    assert [kept.name for kept in cache.iterdir()] == ["tiny_pkg-1.0-py3-none-any.whl"]


def test_a_wheel_for_another_python_is_fetched_where_the_list_pins_it(tmp_path: Path, index: Path) -> None:
    wheel = wheel_of(index, tag="cp39-cp39-win_amd64")
    row = f"tiny_pkg 1.0 {wheel.name} {hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    [source] = found(listed(tmp_path, "package version wheel sha256", row), tmp_path / "cache")
    assert source.location.name == wheel.name


def test_a_wheel_for_any_python_3_is_fetched_though_it_wants_a_newer_one_than_its_name_says(
    tmp_path: Path, index: Path
) -> None:
    wheel = wheel_of(index, tag="py3-none-win_amd64", needs=">=3.10")
    row = f"tiny_pkg 1.0 {wheel.name} {hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    [source] = found(listed(tmp_path, "package version wheel sha256", row), tmp_path / "cache")
    assert source.location.name == wheel.name


def test_a_wheel_that_is_not_the_pinned_one_is_refused_and_not_kept(tmp_path: Path, index: Path) -> None:
    wheel_of(index)
    file = listed(tmp_path, "package version sha256", f"tiny_pkg 1.0 {'0' * 64}")
    with pytest.raises(CorpusError, match=r"tiny_pkg-1\.0-py3-none-any\.whl: its SHA-256 is [0-9a-f]{64}, the list"):
        found(file, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_wheel_that_pip_does_not_find_is_named(tmp_path: Path, index: Path) -> None:
    wheel_of(index)
    with pytest.raises(CorpusError, match=r"tiny-pkg==2\.0: pip fetched no wheel: No matching distribution"):
        found(listed(tmp_path, "package version", "tiny-pkg 2.0"), tmp_path / "cache")


def test_a_broken_wheel_in_the_cache_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "tiny_pkg-1.0-py3-none-any.whl").write_bytes(b"PK no zip")
    with pytest.raises(CorpusError, match=r"tiny_pkg-1\.0-py3-none-any\.whl: not a wheel .* delete it"):
        found(listed(tmp_path, "package version", "tiny_pkg 1.0"), cache)


def test_cpython_is_the_running_standard_library(tmp_path: Path) -> None:
    [source] = found(listed(tmp_path, "# comment", "package version split", "", "cpython 3.11 train"), tmp_path)
    assert (source.kind, source.name, source.split) == ("stdlib", "cpython", "train")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["name version"], r"list\.tsv:1: a header with the columns package and version"),
        (["package version"], "no packages in it"),
        (
            ["package version", "flask"],
            "list.tsv:2: flask: '' is no version; a package list pins every one",
        ),
        (["package version", "flask >=3"], "list.tsv:2: flask: '>=3' is no version"),
        (["package version", "--index 3"], "list.tsv:2: '--index' is no package's name"),
        (["package version", "a 1 x"], "list.tsv:2: 3 columns where the header names 2"),
        (["package version", "a-b 1", "A_B 2"], "list.tsv:3: A_B is listed twice"),
        (["package version split", "a 1 dev"], "list.tsv:2: 'dev' is no split"),
        (["package version sha256", "a 1 abc"], "list.tsv:2: a: 'abc' is no SHA-256"),
        (["package version wheel", "a 1 a.zip"], "list.tsv:2: a: 'a.zip' is no wheel's file name"),
    ],
)
def test_a_broken_list_is_refused_with_the_line(tmp_path: Path, rows: list[str], complaint: str) -> None:
    with pytest.raises(CorpusError, match=complaint):
        packages.read_list(listed(tmp_path, *rows))


def test_a_binary_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(CorpusError, match=r"list\.tsv: not a package list"):
        packages.read_list(tmp_path / "list.tsv")
