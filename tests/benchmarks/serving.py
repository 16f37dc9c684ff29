"""What a key costs the real server's process, beside a bare pygls server that has fixed answers to the same messages.

A function in the middle of a long file is typed again, a change and a completion for each key, and ghost text too. All
CPU that the process burns from the first key to the last is counted, whatever thread it is in: the server has loaded
all by then, its network too. CPU time and memory are read from /proc, so this runs on Linux.

::

    python tests/benchmarks/serving.py [MODEL]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from texts import long_text, middle_of, stdlib

KEYS, WARM = 150, 10
STARTS = 3
BETWEEN_KEYS = 0.02
QUIET, PATIENCE = 2.0, 60.0  # seconds
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CODELM = [str(Path(sys.executable).with_name("codelm-lsp")), "--stdio"]
BARE = [sys.executable, str(Path(__file__).resolve()), "bare"]
POPUP = "textDocument/completion", {"triggerKind": 1}
GHOST_TEXT = "textDocument/inlineCompletion", {"triggerKind": 2}  # unasked


class Process:
    """A language server's process with its messages."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        began = time.perf_counter()
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._number = 0
        workspace = folder.joinpath("workspace").as_uri()
        self.ask("initialize", {"processId": None, "rootUri": workspace, "capabilities": {}})
        self.initialized_after = time.perf_counter() - began
        self.tell("initialized", {})

    def cpu(self) -> float:
        """Return the CPU seconds so far."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident(self) -> float:
        """Return the resident megabytes."""
        return int(self._read("statm").split()[1]) * PAGE / 1e6

    def tell(self, method: str, params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def maps(self, file: str) -> bool:
        """Return whether the process has a file of such a name in its memory."""
        return file in self._read("maps")

    def until_quiet(self) -> None:
        """Wait until the process has burnt nothing for some time."""
        patience = time.monotonic() + PATIENCE
        before = -1.0
        while (now := self.cpu()) > before:
            if time.monotonic() > patience:
                raise TimeoutError(f"the server is busy still after {PATIENCE:.0f} s")
            before = now
            time.sleep(QUIET)

    def ask(self, method: str, params: Any) -> Any:
        """Return the answer to a request."""
        return self.ask_at_once([(method, params)])[0]

    def ask_at_once(self, requests: Sequence[tuple[str, Any]]) -> list[Any]:
        """Return the answers to requests that are sent without waiting for one another."""
        numbers = range(self._number + 1, self._number + 1 + len(requests))
        self._number += len(requests)
        for number, (method, params) in zip(numbers, requests, strict=True):
            self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answers: dict[int, Any] = {}
        while len(answers) < len(requests):
            message = self._receive()
            if message.get("id") in numbers and "method" not in message:
                answers[message["id"]] = message["result"]
        return [answers[number] for number in numbers]

    def end(self) -> None:
        self.ask("shutdown", None)
        self.tell("exit", None)
        self._process.wait(10)

    def _read(self, what: str) -> str:
        return Path(f"/proc/{self._process.pid}/{what}").read_text(encoding="ascii")

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        body = json.dumps(message).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        size = 0
        while (line := self._process.stdout.readline()) != b"\r\n":
            if line.startswith(b"Content-Length:"):
                size = int(line.partition(b":")[2])
        return json.loads(self._process.stdout.read(size))


def typed(process: Process, text: str, asked: Sequence[tuple[str, Any]], needed: str) -> tuple[float, float]:
    """Type a function in the middle of a text again; return the CPU seconds of a key, and the megabytes afterwards.

    ``asked``: the methods behind each key, and their contexts. ``needed``: a file that the process must have in its
    memory by then; "" for none.
    """
    middle = middle_of(text)
    line = text.count("\n", 0, middle)
    keys = text[middle : middle + WARM + KEYS]
    uri = "file:///open.py"
    document = {"uri": uri, "languageId": "python", "version": 0, "text": text[:middle] + text[middle + len(keys) :]}
    process.tell("textDocument/didOpen", {"textDocument": document})
    column = 0
    for version, key in enumerate(keys, 1):
        if version == WARM + 1:
            process.until_quiet()
            if needed and not process.maps(needed):
                raise RuntimeError(f"the server has not opened {needed}")
            began = process.cpu()
        here = {"line": line, "character": column}
        change = {"range": {"start": here, "end": here}, "text": key}
        document = {"uri": uri, "version": version}
        process.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        line, column = (line + 1, 0) if key == "\n" else (line, column + 1)
        place = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        process.ask_at_once([(method, {**place, "context": context}) for method, context in asked])
        time.sleep(BETWEEN_KEYS)
    return (process.cpu() - began) / KEYS, process.resident()


def make_workspace(folder: Path) -> None:
    """Copy some modules."""
    folder.joinpath("workspace").mkdir()
    for name in ("turtle.py", "typing.py", "asyncio/tasks.py", "email/message.py", "http/client.py"):
        text = (stdlib() / name).read_text(encoding="utf-8")
        folder.joinpath("workspace", Path(name).name).write_text(text, encoding="utf-8")


def measured(command: Sequence[str], text: str, asked: Sequence[tuple[str, Any]], needed: str) -> tuple[float, float]:
    """Return the CPU seconds of a key of a server, and its megabytes then."""
    with tempfile.TemporaryDirectory() as temporary:
        make_workspace(Path(temporary))
        process = Process(command, Path(temporary))
        found = typed(process, text, asked, needed)
        process.end()
    return found


def started(commands: Sequence[Sequence[str]]) -> list[float]:
    """Return the median seconds from the start of each server to its answer to ``initialize``; they start in turn."""
    taken: list[list[float]] = [[] for _ in commands]
    for _ in range(STARTS):
        for command, seconds in zip(commands, taken, strict=True):
            with tempfile.TemporaryDirectory() as temporary:
                process = Process(command, Path(temporary))
                seconds.append(process.initialized_after)
                process.end()
    return [statistics.median(seconds) for seconds in taken]


def row(what: str, figure: str, ratio: float) -> None:
    """Print a figure beside that of the bare server."""
    print(f"{what:<52}{figure:>16}{ratio:>9.2f} x  a bare pygls server", flush=True)


def bare() -> None:
    """Serve a fixed list of 20 items, and a fixed line."""
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("bare", "1")

    @server.feature(types.TEXT_DOCUMENT_COMPLETION)
    def complete(_: types.CompletionParams) -> types.CompletionList:
        items = [types.CompletionItem(f"name_{number}", sort_text=f"{number:04}") for number in range(20)]
        return types.CompletionList(is_incomplete=True, items=items)

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION)
    def suggest(_: types.InlineCompletionParams) -> types.InlineCompletionList:
        return types.InlineCompletionList([types.InlineCompletionItem("name = name_1")])

    server.start_io()


def network_of(folder: Path) -> str:
    """Return the file that is in memory while a model's network is open; "" for a model that has none."""
    from codelm import checkpoint
    from codelm.neural.files import WORDS

    if checkpoint.load(folder, network=False).shape is None:
        print(f"{folder} has no network: measured without")
        return ""
    return f"{folder}/{WORDS}"


def main() -> None:
    """Measure the model that the command names."""
    from codelm.checkpoint import BUNDLED

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=BUNDLED, help="a checkpoint's folder")
    folder = parser.parse_args().model.resolve()
    needed, codelm = network_of(folder), [*CODELM, "--model", str(folder)]
    start, start_of_bare = started([codelm, BARE])
    row("start to the answer to `initialize`", f"{start * 1e3:.0f} ms", start / start_of_bare)
    for name, text in {"100 kB": long_text(characters=100_000), "5,000 lines": long_text(lines=5_000)}.items():
        for what, asked in (("a popup", [POPUP]), ("a popup and ghost text", [POPUP, GHOST_TEXT])):
            cpu, resident = measured(codelm, text, asked, needed)
            cpu_of_bare, resident_of_bare = measured(BARE, text, asked, "")
            row(f"CPU of a key with {what}, in {name}", f"{cpu * 1e3:.1f} ms", cpu / cpu_of_bare)
        row("  memory behind it", f"{resident:.0f} MB", resident / resident_of_bare)


if __name__ == "__main__":
    bare() if sys.argv[1:] == ["bare"] else main()
