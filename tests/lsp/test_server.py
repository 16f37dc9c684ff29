"""The language server as an editor sees it: a process at the other end of a pipe.

Where only the protocol matters, a fake completer stands in for the model (``fake_server.py``): it does what
the word before the cursor says and tells what it was given.
"""

import asyncio
import contextlib
import io
import os
import re
import sys
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

import codelm
from codelm.lsp.server import Server

URI = "file:///project/main.py"
FAKE_SERVER = str(Path(__file__).with_name("fake_server.py"))
REAL_SERVER = (sys.executable, "-m", "codelm.cli")

# A form feed is no line break, and what stands before the cursor takes other numbers of units in each
# encoding.
TEXT = "import os\f  # 🐍\nx = '🐍é\f' + wo\nend"
UNITS_OF_LINE_1 = {"utf-8": 18, "utf-16": 15, "utf-32": 14}
OFFSET_AFTER_WO = TEXT.index("\nend")


# The usual session, through a client library.


@pytest_lsp.fixture(
    params=["utf-8", "utf-16", "utf-32"],
    config=ClientServerConfig(server_command=[sys.executable, FAKE_SERVER, "--stdio"]),
)
async def client(lsp_client: LanguageClient, request):
    """An editor that counts in one of the encodings, with a document open."""
    lsp_client.encoding = request.param
    general = types.GeneralClientCapabilities(position_encodings=[request.param])
    capabilities = types.ClientCapabilities(general=general)
    lsp_client.introduction = await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities))
    lsp_client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "python", 1, TEXT)))
    yield
    await lsp_client.shutdown_session()


async def complete(client: LanguageClient, line: int, character: int) -> types.CompletionList:
    where = types.TextDocumentIdentifier(URI), types.Position(line, character)
    return await client.text_document_completion_async(types.CompletionParams(*where))


async def test_a_session_in_each_encoding(client: LanguageClient):
    introduction, encoding = client.introduction, client.encoding
    assert introduction.server_info == types.ServerInfo("codelm", codelm.__version__)
    capabilities = introduction.capabilities
    assert capabilities.position_encoding == encoding
    assert capabilities.completion_provider.trigger_characters == (".", "@")
    assert capabilities.text_document_sync.open_close
    assert capabilities.text_document_sync.change is types.TextDocumentSyncKind.Incremental

    # Completion after an astral character and a form feed.
    units = UNITS_OF_LINE_1[encoding]
    completions = await complete(client, 1, units)
    item = completions.items[0]
    assert not completions.is_incomplete
    assert (item.label, item.kind) == ("WO_DONE", types.CompletionItemKind.Variable)
    assert item.text_edit == types.TextEdit(
        types.Range(types.Position(1, units - 2), types.Position(1, units)), "WO_DONE"
    )
    assert item.filter_text == "wo_DONE"
    assert [item.sort_text[1:] for item in completions.items] == ["0000", "0001"]
    assert f'"offset": {OFFSET_AFTER_WO}' in completions.items[1].text_edit.new_text

    # Two incremental changes in one notification, the second behind what the first inserted.
    here = types.Position(1, units)
    after_snake = types.Position(1, units + {"utf-8": 4, "utf-16": 2, "utf-32": 1}[encoding])
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(2, URI),
            [
                types.TextDocumentContentChangePartial(types.Range(here, here), "🐍"),
                types.TextDocumentContentChangePartial(types.Range(after_snake, after_snake), " wor"),
            ],
        )
    )
    completions = await complete(client, 1, after_snake.character + 4)
    assert completions.items[0].label == "WOR_DONE"
    assert f'"offset": {OFFSET_AFTER_WO + 5}, "version": 2' in completions.items[1].text_edit.new_text

    # The whole text at once.
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(3, URI),
            [types.TextDocumentContentChangeWholeDocument("\f🐍\u2028 hello")],
        )
    )
    completions = await complete(client, 0, {"utf-8": 14, "utf-16": 10, "utf-32": 9}[encoding])
    assert completions.items[0].label == "HELLO_DONE"
    assert '"offset": 9, "version": 3' in completions.items[1].text_edit.new_text


# What follows needs to decide what is sent, and when: raw messages.


