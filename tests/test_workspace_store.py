"""Indexes on the disk: kept, broken in every way, bounded, shared by processes, and forgotten for good."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codelm.errors import StorageError
from codelm.learned import ordered
from codelm.workspace import IndexedFile, WorkspaceIndex, updated
from codelm.workspace_files import path_key, source_files
from codelm.workspace_format import HEADER, BrokenIndexError, decoded_index, encoded
from codelm.workspace_store import WorkspaceStore

ONE = "CUSTOMER_ONE = 1\nshared = 1\n"
TWO = "customer_two = 2\nshared = 1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    for name, content in (("one.py", ONE), ("two.py", TWO)):
        (folder / name).write_text(content, encoding="utf-8")
        os.utime(folder / name, (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(root: Path, cache: Path) -> WorkspaceStore:
    return WorkspaceStore([root], cache)


def indexed(root: Path, store: WorkspaceStore | None = None) -> WorkspaceIndex:
    files = source_files([root], forgotten=store.forgotten() if store else ()).files
    return updated(WorkspaceIndex(), files)


def on_disk(cache: Path) -> str:
    """Return all that is on the disk, names and contents."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    return "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)


def assert_same(a: WorkspaceIndex | None, b: WorkspaceIndex) -> None:
    assert a is not None
    assert (a.lexicon, a.ids.tolist(), dict(a.files)) == (b.lexicon, b.ids.tolist(), dict(b.files))


# --- kept ----------------------------------------------------------------------------------------------------


def test_an_index_comes_back_as_it_was(root, store):
    assert store.load() == (None, "")
    index = indexed(root)
    assert store.save(index)
    loaded, problem = store.load()
    assert problem == ""
    assert_same(loaded, index)
    assert loaded.is_current(source_files([root]).files)


def test_the_order_of_its_places_is_kept_with_it(root, store):
    index = ordered(indexed(root))
    store.save(index)
    loaded, _ = store.load()
    assert_same(loaded, index)
    assert loaded.order.tolist() == index.order.tolist()
    assert not loaded.order.flags.writeable
    assert ordered(loaded) is loaded


def test_the_order_is_not_kept_of_an_index_that_lost_a_file(root, store):
    store.save(ordered(indexed(root)))
    store.forget(root / "one.py")
    loaded, _ = store.load()
    assert list(loaded.files) == [path_key(root / "two.py")]
    assert loaded.order is None


def test_each_workspace_has_its_own_in_whatever_order_its_roots_are_given(root, cache, tmp_path):
    index = indexed(root)
    WorkspaceStore([root, tmp_path / "b"], cache).save(index)
    assert_same(WorkspaceStore([tmp_path / "b", root], cache).load()[0], index)
    assert WorkspaceStore([root], cache).load() == (None, "")


WORDS = st.lists(st.text(st.characters(exclude_categories=()), min_size=1), unique=True, max_size=5)
FILES = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cs",))) | st.sampled_from(["/a/gr\udcf6\udcdfe.py", "/a\n\t"]),
    st.tuples(st.integers(0, 2**40), st.integers(-1, 2**62), st.lists(st.integers(0, 99)), st.text(max_size=9)),
    max_size=4,
)


@given(WORDS, FILES)
@example(["\n", "\\", "\\n", "\ud800", " ", "größe", "\x85", "\u2028"], {})
def test_any_index_survives_its_encoding(lexicon, files):
    ids, indexed_files = [], {}
    for path, (size, mtime_ns, numbers, left_out) in files.items():
        start = len(ids)
        ids += [number % len(lexicon) for number in numbers] if lexicon else []
        indexed_files[path] = IndexedFile(size, mtime_ns, start, len(ids), left_out)
    index = WorkspaceIndex(tuple(lexicon), np.array(ids, np.uint32), indexed_files)
    assert_same(decoded_index(encoded(index)), index)


@pytest.mark.skipif(sys.platform == "win32", reason="a user's cache folder is the user's there")
def test_only_its_owner_may_look_into_it(root, store, cache):
    before = os.umask(0)
    try:
        (cache / "workspaces").mkdir(parents=True)
        store.save(indexed(root))
        store.forget(root / "one.py")
        store.forget_all()
        store.save(indexed(root))
    finally:
        os.umask(before)
    below = list((cache / "workspaces").rglob("*"))
    assert below
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [cache / "workspaces", *below] if path.is_dir()} == {0o700}


