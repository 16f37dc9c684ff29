"""What a report shows: values gathered from checkpoints, from trainings that go on, and from runs of recipes.

A value that a folder doesn't tell is None: old checkpoints and unfinished work have their place in a report, too.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.errors import CheckpointError, CodelmError, CorpusError, UsageError
from codelm.folder import MANIFEST
from codelm.manifest import NGRAM, read_manifest
from codelm.model import log_probs
from codelm.neural.shape import CNN, LSTM
from codelm.sampling import Sampling, distribution
from codelm.vocabulary import PAD, UNK
from codelm.words import STRUCTURE_WORDS
from codelm_train.encode import read_words
from codelm_train.evaluate import Evaluation
from codelm_train.generate import read_prompt
from codelm_train.latency import Latency
from codelm_train.networks.metrics import CURVES, Row, read

PROMPT = "if not isinstance(value, "
TEMPERATURES = (0.25, 0.5, 1.0, 2.0)
BEST = 10  # words whose probabilities are shown

_KINDS = {NGRAM: "n-gram", LSTM: "LSTM", CNN: "CNN"}
_SMOOTHINGS = {"kneser-ney": "Kneser-Ney", "witten-bell": "Witten-Bell", "jelinek-mercer": "Jelinek-Mercer"}
_EVALUATION, _SETTINGS, _TRAINING, _NETWORK = "evaluation.json", "settings.json", ".training", "network-"
_LARGEST_HEADER = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model of a report; ``name`` is no other's."""

    name: str
    kind: str
    """Such as "LSTM"; empty: nobody knows."""
    shape: str = ""
    """What it is made of, for people."""
    tokens: int | None = None
    """Words trained on; of a network, as often as they were read."""
    minutes: float | None = None
    """How long it was trained."""
    parameters: int | None = None
    ngrams: int | None = None
    size: int | None = None
    """Bytes of its checkpoint; None where there is none yet."""
    split: str = ""
    """What it was measured on."""
    alone: Evaluation | None = None
    learned: Evaluation | None = None
    """The same with what the open file and its workspace teach."""
    latency: Latency | None = None
    curves: tuple[Row, ...] = ()
    trained: Checkpoint | None = None
    trouble: str = ""
    """Why it can't be asked for a prediction."""


@dataclass(frozen=True, slots=True, eq=False)
class Temperatures:
    """The best next words of a model, K of them, and their probabilities under each of ``TEMPERATURES``: (4, K)."""

    model: str
    words: tuple[str, ...]
    probabilities: NDArray[np.float64]


def gather(folders: Sequence[Path]) -> list[Model]:
    """Return the models in checkpoints, folders of trainings and folders of runs, in that order.

    Raises UsageError for a folder that is none of these, CodelmError for one that is broken.
    """
    found = [(model, _name_of(folder)) for folder in folders for model in _models_in(folder)]
    names = _distinct([(model.name, place) for model, place in found])
    return [replace(model, name=name) for (model, _), name in zip(found, names, strict=True)]


def temperatures(model: Model, prompt: str) -> Temperatures | None:
    """Return what a model predicts after a prompt; None where it can't be asked. Raises UsageError.

    As in ``generate``, ``[PAD]`` and ``[UNK]`` are never among the words.
    """
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        raise UsageError("--prompt is not UTF-8")
    trained = model.trained
    if trained is None:
        return None
    words = read_prompt(prompt).words
    if trained.stream != "code":
        words = tuple(word for word in words if word not in STRUCTURE_WORDS.values())
    reader, state = read_words(trained.model, trained.vocabulary, words)
    scores = log_probs(reader, state, 1, len(trained.vocabulary))[0].copy()  # the answer may be the state's
    scores[[PAD, UNK]] = -np.inf
    best = [number for number in np.argsort(-scores, kind="stable")[:BEST].tolist() if math.isfinite(scores[number])]
    shares = np.array([distribution(scores, Sampling(temperature))[best] for temperature in TEMPERATURES])
    return Temperatures(model.name, tuple(trained.vocabulary.words[number] for number in best), shares)