async def test_without_a_choice_positions_are_utf_16_and_lone_surrogates_are_text(start):
    editor = await start()
    capabilities = await editor.initialize()
    assert capabilities["positionEncoding"] == "utf-16"
    editor.send(editor.opening("🐍'\ud83d' wo"))
    given = editor.given(await editor.complete(0, 8))
    assert (given["text"], given["offset"]) == ("🐍'\ud83d' wo", 7)


async def test_items_say_where_they_come_from_to_editors_that_show_it(start):
    shows = {"textDocument": {"completion": {"completionItem": {"labelDetailsSupport": True}}}}
    for capabilities, details in ((shows, {"description": "file"}), ({}, None)):
        editor = await start()
        await editor.initialize(capabilities=capabilities)
        editor.send(editor.opening("wo"))
        assert (await editor.complete(0, 2))["items"][0].get("labelDetails") == details


# Requests that are out of date.


async def test_a_cancelled_request_stops_its_work(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.completing(0, 4)
    editor.send(editor.opening("slow"), request)
    await editor.told("started 1")
    editor.send({"method": "$/cancelRequest", "params": {"id": request["id"]}})
    error = (await answer)["error"]
    assert error["code"] == types.LSPErrorCodes.RequestCancelled
    await editor.told("stopped 1")
    editor.send(editor.changing(2, {"text": "quick"}))
    assert (await editor.complete(0, 5))["items"]


async def test_a_request_cancelled_in_the_same_breath_never_starts(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.completing(0, 4)
    cancel = {"method": "$/cancelRequest", "params": {"id": request["id"]}}
    editor.send(editor.opening("x"), editor.opening("slow", uri="file:///other.py", version=9))
    busy, _ = editor.completing(0, 4, uri="file:///other.py")
    editor.send(busy)
    await editor.told("started 9")
    editor.send(request, cancel)
    assert (await answer)["error"]["code"] == types.LSPErrorCodes.RequestCancelled
    await editor.end()
    assert "started 1" not in editor.events


async def test_a_newer_request_takes_the_place_of_an_older_one(start):
    editor = await start()
    await editor.initialize()
    old, old_answer = editor.completing(0, 4)
    editor.send(editor.opening("slow"), old)
    await editor.told("started 1")
    editor.send(editor.changing(2, {"text": "quick"}))
    new = await editor.complete(0, 5)
    assert (await old_answer)["result"] == {"isIncomplete": True, "items": []}
    assert editor.given(new)["version"] == 2
    await editor.told("stopped 1")


async def test_documents_do_not_take_each_others_place(start):
    editor = await start()
    await editor.initialize()
    other = "file:///other.py"
    slow, slow_answer = editor.completing(0, 4)
    editor.send(editor.opening("slow"), editor.opening("quick", uri=other, version=10), slow)
    await editor.told("started 1")
    # This one is never begun: it is replaced while it waits for its turn.
    waiting, waiting_answer = editor.completing(0, 5, uri=other)
    newest, newest_answer = editor.completing(0, 5, uri=other)
    editor.send(waiting, editor.changing(11, {"text": "quick"}, uri=other), newest)
    assert (await waiting_answer)["result"] == {"isIncomplete": True, "items": []}
    assert not slow_answer.done()
    editor.send({"method": "$/cancelRequest", "params": {"id": slow["id"]}})
    assert editor.given((await newest_answer)["result"])["version"] == 11
    await editor.told("started 11")
    assert editor.events == ["loading", "started 1", "stopped 1", "started 11"]


async def test_a_burst_of_requests_leaves_no_backlog(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("slow"))
    answers = []
    for version in range(2, 52):
        request, answer = editor.completing(0, 5)
        editor.send(editor.changing(version, {"text": "slow" if version < 51 else "quick"}), request)
        answers.append(answer)
    *stale, newest = [(await answer)["result"] for answer in answers]
    assert editor.given(newest)["version"] == 51
    assert stale == [{"isIncomplete": True, "items": []}] * 49
    await editor.end()
    *_, last_but_one, last = editor.events
    assert last == "started 51", "nothing is worked on after the newest request"
    assert last_but_one.startswith(("stopped", "loading"))
    began = {event.split()[1] for event in editor.events if event.startswith("started")}
    ended = {event.split()[1] for event in editor.events if event.startswith("stopped")}
    assert began - ended == {"51"}


async def test_closing_a_document_ends_the_work_on_it(start):
    editor = await start()
    await editor.initialize()
    request, answer = editor.completing(0, 4)
    editor.send(editor.opening("slow"), request)
    await editor.told("started 1")
    editor.send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}})
    assert (await answer)["result"]["items"] == []
    await editor.told("stopped 1")
    assert (await editor.complete(0, 4))["items"] == []


