"""What a network is made of: the numbers that a checkpoint's manifest states and that all its arrays must fit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from codelm.vocabulary import EOS

LSTM, CNN = "lstm", "cnn"
KINDS = (LSTM, CNN)
_LARGEST = 1 << 24  # of any of the numbers: a manifest that asks for more is broken, or hostile


@dataclass(frozen=True)
class Shape:
    """The shape of a network of ``kind`` "lstm" or "cnn".

    Raises ValueError, naming the number, when it is not possible.
    """

    kind: str
    words: int
    """V: the ids of the vocabulary."""
    outputs: int
    """The first so many ids have a score of their own; the others share that of ``[UNK]``."""
    rows: int
    """The first so many ids have an input vector of their own; the others read as ``[UNK]`` and their pieces."""
    pieces: int
    """Buckets that the pieces of words are hashed into; 0: words are not read through their pieces."""
    embedding: int
    """E: the width of a word's vector."""
    hidden: int
    """H: the width of an LSTM's state, or the channels of a CNN."""
    layers: int = 1
    projection: int = 0
    """P: the width of what the head reads, by a linear map of H; 0: the head reads H as it is."""
    tied: bool = False
    """Whether the head's weights are the words' input vectors (Press and Wolf 2017); E = P and rows = outputs then."""
    kernel: int = 0
    """Words that one layer of a CNN looks at."""
    dilation: int = 1
    """A CNN's layer i looks at each ``dilation``^i-th word."""
    gated: bool = False
    """Whether a CNN's layers are gated linear units (Dauphin et al. 2017) rather than rectified."""
    residual: bool = False
    """Whether each layer of a CNN adds to its input (He et al. 2016)."""

    def __post_init__(self) -> None:
        cnn = self.kind == CNN
        checks = {
            "kind": self.kind in KINDS,
            "words": self.words > EOS + 1,
            "outputs": EOS < self.outputs <= self.words,
            "rows": EOS < self.rows <= self.words,
            "pieces": self.pieces >= 0,
            "embedding": self.embedding >= 1,
            "hidden": self.hidden >= 1,
            "layers": 1 <= self.layers <= 64,
            "projection": self.projection >= 0,
            "tied": not self.tied or self.rows == self.outputs,
            "kernel": self.kernel >= 1 if cnn else self.kernel == 0,
            "dilation": (self.dilation >= 1 and self.dilation**self.layers <= _LARGEST) if cnn else self.dilation == 1,
            "gated": cnn or not self.gated,
            "residual": cnn or not self.residual,
        }
        if self.tied and self.width != self.embedding:
            raise ValueError(
                f"a network whose weights are tied needs a projection as wide as its embedding: {self.width} is not "
                f"{self.embedding}"
            )
        for name, good in checks.items():
            value = getattr(self, name)
            if not good or (not isinstance(value, (bool, str)) and value > _LARGEST):
                raise ValueError(f"a network of {self.kind!r} can't have {name} = {value!r}")

    @property
    def width(self) -> int:
        """P: the width of what the head reads."""
        return self.projection or self.hidden

    def dilations(self) -> tuple[int, ...]:
        """Return the dilation of each layer of a CNN."""
        return tuple(self.dilation**layer for layer in range(self.layers))

    @property
    def receptive_field(self) -> int | None:
        """How many words, the last one included, a prediction depends on; None: on all (van den Oord et al. 2016)."""
        if self.kind == LSTM:
            return None
        return 1 + sum((self.kernel - 1) * dilation for dilation in self.dilations())

    def states(self) -> tuple[tuple[int, int], ...]:
        """Return the length and width of each array (length, B, width) of the core's state."""
        if self.kind == LSTM:
            return (self.layers, self.hidden), (self.layers, self.hidden)
        widths = (self.embedding, *(self.hidden,) * (self.layers - 1))
        return tuple(((self.kernel - 1) * d, width) for d, width in zip(self.dilations(), widths, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Shape":
        """Return the shape that a manifest states. Raises ValueError, naming what is wrong."""
        types = {field.name: field.type for field in fields(cls)}
        if unknown := sorted(raw.keys() - types.keys()):
            raise ValueError(f"unknown: {', '.join(unknown)}")
        for name, kind in types.items():
            if name in raw and type(raw[name]) is not kind:
                raise ValueError(f"{name} is not of the type {kind.__name__ if isinstance(kind, type) else kind}")
        try:
            return cls(**raw)
        except TypeError as error:
            raise ValueError(str(error).replace("Shape.__init__()", "it is")) from error
