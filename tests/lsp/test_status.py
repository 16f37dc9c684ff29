"""What codelm says of itself, and how it is paused: a server process, as an editor sees it."""

from pathlib import Path

import pytest
from lsprotocol import types

from codelm import __version__

WANTS_STATUS = {"experimental": {"codelm": {"status": True}}}


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "one.py").write_text("alpha = 1\n", encoding="utf-8")
    return folder


@pytest.fixture
def begin(start, project, tmp_path):
    """Begin a session in the project whose editor wants to be told, unless it says otherwise."""

    async def begin(**options):
        editor = await start(XDG_CACHE_HOME=str(tmp_path / "cache"))
        options.setdefault("workspaceFolders", [{"uri": project.as_uri(), "name": "project"}])
        await editor.initialize(**{"capabilities": WANTS_STATUS, **options})
        return editor

    return begin


async def status_of(editor):
    return (await editor.command("codelm.status"))["result"]


async def test_it_tells_of_the_model_the_network_and_the_workspace(begin):
    editor = await begin(initializationOptions={"model": "some/model"})
    status = await editor.until(lambda: [told for told in editor.statuses if told["workspace"]["words"]])
    assert status[-1]["version"] == __version__
    assert status[-1]["model"] == {"name": "some/model", "folder": "some/model", "state": "ready", "problem": ""}
    assert status[-1]["network"] == {"state": "ready", "device": "cpu", "problem": ""}
    assert status[-1]["workspace"] == {"state": "ready", "files": 1, "words": 4, "done": 0, "total": 0}
    assert await status_of(editor) == editor.statuses[-1]


async def test_it_tells_nothing_twice_and_nobody_who_does_not_ask(begin):
    editor = await begin(capabilities={})
    while (await status_of(editor))["workspace"]["words"] == 0:
        pass
    assert editor.statuses == []
    editor = await begin()
    await editor.until(lambda: [told for told in editor.statuses if told["workspace"]["words"]])
    await editor.command("codelm.resume")
    await editor.command("codelm.pause")
    await editor.until(lambda: editor.statuses[-1]["paused"])
    assert all(one != other for one, other in zip(editor.statuses, editor.statuses[1:], strict=False))


@pytest.mark.parametrize(
    ("model", "state", "problem"),
    [("broken", "failed", "broken"), ("crash", "failed", "loading crash failed"), ("wait:nowhere", "loading", "")],
)
async def test_it_tells_why_there_is_no_model(begin, model, state, problem):
    editor = await begin(initializationOptions={"model": model})
    told = await editor.until(lambda: [told for told in editor.statuses if told["model"]["state"] == state])
    assert problem in told[-1]["model"]["problem"]
    assert told[-1]["network"]["state"] == "none"


@pytest.mark.parametrize(
    ("options", "network"),
    [
        ({"model": "no network at all"}, ("none", "", "")),
        ({"model": "no network"}, ("failed", "auto", "opening it failed")),
        ({"device": "cuda"}, ("ready", "cpu", "cuda")),
    ],
)
async def test_it_tells_what_is_wrong_with_the_network(begin, options, network):
    editor = await begin(initializationOptions=options)
    await editor.until(lambda: [told for told in editor.statuses if told["network"]["state"] == network[0]])
    state, device, problem = network
    told = [told["network"] for told in editor.statuses if told["network"]["state"] == state][-1]
    assert told["device"] == device
    assert problem in told["problem"]


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"workspaceFolders": None}, "off"),
        ({"initializationOptions": {"workspace": {"enabled": False}}}, "off"),
        ({}, "ready"),
    ],
)
async def test_it_tells_whether_the_workspace_is_learned_from(begin, options, state):
    editor = await begin(**options)
    await editor.until(lambda: [told for told in editor.statuses if told["network"]["state"] == "ready"])
    await editor.until(lambda: editor.statuses[-1]["workspace"]["state"] == state)


async def test_a_forgotten_workspace_is_told(begin):
    editor = await begin()
    await editor.until(lambda: [told for told in editor.statuses if told["workspace"]["words"]])
    await editor.command("codelm.forget", "workspace")
    await editor.until(lambda: editor.statuses[-1]["workspace"]["state"] == "forgotten")
    assert (await status_of(editor))["workspace"]["words"] == 0


async def test_while_it_is_paused_nothing_is_proposed_and_nothing_learned(begin, project):
    editor = await begin()
    await editor.until(lambda: [told for told in editor.statuses if told["workspace"]["words"]])
    editor.send(editor.opening("x"))
    await editor.command("codelm.pause")
    assert await editor.complete(0, 1) == {"isIncomplete": False, "items": []}
    assert await editor.suggest(0, 1) == []
    (project / "two.py").write_text("beta = 1\n", encoding="utf-8")
    changed = {"uri": (project / "two.py").as_uri(), "type": types.FileChangeType.Created}
    editor.send({"method": "workspace/didChangeWatchedFiles", "params": {"changes": [changed]}})
    assert (await status_of(editor))["workspace"]["files"] == 1
    await editor.command("codelm.resume")
    assert (await editor.complete(0, 1))["items"]
    await editor.until(lambda: editor.statuses[-1]["workspace"]["files"] == 2)
    assert await editor.end() == 0


@pytest.mark.parametrize("name", ["codelm.status", "codelm.pause", "codelm.resume"])
async def test_commands_that_take_no_arguments_refuse_them(begin, name):
    editor = await begin()
    refused = await editor.command(name, "now")
    assert refused["error"]["message"] == f"{name} takes no arguments"


async def test_what_is_proposed_is_off_where_the_settings_say_so(begin):
    editor = await begin(initializationOptions={"enabled": False})
    assert not (await status_of(editor))["enabled"]
    assert (await status_of(editor))["model"]["state"] == "none"
