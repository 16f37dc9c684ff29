"""A model as a folder: written whole or not at all, checked before anything of it is used.

::

    manifest.json            what it is: format, version, kind, shapes, training data, measured quality
    vocabulary.txt           see codelm.vocabulary
    MODEL_CARD.md            the same for people
    ngram.1.words.npy …      an n-gram model: see codelm.ngram_files
    core.onnx …              a neural network: see codelm.neural.files

Processes that open the same checkpoint share its arrays. Nothing in it is ever unpickled. Whatever is wrong (a missing
file, a cut array, an index that leads outside) is a ``CheckpointError`` that names the file.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codelm.errors import CheckpointError, UsageError, VocabularyError
from codelm.folder import MANIFEST, replaced_folder
from codelm.manifest import FORMAT, NGRAM, field, read_manifest, write_manifest
from codelm.model import LanguageModel
from codelm.neural.shape import Shape
from codelm.ngram import NGram
from codelm.ngram_files import open_ngram, save_ngram
from codelm.vocabulary import Vocabulary
from codelm.weights import Weights, unfitted

BUNDLED = Path(__file__).parent / "bundled"
VOCABULARY_FILE = "vocabulary.txt"
CARD_FILE = "MODEL_CARD.md"
CPU = "cpu"

Stream = Literal["code", "code_tokens"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model. ``stream`` says what it was trained on: lexed code, or CodeSearchNet's tokens, without lines."""

    folder: Path
    name: str
    stream: Stream
    vocabulary: Vocabulary
    model: LanguageModel[Any]
    facts: Mapping[str, Any]
    """What the manifest tells besides: training data, licences, quality."""
    weights: Weights | None = None
    """The weights with which the model is mixed with others; None where it was not mixed."""
    shape: Shape | None = None
    """What the model is made of; None where it is no network."""

    @property
    def kind(self) -> str:
        """What kind of model it is: one of ``codelm.manifest.KINDS``."""
        return NGRAM if self.shape is None else self.shape.kind

    @property
    def ngram(self) -> NGram:
        """The model, for what only an n-gram model can do. Raises UsageError where it is none."""
        if not isinstance(self.model, NGram):
            raise UsageError(f"{self.folder} is no n-gram model")
        return self.model


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


def save_mixed(folder: Path, trained: Checkpoint, weights: Weights) -> None:
    """Write a checkpoint again, of whatever kind, with the weights that it is mixed with. Raises StorageError."""
    manifest = read_manifest(trained.folder) | {"name": folder.name, "mixture": weights.as_json()}
    with replaced_folder(folder, FORMAT) as new:
        for file in trained.folder.iterdir():
            if file.name != MANIFEST and file.is_file():
                shutil.copyfile(file, new / file.name)
        write_manifest(new, trained.kind, manifest)


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
    return sum(file.stat().st_size for file in folder.iterdir())


def load(folder: Path, device: str = CPU) -> Checkpoint:
    """Open a checkpoint. Raises CheckpointError, naming what is wrong.

    ``device``: where a network runs: ``cpu``, by ONNX Runtime, or what torch calls ``cuda`` or ``mps``, by torch.
    Raises UsageError where there is no such device, or no torch. An n-gram model always runs on the CPU.
    """
    manifest = read_manifest(folder)
    vocabulary = _vocabulary(folder, field(folder, manifest, "vocabulary", dict))
    stream = field(folder, manifest, "stream", str)
    if stream not in ("code", "code_tokens"):
        raise CheckpointError(f"{folder / MANIFEST}: unknown stream {stream!r}")
    name, weights = field(folder, manifest, "name", str), _weights(folder, manifest)
    shape, model = _model(folder, manifest, vocabulary, device)
    known = ("format", "version", "kind", "name", "stream", "vocabulary", "ngram", "network", "mixture")
    facts = {key: value for key, value in manifest.items() if key not in known}
    return Checkpoint(folder, name, stream, vocabulary, model, facts, weights, shape)


def default_weights() -> Weights:
    """Return the weights for a model without its own: the bundled model's, which are much like any other's."""
    return _weights(BUNDLED, read_manifest(BUNDLED)) or unfitted()


def _model(
    folder: Path, manifest: Mapping[str, Any], vocabulary: Vocabulary, device: str
) -> tuple[Shape | None, LanguageModel[Any]]:
    if manifest["kind"] == NGRAM:
        return None, open_ngram(folder, field(folder, manifest, "ngram", dict), len(vocabulary))
    shape = _shape(folder, manifest, len(vocabulary))
    # What runs networks takes time and memory to import, and an n-gram model needs none of it.
    if device == CPU:
        from codelm.neural.files import open_network

        return shape, open_network(folder, shape, vocabulary.words)
    try:
        from codelm.neural.torch_network import open_torch_network
    except ImportError as error:
        raise UsageError(f"the device {device!r} needs torch: pip install 'codelm[gpu]' ({error})") from error
    return shape, open_torch_network(folder, shape, vocabulary.words, device)


def _shape(folder: Path, manifest: Mapping[str, Any], words: int) -> Shape:
    try:
        shape = Shape.from_json(field(folder, manifest, "network", dict))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: 'network': {error}") from error
    if (shape.kind, shape.words) != (manifest["kind"], words):
        raise CheckpointError(
            f"{folder / MANIFEST}: 'network' is not of the kind, or for the vocabulary, that it names"
        )
    return shape


def _weights(folder: Path, manifest: Mapping[str, Any]) -> Weights | None:
    if "mixture" not in manifest:
        return None
    try:
        return Weights.from_json(field(folder, manifest, "mixture", dict))
    except ValueError as error:
        raise CheckpointError(f"{folder / MANIFEST}: 'mixture': {error}") from error


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
