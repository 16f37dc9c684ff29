"""Git's ignore rules. The judge is git itself, where there is one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.ignore import MOST_STARS, Rules, rules_above, rules_in

NAMES = ("a", "b", "ab", "a.py", "b.py", "a b", "{a,b}", "(a", "a*")
PARTS = (
    *("a", "b", "ab", "a.py", "b.py", "a b", "*", "*.py", "?", "a*", "*b*", "[ab]", "[!a]", "**", "a\\*", "\\a"),
    *("*.*", "a[.]py", "{a,b}", "(a", "a|b", "[[]", "a+", "^a"),
)
PATTERNS = st.builds(
    lambda taken_in, anchored, parts, folder, blank: (
        "!" * taken_in + "/" * anchored + "/".join(parts) + "/" * folder + " " * blank
    ),
    st.booleans(), st.booleans(), st.lists(st.sampled_from(PARTS), min_size=1, max_size=3), st.booleans(),
    st.sampled_from((0, 0, 0, 1)),
)  # fmt: skip
LINES = st.lists(
    PATTERNS | st.sampled_from(("", "# a", "/", "!", "\\!a", "\\#a", "**/", "*/", "a/**", "a/**/b")), max_size=5
)
TREES = st.recursive(
    st.none(), lambda inner: st.tuples(LINES, st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)), max_leaves=12
)
FOLDERS = st.tuples(LINES, st.dictionaries(st.sampled_from(NAMES), TREES, min_size=1, max_size=4))


def make(folder: Path, tree) -> None:
    lines, entries = tree
    folder.mkdir(exist_ok=True)
    if lines:
        (folder / ".gitignore").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, entry in entries.items():
        if entry is None:
            (folder / name).touch()
        else:
            make(folder / name, entry)


def kept(folder: Path, rules: Rules | None = None) -> set[Path]:
    """Return the files that a walk finds, but for the ignore files."""
    rules = rules_in(str(folder), [entry.name for entry in folder.iterdir()], rules or Rules())
    found = set()
    for entry in folder.iterdir():
        if entry.name in (".git", ".gitignore") or rules.ignore(str(entry), entry.is_dir()):
            continue
        found |= kept(entry, rules) if entry.is_dir() else {entry}
    return found


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
@pytest.mark.skipif(os.name == "nt", reason="such names are none there")
@given(FOLDERS, LINES)
def test_git_decides_the_same(tree, excluded):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        make(root, tree)
        git(root, "init", "-q")
        (root / ".git" / "info").mkdir(exist_ok=True)
        (root / ".git" / "info" / "exclude").write_text("\n".join(excluded) + "\n", encoding="utf-8")
        files = git(root, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
        assert kept(root) == {root / file for file in files if file and not file.endswith(".gitignore")}


def test_rules_hold_below_their_folder(tmp_path):
    make(tmp_path, (["*.log.py", "/only_here.py"], {"x.log.py": None, "only_here.py": None, "sub": (
        ["!keep.log.py"], {"keep.log.py": None, "drop.log.py": None, "only_here.py": None}
    )}))  # fmt: skip
    assert kept(tmp_path) == {tmp_path / "sub" / "keep.log.py", tmp_path / "sub" / "only_here.py"}


def test_nothing_is_taken_back_in_from_an_ignored_folder(tmp_path):
    make(tmp_path, (["out/", "!out/a.py"], {"out": (["!a.py"], {"a.py": None})}))
    assert kept(tmp_path) == set()


def test_a_folder_inside_a_repository_has_the_rules_above_it(tmp_path):
    make(tmp_path, (["a.py"], {"src": (["b.py"], {"app": ([], {"a.py": None, "b.py": None, "c.py": None})})}))
    (tmp_path / ".git").mkdir()
    (tmp_path.parent / ".gitignore").write_text("c.py", encoding="utf-8")  # of another repository, or of none
    app = tmp_path / "src" / "app"
    assert kept(app, rules_above(str(app))) == {app / "c.py"}


def test_outside_of_a_repository_only_the_folders_own_rules_hold(tmp_path):
    make(tmp_path, (["a.py"], {"app": (["b.py"], {"a.py": None, "b.py": None})}))
    app = tmp_path / "app"
    assert kept(app, rules_above(str(app))) == {app / "a.py"}


@pytest.mark.parametrize(
    "line",
    ["[", "[b-a]", "[[:no such:]]", "[a--b]", "[[a]", "[&&]", "***/", "\\", "a\\", "!", "**/**/**", "\ud800", "(?P<x>"],
)
def test_a_line_that_means_nothing_says_nothing_of_others(tmp_path, line):
    (tmp_path / ".gitignore").write_bytes(f"{line}\nb.py\n".encode("utf-8", "surrogatepass"))
    rules = rules_in(str(tmp_path), [".gitignore"], Rules())
    assert rules.ignore(str(tmp_path / "b.py"), is_folder=False)
    rules.ignore(str(tmp_path / "a.py"), is_folder=False)


@pytest.mark.parametrize("part", ["*a", "**/"])
def test_a_pattern_that_would_take_minutes_is_left_out(tmp_path, part):
    """Matching n stars takes time to the power n; a workspace may be a stranger's."""
    (tmp_path / ".gitignore").write_text(part * (MOST_STARS + 30) + "b\n", encoding="utf-8")
    rules = rules_in(str(tmp_path), [".gitignore"], Rules())
    assert not rules.ignore(str(tmp_path / ("a/" * 100 + "a" * 100)), is_folder=False)


def test_names_that_are_no_text_and_line_ends_of_windows(tmp_path):
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfgr\xf6\xdfe.py\r\nb.py\r\n")
    rules = rules_in(str(tmp_path), [".gitignore"], Rules())
    assert rules.ignore(str(tmp_path / os.fsdecode(b"gr\xf6\xdfe.py")), is_folder=False)
    assert rules.ignore(str(tmp_path / "b.py"), is_folder=False)


def test_rules_that_cannot_be_read_are_an_error(tmp_path):
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(OSError, match="gitignore"):
        rules_in(str(tmp_path), [".gitignore"], Rules())
