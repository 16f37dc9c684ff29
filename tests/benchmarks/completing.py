"""What a completion costs with all that is mixed for it: a section of ``make bench``.

A method in the middle of a file is typed again, the standard library's packages being its workspace. Where two times
stand they are the median and what 95 of 100 don't exceed. ``python tests/benchmarks/completing.py [MODEL]`` measures
another model than the bundled one. A model without a network is measured as it is.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: one thread, as in the server

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bare_network import Bare, copying
from measuring import Row, Work, chosen_model, cpu, cpu_once, heads, in_turn, row, spread
from texts import long_text, stdlib
from typed_again import URI, Typing

from codelm import beam
from codelm.checkpoint import Checkpoint
from codelm.completer import Completer
from codelm.completion import Snapshot
from codelm.knowledge import Knowledge
from codelm.lexer import lex
from codelm.mixture import Mixture, MixtureState
from codelm.neural.model import NeuralModel
from codelm.neural.remembering import SIDE_BY_SIDE
from codelm.words import words_of
from codelm.workspace import WorkspaceIndex, updated
from codelm.workspace_files import Found

KEYS, CONTEXTS = 60, 30
ROWS, BEST = 8, 8  # of a beam's step
LISTED, SUGGESTED, LEAST = 20, 3, 0.2  # as the settings have it
PIECE = 64  # words that are read at once
WORKSPACE = 5_000_000  # bytes
CONTEXT_TOKENS = 512
DEADLINE = 0.15


@dataclass(frozen=True)
class Reference:
    """What a time is compared with."""

    name: str
    work: Work


@dataclass(frozen=True)
class References:
    """What a step of one row is compared with, one of ``ROWS`` rows, and what comes before each, which is not timed."""

    one: Reference
    several: Reference
    before: Work


def references(opened: Checkpoint) -> References:
    """Return ONNX Runtime's bare calls; without a network numpy's selection of the best of as many numbers as words.

    Before a step's weights are in the processor's cache others are: they are copied.
    """
    network: Any = opened.trained.network
    if network is None:
        scores = np.random.default_rng(0).random(len(opened.vocabulary)).astype(np.float32)
        best = Reference("numpy's top 50 of 40,000", lambda: np.argpartition(scores, -50))
        return References(best, best, lambda: None)
    bare = Bare(opened.folder, network)
    return References(
        Reference("bare ONNX Runtime, 1 row", bare.step_and_said(1)),
        Reference(f"bare ONNX Runtime, {ROWS} rows", bare.step_and_said(ROWS)),
        copying(opened.folder),
    )


def section(row: Row, opened: Checkpoint) -> None:
    """Measure steps, popups, lines, and keys in a long file."""
    against = references(opened)
    completer = Completer(opened)
    learn_workspace(row, opened, completer)
    typing = Typing.in_middle_of(long_text(characters=100_000))
    completer.complete(typing.snapshot(0), typing.offset(0), limit=LISTED)
    steps(row, opened, completer.knowledge, typing, against)
    first_steps(row, completer.knowledge, typing, against)
    popups(row, completer, typing, against)
    lines(row, completer, typing, against)
    long_file(row, opened, against)


def learn_workspace(row: Row, opened: Checkpoint, completer: Completer) -> None:
    """Have the workspace learned, and read where the network's states in it are kept; measure that."""
    files = [Found(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in workspace_files()]
    index, states = updated(WorkspaceIndex(), files), None
    if completer.states_key:
        update = completer.states_update(index, None)
        taken = cpu_once(lambda: [None for _ in update.steps()])
        states, network = update.states(), opened.trained.network
        start = network.picked(network.start(), np.zeros(SIDE_BY_SIDE, np.int64))
        ids = np.random.default_rng(0).integers(3, 1000, (PIECE, SIDE_BY_SIDE))
        reference = cpu(Bare(opened.folder, network).step(start, ids)) / ids.size
        each = taken / len(states)
        row("reading the workspace with the network", f"{each * 1e6:.1f} µs/word", each / reference,
            f"bare ONNX Runtime, {SIDE_BY_SIDE} side by side")  # fmt: skip
    completer.workspace = completer.learned(index, states)


def workspace_files() -> list[Path]:
    """Return files of the standard library's packages, of about a million words."""
    found, size = [], 0
    for path in sorted(stdlib().glob("[a-z]*/*.py")):
        if size < WORKSPACE and "site-packages" not in path.parts:
            found.append(path)
            size += path.stat().st_size
    return found


# --- steps -----------------------------------------------------------------------------------------------------------


def requests(knowledge: Knowledge, typing: Typing) -> Iterator[Work]:
    """Yield, before each name, the call that brings the models together there, as a popup does."""
    for count in typing.names()[:CONTEXTS]:
        snapshot, file = typing.snapshot(count), knowledge.file(URI)
        lexed = file.lex(snapshot.text[: typing.offset(count)] + "x")
        at = max(number for number, token in enumerate(lexed.tokens) if token.text)
        places = file.learn(lexed, at, snapshot.text, typing.offset(count))
        words = list(words_of(lexed.tokens[max(0, at - CONTEXT_TOKENS) : at]))
        yield lambda snapshot=snapshot, places=places, words=words: knowledge.context(snapshot, places, words)


def steps(row: Row, opened: Checkpoint, knowledge: Knowledge, typing: Typing, against: References) -> None:
    """Measure a beam's step, beside bare calls in turn with it."""
    taken = []
    for request in requests(knowledge, typing):
        context: Any = request()
        step = beams_step(context.mixture, context.state)
        taken.append(in_turn([against.before, against.several.work, against.before, step], rounds=3))
    copied, bare, _, ours = map(statistics.median, zip(*taken, strict=True))
    if opened.trained.network is not None:
        name = f"a step of {ROWS} rows, the network's bare graphs"
        row(name, f"{bare * 1e3:.2f} ms", bare / copied, "copying as many bytes as they have")
    name = f"a beam's step of {ROWS} rows and their best words"
    row(name, spread([each[3] for each in taken]), ours / bare, against.several.name)


def beams_step(mixture: Mixture, state: MixtureState) -> Work:
    """Return the call that lengthens the best words at a place by their best next ones, and asks for the next."""
    first = beam.best_next(mixture, state, ROWS)[0]
    begun = mixture.step(state, np.zeros(len(first), np.int64), first)
    rows, words = np.arange(len(first)), np.maximum(mixture.propose(begun, 1)[:, 0], 0)

    def step() -> None:
        after = mixture.step(begun, rows, words)
        mixture.score(after, np.maximum(mixture.propose(after, BEST), 0))

    return step


def first_steps(row: Row, knowledge: Knowledge, typing: Typing, against: References) -> None:
    """Measure what every popup begins with."""
    taken, references = [], []
    for request in requests(knowledge, typing):
        references.append(cpu_once(against.one.work))

        def first(request: Work = request) -> None:
            context: Any = request()
            beam.best_next(context.mixture, context.state, 50)

        taken.append(cpu_once(first))
    bare = statistics.median(references)
    row("a popup's first step: the models, their best 50", spread(taken), statistics.median(taken) / bare,
        against.one.name)  # fmt: skip


# --- popups and lines ------------------------------------------------------------------------------------------------


def popups(row: Row, completer: Completer, typing: Typing, against: References) -> None:
    """Measure the popup behind each key."""
    for multi_token, name in ((False, "a popup of single tokens"), (True, "a popup with items of several tokens")):
        compared(row, f"{name}, in 100 kB", keys(completer, typing, multi_token=multi_token), against.several)


def keys(completer: Completer, typing: Typing, *, multi_token: bool = True) -> Iterator[Work]:
    """Yield the popups of the keys in turn."""
    for count in range(KEYS):
        snapshot, offset = typing.snapshot(count), typing.offset(count)
        yield lambda snapshot=snapshot, offset=offset: completer.complete(
            snapshot, offset, limit=LISTED, multi_token=multi_token
        )


def compared(row: Row, name: str, works: Iterator[Work], reference: Reference) -> None:
    """Print what some calls take, the reference being called between them."""
    taken, references = [], []
    for work in works:
        references.append(cpu_once(reference.work))
        taken.append(cpu_once(work))
    row(name, spread(taken), statistics.median(taken) / statistics.median(references), reference.name)


def lines(row: Row, completer: Completer, typing: Typing, against: References) -> None:
    """Measure the line behind a key, without a popup before it; and those that are typed along."""
    compared(row, "a line", suggestions(completer, typing), against.several)
    compared(row, "a line that is typed along", typed_along(completer, typing), against.one)


def suggestions(completer: Completer, typing: Typing) -> Iterator[Work]:
    """Yield the questions for a line at the first name of each line: nothing suggested before is typed along there."""
    for count in firsts(typing):
        completer.complete(typing.snapshot(count - 1), typing.offset(count - 1), limit=LISTED)  # the key before
        yield lambda count=count: suggested(completer, typing.snapshot(count), typing.offset(count))


def suggested(completer: Completer, snapshot: Snapshot, offset: int) -> Any:
    """Return what is suggested unasked."""
    return completer.suggest(snapshot, offset, limit=SUGGESTED, least=LEAST).items


def firsts(typing: Typing) -> list[int]:
    """Return how much was typed at a name in each line: the first in one, the second in the next, the first again."""
    found: dict[int, list[int]] = {}
    for count in typing.names():
        found.setdefault(typing.typed.count("\n", 0, count), []).append(count)
    return [names[number % min(2, len(names))] for number, names in enumerate(found.values())]


def typed_along(completer: Completer, typing: Typing) -> Iterator[Work]:
    """Yield the questions for a line behind each key of what was suggested."""
    for count in firsts(typing):
        snapshot, offset = typing.snapshot(count), typing.offset(count)
        for suggestion in suggested(completer, snapshot, offset)[:1]:
            if suggestion.end != offset:
                continue
            for place in range(offset + 1, suggestion.start + len(suggestion.text)):
                begun = suggestion.text[: place - suggestion.start]
                text = snapshot.text[: suggestion.start] + begun + snapshot.text[offset:]
                yield lambda text=text, place=place: suggested(completer, Snapshot(URI, place, text), place)


# --- a long file -----------------------------------------------------------------------------------------------------


def long_file(row: Row, opened: Checkpoint, against: References) -> None:
    """Measure the first answer in a file that was just opened, how it is read when nobody asks, and a key then."""
    text = long_text(lines=5_000)
    completer = Completer(opened)
    completer.warm_up()
    completer.opened(Snapshot(URI, 0, text))
    typing = Typing.in_middle_of(text)

    def first() -> None:
        deadline = time.monotonic() + DEADLINE
        completer.complete(typing.snapshot(0), typing.offset(0), limit=LISTED, deadline=deadline)

    answer = cpu_once(first)
    row("the first answer in 5,000 lines", f"{answer * 1e3:.1f} ms", answer / cpu(lambda: lex(text)), "lexing them")
    if opened.trained.network is not None:
        reading(row, completer, Bare(opened.folder, opened.trained.network), opened.trained.network)
    for work in keys(completer, typing):
        work()
    compared(row, "a key in 5,000 lines, with items of several tokens", keys(completer, typing), against.several)


def reading(row: Row, completer: Completer, bare: Bare, network: NeuralModel[Any]) -> None:
    """Measure how a file is read between completions."""
    taken, more = [], True
    while more:
        began = time.process_time()
        more = completer.idle()
        taken.append(time.process_time() - began)
    words = len(completer.knowledge.file(URI).above())
    piece = cpu(bare.step(network.start(), np.arange(10, 10 + PIECE)[:, None]))
    name = f"reading its {words:,} words in {len(taken)} idle steps"
    row(name, f"{sum(taken) * 1e3:.0f} ms", sum(taken) / (words / PIECE * piece), "bare ONNX Runtime")
    row("  the longest of them", f"{max(taken) * 1e3:.1f} ms", max(taken) / statistics.median(taken), "their median")


def main() -> None:
    """Measure the model that the command names."""
    opened = chosen_model(__doc__)
    if opened.trained.network is None:
        print(f"{opened.folder} has no network: measured without")
    heads()
    section(row, opened)


if __name__ == "__main__":
    main()
