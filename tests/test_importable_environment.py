"""Which environment a workspace has, and which folders its modules are in. Interpreters are drawn as folders."""

import os
import sysconfig
from pathlib import Path

import pytest

from codelm.environment import find_environment, linked_folders, source_folders
from codelm.modules import Modules


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")
    return folder


def interpreter(folder: Path, version: str = "3.12") -> Path:
    """Return the folder of an interpreter as Unix has it."""
    library = f"lib/python{version}"
    return made(folder, "bin/python3", f"{library}/os.py", f"{library}/lib-dynload/", f"{library}/site-packages/base/")


def virtual(folder: Path, home: Path, version: str = "3.12", more: str = "") -> Path:
    """Return the folder of a virtual environment."""
    made(folder, "bin/python", f"lib/python{version}/site-packages/installed/")
    (folder / "pyvenv.cfg").write_text(f"home = {home}\nversion = {version}.1\n{more}", encoding="utf-8")
    return folder


@pytest.fixture
def base(tmp_path) -> Path:
    return interpreter(tmp_path / "base")


@pytest.mark.parametrize("name", [".venv", "venv", "env", "my-own"])
def test_a_workspace_has_its_virtual_environment(tmp_path, base, name):
    venv = virtual(tmp_path / "work" / name, base / "bin")
    found = find_environment([tmp_path / "work"], variables={})
    assert found.site == (venv / "lib/python3.12/site-packages",)
    assert found.stdlib == (base / "lib/python3.12", base / "lib/python3.12/lib-dynload")
    assert str(venv) in found.found


@pytest.mark.parametrize("configured", ["other/bin/python", "other", "other/bin/python3"])
def test_a_configured_interpreter_goes_first(tmp_path, base, configured):
    virtual(tmp_path / "work/.venv", base / "bin")
    other = virtual(tmp_path / "work/other", base / "bin")
    (other / "bin/python3").write_text("")
    found = find_environment([tmp_path / "work"], configured, variables={"VIRTUAL_ENV": str(base)})
    assert found.site == (other / "lib/python3.12/site-packages",)


def test_without_one_the_active_one_counts(tmp_path, base):
    active = virtual(tmp_path / "active", base / "bin")
    found = find_environment([tmp_path], variables={"VIRTUAL_ENV": str(active), "PATH": str(base / "bin")})
    assert found.site == (active / "lib/python3.12/site-packages",)


def test_else_the_interpreter_on_the_path(tmp_path, base):
    (tmp_path / "links").mkdir()
    try:
        (tmp_path / "links/python3").symlink_to(base / "bin/python3")
    except OSError:
        pytest.skip("no links")
    path = os.pathsep.join([str(tmp_path / "nothing"), str(tmp_path / "links")])
    found = find_environment([tmp_path], variables={"PATH": path})
    assert found.stdlib[0] == base / "lib/python3.12"
    assert found.site == (base / "lib/python3.12/site-packages",)


def test_pyenv_chooses_a_version(tmp_path):
    pyenv = made(tmp_path / "pyenv", "shims/python3", "versions/")
    interpreter(pyenv / "versions/3.12.1")
    (pyenv / "version").write_text("3.12.1\n")
    found = find_environment([tmp_path], variables={"PATH": str(pyenv / "shims")})
    assert found.stdlib[0] == pyenv / "versions/3.12.1/lib/python3.12"


def test_else_codelms_own_standard_library(tmp_path):
    found = find_environment([tmp_path], "/no/such/python", variables={})
    assert found.stdlib[0] == Path(sysconfig.get_path("stdlib"))
    assert found.site == ()


def test_windows_has_other_folders(tmp_path):
    home = made(tmp_path / "Python312", "python.exe", "Lib/os.py", "DLLs/_socket.pyd")
    venv = made(tmp_path / "work/.venv", "Scripts/python.exe", "Lib/site-packages/")
    (venv / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.12.1\n")
    found = find_environment([tmp_path / "work"], variables={})
    assert found.stdlib == (home / "Lib", home / "DLLs")
    assert [folder.name for folder in found.site] == ["site-packages"]
    assert "_socket" in Modules(found.stdlib).submodules("")


def test_the_systems_packages_count_where_they_are_included(tmp_path, base):
    virtual(tmp_path / "work/.venv", base / "bin", more="include-system-site-packages = true\n")
    found = find_environment([tmp_path / "work"], variables={})
    assert found.site[-1] == base / "lib/python3.12/site-packages"


def test_the_standard_library_is_of_the_environments_version(tmp_path, base):
    interpreter(base, "3.13")
    virtual(tmp_path / "work/.venv", base / "bin", "3.12")
    assert find_environment([tmp_path / "work"], variables={}).stdlib[0] == base / "lib/python3.12"


def test_editable_packages_are_followed_and_code_is_not_run(tmp_path):
    site = made(tmp_path / "site", "beside/")
    project, mapped = made(tmp_path / "project", "own/"), made(tmp_path / "mapped/src/tool", "__init__.py")
    lines = ["# a comment", "import os; os.abort()", str(project), "beside", "/no/such/folder", "\0", "//host/share"]
    (site / "a.pth").write_text("\n".join(lines), encoding="utf-8")
    (site / "__editable___tool_finder.py").write_text(f"MAPPING: dict[str, str] = {{'tool': {str(mapped)!r}}}\n")
    (site / "__editable___bad_finder.py").write_text("MAPPING = {'x': open('f')}\n")
    assert linked_folders(site) == [mapped.parent, project, site / "beside"]


def test_a_workspaces_source_folders(tmp_path):
    made(
        tmp_path, "one.py", "package/__init__.py", "package/inner/__init__.py", "src/", "server/app/__init__.py",
        ".hidden/x/__init__.py", "node_modules/x/__init__.py", "venv/pyvenv.cfg", "venv/x/__init__.py", "docs/a.md",
    )  # fmt: skip
    assert source_folders([tmp_path]) == (tmp_path, tmp_path / "src", tmp_path / "server")


def test_what_is_gone_has_no_modules(tmp_path):
    gone = tmp_path / "gone"
    assert find_environment([gone], variables={}).site == ()
    assert source_folders([gone]) == (gone,)
    assert Modules([gone]).submodules("") == []
