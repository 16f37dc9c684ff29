"""A model as a folder: written whole or not at all, checked before anything of it is used.

::

    manifest.json            what it is: format, version, kind, shapes, training data, measured quality
    vocabulary.txt           see codelm.vocabulary
    MODEL_CARD.md            the same for people
    ngram.1.words.npy …      an n-gram model: see codelm.ngram_files
    core.onnx …              a neural network: see codelm.neural.files
    prose/                   a model of comments, docstrings and strings, a checkpoint of its own

Processes that open the same checkpoint share its arrays. Nothing in it is ever unpickled. Whatever is wrong (a missing
file, a cut array, an index that leads outside) is a ``CheckpointError`` that names the file.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from codelm.caches import without_caches
from codelm.errors import CheckpointError, UsageError, VocabularyError
from codelm.folder import MANIFEST, replaced_folder
from codelm.manifest import FORMAT, MIXTURE, NGRAM, field, read_manifest, write_manifest
from codelm.mixture import Trained
from codelm.model import LanguageModel
from codelm.neural.model import NeuralModel
from codelm.neural.shape import Shape
from codelm.ngram import NGram
from codelm.ngram_files import open_ngram, save_ngram
from codelm.rerank import Reranker
from codelm.vocabulary import Vocabulary
from codelm.weights import Weights, unfitted

BUNDLED = Path(__file__).parent / "bundled"
VOCABULARY_FILE = "vocabulary.txt"
CARD_FILE = "MODEL_CARD.md"
CPU = "cpu"

_ARRAYS, _GRAPHS, _WEIGHTS = ".npy", ".onnx", ".safetensors"  # files of models, by their endings
_PARTS = ("ngram", "network")  # what a manifest says of its models

CODE, CODE_TOKENS, PROSE = "code", "code_tokens", "prose"
Stream = Literal["code", "code_tokens", "prose"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model. ``stream`` says what it was trained on: lexed code, CodeSearchNet's tokens, without lines, or
    prose.
    """

    folder: Path
    name: str
    stream: Stream
    vocabulary: Vocabulary
    trained: Trained
    facts: Mapping[str, Any]
    """What the manifest tells besides: training data, licences, quality."""
    weights: Weights | None = None
    """The weights with which the models are mixed with others; None where they were not mixed."""
    shape: Shape | None = None
    """What its network is made of; None where it has none."""
    reranker: Reranker | None = None
    """What ranks the best candidates of its mixture once more."""
    prose: "Checkpoint | None" = None
    """The model of prose that comes with a model of code."""

    @property
    def kind(self) -> str:
        """What kind of model it is: one of ``codelm.manifest.KINDS``."""
        if self.shape is None:
            return NGRAM
        return self.shape.kind if self.trained.ngram is None else MIXTURE

    @property
    def ngram(self) -> NGram:
        """Its n-gram model, for what only such a model can do. Raises UsageError where it has none."""
        if not isinstance(self.trained.ngram, NGram):
            raise UsageError(f"{self.folder} has no n-gram model")
        return self.trained.ngram

    @property
    def model(self) -> LanguageModel[Any]:
        """What was trained, as one model: where that is an n-gram model and a network, their mixture."""
        models = [model for model in (self.trained.ngram, self.trained.network) if model is not None]
        if len(models) == 1:
            return models[0]
        return without_caches(self.trained, self.vocabulary, self.weights or default_weights())


def save(
    folder: Path,
    model: NGram,
    vocabulary: Vocabulary,
    *,
    name: str,
    stream: str,
    facts: Mapping[str, Any],
    card: str = "",
    weights: Weights | None = None,
) -> None:
    """Write a checkpoint of an n-gram model, replacing one of that name. Raises StorageError.

    ``card`` is its model card.
    """
    with replaced_folder(folder, FORMAT) as new:
        save_words(new, vocabulary, card)
        levels = save_ngram(new, model)
        write_manifest(new, NGRAM, {
            "name": name,
            "stream": stream,
            "vocabulary": stated(vocabulary),
            "ngram": levels,
            **({} if weights is None else {"mixture": weights.as_json()}),
            **facts,
        })  # fmt: skip


