"""What the server learns from the workspace, as an editor sees it.

The fake completer (``fake_server.py``) offers every word that it was given of the workspace. Each test has a cache
folder of its own.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from lsprotocol import types

from codelm.workspace_format import decoded_index

CHANGED, CREATED, DELETED = (types.FileChangeType.Changed, types.FileChangeType.Created, types.FileChangeType.Deleted)
WATCHES = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
SHOWS_PROGRESS = {"window": {"workDoneProgress": True}}
FAKE_SERVER = str(Path(__file__).with_name("fake_server.py"))
IMPATIENT = """
import runpy, sys
from codelm.lsp import learner
for name, value in {changes}.items():
    setattr(learner, name, value)
sys.path.insert(0, {folder!r})
sys.argv = [{server!r}, "--stdio"]
runpy.run_path({server!r}, run_name="__main__")
"""
QUICK = {"SETTLED": 0.05, "LATEST": 0.2, "BEFORE_LISTING": 0.05, "FIRST_RESULT": 0.01, "SAVE_LATER": 0.05}


def server(**changes: float) -> tuple[str, ...]:
    """The command of a server that waits less for changes to settle, or has other changes to its constants."""
    code = IMPATIENT.format(changes={**QUICK, **changes}, server=FAKE_SERVER, folder=str(Path(FAKE_SERVER).parent))
    return sys.executable, "-c", code


@pytest.fixture
def project(tmp_path) -> Path:
    """A project of two files, and the one that is open."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "one.py").write_text("alpha_of_one = 1\n", encoding="utf-8")
    (folder / "two.py").write_text("alpha_of_two = 2\n", encoding="utf-8")
    (folder / "main.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def on_disk(folder: Path) -> str:
    """All bytes in all files of a folder, and their names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(f"{path.name} {path.read_bytes().decode('latin-1')}" for path in files)


class Session:
    """An editor with a project open."""

    def __init__(self, editor, project: Path) -> None:
        self.editor, self.project = editor, project
        self.version = 1

    def uri(self, name: str = "main.py") -> str:
        return (self.project / name).as_uri()

    async def offered(self, typed: str) -> list[str]:
        """What of the workspace is offered for what is typed in main.py."""
        self.version += 1
        self.editor.send(self.editor.changing(self.version, {"text": typed}, uri=self.uri()))
        items = (await self.editor.complete(0, len(typed), uri=self.uri()))["items"]
        return sorted(item["label"] for item in items[1:-1])

    async def until_offered(self, typed: str, *words: str) -> None:
        """Wait until just these words are offered."""
        end = asyncio.get_running_loop().time() + 60
        while (offered := await self.offered(typed)) != sorted(words):
            assert asyncio.get_running_loop().time() < end, offered
            await asyncio.sleep(0.05)

    async def until_saved(self, cache: Path, *words: str) -> None:
        """Wait until words are in the cache folder."""
        end = asyncio.get_running_loop().time() + 60
        while not all(word in on_disk(cache) for word in words):
            assert asyncio.get_running_loop().time() < end, on_disk(cache)
            await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Give the server the time to do what it should not do."""
        await asyncio.sleep(0.5)

    def write(self, name: str, text: str) -> None:
        """Write a file, older than a second, so that its time tells when it is written again."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def watched(self, *names: str, kind: types.FileChangeType = CHANGED) -> None:
        """Tell of changed files."""
        changes = [{"uri": self.uri(name), "type": kind} for name in names]
        self.editor.send({"method": "workspace/didChangeWatchedFiles", "params": {"changes": changes}})

    async def command(self, name: str, *arguments: object):
        """Execute a command; return the answer's message."""
        return await self.editor.ask("workspace/executeCommand", {"command": name, "arguments": arguments})


@pytest.fixture
def begin(start, project, cache):
    """Begin a session in the project."""

    async def begin(command=None, folder: Path = project, **options) -> Session:
        editor = await start(*(command or server()), XDG_CACHE_HOME=str(cache))
        options.setdefault("workspaceFolders", [{"uri": folder.as_uri(), "name": "project"}])
        await editor.initialize(**options)
        session = Session(editor, folder)
        editor.send(editor.opening("", uri=session.uri()))
        return session

    return begin


# Finding and following the workspace.


@pytest.mark.parametrize("how", ["workspaceFolders", "rootUri", "rootPath"])
async def test_a_word_of_another_file_is_offered(begin, project, how):
    roots = {
        "workspaceFolders": {},
        "rootUri": {"workspaceFolders": None, "rootUri": project.as_uri()},
        "rootPath": {"workspaceFolders": None, "rootUri": None, "rootPath": str(project)},
    }
    session = await begin(**roots[how])
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    assert await session.editor.end() == 0
    assert not [line for line in session.editor.log if "ERROR" in line]


async def test_a_snapshot_tells_its_file(begin, project):
    session = await begin()
    session.editor.send(session.editor.opening("wo", uri="untitled:x.py"))
    where = session.uri("main.py")
    assert session.editor.given(await session.editor.complete(0, 0, uri=where))["path"] == str(project / "main.py")
    assert session.editor.given(await session.editor.complete(0, 2, uri="untitled:x.py"))["path"] == ""


async def test_without_a_folder_nothing_is_learned_and_nothing_fails(begin, cache):
    session = await begin(workspaceFolders=None)
    await session.settle()
    assert await session.offered("alph") == []
    assert await session.editor.end() == 0
    assert not [line for line in session.editor.log if "ERROR" in line or "WARNING" in line]
    assert not cache.exists()


async def test_a_home_folder_is_no_project(start, project, cache):
    editor = await start(*server(), XDG_CACHE_HOME=str(cache), HOME=str(project), USERPROFILE=str(project))
    await editor.initialize(rootUri=project.as_uri())
    await editor.until(lambda: [line for line in editor.log if "holds a whole home folder" in line])
    session = Session(editor, project)
    editor.send(editor.opening("", uri=session.uri()))
    assert await session.offered("alph") == []


async def test_folders_come_and_go(begin, tmp_path):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    other = tmp_path / "other"
    other.mkdir()
    (other / "three.py").write_text("alpha_of_three = 3\n", encoding="utf-8")
    folders = {
        "project": {"uri": session.project.as_uri(), "name": "project"},
        "other": {"uri": other.as_uri(), "name": "o"},
    }

    def change(**event):
        session.editor.send({"method": "workspace/didChangeWorkspaceFolders", "params": {"event": event}})

    change(added=[folders["other"]], removed=[])
    await session.until_offered("alph", "alpha_of_one", "alpha_of_three", "alpha_of_two")
    change(added=[], removed=[folders["project"]])
    await session.until_offered("alph", "alpha_of_three")
    change(added=[], removed=[folders["other"], {"uri": "file:///unknown", "name": "u"}])
    await session.until_offered("alph")


async def test_saved_files_are_learned(begin):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    session.write("one.py", "alpha_after_saving = 1\n")
    session.editor.send({"method": "textDocument/didSave", "params": {"textDocument": {"uri": session.uri("one.py")}}})
    await session.until_offered("alph", "alpha_after_saving", "alpha_of_two")


async def test_the_order_of_the_places_is_saved_so_that_the_next_start_need_not_sort(begin, cache):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    [saved] = cache.rglob("index")
    assert decoded_index(saved.read_bytes()).order is not None


async def test_watched_files_are_followed(begin):
    session = await begin(capabilities=WATCHES)
    [registration] = await session.editor.until(lambda: session.editor.registered)
    assert registration["method"] == "workspace/didChangeWatchedFiles"
    patterns = [watcher["globPattern"] for watcher in registration["registerOptions"]["watchers"]]
    assert patterns == ["**/*.py", "**/*.pyi", "**/.gitignore"]
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    session.write("new.py", "alpha_new = 1\n")
    (session.project / "one.py").unlink()
    session.watched("new.py", kind=CREATED)
    session.watched("one.py", kind=DELETED)
    session.watched("never_was.py", "readme.txt")
    await session.until_offered("alph", "alpha_new", "alpha_of_two")
    session.write(".gitignore", "two.py\n")
    session.watched(".gitignore")
    await session.until_offered("alph", "alpha_new")


async def test_another_branch_is_followed(begin):
    """As git checks it out: hundreds of files change at once, and not all are told of."""
    session = await begin(capabilities=WATCHES)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    names = [f"package/module_{number}.py" for number in range(150)]
    for name in names:
        session.write(name, f"alpha_branch = '{name}'\n")
    (session.project / "one.py").unlink()
    session.watched(*names)
    await session.until_offered("alph", "alpha_branch", "alpha_of_two")
    for name in names:
        (session.project / name).unlink()
    session.write("one.py", "alpha_of_one = 1\n")
    session.watched(*names, kind=DELETED)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


async def test_what_the_editor_renames_and_deletes_is_followed(begin):
    can = {"didCreate": True, "didRename": True, "didDelete": True}
    session = await begin(capabilities={"workspace": {"fileOperations": can}})
    session.write("package/three.py", "alpha_of_three = 3\n")
    session.editor.send({
        "method": "workspace/didCreateFiles", "params": {"files": [{"uri": session.uri("package/three.py")}]},
    })  # fmt: skip
    await session.until_offered("alph", "alpha_of_one", "alpha_of_three", "alpha_of_two")
    (session.project / "package").rename(session.project / ".hidden")
    renamed = {"oldUri": session.uri("package"), "newUri": session.uri(".hidden")}
    session.editor.send({"method": "workspace/didRenameFiles", "params": {"files": [renamed]}})
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    (session.project / "one.py").unlink()
    session.editor.send({
        "method": "workspace/didDeleteFiles", "params": {"files": [{"uri": session.uri("one.py")}]},
    })  # fmt: skip
    await session.until_offered("alph", "alpha_of_two")


async def test_where_nobody_tells_of_changes_completions_find_them(begin):
    command = (*server()[:2], "from codelm.lsp import learning\nlearning.LOOK_AGAIN = 0.1\n" + server()[2])
    session = await begin(command)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    session.write("new.py", "alpha_new = 1\n")
    await session.until_offered("alph", "alpha_new", "alpha_of_one", "alpha_of_two")


async def test_files_that_were_only_touched_cost_no_learning(begin, project):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    learned = [event for event in session.editor.events if event.startswith("learned")]
    for name in ("one.py", "two.py"):
        os.utime(project / name, (1_000_000_000, 1_000_000_000))
    session.watched("one.py", "two.py")
    await session.settle()
    session.write("one.py", "alpha_after = 1\n")
    session.watched("one.py")
    await session.until_offered("alph", "alpha_after", "alpha_of_two")
    assert len([event for event in session.editor.events if event.startswith("learned")]) == len(learned) + 1


# The disk.


async def test_modules_that_the_workspace_imports_are_read_before_they_are_asked_for(begin, project, cache):
    (project / "two.py").write_text("alpha_of_two = 2\nimport colorsys\n", encoding="utf-8")
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    await session.until_saved(cache, "colorsys.py", "rgb_to_hsv")


async def test_the_second_start_reads_no_file(begin, project, cache):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    await session.editor.end()
    # It would not be found by reading: only the disk has it.
    for name in ("one.py", "two.py"):
        status = (project / name).stat()
        (project / name).write_bytes(b"#" * status.st_size)
        os.utime(project / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    session = await begin(server(BEFORE_LISTING=1000))
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


async def test_a_cache_folder_that_cannot_be_written_is_told_once(begin, cache):
    cache.write_text("not a folder", encoding="utf-8")
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    [message] = await session.editor.until(lambda: session.editor.messages)
    assert message["type"] == types.MessageType.Warning
    assert "what codelm learns from this workspace is lost when the editor ends" in message["message"]
    session.write("one.py", "alpha_after_saving = 1\n")
    session.watched("one.py")
    await session.until_offered("alph", "alpha_after_saving", "alpha_of_two")
    await session.settle()
    assert len(session.editor.messages) == 1
    refused = await session.command("codelm.forget", "workspace")
    assert refused["error"]["code"] == types.LSPErrorCodes.RequestFailed
    assert "for this session only" in refused["error"]["message"]
    await session.until_offered("alph")
    session.write("one.py", "alpha_after_forgetting = 1\n")
    session.watched("one.py", ".gitignore")
    await session.settle()
    assert await session.offered("alph") == []


async def test_a_broken_index_is_made_again(begin, cache):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    await session.editor.end()
    [index] = cache.rglob("index")
    index.write_bytes(index.read_bytes()[:-3])
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    await session.editor.until(lambda: [line for line in session.editor.log if "is made again" in line])


# Forgetting.


async def test_a_forgotten_file_stays_forgotten(begin, cache):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    assert (await session.command("codelm.forget", "file", session.uri("one.py")))["result"] is None
    assert "alpha_of_one" not in on_disk(cache)
    assert await session.offered("alph") == ["alpha_of_two"]
    [message] = session.editor.messages
    assert message["type"] == types.MessageType.Info
    assert "forgot one.py" in message["message"]
    assert "forgot" in session.editor.events, "the completer's own caches are dropped"
    session.write("one.py", "alpha_of_one = 'again'\n")
    session.watched("one.py", "two.py")
    session.watched(".gitignore")
    await session.settle()
    assert await session.offered("alph") == ["alpha_of_two"]
    await session.editor.end()

    session = await begin()
    await session.until_offered("alph", "alpha_of_two")
    await session.settle()
    assert await session.offered("alph") == ["alpha_of_two"]
    assert "alpha_of_one" not in on_disk(cache)
    assert (await session.command("codelm.learn", "file", session.uri("one.py")))["result"] is None
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


@pytest.mark.parametrize("what", ["workspace", "all"])
async def test_a_forgotten_workspace_stays_forgotten(begin, cache, what):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    assert (await session.command("codelm.forget", what))["result"] is None
    assert "alpha" not in on_disk(cache)
    assert await session.offered("alph") == []
    assert "forgot" in session.editor.messages[0]["message"]
    session.watched("one.py", ".gitignore")
    await session.settle()
    assert await session.offered("alph") == []
    await session.editor.end()

    session = await begin()
    await session.settle()
    assert await session.offered("alph") == []
    assert "alpha" not in on_disk(cache)
    assert (await session.command("codelm.learn"))["result"] is None
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


async def test_all_are_forgotten_without_a_workspace_too(begin, cache):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    await session.editor.end()
    session = await begin(workspaceFolders=None)
    assert (await session.command("codelm.forget", "all"))["result"] is None
    assert "alpha" not in on_disk(cache)


async def test_without_a_uri_the_last_document_is_meant(begin, cache):
    session = await begin()
    await session.until_saved(cache, "alpha_of_one", "alpha_of_two")
    session.editor.send(session.editor.opening("alpha_of_two = 2\n", uri=session.uri("two.py")))
    assert (await session.command("codelm.forget", "file"))["result"] is None
    assert "forgot two.py" in session.editor.messages[0]["message"]
    assert await session.offered("alph") == ["alpha_of_one"]


@pytest.mark.parametrize(
    ("command", "arguments", "complaint"),
    [
        ("codelm.forget", [], "takes 'file', 'workspace', 'all'"),
        ("codelm.forget", ["everything"], "takes 'file', 'workspace', 'all'"),
        ("codelm.forget", ["workspace", "more"], "takes 'file', 'workspace', 'all'"),
        ("codelm.forget", ["file", 7], "takes 'file', 'workspace', 'all'"),
        ("codelm.forget", [{"file": "x"}], "takes 'file', 'workspace', 'all'"),
        ("codelm.forget", ["file", "untitled:one"], "begins with file://"),
        ("codelm.forget", ["file", "http://[x"], "begins with file://"),
        ("codelm.learn", ["all"], "takes 'file', 'workspace'"),
    ],
)
async def test_a_wrong_command_is_refused_and_nothing_is_lost(begin, command, arguments, complaint):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    error = (await session.command(command, *arguments))["error"]
    assert error["code"] == types.ErrorCodes.InvalidParams
    assert complaint in error["message"]
    assert await session.offered("alph") == ["alpha_of_one", "alpha_of_two"]
    assert session.editor.messages == []


async def test_commands_of_a_workspace_need_one(begin):
    session = await begin(workspaceFolders=None)
    for command in ("codelm.forget", "codelm.learn"):
        error = (await session.command(command, "workspace"))["error"]
        assert error["code"] == types.ErrorCodes.InvalidParams
        assert "no folder is open" in error["message"]


# Settings.


async def test_learning_can_be_switched_off_and_on(begin, cache):
    session = await begin(initializationOptions={"workspace": {"enabled": False}})
    await session.settle()
    assert await session.offered("alph") == []
    assert not cache.exists()

    def switch(*, on: bool) -> None:
        settings = {"codelm": {"workspace": {"enabled": on}}}
        session.editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})

    switch(on=True)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    await session.until_saved(cache, "alpha_of_one")
    switch(on=False)
    await session.until_offered("alph")
    assert "alpha_of_one" in on_disk(cache), "it is kept for when it is switched on again"
    assert "forgot" in session.editor.events
    session.watched("one.py", ".gitignore")
    await session.settle()
    assert await session.offered("alph") == []
    switch(on=True)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


