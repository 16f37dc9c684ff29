"""Tiny trainings of networks for the tests: a corpus of real code, a vocabulary, settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from safetensors.numpy import load_file

from codelm.checkpoint import CODE
from codelm.vocabulary import Vocabulary
from codelm_train import corpus as corpora
from codelm_train.corpus import FORMAT, VERSION, Corpus, Sequences, counts_of
from codelm_train.lexicon import rank
from codelm_train.networks import fit
from codelm_train.networks import train as training
from codelm_train.networks.fit import Outcome
from codelm_train.networks.metrics import CURVES, Row, read
from codelm_train.networks.settings import NetworkSettings, settings_from
from codelm_train.networks.state import states

TINY: dict[str, Any] = {
    "embedding": 8, "hidden": 12, "projection": 8, "outputs": 120, "pieces": 32, "lanes": 4, "length": 12,
    "budget": 80, "steps": 30, "head": 20, "sampled": 20, "validations": 3, "validation_tokens": 200,
    "precision": "fp32", "device": "cpu",
}  # fmt: skip
LSTM_OF_A_RECIPE = """\
[[network]]
kind = "lstm"
embedding = 8
hidden = 12
projection = 8
outputs = 200
pieces = 50
lanes = 4
length = 16
steps = 6
sampled = 20
head = 30
precision = "fp32"
validation_tokens = 500
"""
STREAMS, SEQUENCES = {"kind": "lstm"}, {"kind": "cnn", "layers": 2, "batches": "sequences"}


def settings(**said: Any) -> NetworkSettings:
    """Settings of a network that is trained in a tenth of a second."""
    return settings_from(TINY | said)


def vocabulary() -> Vocabulary:
    """300 words: some words of the corpus are outside, and some of its words are no outputs."""
    return models.vocabulary(300)


@cache
def corpus(words: int = 4000) -> Corpus:
    """So many words of two modules, in sequences of up to 50 words, one of them empty."""
    text = [word for sequence in models.sequences()[:2] for word in sequence]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(text))}
    ids = np.array([numbers[word] for word in text], np.uint32)
    lexicon, final = rank(numbers, np.bincount(ids))
    ids = final[ids][:words]
    ends = np.cumsum(np.random.default_rng(1).integers(1, 50, len(ids)))
    parts = [np.zeros(0, np.uint32), *np.split(ids, ends[ends < len(ids)])]
    train, validation = parts[: -len(parts) // 5], parts[-len(parts) // 5 :]
    splits = {name: _named(part) for name, part in (("train", train), ("validation", validation))}
    manifest = {
        "format": FORMAT, "version": VERSION, "stream": CODE, "words": len(lexicon), "splits": counts_of(splits),
        "sources": [], "dropped": {},
    }  # fmt: skip
    return Corpus(manifest, lexicon, {name: split.joined() for name, split in splits.items()})


def _named(parts: list[np.ndarray]) -> Sequences:
    return Sequences(parts, ["stdlib"] * len(parts), [f"{number}.py" for number in range(len(parts))])


def written(folder: Path) -> list[str]:
    """Write corpus and vocabulary; return the arguments of a command that trains on them."""
    made = corpus()
    splits = {name: _named(list(split)) for name, split in made.splits.items()}
    with corpora.new_corpus(folder / "corpus") as new:
        corpora.write(new, made.manifest, made.lexicon, splits)
    (folder / "words.txt").write_bytes(vocabulary().text().encode())
    return [str(folder / "corpus"), "--vocabulary", str(folder / "words.txt")]


def flags(said: NetworkSettings) -> list[str]:
    """The arguments that say the settings."""
    found = []
    for name, value in asdict(said).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif name not in ("kind", "name"):
            found += [f"--{flag}", str(value)]
    return found


def train(said: NetworkSettings, folder: Path, **options: Any) -> Outcome:
    """Train on the corpus."""
    return training.train(corpus(), vocabulary(), said, folder, **options)[2]


@contextmanager
def stopped_at(*steps: int) -> Iterator[None]:
    """Ctrl-C comes at such steps, counted from the first that is trained."""
    seen = 0

    def asked() -> int:
        nonlocal seen
        seen += 1
        return 2 if seen in steps else 0

    @contextmanager
    def stopping() -> Iterator[Any]:
        yield asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "stopping", stopping)
        yield


def weights(folder: Path, state: str = "") -> dict[str, np.ndarray]:
    """The weights of a state of a training, the latest by default."""
    return load_file((folder / state if state else states(folder)[0]) / "weights.safetensors")


def same_weights(one: Path, other: Path, state: str = "") -> bool:
    """Whether two trainings have the same weights, bit for bit, and what else a state has: moments, carried states."""
    first, second = ((folder / state if state else states(folder)[0]) for folder in (one, other))
    arrays = {file.name: file.read_bytes() for file in first.glob("*.safetensors")}
    assert "weights.safetensors" in arrays
    assert state or "training.safetensors" in arrays, "only the best weights stand alone"
    return arrays == {file.name: file.read_bytes() for file in second.glob("*.safetensors")}


TIMES = {"seconds": 0.0, "tokens_per_second": None}


def curves(folder: Path) -> list[Row]:
    """The points of a training's curves, apart from times."""
    return [Row(**asdict(row) | TIMES) for row in read(folder / CURVES)]
