"""Ghost text as an editor sees it: a server process at the other end of a pipe, and the protocol's types.

A fake completer stands in for the model (``fake_server.py``): it does what the word before the cursor says.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from codelm.completion import Selected, Suggestion, Suggestions
from codelm.lsp.inline import no_suggestions, to_inline_list, to_selected
from codelm.lsp.lines import Encoding, Lines

URI = "file:///project/main.py"
INVOKED = types.InlineCompletionTriggerKind.Invoked


def span(start: int, end: int, line: int = 0) -> dict:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


# The protocol's types.


def inline_item(text: str, drawn: str) -> types.InlineCompletionItem:
    """Return a suggestion for what is drawn: ``[`` and ``]`` around what it replaces, ``|`` at the cursor."""
    before, _, rest = drawn.partition("[")
    left, _, right = rest.partition("]")[0].partition("|")
    start, cursor = len(before), len(before + left)
    plain = drawn.translate({ord(mark): None for mark in "[|]"})
    suggestions = Suggestions((Suggestion(text, start, cursor + len(right), 0.5),))
    [item] = to_inline_list(suggestions, Lines.of(plain), cursor, Encoding.UTF16).items
    return item


@pytest.mark.parametrize(
    ("drawn", "text", "characters", "filter_text"),
    [
        ("x = [|]", "f(y)", (4, 4), None),
        ("x = [sel|]", "self.name", (4, 7), None),
        ("🐍 = [sel|]", "self.name", (5, 8), None),
        # What closes behind the cursor is a part of the suggestion, and what was there isn't its beginning.
        ("print[(|)]", "(name)", (5, 7), "()"),
        ("x = f(['na|')]", "'name')", (6, 11), "'na')"),
        ("f([|)]", ")", (2, 3), None),
    ],
)
def test_an_item_replaces_a_part_of_the_line_that_begins_what_it_is_compared_with(drawn, text, characters, filter_text):
    item = inline_item(text, drawn)
    assert item.insert_text == text
    assert (item.range.start, item.range.end) == tuple(types.Position(0, character) for character in characters)
    assert item.filter_text == filter_text


@given(st.integers(0, 7), st.integers(0, 7))
def test_a_replaced_text_is_around_the_cursor_and_on_its_line(start, end):
    lines, cursor = Lines.of("ab\ncd\nef"), 4
    suggestions = Suggestions((Suggestion("cd = 1", start, end, 0.5),))
    if 3 <= start <= cursor <= end <= 5:
        [item] = to_inline_list(suggestions, lines, cursor, Encoding.UTF8).items
        assert item.range.start.line == item.range.end.line == 1
    else:
        with pytest.raises(ValueError, match="its line"):
            to_inline_list(suggestions, lines, cursor, Encoding.UTF8)


def test_nothing_is_an_empty_list():
    assert no_suggestions().items == to_inline_list(Suggestions(()), Lines.of(""), 0, Encoding.UTF8).items == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [((1, 5), (1, 7), 8), ((1, 7), (1, 7), 10), ((1, 5), (1, 8), None), ((1, 5), (1, 6), None), ((0, 0), (1, 7), None)],
)
def test_the_selected_item_replaces_a_text_that_ends_at_the_cursor(start, end, expected):
    lines, cursor = Lines.of("abc\n🐍 = sex"), 10
    info = types.SelectedCompletionInfo(types.Range(types.Position(*start), types.Position(*end)), "self")
    selected = to_selected(info, lines, cursor, Encoding.UTF16)
    assert selected == (None if expected is None else Selected(expected, "self"))


# A session.


async def test_ghost_text_is_offered_and_answers_with_a_range(start):
    editor = await start()
    capabilities = await editor.initialize()
    assert capabilities["inlineCompletionProvider"] is not None
    editor.send(editor.opening("🐍 wo"))
    first, second = await editor.suggest(0, 5)
    assert first == {"insertText": "wo_LINE", "range": span(3, 5)}
    given = editor.given([second])
    assert (given["text"], given["offset"], given["version"]) == ("🐍 wo", 4, 1)
    assert (given["limit"], given["milliseconds"], given["least"], given["selected"]) == (3, 300, 0.2, None)
    assert await editor.end() == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_ranges_count_as_negotiated(start, encoding):
    editor = await start()
    await editor.initialize(capabilities={"general": {"positionEncodings": [encoding]}})
    editor.send(editor.opening("🐍é\f wo"))
    units = {"utf-8": 10, "utf-16": 7, "utf-32": 6}[encoding]
    item = (await editor.suggest(0, units))[0]
    assert item["range"] == span(units - 2, units)


async def test_what_is_selected_in_the_list_is_extended(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("x = wo"))
    selected = {"range": span(4, 6), "text": "world"}
    item, last = await editor.suggest(0, 6, selected=selected)
    assert item == {"insertText": "world_LINE", "range": span(4, 6)}
    assert editor.given([last])["selected"] == "world"
    assert await editor.suggest(0, 6, selected={"range": span(4, 5), "text": "world"}) == []


async def test_closing_brackets_behind_the_cursor_are_replaced(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("print( wo)"))
    item = (await editor.suggest(0, 9))[0]
    assert item == {"insertText": "wo_LINE)", "range": span(7, 10), "filterText": "wo)"}


async def test_other_languages_and_unknown_documents_have_none(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("wo", language="markdown"))
    assert await editor.suggest(0, 2) == []
    assert await editor.suggest(0, 2, uri="file:///other.py") == []
    assert await editor.end() == 0
    assert not [event for event in editor.events if event.startswith("suggesting")]


async def test_settings_hold_for_what_is_unasked_and_less_for_what_is_asked_for(start):
    editor = await start()
    inline = {"confidence": 60, "maxItems": 2, "deadline": 1000, "midLine": False, "newLine": False}
    await editor.initialize(initializationOptions={"inline": inline})
    editor.send(editor.opening("wo + 1\n\n"))
    assert await editor.suggest(0, 2) == []
    assert await editor.suggest(1, 0) == []
    for line, character in ((0, 2), (1, 0)):
        given = editor.given(await editor.suggest(line, character, kind=INVOKED))
        assert (given["asked"], given["least"], given["limit"], given["milliseconds"]) == (True, 0, 2, 1000)
    given = editor.given(await editor.suggest(0, 6))
    assert (given["asked"], given["least"], given["limit"], given["milliseconds"]) == (False, 0.6, 2, 1000)


@pytest.mark.parametrize("settings", [{"enabled": False}, {"inline": {"enabled": False}}])
async def test_ghost_text_can_be_switched_off(start, settings):
    editor = await start()
    await editor.initialize(initializationOptions=settings)
    editor.send(editor.opening("wo"))
    assert await editor.suggest(0, 2) == []
    assert await editor.suggest(0, 2, kind=INVOKED) == []


async def test_a_failing_request_is_answered_without_the_source(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.suggesting(1, 5)
    editor.send(editor.opening("SECRET\ncrash"), request)
    assert (await answer)["error"]["message"] == "an internal error of codelm; its log says where"
    assert await editor.suggest(0, 6)
    await editor.end()
    assert "SECRET" not in "\n".join(editor.log)


# Requests that are out of date, and those that wait for others.


async def test_a_change_ends_the_work_on_a_line_and_not_that_on_a_list(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.suggesting(0, 4)
    editor.send(editor.opening("slow"), request)
    await editor.told("suggesting 1")
    editor.send(editor.changing(2, {"text": "slow wo"}))
    assert (await answer)["result"] is None
    await editor.told("gave up 1")
    request, answer = editor.completing(0, 4)
    editor.send(request)
    await editor.told("started 2")
    editor.send(editor.changing(3, {"text": "slow wor"}))
    await editor.ask("no/such/method")
    assert not answer.done()
    newer, newer_answer = editor.completing(0, 8)
    editor.send(newer)
    assert (await newer_answer)["result"]["items"], "a newer list takes the place of the older one"
    assert (await answer)["result"] == {"isIncomplete": True, "items": []}


async def test_a_newer_request_takes_the_place_of_an_older_one(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.suggesting(1, 4)
    editor.send(editor.opening("wo\nslow"), request)
    await editor.told("suggesting 1")
    assert await editor.suggest(0, 2)
    assert (await answer)["result"] is None


async def test_a_newer_request_does_so_even_where_nothing_is_suggested(start):
    """Else the older one's answer would be shown where the cursor is no longer."""
    editor = await start()
    await editor.initialize()
    request, answer = editor.suggesting(0, 4)
    editor.send(editor.opening("slow\nword"), request)
    await editor.told("suggesting 1")
    assert await editor.suggest(1, 2) == []
    assert (await answer)["result"] is None
    await editor.told("gave up 1")