async def test_another_model_learns_the_workspace_too(begin):
    session = await begin()
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    settings = {"codelm": {"model": "other"}}
    session.editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})
    await session.editor.told("loading other")
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")


async def test_a_closed_document_is_closed_for_the_completer(begin):
    session = await begin()
    await session.offered("alph")
    session.editor.send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": session.uri()}}})
    await session.editor.told(f"closed {session.uri()}")


# Progress.


SLOW = {"_SHOWN_AFTER": 0.0, "_SHOWN_EVERY": 0.0}
SLOW_READING = """
import time
from codelm import workspace
read = workspace._read
def slowly(path):
    time.sleep(0.05)
    return read(path)
workspace._read = slowly
"""


def slow_server() -> tuple[str, ...]:
    """A server that takes long to read a file, and shows progress from the first on."""
    python, option, code = server(**SLOW)
    return python, option, SLOW_READING + code


def fill(project: Path, count: int = 60) -> None:
    for number in range(count):
        (project / f"alpha_{number:02}.py").write_text(f"alpha_word_{number:02} = 1\n", encoding="utf-8")


async def test_progress_is_shown(begin, project):
    fill(project)
    session = await begin(slow_server(), capabilities=SHOWS_PROGRESS)
    await session.editor.until(lambda: [told for told in session.editor.progress if told["kind"] == "end"])
    create, begun, *reports, end = session.editor.progress
    assert create["kind"] == "create"
    assert {told["token"] for told in session.editor.progress} == {create["token"]}
    assert (begun["kind"], begun["title"], begun["cancellable"]) == ("begin", "Learning your code", True)
    assert end["kind"] == "end"
    assert reports
    assert {report["kind"] for report in reports} == {"report"}
    percentages = [report["percentage"] for report in reports]
    assert percentages == sorted(percentages)
    assert percentages[-1] <= 100
    assert reports[-1]["message"].endswith(" of 63 files")
    # What changes later is read too quickly to be shown.
    assert await session.editor.end() == 0