# Where nothing is proposed.


async def test_unknown_documents_and_other_languages_have_no_completions(start):
    editor = await start()
    await editor.initialize()
    nothing = {"isIncomplete": False, "items": []}
    editor.send(editor.changing(2, {"text": "private"}))
    assert await editor.complete(0, 0) == nothing
    editor.send(editor.opening("wo", uri="file:///notes.txt", language="plaintext"))
    assert await editor.complete(0, 2, uri="file:///notes.txt") == nothing
    await editor.until(lambda: [line for line in editor.log if line.endswith(f"not open: {URI}")])


# Settings.


BAD = {"completion": {"maxItems": "many", "deadline": 5000}, "modle": "x"}
COMPLAINTS = [
    'codelm.completion.maxItems is "many"; expected a whole number from 1 to 200, so 20 is used',
    "codelm.modle is no setting of codelm; did you mean codelm.model?",
]
PULLS = {"workspace": {"configuration": True}}


def complaints(editor) -> list[str]:
    """Return the lines of the one warning that was shown."""
    [message] = editor.messages
    assert message["type"] == types.MessageType.Warning
    return sorted(message["message"].splitlines()[1:])


async def test_settings_from_initialization_options(start):
    editor = await start()
    await editor.initialize(initializationOptions=BAD)
    editor.send(editor.opening("wo"))
    given = editor.given(await editor.complete(0, 2))
    assert (given["limit"], given["milliseconds"], given["multi_token"]) == (20, 5000, True)
    assert complaints(editor) == COMPLAINTS


async def test_settings_that_the_server_asks_for_go_before_initialization_options(start):
    editor = await start()
    editor.configuration = BAD
    await editor.initialize(
        capabilities=PULLS,
        initializationOptions={"completion": {"multiToken": False, "maxItems": 3, "deadline": 100}},
    )
    editor.send(editor.opening("wo"))
    given = editor.given(await editor.complete(0, 2))
    assert (given["limit"], given["milliseconds"], given["multi_token"]) == (20, 5000, False)
    assert complaints(editor) == COMPLAINTS


@pytest.mark.parametrize(
    ("capabilities", "inline", "expected"),
    [
        ({}, True, True),
        ({"textDocument": {"inlineCompletion": {}}}, True, False),  # ghost text says how the line goes on
        ({"textDocument": {"inlineCompletion": {}}}, False, True),
    ],
)
async def test_items_of_several_tokens_are_for_editors_without_ghost_text(start, capabilities, inline, expected):
    editor = await start()
    await editor.initialize(capabilities=capabilities, initializationOptions={"inline": {"enabled": inline}})
    editor.send(editor.opening("wo"))
    assert editor.given(await editor.complete(0, 2))["multi_token"] is expected


async def test_prose_is_completed_as_the_settings_of_list_and_ghost_text_say(start):
    editor = await start()
    wanted = {"completion": {"prose": False}, "inline": {"prose": True}}
    await editor.initialize(capabilities={"textDocument": {"inlineCompletion": {}}}, initializationOptions=wanted)
    editor.send(editor.opening("wo"))
    assert editor.given(await editor.complete(0, 2))["prose"] is False
    assert editor.given(await editor.suggest(0, 2))["prose"] is True


