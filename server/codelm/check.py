"""``codelm-lsp check``: what is installed, which model is loaded, and whether and how fast it completes."""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

from codelm import __version__, checkpoint, terminal
from codelm.checkpoint import Checkpoint
from codelm.lsp.client import Answer, ask

# Where no file is named; the cursor is behind the last character.
SAMPLE = """\
import os


def newest(folder):
    names = os.listdir(folder)
    return os.path."""
_PACKAGES = ("numpy", "onnxruntime", "pygls", "lsprotocol")
_LISTED = 8  # completions that are shown


def check(args: argparse.Namespace) -> int:
    """Print what ``args`` asks for; the completions come from a server process of their own, as an editor's do."""
    model = checkpoint.load(checkpoint.find(args.model))
    file: Path | None = None
    text, line, column = SAMPLE, SAMPLE.count("\n") + 1, len(SAMPLE.rpartition("\n")[2]) + 1
    if args.where:
        file, line, column = terminal.place(args.where)
        text = terminal.read(file)
    offset = terminal.offset_of(text, line, column, args.where or "the sample")  # raises where there is no such place
    answer = ask(text, line - 1, column - 1, args.model)
    facts = {**_facts(model, answer), "sample": text.split("\n")[line - 1][: column - 1].strip() + "|"}
    found = terminal.find(model, text, offset, file, _LISTED)
    print(json.dumps(facts) if args.json else _text(facts, terminal.as_table(found)))
    return 0


def _facts(model: Checkpoint, answer: Answer) -> dict[str, object]:
    return {
        "codelm": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "model": {
            "name": model.name,
            "folder": str(model.folder),
            "kind": _kind(model),
            "megabytes": round(checkpoint.bytes_in(model.folder) / 1e6, 1),
            "device": "cpu",
        },
        "milliseconds": {
            "initialize": round(answer.initialize_ms, 1),
            "first completion": round(answer.first_ms, 1),
            "completion": round(answer.completion_ms, 1),
        },
        "completions": list(answer.labels),
    }


def _kind(model: Checkpoint) -> str:
    parts = []
    if model.trained.ngram is not None:
        parts.append(f"n-grams of up to {model.ngram.order} words")
    if model.shape is not None:
        parts.append(f"{model.shape.kind.upper()} network ({model.shape.layers} x {model.shape.hidden})")
    prose = "" if model.prose is None else f", {len(model.prose.vocabulary):,} of prose"
    return f"{' and '.join(parts)}, {len(model.vocabulary):,} words{prose}"


def _text(facts: dict[str, object], table: str) -> str:
    model, times, packages = (facts[name] for name in ("model", "milliseconds", "packages"))
    assert isinstance(model, dict)
    assert isinstance(times, dict)
    assert isinstance(packages, dict)
    return "\n".join([
        f"codelm    {facts['codelm']}, Python {facts['python']}, "
        + ", ".join(f"{name} {number}" for name, number in packages.items()),
        f"model     {model['name']}: {model['kind']}, {model['megabytes']} MB, on the {model['device']}",
        f"          {model['folder']}",
        f"server    answers `initialize` after {times['initialize']:.0f} ms, "
        f"the first completion after {times['first completion']:.0f} ms",
        f"time      {times['completion']:.1f} ms for a completion",
        f"sample    {facts['sample']}",
        *(f"          {row}" for row in table.splitlines()),
    ])  # fmt: skip