async def test_learning_can_be_cancelled_and_what_is_learned_is_kept(begin, project):
    fill(project)
    session = await begin(slow_server(), capabilities=SHOWS_PROGRESS)
    await session.editor.until(lambda: [told for told in session.editor.progress if told["kind"] == "report"])
    token = session.editor.progress[0]["token"]
    session.editor.send(
        {"method": "window/workDoneProgress/cancel", "params": {"token": "another"}},
        {"method": "window/workDoneProgress/cancel", "params": {"token": token}},
    )
    await session.editor.until(lambda: [told for told in session.editor.progress if told["kind"] == "end"])
    await session.settle()
    offered = await session.offered("alpha_word")
    assert 0 < len(offered) < 60
    session.watched(".gitignore")
    await session.settle()
    assert await session.offered("alpha_word") == offered
    session.write("one.py", "alpha_word_saved = 1\n")
    session.watched("one.py")
    await session.until_offered("alpha_word", *offered, "alpha_word_saved")


async def test_files_near_the_open_one_are_read_first(begin, project):
    fill(project, 40)
    (project / "far").mkdir()
    for number in range(40):
        (project / "far" / f"alpha_{number:02}.py").write_text(f"alpha_far_{number:02} = 1\n", encoding="utf-8")
    session = await begin(slow_server(), capabilities=SHOWS_PROGRESS)
    while not (near := await session.offered("alpha_word")):
        await asyncio.sleep(0.02)
    assert len(near) < 40
    assert await session.offered("alpha_far") == []
    # Another file is opened: now its neighbours are.
    session.editor.send(session.editor.opening("", uri=session.uri("far/alpha_00.py")))
    session.editor.send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": session.uri()}}})
    session.editor.send(session.editor.opening("", uri=session.uri("far/main.py")))
    await session.editor.until(lambda: [told for told in session.editor.progress if told["kind"] == "report"])


