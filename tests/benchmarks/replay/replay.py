"""Replay typing of held-out files against a language server and score its completions.

usage: python3 replay.py --name NAME [options] -- SERVER COMMAND...
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import positions
import report
import scoring
from lsp_client import LspClient, ServerError, ServerGone

HOME = Path(tempfile.gettempdir()) / "codelm-replay"


class Document:
    """The open file: its text here and, by incremental changes, in the server."""

    def __init__(self, client, path, text):
        sync = client.capabilities.get("textDocumentSync", 1)
        self.incremental = (sync.get("change", 0) if isinstance(sync, dict) else sync) == 2
        self.wide = client.capabilities.get("positionEncoding") == "utf-32"
        self.client, self.uri, self.text, self.version = client, path.as_uri(), text, 1
        client.notify(
            "textDocument/didOpen",
            {"textDocument": {"uri": self.uri, "languageId": "python", "version": 1, "text": text}},
        )

    def units(self, line):
        return len(line) if self.wide else len(line.encode("utf-16-le")) // 2

    def characters(self, line, units):
        return units if self.wide else len(line.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore"))

    def place(self, offset):
        line_start = self.text.rfind("\n", 0, offset) + 1
        return {"line": self.text.count("\n", 0, offset), "character": self.units(self.text[line_start:offset])}

    def set_text(self, new, start, kept_end):
        """Make the text new; the two texts agree before start and in their last kept_end characters."""
        end = len(self.text) - kept_end
        change = {"text": new}
        if self.incremental:
            change = {
                "range": {"start": self.place(start), "end": self.place(end)},
                "text": new[start : len(new) - kept_end],
            }
        self.text, self.version = new, self.version + 1
        self.client.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": self.uri, "version": self.version}, "contentChanges": [change]},
        )

    def become(self, new):
        if new != self.text:
            shortest = min(len(new), len(self.text))
            start = next((i for i in range(shortest) if new[i] != self.text[i]), shortest)
            end = next((i for i in range(shortest - start) if new[-1 - i] != self.text[-1 - i]), shortest - start)
            self.set_text(new, start, end)


class Session:
    """One start of the server, used to replay one file."""

    def __init__(self, client, document, options):
        self.client, self.document, self.options = client, document, options
        provider = client.capabilities.get("completionProvider") or {}
        self.triggers = set(provider.get("triggerCharacters") or ())
        self.completes = "completionProvider" in client.capabilities
        self.inlines = bool(client.capabilities.get("inlineCompletionProvider"))

    async def ask(self, offset, position, typed, timeout):
        """Request completions at offset; return the scored record."""
        before = self.document.text[:offset]
        line = before[before.rfind("\n") + 1 :]
        where = {"textDocument": {"uri": self.document.uri}, "position": self.document.place(offset)}
        record = {"ms": None, "inline_ms": None, "items": 0, "rank": None, "error": None}
        shown, inline = [], None
        try:
            if self.completes:
                triggered = typed == 0 and before[-1:] in self.triggers
                context = {"triggerKind": 2, "triggerCharacter": before[-1]} if triggered else {"triggerKind": 1}
                answer, record["ms"] = await self.client.request(
                    "textDocument/completion", {**where, "context": context}, timeout
                )
                items = answer["items"] if isinstance(answer, dict) else answer or []
                shown = scoring.shown_list(items, line, lambda units: self.document.characters(line, units))
                record["items"] = len(items)
                record["rank"] = scoring.rank_of(position.truth, position.truth[:typed], shown)
            if self.inlines and typed == 0 and not self.options.no_inline:
                answer, record["inline_ms"] = await self.client.request(
                    "textDocument/inlineCompletion", {**where, "context": {"triggerKind": 1}}, timeout
                )
                inline = self.inline_text(answer, line)
        except TimeoutError:
            record["error"] = "timeout"
        except ServerError as error:
            record["error"] = str(error)[:200]
        record.update(line_scores(inline or scoring.first_multi_token(shown), position, typed))
        return record

    def inline_text(self, answer, line):
        """What the first inline proposal adds after the cursor, on the cursor's line."""
        items = (answer.get("items") if isinstance(answer, dict) else answer) or []
        if not items:
            return None
        text = items[0]["insertText"]
        text = text["value"] if isinstance(text, dict) else text
        if "range" in items[0]:
            replaced = line[self.document.characters(line, items[0]["range"]["start"]["character"]) :]
            if not text.startswith(replaced):
                return None
            text = text[len(replaced) :]
        return text.split("\n", 1)[0].rstrip()


def line_scores(offer, position, typed):
    if typed:
        return {"line_offer": None}
    offer = offer and offer.strip()
    similarity = scoring.edit_similarity(offer, position.rest) if offer else 0.0
    return {"line_offer": offer, "line_exact": offer == position.rest, "line_similarity": similarity}


def plan(text, options, seed):
    """The requests to make: (setting, episode number, position, typed characters)."""
    chosen = positions.sample(text, dict(zip(positions.CLASSES, options.positions)), seed)
    for setting, most_typed in options.settings:
        for number, position in enumerate(chosen):
            deepest = 0 if position.kind == "other" else min(most_typed, len(position.truth) - 1)
            for typed in range(deepest + 1):
                yield setting, number, position, typed


