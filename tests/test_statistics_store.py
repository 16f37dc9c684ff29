"""The counts of what was accepted, on the disk: nothing is lost, whoever writes and whatever the file holds."""

import errno
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codelm import statistics_store
from codelm.errors import StorageError
from codelm.statistics_store import Count, Place, StatisticsStore, added

MONDAY, TUESDAY = "2025-03-03", "2025-03-04"
LISTED = {Place(MONDAY, "list", "file"): Count(2, 10)}
MORE = {Place(MONDAY, "list", "file"): Count(1, 3), Place(TUESDAY, "line", "network"): Count(1, 30)}
ALL = {Place(MONDAY, "list", "file"): Count(3, 13), Place(TUESDAY, "line", "network"): Count(1, 30)}


@pytest.fixture
def store(tmp_path) -> StatisticsStore:
    return StatisticsStore(tmp_path / "codelm")


def test_sums_of_counts():
    assert added(LISTED, MORE) == added(MORE, LISTED) == ALL
    assert added({}, {}) == {}


def test_what_is_added_is_read_again(store):
    assert store.read() == {}
    store.add(LISTED)
    store.add(MORE)
    store.add({})
    assert store.read() == StatisticsStore(store.file.parent).read() == ALL


def test_nothing_is_written_before_there_is_something_to_write(store):
    store.read()
    store.add({})
    store.forget()
    assert not store.file.parent.exists()


def test_the_file_tells_numbers_and_can_be_read_by_people(store):
    store.add(MORE)
    days = {MONDAY: {"list": {"file": [1, 3]}}, TUESDAY: {"line": {"network": [1, 30]}}}
    assert json.loads(store.file.read_text(encoding="utf-8")) == {"format": "codelm statistics 1", "days": days}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_the_folder_is_for_its_user_alone(store):
    store.add(LISTED)
    assert store.file.parent.stat().st_mode & 0o077 == 0


def test_forgetting_leaves_nothing_but_the_lock(store):
    store.file.parent.mkdir()
    store.file.write_text("broken", encoding="utf-8")
    store.add(LISTED)
    store.file.with_name(".statistics.json.1234.new").touch()  # of a killed process
    store.forget()
    assert store.read() == {}
    assert [path.name for path in store.file.parent.iterdir()] == ["statistics.lock"]


BROKEN = {
    "empty": "",
    "cut": '{"format": "codelm statistics 1", "days": {"2025',
    "no object": "[]",
    "another format": '{"format": "codelm statistics 2", "days": {}}',
    "no days": '{"format": "codelm statistics 1"}',
    "a day is a number": '{"format": "codelm statistics 1", "days": {"2025-03-03": 1}}',
    "a count is negative": '{"format": "codelm statistics 1", "days": {"2025-03-03": {"list": {"file": [-1, 1]}}}}',
    "a count is true": '{"format": "codelm statistics 1", "days": {"2025-03-03": {"list": {"file": [true, 1]}}}}',
    "deep": "[" * 100_000,
    "no text": "\udcff",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("reads", [True, False])
def test_a_broken_file_is_put_aside(store, content, reads):
    store.file.parent.mkdir()
    raw = content.encode(errors="surrogateescape")
    store.file.write_bytes(raw)
    if reads:
        assert store.read() == {}
    store.add(LISTED)
    assert store.read() == LISTED
    assert store.aside.read_bytes() == raw


def test_servers_that_write_at_the_same_time_lose_nothing(store):
    stores = [StatisticsStore(store.file.parent) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: stores[number % 4].add(LISTED), range(40)))
    assert store.read() == {Place(MONDAY, "list", "file"): Count(80, 400)}


def test_a_lock_that_another_process_keeps_is_told_of(store, monkeypatch):
    monkeypatch.setattr(statistics_store, "_PATIENCE", 0.05)
    store.add(LISTED)
    with store._locked(), pytest.raises(StorageError, match="another codelm has it locked"):
        StatisticsStore(store.file.parent).add(MORE)
    assert store.read() == LISTED


def test_a_full_disk_is_told_of_and_leaves_what_was_there(store, monkeypatch):
    store.add(LISTED)

    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match=r"cannot write .*statistics\.json: No space left on device; nothing was"):
        store.add(MORE)
    assert store.read() == LISTED
    assert sorted(path.name for path in store.file.parent.iterdir()) == ["statistics.json", "statistics.lock"]


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path):
    (tmp_path / "codelm").touch()
    with pytest.raises(StorageError, match=r"cannot use .*codelm"):
        StatisticsStore(tmp_path / "codelm").add(LISTED)