@pytest.mark.parametrize("what", ["file", "workspace"])
async def test_what_is_forgotten_while_it_is_read_is_not_learned(begin, project, cache, what):
    fill(project)
    session = await begin(slow_server(), capabilities=SHOWS_PROGRESS)
    while not (offered := await session.offered("alpha_word")):
        await asyncio.sleep(0.02)
    word = offered[0]
    file = session.uri(word.replace("word_", "") + ".py")
    assert (await session.command("codelm.forget", what, *([file] if what == "file" else [])))["result"] is None
    if what == "file":
        rest = [f"alpha_word_{number:02}" for number in range(60)]
        await session.until_offered("alpha_word", *(other for other in rest if other != word))
        await session.until_saved(cache, *(other for other in rest if other != word))
    else:
        await session.settle()
        assert await session.offered("alpha_word") == []
    assert await session.editor.end() == 0
    assert word not in on_disk(cache)


@pytest.mark.parametrize("answer", [None, {"error": {"code": -32601, "message": "no such method"}}])
async def test_a_client_that_shows_no_progress_is_sent_none(begin, project, answer):
    fill(project, 10)
    session = await begin(slow_server(), capabilities=SHOWS_PROGRESS)
    session.editor.progress_answer = answer
    await session.until_offered("alpha_of", "alpha_of_one", "alpha_of_two")
    assert [told["kind"] for told in session.editor.progress] == ["create"]
    assert await session.editor.end() == 0