def joined(models: Sequence[Checkpoint]) -> Checkpoint:
    """Return an n-gram model, a network, or one of each, opened from their folders, as one checkpoint.

    Raises UsageError where they can't be mixed.
    """
    first = models[0]
    ngrams = [model for model in models if model.trained.ngram is not None]
    networks = [model for model in models if model.trained.network is not None]
    if len(ngrams) > 1 or len(networks) > 1:
        raise UsageError("a mixture is of one n-gram model and one network at most")
    for model in models[1:]:
        if (model.vocabulary.sha256, model.stream) != (first.vocabulary.sha256, first.stream):
            raise UsageError(f"{model.folder} is of another vocabulary or stream of words than {first.folder}")
    trained = Trained(
        len(first.vocabulary),
        ngrams[0].trained.ngram if ngrams else None,
        networks[0].trained.network if networks else None,
    )
    shape = networks[0].shape if networks else None
    facts = dict(first.facts)
    if ngrams and networks:
        facts = {**ngrams[0].facts, "network_training": networks[0].facts.get("training", {})}
    return Checkpoint(first.folder, first.name, first.stream, first.vocabulary, trained, facts, first.weights, shape)


def save_mixed(
    folder: Path, models: Sequence[Checkpoint], weights: Weights, reranker: Reranker | None = None, *,
    name: str = "", facts: Mapping[str, Any] | None = None, card: str = "", torch: bool = False,
    prose: Path | None = None,
) -> None:  # fmt: skip
    """Write checkpoints, ``joined`` as one, with the weights with which they are mixed. Raises StorageError.

    It is called ``name``, by default as its folder is. ``facts`` take the place of theirs. ``torch``: whether to copy
    a network's weights for torch too; they are the larger part of it. ``prose``: the folder of a model of prose that is
    to come with it.
    """
    whole = joined(models)
    parts = {key: value for model in models for key, value in read_manifest(model.folder).items() if key in _PARTS}
    with replaced_folder(folder, FORMAT) as new:
        for model in models:
            for file in model.folder.iterdir():
                if file.is_file() and file.suffix in (_ARRAYS, _GRAPHS, *([_WEIGHTS] if torch else [])):
                    shutil.copyfile(file, new / file.name)
        if prose is not None:
            shutil.copytree(prose, new / PROSE)
        save_words(new, whole.vocabulary, card)
        write_manifest(new, whole.kind, {
            "name": name or folder.name,
            "stream": whole.stream,
            "vocabulary": stated(whole.vocabulary),
            **parts,
            "mixture": weights.as_json(),
            **({} if reranker is None else {"reranker": reranker.as_json()}),
            **(whole.facts if facts is None else facts),
        })  # fmt: skip


def save_words(folder: Path, vocabulary: Vocabulary, card: str) -> None:
    """Write what every checkpoint has besides its model: the vocabulary, and the model card if there is one."""
    (folder / VOCABULARY_FILE).write_bytes(vocabulary.text().encode())
    if card:
        (folder / CARD_FILE).write_bytes(card.encode())


def stated(vocabulary: Vocabulary) -> Mapping[str, Any]:
    """Return what a manifest says of a vocabulary."""
    return {"size": len(vocabulary), "sha256": vocabulary.sha256}


def find(name: str) -> Path:
    """Return the folder of the checkpoint that a user names; "" is the bundled one."""
    return Path(name).expanduser() if name else BUNDLED