# --- folders -----------------------------------------------------------------------------------------------------


def _models_in(folder: Path) -> Iterator[Model]:
    if (folder / _EVALUATION).is_file() or (folder / "steps.json").is_file():
        yield from _run(folder)
    elif (folder / MANIFEST).is_file():
        yield _checkpoint(folder)
    elif (folder / CURVES).is_file() or (folder / _SETTINGS).is_file():
        yield _training(folder)
    else:
        raise UsageError(f"{folder} is no checkpoint, no training and no run")


def _run(folder: Path) -> Iterator[Model]:
    """Yield the n-gram model of a run, its networks, and those that it is still training."""
    measured = _json(folder / _EVALUATION) if (folder / _EVALUATION).is_file() else {}
    of_each = measured.get("models", {})
    networks = sorted(path for path in folder.glob(f"{_NETWORK}*") if path.is_dir())
    for name in ("checkpoint", "ngram"):
        if (folder / name / MANIFEST).is_file():
            model = _checkpoint(folder / name)
            yield _measured(model if not networks else replace(model, name="ngram"), measured, folder / _EVALUATION)
            break
    else:
        if not networks:
            raise UsageError(f"{folder}: the run has made no model yet; `codelm-train run` goes on with it")
    for path in networks:
        name = path.name.removeprefix(_NETWORK)
        if (path / MANIFEST).is_file():
            raw = {**of_each.get(name, {}), "split": measured.get("split")} if name in of_each else {}
            yield _measured(replace(_checkpoint(path), name=name), raw, folder / _EVALUATION)
        elif name.endswith(_TRAINING) and not (path.with_name(path.name.removesuffix(_TRAINING)) / MANIFEST).is_file():
            yield replace(_training(path), name=name.removesuffix(_TRAINING))


def _checkpoint(folder: Path) -> Model:
    manifest = read_manifest(folder)
    try:
        trained, trouble = checkpoint.load(folder), ""
    except CodelmError as error:
        trained, trouble = None, str(error).replace(str(folder), folder.name)
    training, network, levels = (_mapping(manifest, name) for name in ("training", "network", "ngram"))
    # Of a mixture, both may be told.
    is_ngram, is_network = bool(levels), bool(network)
    kinds = [NGRAM] * is_ngram + [_told(network.get("kind"))] * is_network
    shapes = [_ngram_shape(levels, training)] * is_ngram + [_network_shape(network)] * is_network
    model = Model(
        name=_told(manifest.get("name")) or _name_of(folder),
        kind=" and ".join(_KINDS.get(kind, kind) for kind in kinds),
        shape="; ".join(shapes),
        tokens=_whole(training, "tokens_read") or _whole(training, "tokens"),
        minutes=_number(training, "minutes"),
        parameters=_parameters(sorted(folder.glob("*.safetensors"))) if is_network else None,
        ngrams=_ngrams(levels) if is_ngram else None,
        size=_bytes_in(folder),
        curves=_curves(folder),
        trained=trained,
        trouble=trouble,
    )
    return _measured(model, _mapping(manifest, "quality"), folder / MANIFEST)


def _training(folder: Path) -> Model:
    settings = _mapping(_json(folder / _SETTINGS), "settings") if (folder / _SETTINGS).is_file() else {}
    curves = _curves(folder)
    return Model(
        name=_name_of(folder).removesuffix(_TRAINING),
        kind=_KINDS.get(_told(settings.get("kind")), ""),
        shape=_network_shape(settings),
        tokens=curves[-1].tokens if curves else None,
        minutes=curves[-1].seconds / 60 if curves else None,
        # The weights of codelm_train.networks.state, of its best state or any other: all are of one shape.
        parameters=_parameters(sorted(folder.glob("*/weights.safetensors"))),
        curves=curves,
        trouble="there is no checkpoint of it yet; the command that began its training goes on with --resume",
    )


