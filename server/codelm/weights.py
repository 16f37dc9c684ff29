"""The weights of a mixture: how its parts, and the experts of its caches, share the probability."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm import file_cache, form_cache, workspace_cache

Floats = NDArray[np.float64]

CACHES = {
    "file": (file_cache.LONGEST, file_cache.EXPERTS),
    "form": (form_cache.LONGEST, form_cache.EXPERTS),
    "workspace": (workspace_cache.LONGEST, workspace_cache.EXPERTS),
}
"""The caches of a mixture: the longest match that each tells from longer ones, and how many experts it has."""
PARTS = ("base", *CACHES)
_PARTS_SHAPE = (file_cache.LONGEST + 2, workspace_cache.LONGEST + 2, len(PARTS))


@dataclass(frozen=True, eq=False)
class Weights:
    """How parts and experts share the probability; every row sums to one.

    ``parts`` (file matches, workspace matches, parts): indexed by the longest match of these caches plus one, 0 where
    it is empty. ``caches``: for each cache, a row of its experts' weights for each length (longest + 1, experts).
    ``seen_again``: how much of the base model's ``[UNK]`` goes to the words of the session.
    """

    parts: Floats
    caches: Mapping[str, Floats]
    seen_again: float

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        tables = {name: np.round(table, 5).tolist() for name, table in self.caches.items()}
        return {"parts": np.round(self.parts, 5).tolist(), **tables, "seen_again": round(self.seen_again, 5)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Weights":
        """Return the weights that ``as_json`` made ``raw`` of. Raises ValueError, naming what is wrong."""
        tables = {name: _table(raw, name, (longest + 1, experts)) for name, (longest, experts) in CACHES.items()}
        seen_again = raw.get("seen_again")
        if not isinstance(seen_again, int | float) or not 0 <= seen_again < 1:
            raise ValueError("'seen_again' is no number from 0 to below 1")
        return cls(_table(raw, "parts", _PARTS_SHAPE), tables, float(seen_again))


def valid() -> tuple[Floats, dict[str, Floats]]:
    """Return masks of the weights that may be anything but zero, shaped as ``parts`` and ``caches``.

    An empty cache has no share, and an expert has something to say from the length of match on that it stands for.
    """
    parts = np.ones(_PARTS_SHAPE)
    parts[0, :, [PARTS.index("file"), PARTS.index("form")]] = 0
    parts[:, 0, PARTS.index("workspace")] = 0
    caches = {name: np.zeros((longest + 1, experts)) for name, (longest, experts) in CACHES.items()}
    lengths = np.arange(file_cache.LONGEST + 1)[:, None]
    file = caches["file"]
    file[:, : file_cache.NEAREST] = lengths >= np.arange(file_cache.NEAREST)
    file[1:, file_cache.NEAREST] = 1
    file[:, file_cache.NEAREST + 1 :] = lengths >= np.arange(file_cache.NEAR_DEPTHS)
    form = caches["form"]
    form[:] = 1
    form[:, : form_cache.EVEN] = np.arange(form_cache.LONGEST + 1)[:, None] >= np.array(form_cache.DEPTHS)
    caches["workspace"][:] = np.tri(workspace_cache.LONGEST + 1)
    return parts, caches


def normalised(table: Floats, mask: Floats) -> Floats:
    """Return a table with what its mask forbids taken away and its rows made to sum to one."""
    kept = table * mask
    rows: Floats = kept / kept.sum(-1, keepdims=True)
    return rows


def unfitted() -> Weights:
    """Return weights that nobody has fitted, for a model that ``codelm_train.mix`` has not seen: a longer match counts
    more.
    """
    parts, caches = valid()
    longer = np.arange(_PARTS_SHAPE[0])[:, None] / 4, np.arange(_PARTS_SHAPE[1])[None, :] / 4
    guess = np.ones(_PARTS_SHAPE)
    guess[..., PARTS.index("file")] = longer[0]
    guess[..., PARTS.index("workspace")] = longer[1]
    guess[..., PARTS.index("form")] = 0.3
    tables = {
        name: normalised(np.exp2(np.arange(mask.shape[1], dtype=np.float64)), mask) for name, mask in caches.items()
    }
    return Weights(normalised(guess, parts), tables, 0.5)


def _table(raw: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    try:
        table = np.array(raw.get(name), np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"'{name}' is no table of numbers") from None
    if table.shape != shape:
        raise ValueError(f"'{name}' has the shape {table.shape}, not {shape}")
    if not ((table >= 0).all() and np.allclose(table.sum(-1), 1, atol=1e-3)):
        raise ValueError(f"a row of '{name}' is no distribution")
    parts, caches = valid()
    mask = parts if name == "parts" else caches[name]
    if not (table * mask).any(-1).all():
        raise ValueError(f"a row of '{name}' is no distribution: all that it has stands where nothing can be said")
    return normalised(table, mask)
