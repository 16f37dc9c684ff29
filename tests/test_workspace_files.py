"""Which files of a workspace are found, and in which order."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.errors import Cancelled
from codelm.workspace_files import Found, Limits, nearest_first, path_key, source_file, source_files

not_on_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return tmp_path / "shop"


def write(root: Path, *names: str) -> None:
    """Make files, each a line longer than the last and a second newer."""
    for number, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n" * (number + 1), encoding="utf-8")
        os.utime(file, (1_000_000_000 + number, 1_000_000_000 + number))


def names(root: Path, *open_files: str, **options) -> list[str]:
    listing = source_files([root], [root / name for name in open_files], **options)
    return [Path(file.path).relative_to(path_key(root)).as_posix() for file in listing.files]


# --- what is found -------------------------------------------------------------------------------------------


def test_python_files_are_found_with_their_size_and_time(shop):
    write(shop, "app.py", "models/order.pyi", "notes.txt", "models/data.json")
    found = {Path(file.path).name: file for file in source_files([shop]).files}
    assert found.keys() == {"app.py", "order.pyi"}
    assert found["order.pyi"] == Found(path_key(shop / "models" / "order.pyi"), 12, 1_000_000_001 * 10**9)


@pytest.mark.parametrize(
    "left_out",
    [
        *("env1/lib/x.py", "conda/lib/x.py", "cache/x.py"),  # told by a file in them, see below
        *(".venv/x.py", ".hidden.py", ".tox/x.py", "__pycache__/x.py", "web/node_modules/x.py"),
        *("lib/site-packages/x.py", "build/lib/x.py", "dist/x.py", "docs/_build/x.py", "shop.egg-info/x.py"),
        *("secrets.py", "conf/local_settings.py", "prod_credentials.py", "api/order_pb2.py"),
    ],
)  # fmt: skip
def test_what_people_did_not_write_here_is_not_found(shop, left_out):
    write(shop, "app.py", left_out, "env1/pyvenv.cfg", "conda/conda-meta/history", "cache/CACHEDIR.TAG")
    assert names(shop) == ["app.py"]
    assert source_file(shop / left_out, [shop]) is None


def test_a_package_that_is_called_build_is_found(shop):
    write(shop, "src/build/__init__.py", "src/build/steps.py")
    assert set(names(shop)) == {"src/build/__init__.py", "src/build/steps.py"}


def test_ignore_files_hold_in_and_below_their_folders(shop):
    write(shop, "app.py", "made.py", "sub/made.py", "sub/own.py", "sub/deep/own.py")
    (shop / ".gitignore").write_text("made.py\n", encoding="utf-8")
    (shop / "sub" / ".gitignore").write_text("!made.py\n/own.py\n", encoding="utf-8")
    assert set(names(shop)) == {"app.py", "sub/made.py", "sub/deep/own.py"}


@not_on_windows
def test_links_are_not_followed(shop, tmp_path):
    write(tmp_path, "shop/app.py", "elsewhere/other.py")
    (shop / "loop").symlink_to(shop)
    (shop / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (shop / "other.py").symlink_to(tmp_path / "elsewhere" / "other.py")
    os.mkfifo(shop / "pipe.py")
    assert names(shop) == ["app.py"]


def test_an_environment_that_is_opened_itself_is_searched(shop):
    write(shop, "pyvenv.cfg", "tool.py")
    assert names(shop) == ["tool.py"]
    assert source_file(shop / "tool.py", [shop]) is not None


def test_several_roots_one_inside_the_other_find_a_file_once(shop):
    write(shop, "app.py", "sub/x.py", ".hidden/y.py")
    found = source_files([shop, shop / "sub", shop / ".hidden"]).files
    assert sorted(Path(file.path).name for file in found) == ["app.py", "x.py", "y.py"]


def test_a_home_folder_is_no_project(shop, monkeypatch):
    write(shop, "me/project/app.py")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(shop / "me"))
    for root in (shop, shop / "me", Path(shop.anchor)):
        listing = source_files([root])
        assert not listing.files
        assert "home" in listing.notes[0].reason
    assert names(shop / "me" / "project") == ["app.py"]


def test_forgotten_files_are_not_found(shop):
    write(shop, "app.py", "other.py")
    assert names(shop, forgotten={path_key(shop / "other.py")}) == ["app.py"]


def test_what_cannot_be_read_is_told_and_the_rest_is_found(shop, tmp_path):
    write(shop, "app.py", "sub/x.py")
    (shop / "sub" / ".gitignore").mkdir()  # what it says is unknown, so nothing below is read
    listing = source_files([shop, tmp_path / "missing"])
    assert [Path(file.path).name for file in listing.files] == ["app.py"]
    assert [Path(note.path).name for note in listing.notes] == [".gitignore", "missing"]


def test_a_search_can_be_cancelled(shop):
    write(shop, "app.py")
    with pytest.raises(Cancelled):
        source_files([shop], is_cancelled=lambda: True)


FOLDERS = st.sampled_from(["a", "b", "build", ".x", "venv", "node_modules"])
PATHS = st.builds(
    lambda folders, name: "/".join([*folders, name]),
    st.lists(FOLDERS, max_size=3),
    st.sampled_from(["a.py", "b.pyi", ".c.py", "secrets.py", "pyvenv.cfg", "__init__.py", "notes.txt"]),
)
RULES = st.dictionaries(
    st.sampled_from(["", "a", "a/b", "b"]), st.lists(st.sampled_from(["a.py", "a/", "/b", "!a.py", "*.pyi", "b/*"]))
)


@given(st.lists(PATHS, unique=True, max_size=8), RULES)
def test_a_single_file_is_found_when_a_search_of_all_finds_it(paths, rules):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root, *paths)
        for folder, lines in rules.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / ".gitignore").write_text("\n".join(lines), encoding="utf-8")
        found = {file.path: file for file in source_files([root]).files}
        for path in [*paths, "a/missing.py"]:
            key = path_key(root / path)
            assert source_file(root / path, [root]) == found.get(key)


def test_a_file_outside_of_all_roots_is_not_found(shop):
    write(shop, "app.py", "../shop2/app.py")
    assert source_file(shop / "app.py", [shop]) is not None
    assert source_file(shop.parent / "shop2" / "app.py", [shop]) is None
    assert source_file(shop / "app.py", []) is None


# --- order and limits ----------------------------------------------------------------------------------------


def test_the_nearest_and_of_these_the_newest_come_first(shop):
    write(shop, "far/away/x.py", "shop/api/old.py", "shop/top.py", "shop/api/new.py", "shop/api/v1/deep.py")
    assert names(shop, "shop/api/new.py") == [
        "shop/api/new.py", "shop/api/old.py",  # the same folder
        "shop/api/v1/deep.py", "shop/top.py",  # a step away
        "far/away/x.py",
    ]  # fmt: skip


def test_without_an_open_file_the_newest_come_first(shop):
    write(shop, "a/x.py", "b/y.py", "z.py")
    assert names(shop) == ["z.py", "b/y.py", "a/x.py"]


def test_an_open_file_elsewhere_is_near_to_none(shop):
    write(shop, "a/x.py", "y.py")
    listing = source_files([shop], ["/elsewhere/main.py"])
    assert len(listing.files) == 2


@given(st.lists(st.tuples(PATHS, st.integers(0, 5)), unique_by=lambda pair: pair[0]), st.lists(PATHS, max_size=3))
def test_the_order_does_not_depend_on_how_files_were_found(files, open_files):
    found = [Found(path_key(f"/w/{path}"), 1, time) for path, time in files]
    opened = [f"/w/{path}" for path in open_files]
    assert nearest_first(found, opened) == nearest_first(found[::-1], opened[::-1])


def test_limits_keep_the_nearest_and_newest(shop):
    write(shop, "a.py", "b.py", "c.py", "d.py")  # 6, 12, 18 and 24 bytes
    assert names(shop, limits=Limits(files=2)) == ["d.py", "c.py"]
    assert names(shop, limits=Limits(total_bytes=42)) == ["d.py", "c.py"]
    assert names(shop, limits=Limits(file_bytes=12)) == ["b.py", "a.py"]
    assert source_file(shop / "c.py", [shop], Limits(file_bytes=12)) is None
    told = source_files([shop], limits=Limits(files=2, file_bytes=18)).notes
    assert [note.reason for note in told] == ["too large", "2 of 3 files are learned from: the limit is reached"]


def test_a_search_ends_at_its_limit(shop):
    write(shop, "a.py", "sub/b.py")
    listing = source_files([shop], limits=Limits(entries=2))
    assert len(listing.files) == 1
    assert "too many files" in listing.notes[0].reason