def bytes_in(folder: Path) -> int:
    """Return the sum of the sizes of a checkpoint's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def load(folder: Path, device: str = CPU, *, network: bool = True) -> Checkpoint:
    """Open a checkpoint. Raises CheckpointError, naming what is wrong.

    ``device``: where a network runs: ``cpu``, by ONNX Runtime, or what torch calls ``cuda`` or ``mps``, by torch.
    Raises UsageError where there is no such device, or no torch. An n-gram model always runs on the CPU. ``network``:
    whether to open the network of a mixture at once, rather than by ``with_network`` later.
    """
    manifest = read_manifest(folder)
    vocabulary = _vocabulary(folder, field(folder, manifest, "vocabulary", dict))
    stream = field(folder, manifest, "stream", str)
    if stream not in (CODE, CODE_TOKENS, PROSE):
        raise CheckpointError(f"{folder / MANIFEST}: unknown stream {stream!r}")
    name, weights = field(folder, manifest, "name", str), _weights(folder, manifest)
    kind = manifest["kind"]
    ngram = None
    if kind in (NGRAM, MIXTURE):
        ngram = open_ngram(folder, field(folder, manifest, "ngram", dict), len(vocabulary))
    shape = None if kind == NGRAM else _shape(folder, manifest, len(vocabulary))
    known = ("format", "version", "kind", "name", "stream", "vocabulary", "ngram", "network", "mixture", "reranker")
    facts = {key: value for key, value in manifest.items() if key not in known}
    if shape is not None and weights is not None and weights.states is not None and weights.states.width != shape.width:
        raise CheckpointError(f"{folder / MANIFEST}: 'mixture': 'states' are not those of the network")
    trained = Trained(len(vocabulary), ngram)
    reranker = _reranker(folder, manifest)
    prose = _prose(folder / PROSE) if stream != PROSE and (folder / PROSE).exists() else None
    found = Checkpoint(folder, name, stream, vocabulary, trained, facts, weights, shape, reranker, prose)
    return with_network(found, device) if shape is not None and (network or ngram is None) else found


def with_network(opened: Checkpoint, device: str = CPU) -> Checkpoint:
    """Return a checkpoint with the network open that it has. Raises what ``load`` does."""
    assert opened.shape is not None
    return replace(opened, trained=replace(opened.trained, network=_network(opened, opened.shape, device)))


def network_key(opened: Checkpoint) -> str:
    """Return what tells the open network of a checkpoint from all others: a hash of all that it reads with.

    Takes 50 ms. Raises CheckpointError where its files cannot be read.
    """
    from codelm.neural.files import READ_WITH

    found = hashlib.blake2b(f"{type(opened.trained.network).__name__} {opened.vocabulary.sha256}".encode())
    for name in READ_WITH:
        path = opened.folder / name
        try:
            found.update(path.read_bytes() if path.exists() else b"")
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    return found.hexdigest()


def default_weights() -> Weights:
    """Return the weights for a model without its own: the bundled model's, which are much like any other's.

    How the states of a network are kept is not among them: that is another's.
    """
    return replace(_weights(BUNDLED, read_manifest(BUNDLED)) or unfitted(), states=None)


def _network(opened: Checkpoint, shape: Shape, device: str) -> NeuralModel[Any]:
    folder, words = opened.folder, opened.vocabulary.words
    # What runs networks takes time and memory to import, and an n-gram model needs none of it.
    if device == CPU:
        from codelm.neural.files import open_network

        return open_network(folder, shape, words)
    try:
        from codelm.neural.torch_network import open_torch_network
    except ImportError as error:
        raise UsageError(f"the device {device!r} needs torch: pip install 'codelm[gpu]' ({error})") from error
    return open_torch_network(folder, shape, words, device)


def _shape(folder: Path, manifest: Mapping[str, Any], words: int) -> Shape:
    try:
        shape = Shape.from_json(field(folder, manifest, "network", dict))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: 'network': {error}") from error
    if manifest["kind"] not in (shape.kind, MIXTURE) or shape.words != words:
        raise CheckpointError(
            f"{folder / MANIFEST}: 'network' is not of the kind, or for the vocabulary, that it names"
        )
    return shape


def _prose(folder: Path) -> Checkpoint:
    found = load(folder)
    if found.stream != PROSE or found.kind != NGRAM:
        raise CheckpointError(f"{folder} is no n-gram model of prose")
    return found


def _weights(folder: Path, manifest: Mapping[str, Any]) -> Weights | None:
    if "mixture" not in manifest:
        return None
    try:
        return Weights.from_json(field(folder, manifest, "mixture", dict))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: 'mixture': {error}") from error


def _reranker(folder: Path, manifest: Mapping[str, Any]) -> Reranker | None:
    if "reranker" not in manifest:
        return None
    try:
        return Reranker.from_json(manifest["reranker"])
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: {error}") from error


def _vocabulary(folder: Path, said: Mapping[str, Any]) -> Vocabulary:
    path = folder / VOCABULARY_FILE
    try:
        vocabulary = Vocabulary.read(path)
        content = path.read_bytes()
    except VocabularyError as error:
        raise CheckpointError(str(error)) from error
    if said.get("sha256") != hashlib.sha256(content).hexdigest():
        raise CheckpointError(f"{path} is not the vocabulary that the manifest names")
    return vocabulary