def _measured(model: Model, raw: Mapping[str, Any], file: Path) -> Model:
    """Return a model with the measurements in ``raw``, where there are any. Raises UsageError."""
    if "bits_per_token" not in raw:
        return model
    try:
        alone = _evaluation(raw)
        learned = _evaluation(raw["workspace"]) if "workspace" in raw else None
        latency = Latency.from_json(raw["latency"]) if "latency" in raw else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{file} holds an evaluation that is broken: {type(error).__name__}: {error}") from error
    return replace(model, split=_told(raw.get("split")), alone=alone, learned=learned, latency=latency)


def _evaluation(raw: Mapping[str, Any]) -> Evaluation:
    """Read an evaluation. Raises KeyError, TypeError, AttributeError or ValueError."""
    found = Evaluation.from_json(raw)

    def check(value: object) -> None:
        if isinstance(value, dict):
            for part in value.values():
                check(part)
        elif isinstance(value, list | tuple):
            for part in value:
                check(part)
        elif value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{value!r} is no number")

    check(asdict(found))
    return found


def _curves(folder: Path) -> tuple[Row, ...]:
    file = folder / CURVES
    if not file.is_file():
        return ()
    try:
        return tuple(read(file))
    except (OSError, csv.Error) as error:
        raise CorpusError(f"cannot read {file}: {error}") from error


def _json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} is no JSON object")
    return found


# --- what a model is made of -------------------------------------------------------------------------------------


def _ngram_shape(stated: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    smoothing = _SMOOTHINGS.get(_told(training.get("smoothing")), "")
    order = _whole(stated, "order")
    return ", ".join(filter(None, [f"order {order}" if order else "", smoothing]))


def _network_shape(stated: Mapping[str, Any]) -> str:
    """Return what settings or a manifest say of a network, as text."""
    layers, hidden, projection = (_whole(stated, name) for name in ("layers", "hidden", "projection"))
    kernel, dilation = _whole(stated, "kernel"), _whole(stated, "dilation")
    if not layers or not hidden:
        return ""
    parts = [f"{layers} layer{'s' if layers > 1 else ''} of {hidden}"]
    if stated.get("kind") == CNN and kernel and dilation:
        parts.append(f"{kernel} words wide" + (f", {dilation} times as far apart in each" if layers > 1 else ""))
    if projection:
        parts.append(f"projected to {projection}")
    return ", ".join(parts)


def _ngrams(stated: Mapping[str, Any]) -> int | None:
    levels = stated.get("levels")
    if not isinstance(levels, list):
        return None
    return sum(_whole(level, "ngrams") or 0 for level in levels if isinstance(level, dict)) or None


def _parameters(files: Sequence[Path]) -> int | None:
    """Return how many numbers the first of some safetensors files holds, as its header states; None without one.

    The format: https://huggingface.co/docs/safetensors
    """
    if not files:
        return None
    try:
        with files[0].open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _LARGEST_HEADER else {}
        shapes = [stated["shape"] for name, stated in header.items() if name != "__metadata__"]
        return sum(math.prod(map(int, shape)) for shape in shapes) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # a report tells what it can: this number is not worth failing for


def _bytes_in(folder: Path) -> int | None:
    try:
        return checkpoint.bytes_in(folder)
    except OSError:
        return None


def _mapping(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _number(raw: Mapping[str, Any], name: str) -> float | None:
    value = raw.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(raw: Mapping[str, Any], name: str) -> int | None:
    value = _number(raw, name)
    return value if isinstance(value, int) else None


def _told(value: object) -> str:
    return value if isinstance(value, str) else ""


# --- names -------------------------------------------------------------------------------------------------------


def _name_of(folder: Path) -> str:
    return folder.absolute().name or str(folder)


def _distinct(named: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each pair of a name and where it comes from: where it is not the only one, with its place."""
    often = Counter(name for name, _ in named)
    placed = [name if often[name] == 1 else f"{name} ({place})" for name, place in named]
    names: list[str] = []
    for name in placed:
        unique, number = name, 1
        while unique in names:
            number += 1
            unique = f"{name} {number}"
        names.append(unique)
    return names
