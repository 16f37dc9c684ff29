"""``make bench``: how fast codelm is, each figure beside a reference that is measured in the same run.

CPU time, the median of several rounds. A ratio says more than a time: machines differ and are noisy.
"""

import io
import statistics
import sys
import sysconfig
import time
import tokenize
from collections.abc import Callable
from pathlib import Path

import caches
import estimation
import numpy as np

from codelm import checkpoint
from codelm.completer import Completer
from codelm.completion import Snapshot
from codelm.lexer import lex, lex_from_scratch, relex
from codelm.vocabulary import Vocabulary, most_frequent
from codelm.words import words

ROUNDS = 7
ROOT = np.zeros(1, np.int64)


def cpu(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the median CPU seconds of one call."""
    work()
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(repeats):
            work()
        taken.append((time.process_time() - began) / repeats)
    return statistics.median(taken)


def sources(count: int) -> list[str]:
    """Return the texts of the largest modules of the standard library's first level."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(folder.glob("*.py"), key=lambda file: -file.stat().st_size)[:count]
    return [file.read_text(encoding="utf-8") for file in files]


def row(what: str, figure: str, ratio: float, reference: str) -> None:
    print(f"{what:<34}{figure:>16}{ratio:>9.2f} x  {reference}", flush=True)


def lexing(texts: list[str]) -> None:
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ours = cpu(lambda: [lex(text) for text in texts])
    theirs = cpu(lambda: [list(tokenize.generate_tokens(io.StringIO(text).readline)) for text in texts])
    row("lexing", f"{megabytes / ours:.1f} MB/s", ours / theirs, "tokenize, time")
    longest = max(texts, key=len)
    old = lex_from_scratch(longest + "x")
    again = cpu(lambda: relex(old, longest + "xy"), 20)
    whole = cpu(lambda: lex(longest))
    row("a key at the end of 100 kB", f"{again * 1e3:.2f} ms", again / whole, "lexing it all")


def estimating(texts: list[str]) -> None:
    sequences = [words(text) for text in texts]
    counts: dict[str, int] = {}
    for sequence in sequences:
        for word in sequence:
            counts[word] = counts.get(word, 0) + 1
    vocabulary = most_frequent(counts, 0)
    ids = np.concatenate([vocabulary.ids(sequence) for sequence in sequences])
    starts = np.cumsum([0, *map(len, sequences)])
    estimation.section(ids, starts, len(vocabulary), row)


def opening() -> None:
    file = checkpoint.BUNDLED / checkpoint.VOCABULARY_FILE
    text = file.read_text(encoding="utf-8")
    splitting = cpu(lambda: dict.fromkeys(text.replace("\t", "\n").split("\n")))
    whole = cpu(lambda: checkpoint.load(checkpoint.BUNDLED))
    words = cpu(lambda: Vocabulary.read(file))
    row("opening the bundled model", f"{whole * 1e3:.1f} ms", whole / splitting, "a dict of its vocabulary's fields")
    row("  its vocabulary", f"{words * 1e3:.1f} ms", words / splitting, "a dict of its vocabulary's fields")


def model(texts: list[str]) -> None:
    bundled = checkpoint.load(checkpoint.BUNDLED)
    ids = bundled.vocabulary.ids(words(texts[0]))[:2000]
    ngram = bundled.ngram

    def score() -> None:
        state = ngram.start()
        for word in ids:
            ngram.score(state, np.array([[word]]))
            state = ngram.step(state, ROOT, np.array([word]))

    dense = np.random.default_rng(0).random(len(bundled.vocabulary)).astype(np.float32)
    selection = cpu(lambda: np.argpartition(dense, -50), 20)
    scoring = cpu(score) / len(ids)
    row("score and step", f"{scoring * 1e6:.0f} µs/token", scoring / selection, "numpy's top 50 of 40,000")
    states = [ngram.read(ngram.start(), ids[at : at + 10]) for at in range(0, 1000, 20)]
    some = np.sort(np.random.default_rng(0).choice(len(bundled.vocabulary), 64, replace=False))[None]
    each = cpu(lambda: [ngram.score(state, some) for state in states]) / len(states)
    row("the scores of 64 words", f"{each * 1e6:.0f} µs", each / selection, "numpy's top 50 of 40,000")
    names = bundled.vocabulary.names
    for k, allowed, what in ((5, None, "words"), (50, None, "words"), (50, names, "names")):
        best = cpu(lambda k=k, allowed=allowed: [ngram.propose(state, k, allowed) for state in states]) / len(states)
        row(f"the {k} best next {what}", f"{best * 1e6:.0f} µs", best / selection, "numpy's top 50 of 40,000")

    completer = Completer(bundled)
    text = texts[0]
    typed = range(20_000, 20_060)  # a function in the middle of a large file, written again

    def popups(*, multi_token: bool) -> None:
        for at in typed:
            snapshot = Snapshot("bench", at, text[:at] + text[20_100:])
            completer.complete(snapshot, at, limit=20, multi_token=multi_token)

    for several in (False, True):
        popup = cpu(lambda several=several: popups(multi_token=several)) / len(typed)
        name = "a popup" + (", several tokens too" if several else ", single tokens")
        row(name, f"{popup * 1e3:.1f} ms", popup / selection, "numpy's top 50 of 40,000")


def main() -> None:
    texts = sources(20)
    print(f"{'':<34}{'CPU':>16}{'ratio':>11}  to", file=sys.stdout)
    lexing(texts)
    estimating(texts)
    opening()
    model(texts)
    caches.section(row)


if __name__ == "__main__":
    main()
