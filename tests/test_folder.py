"""Folders and files that are there whole or not at all."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from codelm.errors import StorageError
from codelm.folder import replace_file, replaced_file, replaced_folder

OURS = "test format"


def write(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(f"{OURS}: {content}", encoding="utf-8")


def written(target: Path, content: str) -> None:
    with replaced_folder(target, OURS) as new:
        write(new, content)


def read(target: Path) -> str:
    return (target / "manifest.json").read_text(encoding="utf-8")


def test_it_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "down" / "model"
    with replaced_folder(target, OURS) as new:
        write(new, "a")
        assert not target.exists()
    assert read(target) == f"{OURS}: a"


def test_it_replaces_its_predecessor(tmp_path):
    written(tmp_path / "m", "old")
    written(tmp_path / "m", "new")
    assert read(tmp_path / "m").endswith("new")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_an_error_changes_nothing(tmp_path):
    written(tmp_path / "m", "old")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "m", OURS) as new:
        write(new, "half")
        raise RuntimeError
    assert read(tmp_path / "m").endswith("old")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def a_folder_of_photos(target: Path) -> None:
    target.mkdir()
    (target / "cat.jpg").write_bytes(b"meow")


def a_file(target: Path) -> None:
    target.write_text("mine", encoding="utf-8")


def a_link(target: Path) -> None:
    target.symlink_to(target.parent)


@pytest.mark.parametrize("make", [a_folder_of_photos, a_file, a_link])
def test_what_is_not_ours_is_left_alone(tmp_path, make):
    target = tmp_path / "target"
    make(target)
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))]
    with pytest.raises(StorageError, match="target exists and is not a"):
        written(target, "new")
    assert [(path, path.lstat().st_mtime_ns) for path in sorted(tmp_path.rglob("*"))] == before


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "m").mkdir()
    written(tmp_path / "m", "new")
    assert read(tmp_path / "m").endswith("new")


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from codelm.folder import replaced_folder

    with replaced_folder(Path(sys.argv[1]), "test format") as new:
        (new / "manifest.json").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    written(tmp_path / "m", "old")
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "m")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    assert read(tmp_path / "m").endswith("old")
    written(tmp_path / "m", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert read(tmp_path / "m").endswith("new")


def test_a_folder_that_lost_its_place_while_it_was_replaced_is_put_back(tmp_path):
    """A process was killed between the two renames."""
    written(tmp_path / "m", "old")
    (tmp_path / "m").rename(tmp_path / ".m.0123abcd.old")
    with pytest.raises(RuntimeError), replaced_folder(tmp_path / "m", OURS):
        raise RuntimeError
    assert read(tmp_path / "m").endswith("old")


def test_what_a_living_process_is_writing_is_left_alone(tmp_path):
    with replaced_folder(tmp_path / "m", OURS) as first:
        write(first, "first")
        written(tmp_path / "m", "second")
        assert first.exists()
    assert read(tmp_path / "m").endswith("first")


FULL = """
    import resource, sys
    from pathlib import Path
    from codelm.errors import StorageError
    from codelm.folder import replaced_folder, replace_file

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        replace_file(Path(sys.argv[1]), "x" * 5000)
    except StorageError as error:
        print(error)
    try:
        with replaced_folder(Path(sys.argv[1]), "test format") as new:
            (new / "manifest.json").write_text("x" * 5000)
    except StorageError as error:
        print(error)
"""


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path / "m")], capture_output=True, text=True, check=True
    )
    assert told.stdout.count("m: File too large; nothing was changed") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        written(tmp_path / "m", "x")


def test_a_file_is_replaced_whole(tmp_path):
    replace_file(tmp_path / "a.txt", "one\n")
    replace_file(tmp_path / "a.txt", "two\n")
    assert (tmp_path / "a.txt").read_bytes() == b"two\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_is_not_written_to_its_end_changes_nothing(tmp_path):
    replace_file(tmp_path / "a.bin", "one\n")
    with pytest.raises(RuntimeError), replaced_file(tmp_path / "a.bin") as new:
        new.write_bytes(b"half")
        assert (tmp_path / "a.bin").read_bytes() == b"one\n"
        raise RuntimeError
    assert (tmp_path / "a.bin").read_bytes() == b"one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
