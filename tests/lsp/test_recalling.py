"""A network reads the workspace beside completions: real server processes, and what they leave on the disk."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import networks
import numpy as np
import pytest

from codelm.workspace_states import BrokenStatesError, WorkspaceStates, decoded_states

SERVER = (sys.executable, "-m", "codelm.cli", "--stdio", "--model")
KEPT = "cache/codelm/workspaces/*/states"
LINES = {"one.py": "self.alpha_of_one = json.loads(text)\n", "two.py": "beta_of_two = [x for x in range(2)]\n"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A checkpoint with a network whose states are kept."""
    states = models.random_reduction(np.random.default_rng(1))
    return networks.write_mixture(tmp_path_factory.mktemp("models") / "mixed", torch=False, states=states)


@pytest.fixture(scope="module")
def another(tmp_path_factory) -> Path:
    """The same, whose states are kept in another way."""
    states = models.random_reduction(np.random.default_rng(2))
    return networks.write_mixture(tmp_path_factory.mktemp("models") / "other", torch=False, states=states)


@pytest.fixture
def project(tmp_path) -> Path:
    """A project that is worth to be kept."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, line in LINES.items():
        (folder / name).write_text("import json\n" + line * 300, encoding="utf-8")
    (folder / "main.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def begin(start, project, tmp_path):
    """Begin a session in the project."""

    async def begin(model: Path, **settings: Any):
        editor = await start(*SERVER, str(model), XDG_CACHE_HOME=str(tmp_path / "cache"))
        folders = [{"uri": project.as_uri(), "name": "project"}]
        await editor.initialize(workspaceFolders=folders, initializationOptions=settings)
        editor.opened = (project / "main.py").as_uri()
        editor.send(editor.opening("", uri=editor.opened))
        return editor

    return begin


@pytest.fixture
def until_kept(tmp_path) -> Callable[..., Any]:
    """Wait until the states on the disk are as wanted; return them."""

    async def until_kept(is_wanted: Callable[[WorkspaceStates], object]) -> WorkspaceStates:
        end = asyncio.get_running_loop().time() + 60
        while (states := on_disk(tmp_path)) is None or not is_wanted(states):
            assert asyncio.get_running_loop().time() < end, states and states.files
            await asyncio.sleep(0.05)
        return states

    return until_kept


def on_disk(folder: Path) -> WorkspaceStates | None:
    try:
        return decoded_states(next(folder.glob(KEPT)).read_bytes())
    except (StopIteration, FileNotFoundError, BrokenStatesError):
        return None


def problems(editor) -> list[str]:
    return [line for line in editor.log if "WARNING" in line or "ERROR" in line or "Traceback" in line]


async def test_all_files_are_read_and_kept_and_used_by_the_next_process(begin, until_kept, model, tmp_path):
    editor = await begin(model)
    first = await until_kept(lambda states: len(states.files) == 2)
    editor.process.kill()
    assert problems(editor) == []
    [path] = tmp_path.glob(KEPT)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    inode = path.stat().st_ino
    editor = await begin(model)
    await until_kept(lambda _: path.stat().st_mtime > 1_000_000_000)
    assert (await editor.complete(0, 0, uri=editor.opened))["items"]
    assert path.stat().st_ino == inode, "nothing was read again"
    assert (await until_kept(lambda _: True)).files == first.files
    assert problems(editor) == []


async def test_a_forgotten_file_takes_its_states_along(begin, until_kept, model, project):
    editor = await begin(model)
    await until_kept(lambda states: len(states.files) == 2)
    forgotten = {"command": "codelm.forget", "arguments": ["file", (project / "one.py").as_uri()]}
    assert (await editor.ask("workspace/executeCommand", forgotten))["result"] is None
    kept = await until_kept(lambda states: len(states.files) == 1)
    assert len(kept) == max(end - begin for begin, end in kept.files.values())
    assert problems(editor) == []


async def test_another_way_to_keep_them_begins_anew(begin, until_kept, model, another):
    editor = await begin(model)
    first = await until_kept(lambda states: len(states.files) == 2)
    assert await editor.end() == 0
    editor = await begin(another)
    second = await until_kept(lambda states: states.key != first.key and len(states.files) == 2)
    assert second.files.keys() == first.files.keys()
    assert problems(editor) == []


async def test_a_file_that_changes_is_read_again(begin, until_kept, model, project):
    editor = await begin(model)
    first = await until_kept(lambda states: len(states.files) == 2)
    (project / "one.py").write_text("import json\n" + "gamma = 3\n" * 900, encoding="utf-8")
    changed = [{"uri": (project / "one.py").as_uri(), "type": 2}]
    editor.send({"method": "workspace/didChangeWatchedFiles", "params": {"changes": changed}})
    second = await until_kept(lambda states: states.files.keys() != first.files.keys())
    assert len(second.files) == 2
    assert len(first.files.keys() & second.files.keys()) == 1


async def test_nothing_is_read_where_the_user_does_not_want_it(begin, until_kept, model, tmp_path):
    editor = await begin(model, workspace={"neural": False})
    editor.configuration = {"workspace": {"neural": False}}
    await asyncio.sleep(1)  # time to do what it should not do
    assert on_disk(tmp_path) is None
    editor.send(
        {
            "method": "workspace/didChangeConfiguration",
            "params": {"settings": {"codelm": {"workspace": {"neural": True}}}},
        }
    )
    editor.configuration = {"workspace": {"neural": True}}
    await until_kept(lambda states: len(states.files) == 2)