async def test_quick_work_shows_no_progress(begin):
    session = await begin(capabilities=SHOWS_PROGRESS)
    await session.until_offered("alph", "alpha_of_one", "alpha_of_two")
    assert session.editor.progress == []


# The end.


@pytest.mark.parametrize("polite", [True, False])
async def test_the_process_ends_while_it_learns(begin, project, polite):
    fill(project)
    session = await begin(slow_server())
    await session.editor.told("loading")
    if polite:
        assert await session.editor.end() == 0
    else:
        session.editor.writer.close()
        assert await session.editor.ended() == 1
    assert not [line for line in session.editor.log if "ERROR" in line or "Traceback" in line]


async def test_what_fails_is_logged_by_its_place_and_completions_go_on(begin):
    python, option, code = server()
    failing = "from codelm import workspace\ndef fail(*_): raise RuntimeError('alpha_of_one')\nworkspace._read = fail\n"
    session = await begin((python, option, failing + code))
    await session.editor.until(lambda: [line for line in session.editor.log if "internal error while learning" in line])
    assert (await session.editor.complete(0, 0, uri=session.uri()))["items"]
    assert await session.editor.end() == 0
    assert "alpha_of_one" not in "\n".join(session.editor.log)


# The real completer.


async def test_the_real_server_completes_what_another_file_has(begin, project, cache):
    (project / "helper.py").write_text("def quixotic_banana(zealous_argument):\n    pass\n", encoding="utf-8")
    real = (sys.executable, "-m", "codelm.cli", "--stdio")

    async def labels(session) -> list[str]:
        session.version += 1
        session.editor.send(session.editor.changing(session.version, {"text": "quixo"}, uri=session.uri()))
        return [item["label"] for item in (await session.editor.complete(0, 5, uri=session.uri()))["items"]]

    for _ in ("from the files", "from the disk"):
        session = await begin(real)
        while "quixotic_banana" not in await labels(session):
            await asyncio.sleep(0.05)
        await session.until_saved(cache, "quixotic_banana")
        assert await session.editor.end() == 0
    session = await begin(real)
    while "quixotic_banana" not in await labels(session):
        await asyncio.sleep(0.05)
    assert (await session.command("codelm.forget", "file", session.uri("helper.py")))["result"] is None
    assert "quixotic_banana" not in await labels(session)
    assert "quixotic" not in on_disk(cache)
    await session.command("codelm.learn", "file", session.uri("helper.py"))
    while "quixotic_banana" not in await labels(session):
        await asyncio.sleep(0.05)
    assert (await session.command("codelm.forget", "workspace"))["result"] is None
    assert "quixotic_banana" not in await labels(session)
    assert await session.editor.end() == 0
    assert not [line for line in session.editor.log if "ERROR" in line]