def test_nothing_but_words_is_on_the_disk(root, store, cache):
    (root / "one.py").write_text('"""The docs."""\n# A note.\nx = "swordfish", "a long sentence"\n', encoding="utf-8")
    store.save(indexed(root))
    assert "swordfish" in on_disk(cache)
    for text in ("docs", "note", "sentence"):
        assert text not in on_disk(cache)


def test_the_users_cache_folder_is_the_default(root, monkeypatch, tmp_path):
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, **_: tmp_path / "user" / name)
    assert WorkspaceStore([root]).base == tmp_path / "user" / "codelm" / "workspaces"


# --- broken --------------------------------------------------------------------------------------------------


def rewritten(index: WorkspaceIndex, change) -> bytes:
    """Return an encoded index whose first lines were changed, with a checksum that agrees."""
    _, head, rest = encoded(index).split(b"\n", 2)
    content = change(json.loads(head), rest)
    body = content if isinstance(content, bytes) else b"\n".join([json.dumps(content[0]).encode(), content[1]])
    checksum = hashlib.blake2b(body, digest_size=16).hexdigest()
    return f"{HEADER} {checksum}\n".encode() + body


@pytest.mark.parametrize(
    "change",
    [
        lambda order: order[:-1],
        lambda order: [*order, order[0]],
        lambda order: [order[0], order[0], *order[2:]],
        lambda order: [0, *order[1:]],
        lambda order: [8, *order[1:]],
        lambda order: [2**32 - 1, *order[1:]],
        lambda order: [len(order) + 50, *order[1:]],
    ],
)
def test_an_order_of_other_places_is_sorted_again(root, change):
    index = ordered(indexed(root))
    broken = replace(index, order=np.array(change(index.order.tolist()), np.uint32))
    loaded = decoded_index(encoded(broken))
    assert_same(loaded, index)
    assert loaded.order is None
    assert ordered(loaded).order.tolist() == index.order.tolist()


def test_an_order_of_another_length_than_is_told_is_not_used(root):
    for change in (-1, 1):
        changed = rewritten(
            ordered(indexed(root)),
            lambda head, rest, change=change: ({**head, "order": head["order"] + change}, rest),
        )
        with pytest.raises(BrokenIndexError, match="contradict"):
            decoded_index(changed)


BACKWARDS = [["/a.py", 1, 1, 0, 9, ""], ["/b.py", 1, 1, 9, 3, ""], ["/c.py", 1, 1, 3, 16, ""]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda *_: b"", "another form"),
        (lambda *_: b"[]\n", "another form"),
        (lambda *_: b"[" * 100_000 + b"\n", "another form"),
        (lambda head, rest: ({**head, "files": 3}, rest), "another form"),
        (lambda head, rest: ({**head, "files": [["/a.py", 1, 1.5, 0, 5, ""]]}, rest), "another form"),
        (lambda head, rest: ({**head, "files": [["/a.py", True, 1, 0, 5, ""]]}, rest), "another form"),
        (lambda head, rest: ({**head, "files": [["/a.py", 1, 1, -1, 5, ""]]}, rest), "another form"),
        (lambda head, rest: ({**head, "files": [["/a.py", 1, 1, 0, 5]]}, rest), "another form"),
        (lambda head, rest: ({**head, "bytes": 10**9}, rest), "another form"),
        (lambda head, rest: ({**head, "bytes": -1}, rest), "another form"),
        (lambda head, rest: (head, rest[:-1]), "another form"),
        (lambda head, rest: (head, rest[:-4]), "contradict"),
        (lambda head, rest: ({**head, "order": 1}, rest), "contradict"),
        (lambda head, rest: ({**head, "order": True}, rest), "another form"),
        (lambda head, rest: ({**head, "words": 3}, rest), "contradict"),
        (lambda head, rest: (head, rest.replace(b"shared", b"\\hared")), "another form"),
        (lambda head, rest: (head, rest.replace(b"CUSTOMER_ONE", b"customer_two")), "contradict"),
        (lambda head, rest: (head, rest[:-4] + b"\xff\xff\xff\xff"), "outside"),
        (lambda head, rest: ({**head, "files": head["files"][:1]}, rest), "one after the other"),
        (lambda head, rest: ({**head, "files": head["files"] * 2}, rest), "one after the other"),
        (lambda head, rest: ({**head, "files": BACKWARDS}, rest), "before it starts"),
    ],
)  # fmt: skip
def test_an_index_of_another_form_is_not_used(root, change, problem):
    with pytest.raises(BrokenIndexError, match=problem):
        decoded_index(rewritten(indexed(root), change))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "does not begin with"),
        (b"codelm workspace 999 abc\n{}\n", "does not begin with"),
        (b"\xff" * 1000, "does not begin with"),
        (b"codelm workspace 1 abc\n", "does not begin with"),
        (HEADER.encode() + b" abc\n", "cut or changed"),
    ],
)
def test_a_file_that_is_no_index_is_told_and_replaced(root, store, content, problem):
    store.save(indexed(root))
    (store.folder / "index").write_bytes(content)
    index, reason = store.load()
    assert index is None
    assert "made again" in reason
    assert problem in reason
    store.save(indexed(root))
    assert store.load()[0] is not None


