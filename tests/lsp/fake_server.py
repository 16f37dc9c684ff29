"""The real server over a completer that does what the line before the cursor says.

Run as a process: ``python fake_server.py --stdio | --tcp PORT``. What the completer does is told on standard
error, one ``event: ...`` a line, with the version of the document:

- ``slow`` works until it is cancelled, and says so;
- ``stuck`` works for ever, whatever is asked of it;
- ``crash`` raises an exception that quotes the document;
- ``print`` prints where a server must not;
- anything else is completed at once, with items that tell what the completer was given.

What it learned from a workspace it proposes too: all words of its files that begin as the typed one.

A model is named ``wait:FILE`` (it loads when FILE is there), ``broken``, ``crash`` or anything else (it loads
at once).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from codelm.completion import Completion, CompletionKind, Completions, Snapshot
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

    def learned(self, index) -> tuple[str, ...]:
        return index.lexicon

    def forget(self) -> None:
        tell("forgot")
        self.workspace = None

    def close(self, uri: str) -> None:
        tell("closed", uri)

    def complete(self, snapshot: Snapshot, offset: int, *, limit, multi_token, deadline, cancelled) -> Completions:
        before = snapshot.text[:offset].splitlines()[-1] if offset else ""
        word = before.split(" ")[-1]
        tell("started", snapshot.version)
        match word:
            case "slow":
                while not cancelled():
                    time.sleep(TICK)
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
        given = {
            "text": snapshot.text,
            "offset": offset,
            "version": snapshot.version,
            "path": snapshot.path,
            "model": self.model,
            "limit": limit,
            "multi_token": multi_token,
            "milliseconds": round((deadline - time.monotonic()) * 1000, -2),
        }
        learned = [known for known in self.workspace or () if word and known.startswith(word) and known != word]
        items = (word.upper() + "_DONE", *learned, json.dumps(given))
        return Completions(
            tuple(Completion(item, CompletionKind.VARIABLE, 0.5) for item in items),
            start=offset - len(word),
            complete=True,
        )


def load(model: str) -> FakeCompleter:
    tell("loading", model)
    if model.startswith("wait:"):
        while not Path(model.removeprefix("wait:")).exists():
            time.sleep(TICK)
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
