"""Counting what is accepted, as an editor sees it: only where the user wants it, numbers alone, on this machine."""

import asyncio
import json
from datetime import date

import pytest
from lsprotocol import types

from codelm.completion import Completion, CompletionKind, Completions, Source, Suggestion, Suggestions
from codelm.lsp.convert import to_completion_list
from codelm.lsp.inline import to_inline_list
from codelm.lsp.lines import Encoding, Lines
from codelm.lsp.statistics import tell_of_lines, tell_of_list

ON = {"statistics": {"enabled": True}}
LISTED = {"kind": "list", "source": "file", "characters": 7}
LINE = {"kind": "line", "source": "base", "characters": 5}


@pytest.fixture
def data(tmp_path):
    """The folder that statistics are in."""
    return tmp_path / "data" / "codelm"


@pytest.fixture
def begin(start, data):
    async def begin(**options):
        editor = await start(XDG_DATA_HOME=str(data.parent))
        options.setdefault("initializationOptions", ON)
        await editor.initialize(**options)
        editor.send(editor.opening("wo"))
        return editor

    return begin


async def days(editor):
    return (await editor.command("codelm.statistics"))["result"]["days"]


async def accept(editor, item):
    """Do what an editor does with an accepted item."""
    command = item["command"]
    return await editor.command(command["command"], *command["arguments"])


async def test_accepted_items_are_counted(begin, data):
    editor = await begin()
    item, *_ = (await editor.complete(0, 2))["items"]  # WO_DONE, for wo
    assert item["command"]["arguments"] == [{"kind": "list", "source": "file", "characters": 5}]
    for _ in range(2):
        assert (await accept(editor, item))["result"] is None
    line, *_ = await editor.suggest(0, 2)  # wo_LINE
    await accept(editor, line)
    answer = (await editor.command("codelm.statistics"))["result"]
    assert answer == {
        "enabled": True,
        "file": str(data / "statistics.json"),
        "days": {
            date.today().isoformat(): {
                "list": {"accepted": 2, "characters": 10, "sources": {"file": 2}},
                "line": {"accepted": 1, "characters": 5, "sources": {"base": 1}},
            }
        },
    }
    written = (data / "statistics.json").read_text(encoding="utf-8")
    assert "WO" not in written.upper()


async def test_by_default_no_item_has_a_command_and_nothing_is_counted_or_written(begin, data):
    editor = await begin(initializationOptions={})
    answers = await editor.complete(0, 2), await editor.suggest(0, 2)
    assert "command" not in json.dumps(answers)
    assert (await editor.command("codelm.accepted", LISTED))["result"] is None
    answer = (await editor.command("codelm.statistics"))["result"]
    assert answer == {"enabled": False, "file": str(data / "statistics.json"), "days": {}}
    assert await editor.end() == 0
    assert not data.exists()


async def test_the_setting_can_change_while_the_server_runs(begin):
    editor = await begin()
    for enabled in (False, True):
        settings = {"codelm": {"statistics": {"enabled": enabled}}}
        editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})
        assert all(("command" in item) is enabled for item in (await editor.complete(0, 2))["items"])


async def test_counts_outlive_the_server_and_several_servers_add_theirs(begin):
    editors = [await begin() for _ in range(3)]
    for editor in editors:
        await editor.command("codelm.accepted", LISTED)
        await editor.command("codelm.accepted", LINE)
    for editor in editors:
        assert await editor.end() == 0  # before it would have written them by itself
    [counts] = (await days(await begin())).values()
    assert (counts["list"]["accepted"], counts["line"]["characters"]) == (3, 15)


async def test_counts_are_written_a_moment_later(begin, data):
    editor = await begin()
    await editor.command("codelm.accepted", LISTED)
    while not (data / "statistics.json").exists():
        await asyncio.sleep(0.02)
    await editor.close()  # killed
    assert len(await days(await begin())) == 1


async def test_statistics_can_be_forgotten(begin, data):
    editor = await begin()
    await editor.command("codelm.accepted", LISTED)
    await editor.command("codelm.statistics")
    await editor.command("codelm.accepted", LISTED)
    assert (await editor.command("codelm.forgetStatistics"))["result"] is None
    assert await days(editor) == {}
    assert not (data / "statistics.json").exists()
    assert [message["message"] for message in editor.messages] == ["codelm forgot its statistics."]


async def test_where_nothing_can_be_written_the_user_is_told_once_and_counting_goes_on(begin, data):
    data.parent.mkdir()
    data.touch()  # a file where the folder should be: as on a full disk, nothing can be written
    editor = await begin()
    await editor.command("codelm.accepted", LISTED)
    [message] = await editor.until(lambda: editor.messages)
    assert message["type"] == types.MessageType.Warning
    assert f"cannot use {data}" in message["message"]
    await editor.command("codelm.accepted", LISTED)
    error = (await editor.command("codelm.statistics"))["error"]
    assert error["code"] == types.LSPErrorCodes.RequestFailed
    assert f"cannot use {data}" in error["message"]
    data.unlink()
    [counts] = (await days(editor)).values()
    assert counts["list"]["accepted"] == 2
    assert len(editor.messages) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [None],
        ["list"],
        [LISTED, LISTED],
        [{**LISTED, "kind": "word"}],
        [{**LISTED, "source": "secret_name"}],
        [{**LISTED, "characters": -1}],
        [{**LISTED, "characters": "7"}],
        [{**LISTED, "text": "secret_name"}],
        [{"kind": "list"}],
    ],
)
async def test_what_is_no_count_is_refused(begin, arguments):
    editor = await begin()
    error = (await editor.command("codelm.accepted", *arguments))["error"]
    assert error["code"] == types.ErrorCodes.InvalidParams
    assert error["message"].startswith("codelm.accepted takes")
    assert "secret_name" not in error["message"]
    assert await days(editor) == {}


def test_what_is_told_of_an_item_is_what_need_not_be_typed():
    completions = Completions((Completion("self", CompletionKind.VARIABLE, 0.5, Source.NETWORK),), 4, complete=True)
    [item] = (found := to_completion_list(completions, Lines.of("x = se"), 6, Encoding.UTF8))["items"]
    tell_of_list(found["items"], completions, 2)
    assert item["command"]["arguments"] == [{"kind": "list", "source": "network", "characters": 2}]
    assert item["command"]["command"] == "codelm.accepted"
    suggestions = Suggestions((Suggestion("self)", 4, 7, 0.5, Source.FILE),))  # the bracket is there already
    [line] = (shown := to_inline_list(suggestions, Lines.of("x = se)"), 6, Encoding.UTF8)).items
    tell_of_lines(shown.items, suggestions)
    assert line.command.arguments == [{"kind": "line", "source": "file", "characters": 2}]