async def replay_file(options, entry, workspace, log):
    """Start the server on a copy of the package, replay one file; return (records, session facts)."""
    target = workspace / entry["path"]
    text = target.read_text(encoding="utf-8")
    target.write_text("")  # the server must not find the answers on the disk
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    records, session, gone, late = [], None, None, 0
    facts = {"file": f"{entry['package']}/{entry['path']}", "crashed": None}
    started = time.perf_counter()
    client = await LspClient.start(options.command, workspace, options.configuration, log)
    try:
        await client.initialize(workspace, options.first_timeout, options.initialization)
        facts["initialize_ms"] = (time.perf_counter() - started) * 1000
        await asyncio.sleep(options.warmup)
        client.measure()
        facts["start_cpu_seconds"] = client.cpu_seconds
    except (TimeoutError, ServerGone, ServerError) as error:
        gone = f"initialize: {error!r}"
    for setting, number, position, typed in plan(text, options, f"{options.seed}:{facts['file']}"):
        record = {
            "ms": None,
            "inline_ms": None,
            "items": 0,
            "rank": None,
            "error": gone,
            "line_offer": None,
            "line_exact": False,
            "line_similarity": 0.0,
        }
        offset = starts[position.line] + position.column
        below = text[starts[position.line] + len(lines[position.line].rstrip("\n")) :] if setting == "B" else ""
        if gone is None:
            try:
                first, timeout = session is None, options.timeout
                if first:
                    opened = time.perf_counter()
                    session = Session(client, Document(client, target, text[: max(0, offset - 1)] + below), options)
                    timeout = options.first_timeout
                elif typed == 0:
                    session.document.become(text[: max(0, offset - 1)] + below)
                    await asyncio.sleep(options.settle)
                session.document.become(text[: offset + typed] + below)
                record = await session.ask(offset + typed, position, typed, timeout)
                late = late + 1 if record["error"] == "timeout" else 0
                if late == options.patience:
                    gone = f"hung: {late} timeouts in a row"
                if first:
                    facts["first_completion_ms"] = (time.perf_counter() - opened) * 1000
                    record["first"] = True
            except ServerGone as error:
                gone = record["error"] = f"crash: {error}"
        records.append(
            {
                "file": facts["file"],
                "setting": setting,
                "episode": number,
                "kind": position.kind,
                "truth": position.truth,
                "typed": typed,
                "line": position.line,
                "column": position.column,
                "seen_above": position.seen_above,
                "after_self": position.after_self,
                "binding": position.binding,
                **record,
            }
        )
    client.measure()
    facts.update(crashed=gone, peak_rss=client.peak_rss, cpu_seconds=client.cpu_seconds, load=os.getloadavg()[0])
    facts["inline"] = session.inlines if session else False
    facts["exit_status"] = await client.stop()
    facts["seconds"] = time.perf_counter() - started
    return records, facts


async def replay(options):
    entries = json.loads((options.corpus / "MANIFEST.json").read_text())
    entries = positions.random.Random(options.seed).sample(entries, len(entries))[: options.files]
    records, sessions, started, log = [], [], time.perf_counter(), open(options.log, "wb") if options.log else None
    for entry in entries:
        if time.perf_counter() - started > options.budget:
            break
        with tempfile.TemporaryDirectory(prefix="replay-") as folder:
            workspace = Path(folder).resolve() / entry["package"]
            shutil.copytree(options.corpus / entry["root"], workspace)
            made, facts = await replay_file(options, entry, workspace, log)
        records += made
        sessions.append(facts)
        print(f"{facts['file']}: {len(made)} requests, {facts['seconds']:.1f} s", facts["crashed"] or "", flush=True)
    tokens = Counter()
    for entry in entries:
        tokens += positions.census((options.corpus / entry["root"] / entry["path"]).read_text(encoding="utf-8"))
    return {
        "name": options.name,
        "command": options.command,
        "seed": options.seed,
        "warmup": options.warmup,
        "settings": options.settings,
        "wall_seconds": time.perf_counter() - started,
        "files_planned": len(entries),
        "tokens": tokens,
        "sessions": sessions,
        "records": records,
    }


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--name", required=True, help="what the report calls the server")
    parser.add_argument("--corpus", type=Path, default=HOME / "devset")
    parser.add_argument(
        "--out", type=Path, help="JSON to write (default: codelm-replay/results/NAME.json in the temporary folder)"
    )
    parser.add_argument(
        "--positions",
        type=lambda text: [int(n) for n in text.split(",")],
        default=[4, 4, 2],
        help="per file: names, attributes, other tokens (default 4,4,2)",
    )
    parser.add_argument(
        "--settings",
        type=lambda text: [(part[0], int(part[1:])) for part in text.split(",")],
        default=[("A", 3), ("B", 0)],
        help="A: nothing below the cursor; B: the file below is there; then the most characters "
        "typed of a token (default A3,B0)",
    )
    parser.add_argument("--files", type=int, default=None, help="replay only this many files")
    parser.add_argument("--budget", type=float, default=360, help="start no new file after this many seconds")
    parser.add_argument("--warmup", type=float, default=0, help="seconds to let the server index before use")
    parser.add_argument("--settle", type=float, default=0.05, help="seconds between a jump and the next key")
    parser.add_argument("--timeout", type=float, default=5, help="seconds for a request")
    parser.add_argument("--patience", type=int, default=3, help="timeouts in a row after which a session is given up")
    parser.add_argument("--first-timeout", type=float, default=60, help="seconds for the first answers")
    parser.add_argument("--configuration", type=json.loads, default={}, help="JSON for workspace/configuration")
    parser.add_argument("--initialization", type=json.loads, default={}, help="JSON initializationOptions")
    parser.add_argument("--no-inline", action="store_true", help="ask for no inline completions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", help="file for the server's standard error")
    parser.add_argument("command", nargs="+", help="the server's command line, after --")
    return parser.parse_args(arguments)


def recorded(options):
    """Replay, write the result to its file, and return it."""
    result = asyncio.run(replay(options))
    out = options.out or HOME / "results" / f"{options.name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    result["summary"] = report.summarize_run(result)
    out.write_text(json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    print(report.tables([recorded(parse_arguments())]))
