"""How a network's states are kept by the hundred thousand: in few dimensions of 8 bits, those that are alike in lists.

What the head of a network reads is a vector of P numbers. D dimensions keep most of what tells such vectors apart::

    r = h · B / ‖h · B‖          B (P, D): the principal axes, turned so that all are alike in size

Whoever looks for vectors that are like another looks into few of K lists only: those whose centres, by k-means, are
most like it (an inverted file: Sivic and Zisserman, *Video Google*, 2003; Jégou, Douze and Schmid, *Product
quantization for nearest neighbor search*, 2011). ``codelm_train.states`` fits both to a network, once: so a state is
kept in the same way in every workspace, whatever others there are.
"""

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.neural.table import Floats, unit

States = NDArray[np.int8]
Lists = NDArray[np.uint16]

MOST_LISTS = 65_535
_SPREAD = 4  # standard deviations of a direction's numbers that 8 bits hold
_AT_ONCE = 4096
_MOST_NUMBERS = 65_536  # of a state


def scale(dimensions: int) -> np.float32:
    """Return how much larger the numbers of a kept state are than those of a vector of length one."""
    return np.float32(127 * np.sqrt(dimensions) / _SPREAD)


def kept(reduced: Floats) -> States:
    """Return vectors of length one, (N, D), as they are kept: rounded to 8 bits, all at one scale."""
    found: States = np.clip(np.rint(reduced * scale(reduced.shape[1])), -127, 127).astype(np.int8)
    return found


@dataclass(frozen=True, eq=False)
class Reduction:
    """``basis`` (P, D) float16: the directions that are kept; ``centres`` (K, D): those of the lists, as states are
    kept.
    """

    basis: NDArray[np.float16]
    centres: States

    @property
    def width(self) -> int:
        """How many numbers a state is of: P."""
        return len(self.basis)

    @property
    def dimensions(self) -> int:
        """How many numbers a state is kept as."""
        return int(self.centres.shape[1])

    @cached_property
    def key(self) -> str:
        """What tells this reduction from all others."""
        return hashlib.blake2b(self.basis.tobytes() + self.centres.tobytes(), digest_size=16).hexdigest()

    def reduced(self, vectors: Floats) -> Floats:
        """Return vectors (N, P) in fewer dimensions, of length one: (N, D)."""
        return unit(vectors @ self._directions)

    def cosines(self, states: States, reduced: Floats) -> Floats:
        """Return how alike kept states (M, D) are to a reduced vector (D,): (M,)."""
        found: Floats = states.astype(np.float32) @ (reduced / scale(self.dimensions))
        return found

    def alike(self, reduced: Floats) -> Floats:
        """Return how alike the lists' centres are to reduced vectors (B, D): (B, K)."""
        found: Floats = reduced @ self._turned_centres
        return found

    def lists(self, reduced: Floats) -> Lists:
        """Return which list each of some reduced vectors (N, D) is in: (N,)."""
        pieces = [self.alike(reduced[at : at + _AT_ONCE]).argmax(axis=1) for at in range(0, len(reduced), _AT_ONCE)]
        return np.concatenate([np.zeros(0, np.int64), *pieces]).astype(np.uint16)

    @cached_property
    def _directions(self) -> Floats:
        return self.basis.astype(np.float32)

    @cached_property
    def _turned_centres(self) -> Floats:
        return np.ascontiguousarray(unit(self.centres.astype(np.float32)).T)

    # --- as JSON --------------------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object: little-endian bytes in base64."""
        return {
            "width": self.width,
            "dimensions": self.dimensions,
            "basis": b64encode(self.basis.astype("<f2").tobytes()).decode(),
            "centres": b64encode(self.centres.tobytes()).decode(),
        }

    @classmethod
    def from_json(cls, raw: object) -> "Reduction":
        """Return the reduction that ``as_json`` made ``raw`` of. Raises ValueError, naming what is wrong."""
        if not isinstance(raw, Mapping):
            raise ValueError("'states' is no reduction of states")
        width, dimensions = _size(raw, "width"), _size(raw, "dimensions")
        basis, centres = _numbers(raw, "basis", np.dtype("<f2")), _numbers(raw, "centres", np.dtype("i1"))
        if basis.size != width * dimensions or not np.isfinite(basis).all():
            raise ValueError(f"'states.basis' is no table of {width} x {dimensions} numbers")
        if not centres.size or centres.size % dimensions or centres.size // dimensions > MOST_LISTS:
            raise ValueError(f"'states.centres' are no vectors of {dimensions} numbers")
        return cls(basis.astype(np.float16).reshape(width, dimensions), centres.reshape(-1, dimensions))


def _size(raw: Mapping[str, Any], name: str) -> int:
    size = raw.get(name)
    if type(size) is not int or not 0 < size <= _MOST_NUMBERS:
        raise ValueError(f"'states.{name}' is no number of numbers")
    return size


def _numbers(raw: Mapping[str, Any], name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        content = b64decode(raw.get(name, ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(f"'states.{name}' is not in base64") from None
    if len(content) % dtype.itemsize:
        raise ValueError(f"'states.{name}' is cut short")
    return np.frombuffer(content, dtype)
