"""``make bench``: how fast codelm is, each figure beside a reference that is measured in the same run.

``python tests/benchmarks/run.py [MODEL]`` measures another model than the bundled one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: one thread, as in the server

import io
import tokenize

import caches
import completing
import estimation
import numpy as np
from measuring import chosen_model, cpu, heads, row
from texts import sources

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.lexer import lex, lex_from_scratch, relex
from codelm.vocabulary import Vocabulary, most_frequent
from codelm.words import words

ROOT = np.zeros(1, np.int64)


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


def opening(opened: Checkpoint) -> None:
    file = opened.folder / checkpoint.VOCABULARY_FILE
    text = file.read_text(encoding="utf-8")
    splitting = cpu(lambda: dict.fromkeys(text.replace("\t", "\n").split("\n")))
    fields = "a dict of its vocabulary's fields"
    whole = cpu(lambda: checkpoint.load(opened.folder, network=False))
    row("opening the model", f"{whole * 1e3:.1f} ms", whole / splitting, fields)
    its_words = cpu(lambda: Vocabulary.read(file))
    row("  its vocabulary", f"{its_words * 1e3:.1f} ms", its_words / splitting, fields)
    if opened.shape is not None:
        network = cpu(lambda: checkpoint.with_network(opened))
        row("  its network, when all else is open", f"{network * 1e3:.1f} ms", network / splitting, fields)


def ngrams(opened: Checkpoint, text: str) -> None:
    ids = opened.vocabulary.ids(words(text))[:2000]
    ngram = opened.ngram

    def score() -> None:
        state = ngram.start()
        for word in ids:
            ngram.score(state, np.array([[word]]))
            state = ngram.step(state, ROOT, np.array([word]))

    dense = np.random.default_rng(0).random(len(opened.vocabulary)).astype(np.float32)
    selection = cpu(lambda: np.argpartition(dense, -50), 20)
    scoring = cpu(score) / len(ids)
    row("n-grams: score and step", f"{scoring * 1e6:.0f} µs/token", scoring / selection, "numpy's top 50 of 40,000")
    states = [ngram.read(ngram.start(), ids[at : at + 10]) for at in range(0, 1000, 20)]
    some = np.sort(np.random.default_rng(0).choice(len(opened.vocabulary), 64, replace=False))[None]
    each = cpu(lambda: [ngram.score(state, some) for state in states]) / len(states)
    row("n-grams: the scores of 64 words", f"{each * 1e6:.0f} µs", each / selection, "numpy's top 50 of 40,000")
    names = opened.vocabulary.names
    for k, allowed, what in ((5, None, "words"), (50, None, "words"), (50, names, "names")):
        best = cpu(lambda k=k, allowed=allowed: [ngram.propose(state, k, allowed) for state in states]) / len(states)
        row(f"n-grams: the {k} best next {what}", f"{best * 1e6:.0f} µs", best / selection, "numpy's top 50 of 40,000")


def main() -> None:
    opened = chosen_model(__doc__)
    texts = sources(20)
    if opened.trained.network is None:
        print(f"{opened.folder} has no network: measured without")
    heads()
    lexing(texts)
    estimating(texts)
    opening(opened)
    ngrams(opened, texts[0])
    caches.section(row, opened)
    completing.section(row, opened)


if __name__ == "__main__":
    main()