async def test_changed_settings_are_asked_for_where_the_client_answers_that(start):
    editor = await start()
    await editor.initialize(
        capabilities={"workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}}
    )
    editor.send(editor.opening("wo"))
    assert editor.given(await editor.complete(0, 2))["limit"] == 20
    [registration] = await editor.until(lambda: editor.registered)
    assert registration["method"] == "workspace/didChangeConfiguration"
    for configuration in (BAD, BAD, {"completion": {"maxItems": 4}}):
        editor.configuration = configuration
        editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": None}})
        await editor.ask("no/such/method")  # by its answer the server has asked, and been told
    await editor.until(lambda: editor.messages)
    while editor.given(await editor.complete(0, 2))["limit"] != 4:
        pass  # the answer may have been on its way still
    assert complaints(editor) == COMPLAINTS, "the same warning is not repeated"


async def test_changed_settings_are_taken_as_sent_from_other_clients(start):
    editor = await start()
    await editor.initialize(initializationOptions={"completion": {"deadline": 100}})
    editor.send(editor.opening("wo"))

    async def after(settings):
        editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})
        return await editor.complete(0, 2)

    assert editor.given(await after(None))["limit"] == 20
    assert editor.given(await after({"codelm": {"completion": {"maxItems": 4}}}))["limit"] == 4
    assert editor.given(await after({"other": {}}))["limit"] == 4
    assert (await after({"codelm": {"completion": {"enabled": False}}}))["items"] == []
    assert (await after({"codelm": {"enabled": False}}))["items"] == []
    assert editor.given(await after({"codelm": None}))["limit"] == 20
    assert editor.given(await after({"codelm": BAD}))["milliseconds"] == 5000
    assert complaints(editor) == COMPLAINTS
    assert editor.registered == [], "a client that doesn't take registrations gets none"


@pytest.mark.parametrize(
    "answer", [{"result": None}, {"result": []}, {"error": {"code": -32601, "message": "no such method"}}]
)
async def test_a_client_that_does_not_tell_its_settings_gets_completions_all_the_same(start, answer):
    editor = await start()
    editor.configuration_answer = lambda: answer
    await editor.initialize(capabilities=PULLS, initializationOptions={"completion": {"maxItems": 3}})
    editor.send(editor.opening("wo"))
    assert editor.given(await editor.complete(0, 2))["limit"] == 3


# Models.


async def test_the_server_answers_while_its_model_is_loaded_and_completions_wait_for_it(start, tmp_path):
    ready = tmp_path / "ready"
    editor = await start()
    await editor.initialize(initializationOptions={"model": f"wait:{ready}"})
    request, answer = editor.completing(0, 2)
    older, older_answer = editor.completing(0, 2)
    editor.send(editor.opening("wo"), older, request)
    await editor.told(f"loading wait:{ready}")
    assert (await older_answer)["result"] == {"isIncomplete": True, "items": []}
    assert (await editor.ask("no/such/method"))["error"]["code"] == types.ErrorCodes.MethodNotFound
    assert not answer.done()
    ready.touch()
    assert editor.given((await answer)["result"])["model"] == f"wait:{ready}"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("broken", "broken/manifest.json: not a codelm checkpoint"),
        ("crash", "loading crash failed (RuntimeError; its log says where)"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_reported_once_and_another_can_be_named(start, model, reason):
    editor = await start()
    await editor.initialize(initializationOptions={"model": model})
    editor.send(editor.opening("wo"))
    for _ in range(3):
        assert (await editor.complete(0, 2))["items"] == []
    [message] = editor.messages
    assert message["type"] == types.MessageType.Error
    assert message["message"] == f"codelm has no model to complete with: {reason}"
    editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": {"codelm": {"model": "good"}}}})
    assert editor.given(await editor.complete(0, 2))["model"] == "good"
    await editor.end()
    assert "secret words" not in "\n".join(editor.log)


async def test_only_the_last_of_several_models_is_loaded(start, tmp_path):
    ready = tmp_path / "ready"
    editor = await start()
    await editor.initialize(initializationOptions={"model": f"wait:{ready}"})
    await editor.told(f"loading wait:{ready}")
    for model in ("second", "third", "third"):
        settings = {"codelm": {"model": model}}
        editor.send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})
    editor.send(editor.opening("wo"))
    request, answer = editor.completing(0, 2)
    editor.send(request)
    await editor.ask("no/such/method")
    ready.touch()
    assert editor.given((await answer)["result"])["model"] == "third"
    await editor.end()
    assert editor.events[:2] == [f"loading wait:{ready}", "loading third"]


