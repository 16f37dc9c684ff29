"""Type whole files with a language server's list and ghost text, and count the keys that need no pressing.

usage: python3 keystrokes.py --name NAME [options] -- SERVER COMMAND...

A file is typed from its first character to its last, at the end of an empty document. What counts:

- Without help a character is a key, and so is the end of a line. The blanks that a line begins with are none: editors
  indent by themselves, with help and without.
- Before each key the typist looks at the ghost text. If all that its first suggestion adds on this line is what the file
  has there, and that is two characters or more, it is accepted: one key.
- Else the typist looks at the first five items of the list. The first one that adds two characters or more, all of which
  the file has there, up to the end of a word, is accepted: one key. The stricter count has a key more for each item
  that stands before it.
- Where the ghost text begins right, its first word can be accepted alone, with the blanks before it: one key too. That is
  done where it is two characters or more, and adds more than the item does.
- Else the next character is typed. Nothing wrong is ever accepted, and looking costs nothing.

Prose, which is comments and docstrings, is typed too, and both are reported apart.
"""

import argparse
import asyncio
import json
import re
import shutil
import tempfile
import time
import tokenize
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import positions
import replay
import scoring
from lsp_client import LspClient, ServerError, ServerGone

LEAST = 2  # characters that are worth a look
FIRST_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
UNSEEN = (tokenize.NL, tokenize.DEDENT, tokenize.ENCODING)


@dataclass
class Typed:
    """What typing one file took. ``down``: items that stood before those that were accepted; ``prose``: the keys of
    comments and docstrings, and ``prose_pressed`` what was pressed for them.
    """

    file: str
    characters: int = 0
    pressed: int = 0
    lines: int = 0
    line_characters: int = 0
    words: int = 0
    word_characters: int = 0
    items: int = 0
    item_characters: int = 0
    down: int = 0
    prose: int = 0
    prose_pressed: int = 0
    failed: int = 0
    seconds: float = 0.0
    crashed: str = ""


def keys(text):
    """How many keys a text takes without help."""
    return sum(len(line.lstrip(" \t")) for line in text.splitlines(keepends=True))


def keys_of_prose(text, prose):
    """How many of the keys that a text takes are in prose."""
    found = at = 0
    for line in text.splitlines(keepends=True):
        found += sum(prose[at + len(line) - len(line.lstrip(" \t")) : at + len(line)])
        at += len(line)
    return found


def prose_in(text):
    """Which characters of a module are in comments and docstrings: True for each of them."""
    lines = text.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]
    found = [False] * len(text)
    tokens = [token for token in tokenize.generate_tokens(iter(lines).__next__) if token.type not in UNSEEN]
    for before, token, behind in zip([None, *tokens], tokens, tokens[1:], strict=False):
        is_statement = token.type == tokenize.STRING and behind.type == tokenize.NEWLINE
        is_docstring = is_statement and (before is None or before.type in (tokenize.NEWLINE, tokenize.INDENT))
        if is_docstring or token.type == tokenize.COMMENT:
            begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
            found[begin:end] = [True] * (end - begin)
    return found


def accepted_line(offer, rest):
    """What the first suggestion adds, where all of it is right; else nothing."""
    offer = (offer or "").split("\n", 1)[0].rstrip()
    return offer if len(offer.strip()) >= LEAST and rest.startswith(offer) and ends_a_word(offer, rest) else ""


def accepted_item(shown, rest):
    """What the first right one of the first five items adds, and its place among them; else nothing."""
    for place, added in enumerate(shown[: scoring.TOP]):
        if added and len(added) >= LEAST and rest.startswith(added) and ends_a_word(added, rest):
            return added, place
    return "", 0


def accepted_word(offer, rest):
    """The first word of the first suggestion, or its first signs, where they are right; else nothing."""
    first = FIRST_WORD.match((offer or "").split("\n", 1)[0])
    added = first[0] if first else ""
    return added if len(added.strip()) >= LEAST and rest.startswith(added) and ends_a_word(added, rest) else ""


def ends_a_word(added, rest):
    following = rest[len(added) : len(added) + 1]
    return not (following and (following.isalnum() or following == "_") and (added[-1].isalnum() or added[-1] == "_"))


async def type_file(options, text, prose, client, document, typed):
    session = replay.Session(client, document, options)
    end, first = 0, True
    while end < len(text):
        blanks = len(text) - end - len(text[end:].lstrip(" \t"))
        if blanks and (end == 0 or text[end - 1] == "\n"):
            end += blanks  # the editor's
            document.become(text[:end])
            continue
        timeout, first = (options.first_timeout if first else options.timeout), False
        added, place, what = await looked_at(session, text, end, timeout, typed)
        if added:
            typed.pressed += 1
            typed.down += place
            setattr(typed, f"{what}s", getattr(typed, f"{what}s") + 1)
            setattr(typed, f"{what}_characters", getattr(typed, f"{what}_characters") + keys(added))
        else:
            added = text[end]
            typed.pressed += 1
        typed.prose_pressed += prose[end]
        end += len(added)
        document.become(text[:end])


