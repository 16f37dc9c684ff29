"""The prose of a workspace is read beside completions: real server processes with the bundled model."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

SERVER = (sys.executable, "-m", "codelm.cli", "--stdio")
PATIENCE = 60
SAID = '"""The zymurgy of brewing is what this module is about."""\n\nBEER = 1\n'
TYPED = "# The zymu"


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "other.py").write_text(SAID, encoding="utf-8")
    (folder / "main.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def begin(start, project, tmp_path):
    """Begin a session in the project."""

    async def begin(**settings: Any):
        editor = await start(*SERVER, XDG_CACHE_HOME=str(tmp_path / "cache"))
        folders = [{"uri": project.as_uri(), "name": "project"}]
        await editor.initialize(workspaceFolders=folders, initializationOptions=settings)
        editor.opened = (project / "main.py").as_uri()
        editor.send(editor.opening(TYPED, uri=editor.opened))
        return editor

    return begin


async def offered(editor) -> bool:
    """Return whether the word of the other file is offered behind what is typed."""
    answer = await editor.complete(0, len(TYPED), uri=editor.opened)
    return "zymurgy" in [item["label"] for item in answer["items"]]


async def until(editor, wanted: bool) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while await offered(editor) is not wanted:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.05)


async def test_words_of_other_files_prose_are_offered(begin):
    await until(await begin(), True)


async def test_a_changed_file_is_read_again(begin, project):
    editor = await begin()
    await until(editor, True)
    (project / "other.py").write_text(SAID.replace("zymurgy", "chemistry"), encoding="utf-8")
    saved = {"textDocument": {"uri": (project / "other.py").as_uri()}}
    editor.send({"method": "textDocument/didSave", "params": saved})
    await until(editor, False)


@pytest.mark.parametrize("what", ["file", "workspace", "all"])
async def test_what_is_forgotten_is_not_offered_again(begin, project, what):
    editor = await begin()
    await until(editor, True)
    arguments = [what, *([(project / "other.py").as_uri()] if what == "file" else [])]
    await editor.command("codelm.forget", *arguments)
    assert not await offered(editor)
    await asyncio.sleep(0.5)
    assert not await offered(editor)


async def test_nothing_of_it_is_written(begin, tmp_path):
    editor = await begin()
    await until(editor, True)
    await asyncio.sleep(1)
    written = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert any(b"BEER" in file.read_bytes() for file in written), "the code is kept"
    assert not any(b"zymurgy" in file.read_bytes() for file in written)


async def test_without_learning_there_is_none(begin):
    editor = await begin(workspace={"enabled": False})
    for _ in range(10):
        assert not await offered(editor)
        await asyncio.sleep(0.1)
