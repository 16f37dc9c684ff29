"""The learning rate: a linear warm-up and a cosine decay (Loshchilov and Hutter 2017, "SGDR", section 3)."""

import math


def rate(progress: float, *, warm_up: float, floor: float) -> float:
    """Return the share of the highest learning rate at ``progress``, from 0 to 1, of the training.

    It rises over the share ``warm_up`` of the training and falls to the share ``floor``.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warm_up:
        return progress / warm_up
    falling = (progress - warm_up) / (1 - warm_up) if warm_up < 1 else 1.0
    return floor + (1 - floor) * (1 + math.cos(math.pi * falling)) / 2