def test_any_byte_that_changed_and_any_cut_is_noticed(root):
    content = encoded(ordered(indexed(root)))
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        for broken in (bytes(changed), content[:place]):
            with pytest.raises(BrokenIndexError):
                decoded_index(broken)


def test_a_folder_in_its_place_is_told(root, store):
    (store.folder / "index").mkdir(parents=True)
    index, reason = store.load()
    assert index is None
    assert "cannot be used" in reason
    with pytest.raises(StorageError):
        store.save(indexed(root))


def test_a_disk_that_cannot_be_written_is_an_error_with_the_place(root, tmp_path):
    (tmp_path / "file").touch()
    store = WorkspaceStore([root], tmp_path / "file")
    assert store.load()[0] is None
    with pytest.raises(StorageError, match="file"):
        store.save(indexed(root))
    with pytest.raises(StorageError):
        store.forget(root / "one.py")


FULL = """
    import resource, sys
    from pathlib import Path
    from codelm.errors import StorageError
    from codelm.workspace import WorkspaceIndex, updated
    from codelm.workspace_files import source_files
    from codelm.workspace_store import WorkspaceStore

    root, cache = map(Path, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        WorkspaceStore([root], cache).save(updated(WorkspaceIndex(), source_files([root]).files))
    except StorageError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_full_disk_keeps_what_was_there(root, store, cache):
    index = indexed(root)
    store.save(index)
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(root), str(cache)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "File too large" in told
    assert_same(store.load()[0], index)
    assert [path.name for path in store.folder.iterdir()] == ["index"]


# --- bounded -------------------------------------------------------------------------------------------------


def test_the_workspace_that_was_not_opened_for_longest_loses_its_index_first(root, cache, tmp_path):
    index = indexed(root)
    most = 3 * len(encoded(index)) + 10
    stores = [WorkspaceStore([root, tmp_path / name], cache, most) for name in "abcd"]
    for age, store in enumerate(stores[:3]):
        store.save(index)
        os.utime(store.folder / "index", (1_000_000_000 + age, 1_000_000_000 + age))
    assert stores[0].load()[0] is not None  # now it was opened last
    stores[3].save(index)
    assert [store.load()[0] is not None for store in stores] == [True, False, True, True]
    assert not stores[1].folder.exists()


def test_ones_own_index_is_kept_however_large(root, cache):
    store = WorkspaceStore([root], cache, most_bytes=1)
    store.save(indexed(root))
    assert store.load()[0] is not None


def test_marks_outlive_an_index_that_made_room(root, cache, tmp_path):
    store = WorkspaceStore([root], cache)
    store.save(indexed(root))
    store.forget(root / "one.py")
    WorkspaceStore([tmp_path], cache, most_bytes=1).save(indexed(root))
    assert store.load() == (None, "")
    assert path_key(root / "one.py") in store.forgotten()


def test_what_a_killed_process_left_is_removed(root, store):
    store.save(indexed(root))
    left, being_written = store.folder / ".index.0123abcd.new", store.folder / ".index.4567abcd.new"
    left.write_text("x", encoding="utf-8")
    being_written.write_text("x", encoding="utf-8")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    store.save(indexed(root))
    assert not left.exists()
    assert being_written.exists()


# --- forgotten -----------------------------------------------------------------------------------------------


def test_a_forgotten_file_is_nowhere_and_does_not_come_back(root, store, cache):
    store.save(indexed(root))
    assert "CUSTOMER_ONE" in on_disk(cache)
    store.forget(root / "one.py")
    assert "CUSTOMER_ONE" not in on_disk(cache)
    assert "one.py" not in on_disk(cache)
    assert "customer_two" in on_disk(cache)
    loaded, _ = store.load()
    assert list(loaded.files) == [path_key(root / "two.py")]
    again = WorkspaceStore([root], cache)
    assert list(indexed(root, again).files) == [path_key(root / "two.py")]


def test_a_file_may_be_forgotten_before_anything_was_learned(root, store):
    store.forget(root / "one.py")
    assert list(indexed(root, store).files) == [path_key(root / "two.py")]


def test_an_index_that_still_has_a_forgotten_file_is_saved_without_it(root, store, cache):
    index = indexed(root)
    store.forget(root / "one.py")
    store.save(index)
    assert "CUSTOMER_ONE" not in on_disk(cache)
    assert list(store.load()[0].files) == [path_key(root / "two.py")]


def test_forgetting_a_file_removes_a_broken_index_for_its_words_may_be_in_it(root, store, cache):
    store.save(indexed(root))
    with (store.folder / "index").open("ab") as file:
        file.write(b"x")
    store.forget(root / "one.py")
    assert "CUSTOMER_ONE" not in on_disk(cache)


def test_a_file_that_another_process_forgets_while_an_index_is_written_is_not_in_it(root, store, cache, monkeypatch):
    index = indexed(root)
    other = WorkspaceStore([root], cache)
    replace = Path.replace

    def forget_meanwhile(self, target):
        monkeypatch.undo()
        other.forget(root / "one.py")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", forget_meanwhile)
    store.save(index)
    assert "CUSTOMER_ONE" not in on_disk(cache)
    assert "customer_two" in on_disk(cache)


def test_a_forgotten_workspace_is_nowhere_and_does_not_come_back(root, store, cache):
    index = indexed(root)
    store.save(index)
    store.forget_workspace()
    assert store.load() == (None, "")
    assert store.forgotten().workspace
    assert indexed(root, store).files == {}
    assert store.save(index)  # by a process that has not heard of it
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]


def test_what_was_forgotten_may_be_learned_again(root, store):
    store.forget(root / "one.py")
    store.learn_again(root / "one.py")
    assert len(indexed(root, store).files) == 2
    store.forget(root / "one.py")
    store.forget_workspace()
    store.learn_again()
    assert len(indexed(root, store).files) == 2
    store.learn_again()


def test_forgetting_everything_empties_all_workspaces_and_keeps_what_must_not_be_learned(root, store, cache, tmp_path):
    other = WorkspaceStore([tmp_path / "other"], cache)
    index = indexed(root)
    other.save(index)
    store.save(index)
    store.forget(root / "one.py")
    (store.folder / ".index.0123abcd.new").write_text("customer_two", encoding="utf-8")
    store.forget_all()
    for text in ("CUSTOMER_ONE", "customer_two", "one.py", "two.py"):
        assert text not in on_disk(cache)
    assert not other.folder.exists()
    assert path_key(root / "one.py") in WorkspaceStore([root], cache).forgotten()
    assert store.save(index)  # who forgot may learn anew
    assert store.load()[0] is not None


def test_a_process_that_ran_while_everything_was_forgotten_saves_nothing(root, store, cache):
    running = WorkspaceStore([root], cache)
    index = indexed(root)
    running.save(index)
    store.forget_all()
    assert not running.save(index)
    assert "CUSTOMER_ONE" not in on_disk(cache)
    running.forget(root / "two.py")  # still heeded
    assert path_key(root / "two.py") in store.forgotten()
    assert WorkspaceStore([root], cache).save(index)


def test_a_thread_that_saves_while_everything_is_forgotten_leaves_nothing(root, store, cache, monkeypatch):
    replace = Path.replace

    def forget_meanwhile(self, target):
        monkeypatch.undo()
        store.forget_all()
        self.parent.mkdir()
        self.write_bytes(encoded(indexed(root)))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", forget_meanwhile)
    assert not store.save(indexed(root))
    assert "CUSTOMER_ONE" not in on_disk(cache)


WRITER = """
    import sys
    from pathlib import Path
    from codelm.workspace import WorkspaceIndex, updated
    from codelm.workspace_files import source_files
    from codelm.workspace_store import WorkspaceStore

    root, cache = map(Path, sys.argv[1:])
    store = WorkspaceStore([root], cache)
    index = updated(WorkspaceIndex(), source_files([root]).files)
    for _ in range(200):
        store.save(index)
        loaded, problem = store.load()
        assert loaded is not None, problem
"""


def test_servers_at_the_same_workspace_do_not_break_each_others_index(root, store, cache):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(root), str(cache)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        _, err = writer.communicate(timeout=60)
        assert (writer.returncode, err) == (0, "")
    assert_same(store.load()[0], indexed(root))