async def test_a_list_goes_before_ghost_text_of_the_same_version_and_both_are_answered(start):
    editor = await start()
    await editor.initialize()
    line, line_answer = editor.suggesting(0, 5)
    editor.send(editor.opening("again"), line)
    await editor.told("suggesting 1")
    assert editor.given(await editor.complete(0, 5))["version"] == 1
    assert editor.given((await line_answer)["result"]["items"])["version"] == 1
    assert editor.events[1:] == ["suggesting 1", "gave up 1", "started 1", "suggesting 1"]


async def test_where_both_wait_the_list_goes_first(start):
    editor = await start()
    await editor.initialize()
    busy, _ = editor.completing(0, 4, uri="file:///other.py")
    editor.send(editor.opening("slow", uri="file:///other.py", version=9), editor.opening("wo"), busy)
    await editor.told("started 9")
    line, line_answer = editor.suggesting(0, 2)
    shown, shown_answer = editor.completing(0, 2)
    editor.send(line, shown)
    await editor.ask("no/such/method")
    editor.send({"method": "$/cancelRequest", "params": {"id": busy["id"]}})
    assert (await shown_answer)["result"]["items"]
    assert (await line_answer)["result"]["items"]
    assert editor.events[2:] == ["stopped 9", "started 1", "suggesting 1"]


