"""Columns and steps: what was finished stays, what was not is made again."""

import numpy as np
import pytest

from codelm_train.columns import Column, Writer, step


def make_counting(calls: list[int]):
    def make(writers: dict[str, Writer]) -> None:
        calls.append(1)
        writers["a"].append(np.arange(5))
        writers["a"].append(np.arange(3))
        writers["b"].append(np.zeros(0))

    return make


DTYPES = {"a": "<u4", "b": "<f4"}
EXPECTED = [0, 1, 2, 3, 4, 0, 1, 2]


def test_slices_of_a_column_are_those_of_the_array(tmp_path):
    column = step(tmp_path, "s", DTYPES, make_counting([]))["a"]
    for part in (slice(None), slice(2, 6), slice(6, 2), slice(-3, None), slice(5, 99)):
        assert column[part].tolist() == EXPECTED[part]
    assert column.mapped().tolist() == EXPECTED
    assert len(column) == 8


def test_an_empty_column_can_be_mapped(tmp_path):
    assert step(tmp_path, "s", DTYPES, make_counting([]))["b"].mapped().tolist() == []


def test_a_finished_step_is_not_made_again(tmp_path):
    calls: list[int] = []
    for _ in range(2):
        assert step(tmp_path, "s", DTYPES, make_counting(calls))["a"][:].tolist() == EXPECTED
    assert len(calls) == 1


def test_a_step_that_failed_is_made_again(tmp_path):
    def fail(writers: dict[str, Writer]) -> None:
        writers["a"].append(np.arange(8))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        step(tmp_path, "s", DTYPES, fail)
    calls: list[int] = []
    step(tmp_path, "s", DTYPES, make_counting(calls))
    assert len(calls) == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "marker", "other"])
def test_a_step_that_is_not_what_its_marker_says_is_made_again(tmp_path, damage):
    step(tmp_path, "s", DTYPES, make_counting([]))
    file, marker = tmp_path / "s.a", tmp_path / "s.json"
    raw = file.read_bytes()
    if damage == "cut":
        file.write_bytes(raw[:-4])
    elif damage == "changed":
        file.write_bytes(b"\1" + raw[1:])
    elif damage == "missing":
        file.unlink()
    elif damage == "marker":
        marker.write_text(marker.read_text()[:-3])
    else:
        marker.write_text("[]")
    calls: list[int] = []
    assert step(tmp_path, "s", DTYPES, make_counting(calls))["a"][:].tolist() == EXPECTED
    assert len(calls) == 1


def test_a_column_that_was_cut_off_is_not_read_as_a_shorter_one(tmp_path):
    (tmp_path / "c").write_bytes(bytes(8))
    with pytest.raises(OSError, match="cut off"):
        Column(tmp_path / "c", "<u4", 3)[:]
