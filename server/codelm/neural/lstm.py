"""The core of a recurrent network: a stack of LSTM layers (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

The projection is a linear map behind the last layer, not the recurrent one of Sak et al. 2014: ``nn.LSTM(proj_size=…)``
exports to a graph that ONNX Runtime does not run.
"""

import torch
from torch import Tensor, nn

from codelm.neural.shape import Shape

States = tuple[Tensor, ...]


class LstmCore(nn.Module):
    """Reads vectors (T, B, E) from states and gives what the head reads, (T, B, P)."""

    def __init__(self, shape: Shape, dropout: float = 0.0):
        """Make the layers of a shape; ``dropout``: the share of values that is dropped behind each, in training."""
        super().__init__()
        between = dropout if shape.layers > 1 else 0.0
        self.lstm = nn.LSTM(shape.embedding, shape.hidden, shape.layers, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(shape.hidden, shape.projection) if shape.projection else nn.Identity()
        with torch.no_grad():  # remember at first, rather than forget (Jozefowicz et al. 2015, section 2.2)
            for name, bias in self.lstm.named_parameters():
                if name.startswith("bias_ih"):
                    bias[shape.hidden : 2 * shape.hidden] = 1.0

    def forward(self, vectors: Tensor, states: States) -> tuple[Tensor, States]:
        """Return what the head reads (T, B, P), and the states behind the last word: hidden, cell (layers, B, H)."""
        hidden, (last_hidden, last_cell) = self.lstm(vectors, (states[0], states[1]))  # (T, B, H)
        return self.project(self.dropout(hidden)), (last_hidden, last_cell)