async def test_ghost_text_for_what_was_typed_since_leaves_the_list_alone(start):
    """An editor that waits for a list asks for no other while its user types on: it narrows the one that comes."""
    editor = await start()
    await editor.initialize()
    busy, _ = editor.completing(0, 4, uri="file:///other.py")
    shown, shown_answer = editor.completing(0, 2)
    editor.send(editor.opening("slow", uri="file:///other.py", version=9), editor.opening("wo"), busy)
    await editor.told("started 9")
    line, line_answer = editor.suggesting(0, 3)
    editor.send(shown, editor.changing(2, {"text": "wor"}), line)
    await editor.ask("no/such/method")
    editor.send({"method": "$/cancelRequest", "params": {"id": busy["id"]}})
    assert (await shown_answer)["result"]["items"]
    assert (await line_answer)["result"]["items"]
    assert editor.events[2:] == ["stopped 9", "started 1", "suggesting 2"]


async def test_a_cancelled_request_stops_its_work(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.suggesting(0, 4)
    editor.send(editor.opening("slow"), request)
    await editor.told("suggesting 1")
    editor.send({"method": "$/cancelRequest", "params": {"id": request["id"]}})
    assert (await answer)["error"]["code"] == types.LSPErrorCodes.RequestCancelled
    await editor.told("gave up 1")


async def test_what_is_superseded_during_the_delay_costs_nothing(start):
    editor = await start()
    await editor.initialize(initializationOptions={"inline": {"delay": 2000}})
    editor.send(editor.opening("wo"))
    answers = []
    for version in range(2, 12):
        request, answer = editor.suggesting(0, 2)
        editor.send(editor.changing(version, {"text": "wo"}), request)
        answers.append(answer)
    asked_for = await editor.suggest(0, 2, kind=INVOKED)  # this one waits for nothing
    assert editor.given(asked_for)["version"] == 11
    assert [(await answer)["result"] for answer in answers] == [None] * 10
    await editor.end()
    assert editor.events == ["loading", "suggesting 11"]


async def test_a_burst_of_keys_leaves_no_backlog(start):
    """Each key is a change and a request of each kind."""
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("slow"))
    lists, lines = [], []
    for version in range(2, 52):
        text = "slow" if version < 51 else "quick"
        shown, shown_answer = editor.completing(0, 5)
        line, line_answer = editor.suggesting(0, 5)
        editor.send(editor.changing(version, {"text": text}), *((line, shown) if version % 2 else (shown, line)))
        lists.append(shown_answer)
        lines.append(line_answer)
    *stale, newest = [(await answer)["result"] for answer in lists]
    assert editor.given(newest)["version"] == 51
    assert stale == [{"isIncomplete": True, "items": []}] * 49
    *stale, newest = [(await answer)["result"] for answer in lines]
    assert editor.given(newest["items"])["version"] == 51
    assert stale == [None] * 49
    await editor.end()

    def versions(event: str) -> list[int]:
        return [int(told.removeprefix(event)) for told in editor.events if told.startswith(event)]

    # What was begun was ended, but for the newest; in order, and nothing was worked on behind it.
    assert versions("started ") == [*versions("stopped "), 51]
    assert versions("started ") == sorted(set(versions("started ")))
    suggested = versions("suggesting ")
    assert suggested == sorted(suggested)
    assert suggested[len(versions("gave up ")) :] == [51]
    assert editor.events[-2:] in (["started 51", "suggesting 51"], ["suggesting 51", "started 51"])


# The network, and what is done while nothing is asked.