async def test_a_disabled_server_loads_no_model(start):
    editor = await start()
    await editor.initialize(initializationOptions={"enabled": False})
    editor.send(editor.opening("wo"))
    assert (await editor.complete(0, 2))["items"] == []
    await editor.end()
    assert editor.events == []


async def test_the_real_server_says_in_one_line_that_a_model_is_missing(start, tmp_path):
    editor = await start(*REAL_SERVER, "--stdio", "--model", str(tmp_path / "none"))
    await editor.initialize()
    editor.send(editor.opening("wo"))
    assert (await editor.complete(0, 2))["items"] == []
    [message] = editor.messages
    assert str(tmp_path / "none") in message["message"]
    assert len(message["message"].splitlines()) == 1
    assert await editor.end() == 0


# When things go wrong.


async def test_a_failing_request_is_answered_and_the_server_lives_on(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("SECRET = 1\ncrash"))
    request, answer = editor.completing(1, 5)
    editor.send(request)
    error = (await answer)["error"]
    assert error == {
        "code": types.ErrorCodes.InternalError,
        "message": "an internal error of codelm; its log says where",
    }
    await editor.until(lambda: "  builtins.KeyError" in editor.log)
    assert any(re.search(r"fake_server.py:\d+ in complete", line) for line in editor.log)
    editor.send(editor.changing(2, {"text": "SECRET wo"}))
    assert (await editor.complete(0, 9))["items"]


async def test_no_log_holds_any_source(start):
    """Even at the level ``debug``, whatever happens."""
    editor = await start()
    await editor.initialize(initializationOptions={"model": "SECRET"})
    editor.send(editor.opening("SECRET\ncrash"))
    await editor.complete(0, 6)
    await editor.ask("textDocument/completion", {"textDocument": {"uri": URI}, "position": "SECRET"})
    await editor.ask("no/such/method", {"text": "SECRET"})
    request, answer = editor.completing(1, 5)
    editor.send(
        {"method": "textDocument/didChange", "params": {"contentChanges": [{"text": "SECRET"}]}},
        {"method": "textDocument/didChange", "params": {"textDocument": "SECRET", "contentChanges": 1}},
        {"method": "no/such/notification", "params": "SECRET"},
        {"id": 99, "result": "SECRET"},
        {"id": 98, "error": {"code": 1, "message": "SECRET"}},
        {"method": "$/cancelRequest", "params": {"id": "SECRET"}},
        request,
    )
    editor.writer.write(b"Content-Length: 8\r\n\r\n{SECRET}")
    await answer
    assert await editor.end() == 0
    log = "\n".join(line for line in editor.log if not line.startswith("event:") and "loaded" not in line)
    assert "SECRET" not in log
    assert "ERROR" in log


async def test_requests_that_cannot_be_are_answered(start):
    editor = await start()
    early = await editor.ask("textDocument/completion", {})
    assert early["error"]["code"] in (types.ErrorCodes.ServerNotInitialized, types.ErrorCodes.InvalidParams)
    early = await editor.ask("shutdown")
    assert early["error"]["code"] == types.ErrorCodes.ServerNotInitialized
    await editor.initialize()
    params = {"textDocument": {"uri": URI}, "position": {"line": -1, "character": 0}}
    wrong = await editor.ask("textDocument/completion", params)
    assert wrong["error"]["code"] == types.ErrorCodes.InvalidParams
    again = await editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert again["error"]["code"] == types.ErrorCodes.InvalidRequest
    await editor.ask("shutdown")
    late = await editor.ask("no/such/method")
    assert late["error"]["code"] == types.ErrorCodes.InvalidRequest


async def test_what_others_print_or_read_is_kept_from_the_stream(start):
    editor = await start()
    await editor.initialize()
    editor.send(editor.opening("print"))
    assert (await editor.complete(0, 5))["items"]
    await editor.told("read")
    assert editor.log.count("stray") == 3


