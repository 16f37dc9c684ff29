"""What is kept on the disk: whole or not at all, for the user's eyes, and nothing in it is trusted."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import SOURCES

from codelm import exports, importable_store
from codelm.buffer import scan
from codelm.environment import Environment
from codelm.errors import StorageError
from codelm.importable import Importable, Reading
from codelm.importable_store import FILE, Line, decode, encode
from codelm.modules import Stamp
from codelm.workspace_files import path_key
from codelm_train import stdlib_names

SOURCE = "from a import *\n__all__ = ['A']\nimport b as _b\nclass A(_b.B):\n    def f(self) -> int: self.x = A()\n"
WITH_NOTHING_LEFT = Reading(left=0)


@pytest.fixture
def workspace(tmp_path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/one.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path / "work"


def index(workspace: Path) -> Importable:
    return Importable([workspace], Environment((), (), ""), workspace.parent / "store")


def file_of(workspace: Path) -> Path:
    return workspace.parent / "store" / FILE


def saved(workspace: Path) -> Path:
    first = index(workspace)
    assert first.module("one", Reading()) is not None
    first.save()
    return file_of(workspace)


def test_what_was_read_is_not_read_again(workspace):
    saved(workspace)
    again = index(workspace)
    assert again.module("one", Reading(left=0)) == exports.read(SOURCE.encode(), "one")
    assert not again.skipped()


def test_a_changed_file_is_read_again(workspace):
    saved(workspace)
    (workspace / "one.py").write_text("new = 1\n", encoding="utf-8")
    reading = Reading(left=0)
    assert not index(workspace).module("one", reading).entries
    assert [found.name for found in reading.missing] == ["one"]


def test_what_is_kept_stays_when_nothing_asks_for_it(workspace):
    (workspace / "two.py").write_text("x = 1\n", encoding="utf-8")
    saved(workspace)
    other = index(workspace)
    other.module("two", Reading())
    other.save()
    assert index(workspace).module("one", Reading(left=0)).entries


@pytest.mark.parametrize("when", ["while it runs", "before it started"])
def test_what_is_forgotten_is_gone_with_the_next_saving(workspace, when):
    (workspace / "two.py").write_text("quixotic = 1\n", encoding="utf-8")
    file = saved(workspace)
    first = index(workspace)
    first.module("two", Reading())
    first.save()
    assert "quixotic" in file.read_text(encoding="ascii")
    forgotten = {path_key(workspace / "two.py")}
    if when == "while it runs":
        first.set_forgotten(forgotten)
    else:
        first = Importable([workspace], Environment((), (), ""), file.parent, forgotten)
    assert not first.module("two", Reading()).entries
    first.save()
    assert "two.py" not in file.read_text(encoding="ascii")
    assert "quixotic" not in file.read_text(encoding="ascii")
    assert index(workspace).module("one", Reading(left=0)).entries, "what else is known is kept"
    first.set_forgotten(())
    assert first.module("two", Reading()).entries
    first.save()
    assert "quixotic" in file.read_text(encoding="ascii")


def test_what_another_process_wrote_of_a_forgotten_file_is_written_over(workspace):
    first = index(workspace)
    file = saved(workspace)
    first.set_forgotten({path_key(workspace / "one.py")})
    first.save()
    assert "one.py" not in file.read_text(encoding="ascii")


def test_nothing_new_is_not_written(workspace):
    file = saved(workspace)
    file.unlink()
    again = index(workspace)
    again.save()
    assert not file.exists()


@pytest.mark.parametrize("how", ["cut", "changed", "empty", "foreign", "another version"])
def test_a_broken_file_is_dropped_and_made_again(workspace, how):
    file = saved(workspace)
    content = file.read_bytes()
    file.write_bytes(
        {
            "cut": content[:-10],
            "changed": content.replace(b"one", b"two"),
            "empty": b"",
            "foreign": b"\xff\x00" * 1000,
            "another version": content.replace(b"importable 1", b"importable 0"),
        }[how]
    )
    again = index(workspace)
    assert "dropped" in again.skipped()[str(file)]
    assert "A" in again.module("one", Reading()).entries
    again.save()
    assert file.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_it_is_for_the_users_eyes_only(workspace):
    file = saved(workspace)
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_what_was_there(workspace, monkeypatch):
    file = saved(workspace)
    content = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        importable_store.write(file.parent, {})
    assert file.read_bytes() == content
    assert [left.name for left in file.parent.iterdir()] == [FILE]


def test_it_does_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(importable_store, "LARGEST", 2_000)
    lines = {f"file{n}": Line(Stamp(n, n), "m", "x" * 100) for n in range(100)}
    importable_store.write(tmp_path, lines)
    kept, problem = importable_store.read(tmp_path)
    assert not problem
    assert list(kept) == list(lines)[: len(kept)]
    assert 0 < len(kept) < 20


@given(SOURCES)
def test_what_is_read_back_is_what_was_written(source):
    module = scan(source, "m").module
    assert decode("m", encode(module)) == module
    read = exports.read(source.encode("utf-8", "surrogatepass"), "m")
    if read is not None:
        assert decode("m", encode(read)) == read


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["entries", "classes", "stars", "public", "hidden", "x"]), inner)
        ),
        max_leaves=10,
    )
)
def test_another_shape_is_no_module(content):
    import json

    decode("m", json.dumps(content))


# --- the standard library's names --------------------------------------------------------------------------------


def test_every_module_of_the_standard_library_can_be_read():
    for name in importable_store.stdlib_names():
        module = importable_store.stdlib_module(name)
        assert module is not None, name
    assert {"math", "sys", "time", "itertools", "_thread", "builtins", "winreg"} <= importable_store.stdlib_names()


@pytest.mark.parametrize("name", ["math", "time", "itertools", "sys", "builtins", "select", "errno"])
def test_the_names_are_those_that_the_modules_have(name):
    """Of the interpreter that runs the tests; the file knows other systems and versions, too."""
    import importlib

    known = importable_store.stdlib_module(name)
    really = {n for n in dir(importlib.import_module(name)) if n.isidentifier() and not n.startswith("_")}
    missing = really - set(known.entries)
    assert len(missing) <= len(really) // 20, missing


def test_the_file_is_what_the_stubs_say():
    pytest.importorskip("mypy")
    some = ("math", "time", "_socket", "re", "hashlib")
    made = dict(line.partition("\t")[::2] for line in stdlib_names.text(some).splitlines())
    kept = dict(line.partition("\t")[::2] for line in importable_store._STDLIB.read_text().splitlines())
    for name in ("math", "time", "_socket", "+re", "+hashlib"):
        # Other versions of the stubs, and of Python, say a little more or less.
        assert abs(len(made[name]) - len(kept[name])) < len(kept[name]) / 4
