"""Folders of work: they survive a kill, not an error, and are trusted only for the same work."""

import pytest

from codelm.errors import StorageError
from codelm_train.work import trust_only, work_folder


def leave(out, stamp: dict[str, object]) -> None:
    """Leave work behind as an interrupted command does."""
    with pytest.raises(KeyboardInterrupt), work_folder(out) as folder:
        trust_only(folder, stamp)
        (folder / "half").write_text("done")
        raise KeyboardInterrupt


def test_it_goes_when_the_work_is_done_or_fails(tmp_path):
    with work_folder(tmp_path / "out") as folder:
        assert folder.parent == tmp_path
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), work_folder(tmp_path / "out"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_command_did_is_found_by_the_same_one(tmp_path):
    leave(tmp_path / "out", {"text": 1})
    with work_folder(tmp_path / "out") as folder:
        trust_only(folder, {"text": 1})
        assert (folder / "half").read_text() == "done"


def test_what_another_one_did_is_removed(tmp_path):
    leave(tmp_path / "out", {"text": 1})
    with work_folder(tmp_path / "out") as folder:
        trust_only(folder, {"text": 2})
        assert not (folder / "half").exists()
        trust_only(folder, {"text": 2})


def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path):
    with work_folder(tmp_path / "out") as folder:
        name = folder
    name.mkdir()
    (name / "diary.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"\.out\.work exists and is not"), work_folder(tmp_path / "out"):
        pass
    assert (name / "diary.txt").read_text() == "mine"


def test_two_commands_are_not_at_work_in_one_folder(tmp_path):
    with (
        work_folder(tmp_path / "out") as folder,
        pytest.raises(StorageError, match="another command"),
        work_folder(tmp_path / "out"),
    ):
        pass
    assert not folder.exists()


def test_a_disk_that_is_full_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"cannot write .*\.out\.work: No space"), work_folder(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"), work_folder(tmp_path / "file" / "out"):
        pass