def test_typing_leaves_nothing_behind_in_the_protocol(editor_messages):
    """It keeps what it waits for, and no trace of a change that is done."""
    protocol = Server(load=lambda model: pytest.fail(f"loaded {model}")).protocol
    protocol.set_writer(io.BytesIO())

    def receive(message):
        protocol.handle_message(protocol.structure_message({"jsonrpc": "2.0", **message}))

    receive({"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}})
    receive(editor_messages.opening("x"))
    kept = len(protocol._request_futures)
    for version in range(2, 50):
        receive(editor_messages.changing(version, {"text": "x" * version}))
    assert len(protocol._request_futures) == kept == 0


# The end.


@pytest.mark.parametrize(
    ("work", "polite", "status"),
    [
        ("quick", True, 0),
        ("slow", True, 0),
        ("stuck", True, 0),
        ("loading", True, 0),
        ("quick", False, 1),
        ("stuck", False, 1),
    ],
)
async def test_the_process_ends_whatever_is_at_work(start, tmp_path, work, polite, status):
    editor = await start()
    model = f"wait:{tmp_path / 'never'}" if work == "loading" else ""
    await editor.initialize(initializationOptions={"model": model})
    request, _ = editor.completing(0, len(work))
    editor.send(editor.opening(work), request)
    await editor.told(f"loading {model}" if model else "started 1")
    if polite:
        assert await editor.end() == status
    else:
        editor.send({"method": "exit"})
        assert await editor.ended() == status
    assert not [line for line in editor.log if "ERROR" in line or "Traceback" in line]


@pytest.mark.parametrize("work", ["slow", "stuck"])
async def test_the_process_ends_when_its_input_does(start, work):
    editor = await start()
    await editor.initialize()
    request, _ = editor.completing(0, len(work))
    editor.send(editor.opening(work), request)
    await editor.told("started 1")
    editor.writer.close()
    assert await editor.ended() == 1
    assert not [line for line in editor.log if "ERROR" in line or "Traceback" in line]


async def test_the_process_ends_when_nobody_reads_its_answers():
    """The answer cannot be sent; the next message finds the server gone."""
    unread, answers = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, FAKE_SERVER, "--stdio", stdin=-1, stdout=answers, stderr=asyncio.subprocess.DEVNULL
    )
    os.close(unread)
    os.close(answers)
    message = b'{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}'
    process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(message), message))
    assert await asyncio.wait_for(process.wait(), 60) == 1
    with contextlib.suppress(OSError):
        process.stdin.close()
        await process.stdin.wait_closed()


# TCP.


async def listening(editor) -> tuple[str, int]:
    """Wait until the server listens; return where."""
    line = await editor.until(lambda: [line for line in editor.log if "listening on" in line])
    host, _, port = line[0].removeprefix("codelm-lsp: listening on ").rpartition(":")
    return host, int(port)


async def test_tcp_serves_one_client_of_this_computer(start, tmp_path):
    editor = await start(*REAL_SERVER, "--tcp", "0", "--model", str(tmp_path / "none"), pipe=None)
    host, port = await listening(editor)
    assert host == "127.0.0.1"
    editor.connect(*await asyncio.open_connection(host, port))
    await editor.initialize()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)
    assert await editor.end() == 0


async def test_tcp_ends_when_the_client_goes_away(start):
    editor = await start(sys.executable, FAKE_SERVER, "--tcp", "0", pipe=None)
    editor.connect(*await asyncio.open_connection(*await listening(editor)))
    await editor.initialize()
    editor.send(editor.opening("slow"), editor.completing(0, 4)[0])
    await editor.told("started 1")
    editor.writer.close()
    assert await editor.ended() == 1


async def test_a_request_sees_the_document_as_it_was_when_it_came(start):
    """Even where a change came with it in one piece: its position belongs to the version before."""
    editor = await start(sys.executable, FAKE_SERVER, "--tcp", "0", pipe=None)
    editor.connect(*await asyncio.open_connection(*await listening(editor)))
    await editor.initialize()
    request, answer = editor.completing(0, 5)
    editor.send(editor.opening("first"), request, editor.changing(2, {"text": "x"}))
    given = editor.given((await answer)["result"])
    assert (given["text"], given["version"]) == ("first", 1)
    assert await editor.end() == 0
