"""Small trained models for the tests, of real code: a few modules of the standard library."""

import shutil
import sysconfig
import tempfile
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from codelm.checkpoint import Checkpoint
from codelm.gate import CONTEXT, CONTEXT_SIGNALS, Gate
from codelm.lexer import lex
from codelm.mixture import Trained
from codelm.model import Ids
from codelm.neural.reduction import Reduction
from codelm.ngram import NGram
from codelm.prose import prose_of
from codelm.vocabulary import Vocabulary, most_frequent
from codelm.weights import SIGNALS, Floats, Weights, normalised, valid
from codelm.words import words
from codelm_train.count import CountedLevel, count
from codelm_train.prune import prune, quantise
from codelm_train.smoothing import KNESER_NEY, estimate
from codelm_train.trie import Trie, TrieLevel, to_model

MODULES = ("json/decoder.py", "json/encoder.py", "argparse.py", "textwrap.py", "os.py", "posixpath.py")


def few_modules(folder: Path, emails: str = "[a-h]*") -> Path:
    """Make a folder with a few real modules, a source to train on; return it."""
    folder.mkdir()
    stdlib = Path(sysconfig.get_path("stdlib"))
    for module in (*stdlib.glob("json/*.py"), *stdlib.glob(f"email/{emails}.py")):
        shutil.copy(module, folder)
    return folder


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
def estimated(order: int, size: int = 0, smoothing: str = KNESER_NEY) -> tuple[Trie, list[CountedLevel]]:
    """The estimate of the modules, and what it was counted from; all in memory."""
    ids, starts = encoded(size)
    with tempfile.TemporaryDirectory() as folder:
        counted = count(ids, starts, size=len(vocabulary(size)), order=order, folder=Path(folder))
        trie = estimate(counted, len(vocabulary(size)), Path(folder), smoothing)
        in_memory = replace(trie, levels=tuple(map(loaded, trie.levels)))
        return in_memory, [loaded(level) for level in counted]


AnyLevel = TypeVar("AnyLevel", CountedLevel, TrieLevel)


def loaded(level: AnyLevel) -> AnyLevel:
    """The level with its columns in memory."""
    return replace(level, **{field.name: getattr(level, field.name)[:] for field in fields(level)})


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
    known = vocabulary(size)
    return Checkpoint(Path("nowhere"), "test", "code", known, Trained(len(known), ngram(size=size)), {})


@cache
def prose() -> Checkpoint:
    """A checkpoint of the modules' prose, in memory."""
    folder = Path(sysconfig.get_path("stdlib"))
    texts = [tuple(prose_of(lex((folder / module).read_text(encoding="utf-8")))) for module in MODULES]
    known = most_frequent(Counter(word for text in texts for word in text))
    ids, starts = np.concatenate([known.ids(text) for text in texts]), np.cumsum([0, *map(len, texts)])
    with tempfile.TemporaryDirectory() as at:
        counted = count(ids, starts, size=len(known), order=4, folder=Path(at))
        trie = estimate(counted, len(known), Path(at), KNESER_NEY)
        model = to_model(replace(trie, levels=tuple(map(loaded, trie.levels))))
    return Checkpoint(Path("nowhere"), "test", "prose", known, Trained(len(known), model), {})


def random_weights(seed: int) -> Weights:
    """Weights of a mixture, any that are possible."""
    rng = np.random.default_rng(seed)
    tables = {name: normalised(rng.uniform(0.05, 1, mask.shape), mask) for name, mask in valid().items()}
    return Weights(random_gate(rng), tables, float(rng.uniform(0, 0.99)), random_reduction(rng))


def random_reduction(rng: np.random.Generator, width: int = 16, dimensions: int = 6, lists: int = 5) -> Reduction:
    """Any way to keep the states of a network of such a width."""
    centres = rng.integers(-127, 128, (lists, dimensions)).astype(np.int8)
    return Reduction(rng.normal(size=(width, dimensions)).astype(np.float16), centres)


def random_gate(rng: np.random.Generator, hidden: int = 3) -> Gate:
    """A gate that listens to all signals."""
    sizes = {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}
    return Gate(
        {name: rng.normal(size=(size, hidden)) for name, size in sizes.items()},
        rng.normal(size=hidden),
        {name: rng.normal(size=hidden) for name in SIGNALS},
        {name: float(rng.normal()) for name in SIGNALS},
    )


def always(part: str) -> Gate:
    """A gate that gives all of the probability to one part."""
    sizes = {CONTEXT: CONTEXT_SIGNALS, **SIGNALS}
    inputs = {name: np.zeros((size, 1)) for name, size in sizes.items()}
    shares = dict.fromkeys(SIGNALS, -1e9) | {part: 0.0}
    return Gate(inputs, np.zeros(1), dict.fromkeys(SIGNALS, np.zeros(1)), shares)


def only(cache: str, expert: int) -> Floats:
    """Weights of a cache that listen to one of its experts, whatever the length of the match."""
    table = np.zeros_like(valid()[cache])
    table[:, expert] = 1
    return table
