"""A network whole, for torch: words in, what the head reads and log probabilities out.

Used to train one, and to run one on a GPU. The names of the parameters are those in ``weights.safetensors``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from codelm.neural.cnn import CnnCore
from codelm.neural.lstm import LstmCore
from codelm.neural.shape import LSTM, Shape
from codelm.vocabulary import PAD

States = tuple[Tensor, ...]


class WordReader(nn.Module):
    """Words as vectors: their own, and the mean of those of their pieces."""

    def __init__(self, shape: Shape):
        """Make the table of words, (rows, E), and that of pieces, (pieces, E)."""
        super().__init__()
        self.own = nn.Parameter(torch.randn(shape.rows, shape.embedding) * shape.embedding**-0.5)
        pieces = torch.randn(shape.pieces, shape.embedding) * shape.embedding**-0.5
        self.pieces = nn.Parameter(pieces, requires_grad=shape.pieces > 0)  # processes wait for the gradients of all

    def forward(self, own: Tensor, pieces: Tensor, starts: Tensor) -> Tensor:
        """Return the vectors (U, E) of U words: rows own (U,), pieces (K,), where each word's begin (U,)."""
        vectors = functional.embedding(own, self.own)
        if len(self.pieces):
            vectors = vectors + functional.embedding_bag(pieces, self.pieces, starts, mode="mean")
        return vectors


class Network(nn.Module):
    """Reader, core and head of one shape. The head is a linear map from what the core gives to the words' scores."""

    def __init__(self, shape: Shape, dropout: float = 0.0):
        """Make a network with random weights (by torch's generator)."""
        super().__init__()
        self.shape = shape
        self.reader = WordReader(shape)
        self.dropout = nn.Dropout(dropout)
        self.core = (LstmCore if shape.kind == LSTM else CnnCore)(shape, dropout)
        self.bias = nn.Parameter(torch.zeros(shape.outputs))
        if not shape.tied:
            self.output = nn.Parameter(torch.randn(shape.outputs, shape.width) * shape.width**-0.5)

    @property
    def head(self) -> nn.Parameter:
        """The weights of the head, (outputs, P): the words' input vectors where they are tied."""
        return self.reader.own if self.shape.tied else self.output

    def start(self, rows: int) -> States:
        """Return the states before anything was read, for B = ``rows``."""
        return tuple(self.bias.new_zeros(length, rows, width) for length, width in self.shape.states())

    def forward(
        self, own: Tensor, pieces: Tensor, starts: Tensor, words: Tensor, states: States
    ) -> tuple[Tensor, States]:
        """Return what the head reads (T, B, P) and the states behind: ``words`` (T, B) are places among U words.

        A batch has far fewer different words than words, so each is looked up once: own (U,), pieces (K,), starts (U,).
        """
        vectors = self.reader(own, pieces, starts)  # (U, E)
        projected, after = self.core(self.dropout(functional.embedding(words, vectors)), states)
        return projected, after

    def log_probs(self, projected: Tensor) -> Tensor:
        """Return the log probabilities of the outputs, (…, outputs), float32; that of ``[PAD]`` is -inf."""
        logits = functional.linear(projected, self.head, self.bias).float()
        logits[..., PAD] = -torch.inf
        return functional.log_softmax(logits, dim=-1)
