"""A small asynchronous client for Language Server Protocol servers on stdio."""

import asyncio
import json
import os
import time
from pathlib import Path

CLIENT_CAPABILITIES = {
    "general": {"positionEncodings": ["utf-32", "utf-16"]},
    "workspace": {"configuration": True, "workspaceFolders": True},
    "window": {"workDoneProgress": True},
    "textDocument": {
        "synchronization": {},
        "completion": {
            "contextSupport": True,
            "completionItem": {"snippetSupport": False, "documentationFormat": ["plaintext"]},
        },
        "inlineCompletion": {},
        "publishDiagnostics": {},
    },
}


class ServerGone(Exception):
    """The server process ended, or its output stream broke."""


class ServerError(Exception):
    """The server answered a request with an error."""


class LspClient:
    """One server process and the conversation with it."""

    def __init__(self, process, configuration):
        self.process = process
        self.configuration = configuration
        self.capabilities = {}
        self.peak_rss = 0
        self.cpu_seconds = 0.0
        self._pending = {}
        self._next_id = 0
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch_memory())]

    @classmethod
    async def start(cls, command, workspace, configuration=None, log=None):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=workspace,
            # What a server keeps of its workspaces goes with the temporary folder: nothing is left, nothing is found.
            env={**os.environ, "XDG_CACHE_HOME": str(Path(workspace).parent / "cache")},
            limit=2**26,
            stderr=log or asyncio.subprocess.DEVNULL,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process, configuration or {})

    async def initialize(self, workspace, timeout, options=None):
        uri = Path(workspace).as_uri()
        result, _ = await self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": uri,
                "rootPath": str(workspace),
                "workspaceFolders": [{"uri": uri, "name": Path(workspace).name}],
                "capabilities": CLIENT_CAPABILITIES,
                "initializationOptions": options or {},
            },
            timeout,
        )
        self.capabilities = result["capabilities"]
        self.notify("initialized", {})
        if self.configuration:
            self.notify("workspace/didChangeConfiguration", {"settings": self.configuration})

    async def request(self, method, params, timeout):
        """Return (result, milliseconds); the clock stops when the answer's last byte is here."""
        if self.process.returncode is not None:
            raise ServerGone(f"exit status {self.process.returncode}")
        self._next_id += 1
        number, answer = self._next_id, asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        started = time.perf_counter()
        self._send({"id": number, "method": method, "params": params})
        try:
            message, arrived = await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            self.notify("$/cancelRequest", {"id": number})
            raise
        finally:
            self._pending.pop(number, None)
        if "error" in message:
            raise ServerError(message["error"].get("message", "unknown error"))
        return message.get("result"), (arrived - started) * 1000

    def notify(self, method, params):
        self._send({"method": method, "params": params})

    async def stop(self):
        """Shut the server down politely, then firmly; return its exit status."""
        try:
            await self.request("shutdown", None, 3)
            self.notify("exit", None)
            await asyncio.wait_for(self.process.wait(), 3)
        except (TimeoutError, ServerGone, ServerError, OSError):
            pass
        if self.process.returncode is None:
            self.process.kill()
        for task in self._tasks:
            task.cancel()
        return await self.process.wait()

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        try:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        except (OSError, RuntimeError) as error:
            raise ServerGone(str(error)) from error

    async def _read(self):
        stream = self.process.stdout
        try:
            while True:
                header = await stream.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b":", 1) for line in header.strip().split(b"\r\n"))
                lengths = {name.strip().lower(): value for name, value in fields.items()}
                body = await stream.readexactly(int(lengths[b"content-length"]))
                arrived = time.perf_counter()
                self._receive(json.loads(body), arrived)
        except (asyncio.IncompleteReadError, ValueError, KeyError, OSError) as error:
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(ServerGone(f"output ended: {error!r}"))

    def _receive(self, message, arrived):
        if "method" not in message:
            answer = self._pending.get(message.get("id"))
            if answer and not answer.done():
                answer.set_result((message, arrived))
        elif "id" in message:
            self._send({"id": message["id"], "result": self._answer(message)})

    def _answer(self, message):
        if message["method"] != "workspace/configuration":
            return None
        return [self._section(item.get("section", "")) for item in message["params"]["items"]]

    def _section(self, path):
        value = self.configuration
        for name in filter(None, path.split(".")):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    async def _watch_memory(self):
        while True:
            self.measure()
            await asyncio.sleep(0.25)

    def measure(self):
        resident, cpu = usage(self.process.pid)
        self.peak_rss, self.cpu_seconds = max(self.peak_rss, resident), max(self.cpu_seconds, cpu)


def usage(root):
    """Resident bytes and processor seconds of a process and its descendants (zeros off Linux)."""
    parents, sizes, ticks = {}, {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.parent.name)
        parents[pid], sizes[pid] = int(fields[1]), int(fields[21])
        ticks[pid] = int(fields[11]) + int(fields[12])
    family = {root}
    while new := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= new
    return (
        sum(sizes.get(pid, 0) for pid in family) * os.sysconf("SC_PAGE_SIZE"),
        sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK"),
    )
