"""What a key costs the real server's process, beside a bare pygls server that has a fixed answer to the same messages.

A function in the middle of a long file is typed again, a change and a completion for each key. All CPU that the
process burns from the first key to the last is counted, whatever thread it is in. CPU time and memory are read from
/proc, so this runs on Linux.

::

    python tests/benchmarks/serving.py
"""

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

KEYS, WARM, SETTLED = 150, 10, 4.0
STARTS = 3
BETWEEN_KEYS = 0.02
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CODELM = [str(Path(sys.executable).with_name("codelm-lsp")), "--stdio"]
BARE = [sys.executable, str(Path(__file__).resolve()), "bare"]


class Process:
    """A language server's process with its messages."""

    def __init__(self, command: list[str], folder: Path) -> None:
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

    def ask(self, method: str, params: Any) -> Any:
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._number and "method" not in message:
                return message["result"]

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


def typed(process: Process, text: str) -> tuple[float, float]:
    """Type a function in the middle of a text again; return the CPU seconds of a key, and the megabytes afterwards."""
    middle = text.index("\n    def ", len(text) // 2) + 1
    line = text.count("\n", 0, middle)
    keys = text[middle : middle + WARM + KEYS]
    uri = "file:///open.py"
    document = {"uri": uri, "languageId": "python", "version": 0, "text": text[:middle] + text[middle + len(keys) :]}
    process.tell("textDocument/didOpen", {"textDocument": document})
    column = 0
    for version, key in enumerate(keys, 1):
        if version == WARM + 1:
            time.sleep(SETTLED)
            began = process.cpu()
        here = {"line": line, "character": column}
        change = {"range": {"start": here, "end": here}, "text": key}
        document = {"uri": uri, "version": version}
        process.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        line, column = (line + 1, 0) if key == "\n" else (line, column + 1)
        place = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        process.ask("textDocument/completion", place)
        time.sleep(BETWEEN_KEYS)
    return (process.cpu() - began) / KEYS, process.resident()


def long_text(characters: int = 0, lines: int = 0) -> str:
    """Return the longest modules of the standard library, one behind the other, cut to a length."""
    text = ""
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"), key=lambda file: -file.stat().st_size):
        if file.name not in ("turtle.py", "typing.py"):  # what is open is not also in the workspace
            text += file.read_text(encoding="utf-8")
        if len(text) > characters and text.count("\n") > lines:
            break
    return text[:characters] if characters else "".join(text.splitlines(keepends=True)[:lines])


def make_workspace(folder: Path) -> None:
    """Copy some modules."""
    folder.joinpath("workspace").mkdir()
    for name in ("turtle.py", "typing.py", "asyncio/tasks.py", "email/message.py", "http/client.py"):
        text = Path(sysconfig.get_path("stdlib"), name).read_text(encoding="utf-8")
        folder.joinpath("workspace", Path(name).name).write_text(text, encoding="utf-8")


def measured(command: list[str], text: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as temporary:
        make_workspace(Path(temporary))
        process = Process(command, Path(temporary))
        found = typed(process, text)
        process.end()
    return found


def started(command: list[str]) -> float:
    """Return the median seconds from a process's start to its answer to ``initialize``."""
    taken = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as temporary:
            process = Process(command, Path(temporary))
            taken.append(process.initialized_after)
            process.end()
    return statistics.median(taken)


def row(what: str, figure: str, ratio: float) -> None:
    print(f"{what:<34}{figure:>16}{ratio:>9.2f} x  a bare pygls server", flush=True)


def bare() -> None:
    """Serve a fixed list of 20 items."""
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("bare", "1")

    @server.feature(types.TEXT_DOCUMENT_COMPLETION)
    def complete(_: types.CompletionParams) -> types.CompletionList:
        items = [types.CompletionItem(f"name_{number}", sort_text=f"{number:04}") for number in range(20)]
        return types.CompletionList(is_incomplete=True, items=items)

    server.start_io()


def main() -> None:
    texts = {"100 kB": long_text(characters=100_000), "5,000 lines": long_text(lines=5_000)}
    for name, text in texts.items():
        cpu, resident = measured(CODELM, text)
        cpu_of_bare, resident_of_bare = measured(BARE, text)
        row(f"CPU of a key in {name}", f"{cpu * 1e3:.1f} ms", cpu / cpu_of_bare)
        row("  memory behind it", f"{resident:.0f} MB", resident / resident_of_bare)
    start, start_of_bare = started(CODELM), started(BARE)
    row("start to the first answer", f"{start * 1e3:.0f} ms", start / start_of_bare)


if __name__ == "__main__":
    bare() if sys.argv[1:] == ["bare"] else main()
