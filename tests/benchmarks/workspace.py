"""How a real server learns a workspace of a million words: the standard library's files, in a folder of their own.

CPU time and memory of the server's process are read from /proc, so this runs on Linux. Latencies are those that an
editor sees: a key is typed, and its completion is waited for.

::

    python tests/benchmarks/workspace.py
"""

import asyncio
import os
import statistics
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from codelm.words import words

WORDS = 1_000_000
KEYS = 150
BETWEEN_KEYS = 0.1
PATIENCE = 180
TEXT = "import os\n\n\ndef main(argument):\n    "
TYPED = "for name in os.listdir(argument): print(os.path.join(argument, name))"


def make_workspace(folder: Path, size: int = WORDS) -> tuple[int, int, str]:
    """Copy files until there are so many words; return how many files and words, and a word of one file alone."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    files = [path for path in sorted(stdlib.rglob("*.py")) if "site-packages" not in path.parts]
    count, total, seen = 0, 0, Counter[str]()
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        found = words(text)
        if len(text) > 300_000 or not found:
            continue
        target = folder / path.relative_to(stdlib)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        count, total = count + 1, total + len(found)
        seen.update(set(found))
        if total > size:
            break
    rare = next(word for word in found if seen[word] == 1 and word.isidentifier() and len(word) > 12)
    return count, total, rare


class Server:
    """A ``codelm-lsp`` with an editor at its other end."""

    def __init__(self, cache: Path) -> None:
        self._client = LanguageClient("codelm-bench", "1")
        self._cache = cache
        self._log = asyncio.Event()
        self._version = 1

    async def start(self, folder: Path, *, learning: bool) -> float:
        """Start it; return the seconds until ``initialize`` was answered."""
        self._uri = (folder / "being_written.py").as_uri()
        began = time.perf_counter()
        await self._client.start_io(
            sys.executable, "-m", "codelm.cli", "--stdio", "--log-level", "info",
            env={**os.environ, "XDG_CACHE_HOME": str(self._cache)},
        )  # fmt: skip
        process = self._client._server
        assert process is not None
        assert process.stderr is not None
        self.pid = process.pid
        self._reading = asyncio.create_task(self._read_log(process.stderr))
        await self._client.initialize_async(
            types.InitializeParams(
                types.ClientCapabilities(),
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), "bench")],
                initialization_options={"workspace": {"enabled": learning}},
            )
        )
        answered = time.perf_counter() - began
        self._client.initialized(types.InitializedParams())
        item = types.TextDocumentItem(self._uri, "python", 1, TEXT)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return answered

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            if b"learned" in line:
                self._log.set()

    async def until_learned(self) -> None:
        await asyncio.wait_for(self._log.wait(), PATIENCE)

    @property
    def has_learned(self) -> bool:
        return self._log.is_set()

    async def complete(self, text: str) -> tuple[float, list[str]]:
        """Show another text and complete at its end; return the seconds, and what is offered."""
        self._version += 1
        began = time.perf_counter()
        change = types.TextDocumentContentChangeWholeDocument(text)
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(self._version, self._uri), [change])
        )
        line, last = text.count("\n"), len(text.rpartition("\n")[2])
        found = await self._client.text_document_completion_async(
            types.CompletionParams(types.TextDocumentIdentifier(self._uri), types.Position(line, last))
        )
        taken = time.perf_counter() - began
        assert isinstance(found, types.CompletionList)
        return taken, [item.label for item in found.items]

    async def type(self, keys: int, *, until_learned: bool = False) -> list[float]:
        """Type; return the latencies of all keys, or of those before the workspace was learned."""
        latencies = []
        for key in range(keys):
            taken, _ = await self.complete(TEXT + TYPED[: key % len(TYPED) + 1])
            if until_learned and self.has_learned:
                break
            latencies.append(taken)
            await asyncio.sleep(BETWEEN_KEYS)
        return latencies

    def cpu(self) -> float:
        """Return the process's CPU seconds so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self, what: str = "VmRSS") -> float:
        """Return the process's resident memory; ``VmHWM``: the most that it was."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split(f"{what}:")[1].split()[0]) / 1000

    async def stop(self) -> None:
        await self._client.shutdown_async(None)
        self._client.exit(None)
        await self._client.stop()  # type: ignore[no-untyped-call]
        await self._reading


async def measure(folder: Path, caches: Path, rare: str) -> None:
    off = Server(caches / "off")
    await off.start(folder, learning=False)
    await off.complete(TEXT)
    await off.type(5)
    base_cpu, base_memory = off.cpu(), off.megabytes()
    without = await off.type(KEYS)
    await off.stop()

    alone = Server(caches / "alone")
    await alone.start(folder, learning=True)
    began = time.perf_counter()
    await alone.complete(TEXT)
    await alone.until_learned()
    ready = time.perf_counter() - began
    print(f"{'learning it':<34}{alone.cpu() - base_cpu:>14.1f} s CPU, ready after {ready:.1f} s")
    await alone.complete(TEXT)
    await asyncio.sleep(2)
    await alone.type(20)
    print(
        f"{'memory':<34}{alone.megabytes():>14.0f} MB, at most {alone.megabytes('VmHWM'):.0f} MB; "
        f"{base_memory:.0f} MB without"
    )
    after = await alone.type(KEYS)
    await alone.stop()

    beside = Server(caches / "beside")
    await beside.start(folder, learning=True)
    await beside.complete(TEXT)
    meanwhile = await beside.type(2 * KEYS, until_learned=True)
    await beside.stop()
    for what, latencies in (("without", without), ("beside learning", meanwhile), ("afterwards", after)):
        median, high = statistics.median(latencies), statistics.quantiles(latencies, n=20)[-1]
        ratio = median / statistics.median(without)
        print(
            f"{'a completion ' + what:<34}{median * 1e3:>14.1f} ms, {high * 1e3:.1f} ms for 95 of 100; "
            f"{ratio:.2f} x ({len(latencies)} keys)"
        )

    starts = []
    for _ in range(3):
        again = Server(caches / "alone")
        answered = await again.start(folder, learning=True)
        began = time.perf_counter()
        while rare not in (await again.complete(TEXT + rare[:-1]))[1]:
            await asyncio.sleep(0.005)
        starts.append((time.perf_counter() - began, answered))
        await again.stop()
    offered, answered = map(statistics.median, zip(*starts, strict=True))
    print(
        f"{'the second start':<34}{offered * 1e3:>14.0f} ms until a workspace's word is offered; "
        f"`initialize` took {answered * 1e3:.0f} ms"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "workspace"
        folder.mkdir()
        files, total, rare = make_workspace(folder)
        print(f"a workspace of {total:,} words in {files} files")
        asyncio.run(measure(folder, Path(temporary) / "caches", rare))


if __name__ == "__main__":
    main()
