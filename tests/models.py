"""Small trained models for the tests, of real code: a few modules of the standard library."""

import sysconfig
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from codelm.checkpoint import Checkpoint
from codelm.model import Ids
from codelm.ngram import NGram
from codelm.vocabulary import Vocabulary, most_frequent
from codelm.words import words
from codelm_train.count import CountedLevel, Trie, count, estimate, to_model
from codelm_train.prune import prune, quantise

MODULES = ("json/decoder.py", "json/encoder.py", "argparse.py", "textwrap.py", "os.py", "posixpath.py")


@cache
def sequences() -> tuple[tuple[str, ...], ...]:
    """The words of the modules, a sequence each."""
    folder = Path(sysconfig.get_path("stdlib"))
    return tuple(tuple(words((folder / module).read_text(encoding="utf-8"))) for module in MODULES)


@cache
def vocabulary(size: int = 0) -> Vocabulary:
    """Their vocabulary; 0: all words."""
    return most_frequent(Counter(word for sequence in sequences() for word in sequence), size)


def encoded(size: int = 0) -> tuple[Ids, Ids]:
    """The sequences as ids (T,) and starts (sequences + 1,)."""
    known = vocabulary(size)
    ids = [known.ids(sequence) for sequence in sequences()]
    return np.concatenate(ids), np.cumsum([0, *map(len, ids)])


@cache
def estimated(order: int, size: int = 0) -> tuple[Trie, list[CountedLevel]]:
    """The estimate of the modules, and what it was counted from."""
    ids, starts = encoded(size)
    counted = count(ids, starts, size=len(vocabulary(size)), order=order)
    return estimate(counted, len(vocabulary(size))), counted


@cache
def ngram(order: int = 4, size: int = 0, *, pruned: bool = False, quantised: bool = False) -> NGram:
    """An n-gram model of the modules."""
    trie, counted = estimated(order, size)
    if pruned:
        trie = prune(trie, counted, max_bytes=30_000)
    model = to_model(trie)
    return quantise(model) if quantised else model


@cache
def checkpoint(size: int = 0) -> Checkpoint:
    """A checkpoint in memory."""
    return Checkpoint(Path("nowhere"), "test", "code", vocabulary(size), ngram(size=size), {})
