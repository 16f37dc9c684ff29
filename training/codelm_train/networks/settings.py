"""How a network is trained: what a recipe's ``[[network]]``, a ``--config`` file and the command line can say."""

import ast
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from codelm.errors import UsageError
from codelm.neural.shape import CNN, KINDS, LSTM, Shape
from codelm.vocabulary import DEFAULT_SIZE

STREAMS, SEQUENCES = "streams", "sequences"
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class NetworkSettings:
    """A network and its training. Raises UsageError for what can't be."""

    kind: str = LSTM
    """``lstm`` or ``cnn``."""
    name: str = ""
    """What the network is called beside others; empty: its kind."""

    embedding: int = 256
    """The width of a word's vector."""
    hidden: int = 512
    """The width of the LSTM's state, or the channels of the CNN."""
    layers: int = 1
    """Layers, one on the other."""
    projection: int = 256
    """The width of what the head reads; 0: the hidden width."""
    outputs: int = 16_000
    """How many of the most frequent words have a score of their own; 0: all of the vocabulary."""
    pieces: int = 16_384
    """Buckets for the pieces of words; 0: words are read by their own vectors alone."""
    tied: bool = True
    """Whether the head's weights are the words' vectors."""
    kernel: int = 3
    """Words that one layer of the CNN looks at."""
    dilation: int = 2
    """Each layer of the CNN looks so many times as far apart as the one below."""
    gated: bool = True
    """Whether the CNN's layers are gated."""
    residual: bool = True
    """Whether the CNN's layers add to their input."""
    dropout: float = 0.0
    """The share of values that is dropped in training."""

    batches: str = STREAMS
    """``streams``: packed, with the state carried over; ``sequences``: whole ones, by a budget of tokens."""
    lanes: int = 32
    """Streams side by side: more are a little faster, but learn less from as many words."""
    length: int = 64
    """Words of each stream in a batch: how far gradients go back."""
    budget: int = 4096
    """Tokens of a batch of whole sequences."""
    epochs: float = 1.0
    """Passes over the training split, unless ``steps`` or ``minutes`` end it before."""
    steps: int = 0
    """Batches to train on; 0: as many as the epochs have."""
    minutes: float = 0.0
    """Time to train, over all resumptions; 0: as long as it takes. The learning rate falls with it."""
    learning_rate: float = 3e-3
    """The highest learning rate."""
    warm_up: float = 0.02
    """The share of the training in which the learning rate rises."""
    floor: float = 0.02
    """The share of the highest learning rate that is left at the end."""
    weight_decay: float = 0.01
    """AdamW's (Loshchilov and Hutter 2019)."""
    clip: float = 1.0
    """The norm that gradients are cut to (Pascanu et al. 2013); 0: none."""
    head: int = 1024
    """Words that the sampled softmax always sums."""
    sampled: int = 1024
    """Words that it draws besides; 0: the full softmax, always."""
    full_share: float = 0.1
    """The share of the training, at its end, with the full softmax."""
    patience: int = 0
    """Validations without a better one after which the training ends; 0: never."""
    validations: int = 10
    """Validations in all, evenly spread."""
    validation_tokens: int = 100_000
    """Words of the validation split that each one looks at."""
    keep: int = 2
    """States that are kept, besides the best."""
    seed: int = 0
    """What everything that is drawn at random follows from."""
    precision: str = "auto"
    """``fp32``, ``bf16`` (by autocast), or ``auto``: bf16 where the device computes in it."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``mps``, or ``auto``: the fastest there is."""
    compile: bool = False
    """Whether torch.compile makes the network faster, at the price of a start of a minute."""

    def __post_init__(self) -> None:
        choices = {"kind": KINDS, "batches": (STREAMS, SEQUENCES), "precision": PRECISIONS, "device": DEVICES}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} = {getattr(self, name)!r} is none of {', '.join(allowed)}")
        least = {
            "lanes": 1, "length": 2, "budget": 1, "steps": 0, "minutes": 0, "learning_rate": 1e-12, "weight_decay": 0,
            "clip": 0, "head": 4, "sampled": 0, "patience": 0, "validations": 1, "validation_tokens": 1, "keep": 1,
            "epochs": 1e-9, "seed": 0, "outputs": 0,
        }  # fmt: skip
        for name, lowest in least.items():
            if not getattr(self, name) >= lowest:
                raise UsageError(f"{name} = {getattr(self, name)} is less than {lowest:g}")
        for name in (field.name for field in fields(self) if field.type is float):
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"{name} = {getattr(self, name)} is no number")
        if self.seed >= 1 << 63:  # torch takes no larger one
            raise UsageError(f"seed = {self.seed} is too large")
        for name in ("dropout", "warm_up", "floor", "full_share"):
            if not 0 <= getattr(self, name) <= (1 if name != "dropout" else 0.95):
                raise UsageError(f"{name} = {getattr(self, name)} is no share")
        self.shape(max(self.outputs, DEFAULT_SIZE))  # what no vocabulary makes possible is said at once

    @property
    def called(self) -> str:
        """What the network is called."""
        return self.name or self.kind

    def shape(self, words: int) -> Shape:
        """Return the shape of the network for a vocabulary. Raises UsageError."""
        outputs = min(self.outputs or words, words)
        cnn = self.kind == CNN
        try:
            return Shape(
                kind=self.kind, words=words, outputs=outputs, rows=outputs if self.tied else words,
                pieces=self.pieces, embedding=self.embedding, hidden=self.hidden, layers=self.layers,
                projection=self.projection, tied=self.tied, kernel=self.kernel if cnn else 0,
                dilation=self.dilation if cnn else 1, gated=cnn and self.gated, residual=cnn and self.residual,
            )  # fmt: skip
        except ValueError as error:
            raise UsageError(str(error)) from error


# Where a CNN's defaults are others: its layers are cheap, and see further the more of them there are.
_PRESETS: Mapping[str, Mapping[str, Any]] = {LSTM: {}, CNN: {"hidden": 256, "layers": 5, "projection": 0}}


def settings_from(raw: Mapping[str, Any]) -> NetworkSettings:
    """Return the settings that ``raw`` says, the rest by default for its kind.

    Raises UsageError, naming what is wrong.
    """
    known = {field.name: field.type for field in fields(NetworkSettings)}
    if unknown := sorted(raw.keys() - known.keys()):
        raise UsageError(f"a network has no setting {', '.join(unknown)}; it has {', '.join(known)}")
    said: dict[str, Any] = {**_PRESETS.get(str(raw.get("kind", LSTM)), {}), **raw}
    for name, value in said.items():
        kind = known[name]
        if kind is float and type(value) is int:
            said[name] = float(value)
        elif type(value) is not kind:
            raise UsageError(f"{name} = {value!r} is no {kind.__name__ if isinstance(kind, type) else kind}")
    return NetworkSettings(**said)


def explanations() -> dict[str, str]:
    """Return what each setting means: the texts that stand under them above."""
    (tree,) = ast.parse(inspect.getsource(NetworkSettings)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for statement, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            assert isinstance(below, ast.Expr)
            assert isinstance(below.value, ast.Constant)
            found[statement.target.id] = str(below.value.value)
    return found
