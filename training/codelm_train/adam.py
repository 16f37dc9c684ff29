"""Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), for what needs no torch."""

import numpy as np
from numpy.typing import NDArray

from codelm_train.networks.schedule import rate as scheduled

Floats = NDArray[np.float64]

_FLOOR, _WARM_UP = 0.02, 0.1  # the share of the highest rate that is left, the share of the steps in which it rises
_MOMENTS, _TINY = (0.9, 0.999), 1e-8


class Adam:
    """Moves weights in place, in so many ``steps``; the rate rises in a line and falls by a cosine."""

    def __init__(self, weights: list[Floats], *, rate: float, decay: float, steps: int):
        self.steps = steps
        self._weights, self._rate, self._decay = weights, rate, decay
        self._moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in weights]
        self._done = 0

    def step(self, gradients: list[Floats]) -> None:
        """Move the weights by their gradients."""
        self._done += 1
        by = self._rate * scheduled(self._done / self.steps, warm_up=_WARM_UP, floor=_FLOOR)
        for weight, gradient, (mean, square) in zip(self._weights, gradients, self._moments, strict=True):
            for moment, value, keep in ((mean, gradient, _MOMENTS[0]), (square, gradient**2, _MOMENTS[1])):
                moment *= keep
                moment += (1 - keep) * value
            weight *= 1 - by * self._decay
            scale = np.sqrt(square / (1 - _MOMENTS[1] ** self._done)) + _TINY
            weight -= by * (mean / (1 - _MOMENTS[0] ** self._done)) / scale
