"""An editor without a screen: raw JSON-RPC, so that a test decides what is sent and when."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

PATIENCE = 60
"""Seconds to wait for what must come: many, for a machine may be busy. No test measures time."""

FAKE_SERVER = Path(__file__).with_name("fake_server.py")
URI = "file:///project/main.py"
INVOKED, AUTOMATIC = 1, 2
"""How ghost text is asked for: by the user, by the editor."""


Message = dict[str, Any]


class Editor:
    """One conversation with a server process. What the server sends unasked is kept in lists."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.configuration: Any = None
        """The settings that ``workspace/configuration`` is answered with."""
        self.configuration_answer: Callable[[], Message | None] = lambda: {"result": [self.configuration]}
        """That answer; ``None`` sends none."""
        self.messages: list[Message] = []
        """What ``window/showMessage`` said."""
        self.registered: list[Message] = []
        """What ``client/registerCapability`` asked for."""
        self.progress: list[Message] = []
        """What ``$/progress`` told, and the token as ``token``."""
        self.progress_answer: Message | None = {"result": None}
        """The answer to ``window/workDoneProgress/create``; ``None`` sends none."""
        self.statuses: list[Message] = []
        """What ``codelm/status`` told."""
        self.log: list[str] = []
        """The lines of the server's standard error."""
        self.writer: asyncio.StreamWriter | None = None
        self._news = asyncio.Condition()
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        assert process.stderr is not None
        self._tasks = [asyncio.create_task(self._read_log(process.stderr))]
        if process.stdin and process.stdout:
            self.connect(process.stdout, process.stdin)

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk over these streams."""
        self.writer = writer
        self._tasks.append(asyncio.create_task(self._read(reader)))

    @property
    def events(self) -> list[str]:
        """What the fake completer told so far."""
        return [line.removeprefix("event: ").strip() for line in self.log if line.startswith("event: ")]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition on what the server sent is true; return it."""

        async def wait() -> Any:
            async with self._news:
                while not (result := condition()):
                    await self._news.wait()
                return result

        return await asyncio.wait_for(wait(), PATIENCE)

    async def told(self, event: str) -> None:
        """Wait until the fake completer told of an event."""
        await self.until(lambda: event in self.events)

    def send(self, *messages: Message) -> None:
        """Send messages at once, in one piece."""
        data = b""
        for message in messages:
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            data += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        assert self.writer is not None
        self.writer.write(data)

    def asking(self, method: str, params: Any = None) -> tuple[Message, asyncio.Future[Message]]:
        """Return a request, not sent yet, and its answer to wait for."""
        self._next_id += 1
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[self._next_id] = answer
        return {"id": self._next_id, "method": method, "params": params}, answer

    async def ask(self, method: str, params: Any = None) -> Message:
        """Send a request; return the answer's whole message."""
        request, answer = self.asking(method, params)
        self.send(request)
        return await asyncio.wait_for(answer, PATIENCE)

    async def initialize(self, **options: Any) -> Message:
        """Begin the session; return the server's capabilities."""
        params = {"processId": None, "rootUri": None, "capabilities": {}, **options}
        answer = await self.ask("initialize", params)
        self.send({"method": "initialized", "params": {}})
        return answer["result"]["capabilities"]

    def completing(self, line: int, character: int, uri: str = URI):
        """Return a completion request, not sent yet, and its answer."""
        where = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        return self.asking("textDocument/completion", where)

    async def complete(self, line: int, character: int, uri: str = URI) -> Message:
        """Ask for completions; return the list."""
        request, answer = self.completing(line, character, uri)
        self.send(request)
        return (await asyncio.wait_for(answer, PATIENCE))["result"]

    def suggesting(self, line: int, character: int, uri: str = URI, kind: int = AUTOMATIC, selected: Any = None):
        """Return a request for ghost text, not sent yet, and its answer."""
        context = {"triggerKind": kind, **({"selectedCompletionInfo": selected} if selected else {})}
        where = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        return self.asking("textDocument/inlineCompletion", {**where, "context": context})

    async def suggest(self, line: int, character: int, **options: Any) -> list[Message]:
        """Ask for ghost text; return the items."""
        request, answer = self.suggesting(line, character, **options)
        self.send(request)
        return (await asyncio.wait_for(answer, PATIENCE))["result"]["items"]

    async def command(self, name: str, *arguments: Any) -> Message:
        """Execute a command; return the answer's whole message."""
        return await self.ask("workspace/executeCommand", {"command": name, "arguments": arguments})

    async def end(self) -> int:
        """Say goodbye as one should; return the exit status."""
        await self.ask("shutdown")
        self.send({"method": "exit"})
        return await self.ended()

    async def ended(self) -> int:
        """Wait for the process to end and for all that it sent; return the exit status."""
        status = await asyncio.wait_for(self.process.wait(), PATIENCE)
        await asyncio.wait_for(asyncio.gather(*self._tasks), PATIENCE)
        return status

    async def close(self) -> None:
        """End the process however it is."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()
        if self.writer is not None:
            self.writer.close()
            with suppress(OSError):
                await self.writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                header = await reader.readuntil(b"\r\n\r\n")
                # Anything else there, such as a stray print, breaks the stream: it fails here.
                match = re.fullmatch(rb"Content-Length: (\d+)\r\n(Content-Type: [^\r\n]*\r\n)?\r\n", header)
                assert match, header
                await self._receive(json.loads(await reader.readexactly(int(match[1]))))

    async def _receive(self, message: Message) -> None:
        async with self._news:
            match message:
                case {"method": "window/showMessage"}:
                    self.messages.append(message["params"])
                case {"method": "codelm/status"}:
                    self.statuses.append(message["params"])
                case {"method": "workspace/configuration"}:
                    if answer := self.configuration_answer():
                        self.send({"id": message["id"], **answer})
                case {"method": "client/registerCapability"}:
                    self.registered += message["params"]["registrations"]
                    self.send({"id": message["id"], "result": None})
                case {"method": "window/workDoneProgress/create"}:
                    self.progress.append({"kind": "create", **message["params"]})
                    if self.progress_answer:
                        self.send({"id": message["id"], **self.progress_answer})
                case {"method": "$/progress"}:
                    self.progress.append({**message["params"]["value"], "token": message["params"]["token"]})
                case {"id": number}:
                    self._waiting.pop(number).set_result(message)
            self._news.notify_all()

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            async with self._news:
                self.log.append(line.decode().rstrip("\n"))
                self._news.notify_all()

    @staticmethod
    def opening(text: str, uri: str = URI, language: str = "python", version: int = 1) -> Message:
        """Return the message that a document is opened."""
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        return {"method": "textDocument/didOpen", "params": {"textDocument": item}}

    @staticmethod
    def changing(version: int, *changes: Message, uri: str = URI) -> Message:
        """Return the message that a document changed."""
        document = {"uri": uri, "version": version}
        return {
            "method": "textDocument/didChange",
            "params": {"textDocument": document, "contentChanges": changes},
        }

    @staticmethod
    def given(answer: Message | list[Message]) -> Message:
        """Return what the fake completer was given, as the last item of a list or of ghost text tells."""
        if isinstance(answer, list):
            return json.loads(answer[-1]["insertText"])
        return json.loads(answer["items"][-1]["textEdit"]["newText"])


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """Start a server process: the one over the fake completer, or any command, with more environment variables.

    It ends with the test.
    """
    editors = []

    async def start(*command: str, pipe: int | None = asyncio.subprocess.PIPE, **variables: str) -> Editor:
        process = await asyncio.create_subprocess_exec(
            *(command or (sys.executable, str(FAKE_SERVER), "--stdio")),
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.PIPE,
            limit=2**24,
            env={**os.environ, **variables},
        )
        editors.append(Editor(process))
        return editors[-1]

    yield start
    for editor in editors:
        await editor.close()


@pytest.fixture
def editor_messages() -> type[Editor]:
    """The class whose static methods build an editor's messages."""
    return Editor