async def test_the_network_is_opened_behind_the_model_while_completions_are_answered(start, tmp_path):
    ready = tmp_path / "ready"
    editor = await start()
    await editor.initialize(initializationOptions={"model": f"network:{ready}"})
    await editor.told("opening auto")
    editor.send(editor.opening("wo"))
    assert (await editor.complete(0, 2))["items"]
    assert await editor.suggest(0, 2)
    ready.touch()
    assert await editor.end() == 0
    assert editor.events.count("opening auto") == 1
    assert not editor.messages


async def test_the_process_ends_while_a_network_is_being_opened(start, tmp_path):
    editor = await start()
    await editor.initialize(initializationOptions={"model": f"network:{tmp_path / 'never'}"})
    await editor.told("opening auto")
    assert await editor.end() == 0


async def configure(editor, **settings) -> None:
    editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": {"codelm": settings}}})
    await editor.ask("no/such/method")  # by its answer the server has taken them over


async def test_a_network_that_runs_elsewhere_or_not_at_all_is_told_of_once(start):
    editor = await start()
    await editor.initialize(initializationOptions={"device": "cuda"})
    editor.send(editor.opening("wo"))
    [message] = await editor.until(lambda: editor.messages)
    assert message["type"] == types.MessageType.Warning
    assert message["message"] == "codelm: there is no cuda here, so the network runs on the CPU"
    await configure(editor, device="cuda", completion={"maxItems": 4})  # another setting opens nothing
    await configure(editor, device="mps")
    [_, message] = await editor.until(lambda: editor.messages[1:] and editor.messages)
    assert message["message"] == "codelm: completing without a network: core.onnx is broken"
    await configure(editor, device="cpu")
    await editor.told("opening cpu")
    assert (await editor.complete(0, 2))["items"]
    await editor.end()
    assert len(editor.messages) == 2
    assert editor.events[:4] == ["loading", "opening cuda", "opening mps", "opening cpu"]


async def test_an_error_in_opening_the_network_leaves_the_rest_at_work(start):
    editor = await start()
    await editor.initialize(initializationOptions={"model": "no network"})
    [message] = await editor.until(lambda: editor.messages)
    assert "opening it failed (RuntimeError; its log says where)" in message["message"]
    editor.send(editor.opening("wo"))
    assert (await editor.complete(0, 2))["items"]
    await editor.end()
    assert "secret words" not in "\n".join(editor.log)


async def test_a_network_is_opened_for_each_model(start):
    editor = await start()
    await editor.initialize(initializationOptions={"model": "network 1"})
    await editor.told("opening auto")
    await configure(editor, model="network 2")
    await editor.until(lambda: editor.events.count("opening auto") == 2)
    await editor.end()
    assert [event for event in editor.events if event.startswith(("loading", "opening"))] == [
        "loading network 1", "opening auto", "loading network 2", "opening auto",
    ]  # fmt: skip


async def test_an_opened_document_is_read_while_nothing_is_asked(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("wo"))
    await editor.complete(0, 2)  # by now the model is loaded
    editor.send(editor.opening("read 3", uri="file:///long.py"), editor.opening("read 9", "file:///a.md", "markdown"))
    await editor.told("reading 1")
    await editor.end()
    read = editor.events.index("opened 1")
    assert editor.events[read : read + 4] == ["opened 1", "reading 3", "reading 2", "reading 1"]
    assert editor.events.count("opened 1") == 1


async def test_what_is_pasted_is_read_ahead_up_to_where_the_cursor_is_behind_it(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("read 2\n\nend"))
    await editor.complete(0, 2)
    place = {"line": 1, "character": 0}
    few, many = "x" * 100, "x" * 200
    for version, text in ((2, few), (3, many)):
        editor.send(editor.changing(version, {"range": {"start": place, "end": place}, "text": text}))
    await editor.told(f"opened 3 {7 + len(many)}")
    await editor.end()
    assert not [event for event in editor.events if event.startswith("opened 2")]


async def test_a_document_that_was_opened_before_the_model_was_loaded_is_read_then(start, tmp_path):
    ready = tmp_path / "ready"
    editor = await start()
    await editor.initialize(initializationOptions={"model": f"wait:{ready}"})
    editor.send(editor.opening("read 2"))
    await editor.told(f"loading wait:{ready}")
    await editor.ask("no/such/method")
    ready.touch()
    await editor.told("reading 1")
    await editor.end()
    assert editor.events.count("opened 1") == 1


async def test_reading_stops_at_once_when_something_is_asked_and_goes_on_behind_it(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("read -1 wo"))
    await editor.told("reading -1")
    assert (await editor.complete(0, 10))["items"]
    assert await editor.suggest(0, 10)
    await editor.until(lambda: editor.events[-1] == "reading -1")
    assert await editor.end() == 0