async def test_the_real_server_forgets_the_names_of_a_module(begin, project, cache):
    """Those that an import offers, too: at once, in the next session, and in all that is saved."""
    (project / "forgotten.py").write_text("def quixotic_banana(): ...\n", encoding="utf-8")
    (project / "kept.py").write_text("def zealous_walrus(): ...\n", encoding="utf-8")
    code = f"from codelm.lsp import learner\nlearner.SAVE_LATER = {QUICK['SAVE_LATER']}\n"
    real = (sys.executable, "-c", f"{code}from codelm.cli import main\nmain(['--stdio'])")

    async def labels(session, module: str) -> list[str]:
        text = f"from {module} import "
        session.version += 1
        session.editor.send(session.editor.changing(session.version, {"text": text}, uri=session.uri()))
        return [item["label"] for item in (await session.editor.complete(0, len(text), uri=session.uri()))["items"]]

    async def until_kept(word: str) -> None:
        while not any(word in file.read_text(encoding="ascii") for file in cache.rglob("importable.txt")):
            await labels(session, "kept")  # saving follows a completion
            await asyncio.sleep(0.05)

    session = await begin(real)
    while "quixotic_banana" not in await labels(session, "forgotten"):
        await asyncio.sleep(0.05)
    await until_kept("quixotic_banana")
    assert (await session.command("codelm.forget", "file", session.uri("forgotten.py")))["result"] is None
    assert "quixotic" not in on_disk(cache)
    for _ in ("at once", "in the next session"):
        while "zealous_walrus" not in await labels(session, "kept"):
            await asyncio.sleep(0.05)
        assert "quixotic_banana" not in await labels(session, "forgotten")
        await until_kept("zealous_walrus")
        assert await session.editor.end() == 0
        assert "quixotic" not in on_disk(cache)
        session = await begin(real)
    await session.command("codelm.learn", "file", session.uri("forgotten.py"))
    while "quixotic_banana" not in await labels(session, "forgotten"):
        await asyncio.sleep(0.05)
    assert await session.editor.end() == 0
    assert not [line for line in session.editor.log if "ERROR" in line]
