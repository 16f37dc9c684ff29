"""The core of a convolutional network: causal convolutions over the words before, with a receptive field.

A layer sees the last ``kernel`` words of its input, each ``dilation`` apart (van den Oord et al. 2016, "WaveNet",
section 2.1), so three layers of kernel 3 and dilation 2 see 1 + 2·(1 + 2 + 4) = 15 words::

    layer 3   dilation 4      o-------o-------o
    layer 2   dilation 2      o---o---o---o---o ...
    layer 1   dilation 1      o-o-o-o-o-o-o-o-o ...

The state of a layer is the tail of its input: what the next word's convolution still needs. A stream so read word by
word gives what it gives at once; and before a sequence begins, the tails are zeros.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from codelm.neural.shape import Shape

States = tuple[Tensor, ...]


class CausalLayer(nn.Module):
    """One convolution, gated or rectified, added to its input where that is asked for."""

    def __init__(self, inputs: int, shape: Shape, dilation: int):
        """Make a layer that reads ``inputs`` channels and gives ``shape.hidden`` ones."""
        super().__init__()
        self.gated, self.residual = shape.gated, shape.residual
        self.tail = (shape.kernel - 1) * dilation
        self.convolution = nn.Conv1d(inputs, shape.hidden * (1 + shape.gated), shape.kernel, dilation=dilation)
        # What is added must be as wide as what it is added to.
        widen = self.residual and inputs != shape.hidden
        self.widen = nn.Linear(inputs, shape.hidden, bias=False) if widen else nn.Identity()

    def forward(self, inputs: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's output (T, B, H) and its next tail, for inputs (T, B, C) and the tail before them."""
        seen = torch.cat([tail.to(inputs.dtype), inputs])  # (tail + T, B, C)
        found = self.convolution(seen.permute(1, 2, 0)).permute(2, 0, 1)  # (T, B, H or 2H)
        if self.gated:
            value, gate = found.chunk(2, dim=-1)
            found = value * torch.sigmoid(gate)
        else:
            found = functional.relu(found)
        if self.residual:
            found = found + self.widen(inputs)
        return found, seen[seen.shape[0] - self.tail :]


class CnnCore(nn.Module):
    """Reads vectors (T, B, E) from states and gives what the head reads, (T, B, P)."""

    def __init__(self, shape: Shape, dropout: float = 0.0):
        """Make the layers of a shape; ``dropout``: the share of values that is dropped behind each, in training."""
        super().__init__()
        inputs = [shape.embedding, *[shape.hidden] * (shape.layers - 1)]
        self.layers = nn.ModuleList(
            CausalLayer(wide, shape, dilation) for wide, dilation in zip(inputs, shape.dilations(), strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(shape.hidden, shape.projection) if shape.projection else nn.Identity()

    def forward(self, vectors: Tensor, states: States) -> tuple[Tensor, States]:
        """Return what the head reads (T, B, P), and each layer's tail behind the last word, (tail, B, C)."""
        tails = []
        for layer, tail in zip(self.layers, states, strict=True):
            vectors, after = layer(vectors, tail)
            vectors = self.dropout(vectors)
            tails.append(after)
        return self.project(vectors), tuple(tails)