async def looked_at(session, text, end, timeout, typed):
    """What is accepted at the end of what is typed: its text, its place in the list, and whether it is a line, a word
    of one, or an item.
    """
    rest = text[end:]
    line = text[text.rfind("\n", 0, end) + 1 : end]
    where = {"textDocument": {"uri": session.document.uri}, "position": session.document.place(end)}
    word = ""
    try:
        if session.inlines:
            answer, _ = await session.client.request(
                "textDocument/inlineCompletion", {**where, "context": {"triggerKind": 2}}, timeout
            )
            offer = session.inline_text(answer, line)
            if added := accepted_line(offer, rest):
                return added, 0, "line"
            word = accepted_word(offer, rest)
        if session.completes:
            answer, _ = await session.client.request(
                "textDocument/completion", {**where, "context": {"triggerKind": 1}}, timeout
            )
            items = answer["items"] if isinstance(answer, dict) else answer or []
            shown = scoring.shown_list(items, line, lambda units: session.document.characters(line, units))
            added, place = accepted_item(shown, rest)
            if len(added) >= len(word):
                return added, place, "item"
    except (TimeoutError, ServerError):
        typed.failed += 1
    return word, 0, "word"


async def simulate(options):
    entries = json.loads((options.corpus / "MANIFEST.json").read_text())
    entries = positions.random.Random(options.seed).sample(entries, len(entries))[: options.files]
    found = []
    for entry in entries:
        with tempfile.TemporaryDirectory(prefix="keystrokes-") as folder:
            workspace = Path(folder).resolve() / entry["package"]
            shutil.copytree(options.corpus / entry["root"], workspace)
            target = workspace / entry["path"]
            text = target.read_text(encoding="utf-8")
            prose = prose_in(text)
            if options.characters and len(text) > options.characters:
                text = text[: text.rfind("\n", 0, options.characters) + 1]
            target.write_text("")  # the server must not find the answers on the disk
            typed = Typed(f"{entry['package']}/{entry['path']}", keys(text), prose=keys_of_prose(text, prose))
            began = time.perf_counter()
            client = await LspClient.start(options.command, workspace, options.configuration, None)
            try:
                await client.initialize(workspace, options.first_timeout, options.initialization)
                await asyncio.sleep(options.warmup)
                await type_file(options, text, prose, client, replay.Document(client, target, ""), typed)
            except (TimeoutError, ServerGone, ServerError) as error:
                typed.crashed = repr(error)
            await client.stop()
            typed.seconds = time.perf_counter() - began
        found.append(typed)
        print(f"{typed.file}: {saved(found[-1:]):.1%} saved, {typed.seconds:.0f} s {typed.crashed}", flush=True)
    return found


def saved(found, down=False):
    """The share of all keys that need no pressing."""
    keys_needed = sum(typed.characters for typed in found)
    return 1 - sum(typed.pressed + (typed.down if down else 0) for typed in found) / max(keys_needed, 1)


def saved_in_code(found):
    """The share of the keys outside comments and docstrings that need no pressing."""
    keys_needed = sum(typed.characters - typed.prose for typed in found)
    return 1 - sum(typed.pressed - typed.prose_pressed for typed in found) / max(keys_needed, 1)


def table(name, found):
    prose = sum(typed.prose for typed in found)
    total = sum(typed.characters for typed in found)
    rows = [
        ("files, keys without help", f"{len(found)}, {total:,}"),
        ("keys saved, an acceptance being one key", f"{saved(found):.1%}"),
        (
            "keys saved in code: comments and docstrings are the rest",
            f"{saved_in_code(found):.1%}; {prose / max(total, 1):.1%}",
        ),
        ("keys saved, with a key for each item further down", f"{saved(found, down=True):.1%}"),
        ("ghost text accepted; its share of all keys", accepted(found, "lines", "line_characters", total)),
        ("words of it accepted; their share of all keys", accepted(found, "words", "word_characters", total)),
        ("items accepted; their share of all keys", accepted(found, "items", "item_characters", total)),
        ("requests that failed; crashes", f"{sum(t.failed for t in found)}; {sum(bool(t.crashed) for t in found)}"),
    ]
    return "\n".join([f"| {name} | |", "| --- | ---: |", *(f"| {what} | {value} |" for what, value in rows)])


def accepted(found, count, characters, total):
    return f"{sum(getattr(t, count) for t in found)}; {sum(getattr(t, characters) for t in found) / max(total, 1):.1%}"


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--name", required=True, help="what the table calls the server")
    parser.add_argument("--corpus", type=Path, default=replay.HOME / "devset")
    parser.add_argument("--files", type=int, default=5, help="type only this many files")
    parser.add_argument("--characters", type=int, default=4000, help="and of each this many characters; 0 for all")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--warmup", type=float, default=20, help="seconds to let the server index before use")
    parser.add_argument("--timeout", type=float, default=5, help="seconds for a request")
    parser.add_argument("--first-timeout", type=float, default=60, help="seconds for the first answers")
    parser.add_argument("--configuration", type=json.loads, default={}, help="JSON for workspace/configuration")
    parser.add_argument("--initialization", type=json.loads, default={}, help="JSON initializationOptions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("command", nargs="+", help="the server's command line, after --")
    options = parser.parse_args(arguments)
    options.no_inline = False
    return options


if __name__ == "__main__":
    asked = parse_arguments()
    result = asyncio.run(simulate(asked))
    if asked.out:
        asked.out.write_text(json.dumps([asdict(typed) for typed in result], indent=1) + "\n")
    print(table(asked.name, result))
