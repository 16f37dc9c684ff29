"""Whether a model is right as often as it is sure of itself.

The words that a model ranked first are sorted by the probability it gave them, its *confidence*, into ten bins of equal
width. In each, the mean confidence stands beside the *accuracy*, the share of those words that were right. A calibrated
model has the two equal everywhere (Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks").
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions whose confidence is in one tenth of the way from 0 to 1; shares are between 0 and 1."""

    confidence: float
    """Their mean confidence; 0 where there are none."""
    accuracy: float
    """The share of them that was right; 0 where there are none."""
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The bins, the least confident first; of equal width, each with its upper bound."""

    bins: tuple[Bin, ...]
    error: float
    """The expected calibration error: the mean distance of confidence and accuracy, a bin counting as much as it has
    predictions (Naeini, Cooper and Hauskrecht 2015); 0 where there are none at all."""

    def as_json(self) -> dict[str, object]:
        """Return it as one JSON object."""
        return asdict(self) | {"bins": [asdict(part) for part in self.bins]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that ``as_json`` made ``raw`` of."""
        bins = tuple(Bin(part["confidence"], part["accuracy"], part["count"]) for part in raw["bins"])
        return cls(bins, raw["error"])


def calibration(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Calibration:
    """Compare how sure a model was of N predictions, (N,) between 0 and 1, with whether they were right, (N,).

    Raises ValueError for a confidence that is no probability.
    """
    sure = confidence.astype(np.float64)
    if not np.all((sure >= 0) & (sure <= 1)):
        raise ValueError("a confidence is not between 0 and 1")
    # A bin has its upper bound, as in Guo et al.: a certain prediction is in the last one.
    numbers = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(numbers, minlength=BINS)
    of_each = np.maximum(counts, 1)
    confidences = np.bincount(numbers, sure, BINS) / of_each
    accuracies = np.bincount(numbers, right, BINS) / of_each
    error = float(counts @ np.abs(confidences - accuracies)) / max(len(sure), 1)
    bins = zip(confidences.tolist(), accuracies.tolist(), counts.tolist(), strict=True)
    return Calibration(tuple(Bin(*part) for part in bins), error)
