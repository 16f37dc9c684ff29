"""The real server over a completer that does what the line before the cursor says.

Run as a process: ``python fake_server.py --stdio | --tcp PORT``. What the completer does is told on standard
error, one ``event: ...`` a line, with the version of the document:

- ``slow`` works until it is cancelled, and says so;
- ``stuck`` works for ever, whatever is asked of it;
- ``crash`` raises an exception that quotes the document;
- ``print`` prints where a server must not;
- anything else is completed at once, with items that tell what the completer was given.

A line is suggested in the same way; besides

- ``again`` works until it is cancelled once, and is suggested at once when it is asked for again.

A document that begins with ``read N`` is read in N steps while nothing else is to be done; ``read -1`` never ends, and
each of its steps only when it is cancelled.

What it learned from a workspace it proposes too: all words of its files that begin as the typed one.

A model is named ``wait:FILE`` (it loads when FILE is there), ``broken``, ``crash`` or anything else (it loads
at once). Its network opens at once too; that of ``network:FILE`` when FILE is there, and that of ``no network`` raises
an exception. There is none for the device ``cuda``, and on ``mps`` it is broken.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from codelm.completion import Completion, CompletionKind, Completions, Snapshot, Source, Suggestion, Suggestions
from codelm.errors import Cancelled, CheckpointError
from codelm.lsp import log, transport
from codelm.lsp.server import Server

TICK = 0.002


def tell(*words: object) -> None:
    # One write: the log's lines come from another thread.
    os.write(2, (" ".join(["event:", *map(str, words)]) + "\n").encode())


class FakeCompleter:
    """Obeys the line before the cursor."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.workspace: tuple[str, ...] | None = None
        self.importable = None
        self.to_read: int | None = None
        self.asked_before = False
        self.states_key = ""
        self.has_network = model != "no network at all"

    def learned(self, index, _states) -> tuple[str, ...]:
        tell("learned", len(index))
        return index.lexicon

    def forget(self) -> None:
        tell("forgot")
        self.workspace = None

    def close(self, uri: str) -> None:
        tell("closed", uri)

    def opened(self, snapshot: Snapshot, offset: int | None = None) -> None:
        if snapshot.text.startswith("read "):
            tell("opened", snapshot.version, *([] if offset is None else [offset]))
            self.to_read = int(snapshot.text.split()[1])

    def idle(self, cancelled) -> bool:
        if self.to_read is None:
            return False
        tell("reading", self.to_read)
        if self.to_read < 0:
            work_until(cancelled)
            raise Cancelled
        self.to_read = max(0, self.to_read - 1)
        return self.to_read > 0

    def open_network(self, device: str) -> str:
        kind, _, file = self.model.partition(":")
        if "network" in kind or device != "auto":
            tell("opening", device)
        if file and kind == "network":
            work_until(Path(file).exists)
        if kind == "no network":
            raise RuntimeError("secret words")
        if device == "mps":
            raise CheckpointError("core.onnx is broken")
        return "there is no cuda here, so the network runs on the CPU" if device == "cuda" else ""

    @property
    def has_prose(self) -> bool:
        return False

    def complete(
        self, snapshot: Snapshot, offset: int, *, limit, multi_token, prose, deadline, cancelled
    ) -> Completions:
        word = word_before(snapshot, offset)
        tell("started", snapshot.version)
        match word:
            case "slow":
                work_until(cancelled)
                tell("stopped", snapshot.version)
                raise Cancelled
            case "stuck":
                while True:
                    time.sleep(TICK)
            case "crash":
                raise KeyError(snapshot.text)
            case "print":
                print("stray", flush=True)
                os.write(1, b"stray\n")
                subprocess.run(["echo", "stray"], check=True)
                tell("read", sys.stdin.readline())
        given = self.given(snapshot, offset, limit, deadline, multi_token=multi_token, prose=prose)
        learned = [known for known in self.workspace or () if word and known.startswith(word) and known != word]
        items = (word.upper() + "_DONE", *learned, json.dumps(given))
        return Completions(
            tuple(Completion(item, CompletionKind.VARIABLE, 0.5, Source.FILE) for item in items),
            start=offset - len(word),
            complete=True,
        )

    def suggest(
        self, snapshot: Snapshot, offset: int, *, limit, selected, least, asked, prose, deadline, cancelled
    ) -> Suggestions:
        word = word_before(snapshot, offset)
        tell("suggesting", snapshot.version)
        asked_before, self.asked_before = self.asked_before, True
        if word == "slow" or (word == "again" and not asked_before):
            work_until(cancelled)
            tell("gave up", snapshot.version)
            raise Cancelled
        if word == "crash":
            raise KeyError(snapshot.text)
        start = selected.start if selected else offset - len(word)
        given = self.given(
            snapshot,
            offset,
            limit,
            deadline,
            selected=selected and selected.text,
            least=least,
            asked=asked,
            prose=prose,
        )
        behind = snapshot.text[offset : offset + 1].strip()
        texts = [f"{selected.text if selected else word}_LINE{behind}", json.dumps(given)]
        return Suggestions(tuple(Suggestion(text, start, offset + len(behind), 0.5) for text in texts))

    def given(self, snapshot: Snapshot, offset: int, limit: int, deadline: float, **others) -> dict[str, object]:
        return {
            "text": snapshot.text,
            "offset": offset,
            "version": snapshot.version,
            "path": snapshot.path,
            "model": self.model,
            "limit": limit,
            "milliseconds": round((deadline - time.monotonic()) * 1000, -2),
            **others,
        }


def word_before(snapshot: Snapshot, offset: int) -> str:
    return snapshot.text[:offset].rpartition("\n")[2].split(" ")[-1]


def work_until(condition) -> None:
    while not condition():
        time.sleep(TICK)


def load(model: str) -> FakeCompleter:
    tell("loading", model)
    if model.startswith("wait:"):
        work_until(Path(model.removeprefix("wait:")).exists)
    if model == "broken":
        raise CheckpointError("broken/manifest.json: not a codelm checkpoint")
    if model == "crash":
        raise RuntimeError("secret words")
    return FakeCompleter(model)


if __name__ == "__main__":
    log.start("debug")
    if sys.argv[1] == "--stdio":
        sys.exit(transport.serve_stdio(Server(load)))
    sys.exit(transport.serve_tcp(Server(load), "127.0.0.1", int(sys.argv[2])))
