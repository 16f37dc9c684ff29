"""The loss of a network: the cross entropy of what follows, over all outputs or over a sample of them.

    -log p(t | x) = log Σ_j exp(x·w_j + b_j) - (x·w_t + b_t)

The sum over all j is most of a small network's work. Its ``head`` most frequent words carry most of the mass, so they
are always summed; the rest of the sum is estimated from N words drawn from a proposal q, each weighed by 1 / (N q)
(importance sampling: Bengio and Senécal 2008; Jean et al. 2015, section 3.1). The target is always there, with its true
weight, so the sampled loss estimates the full one.

Values and gradients are made together, some rows at a time: the scores of a batch over a vocabulary would fill a
gigabyte, and be written and read five times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codelm.vocabulary import PAD

# Scores that are held at once: what a processor's cache takes.
_SCORES = {"cpu": 1 << 22}
_SCORES_ELSEWHERE = 1 << 27
_ROWS = 256  # at least: each piece adds to the gradients of all words


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """The outputs that a sum is taken over: ids (C,), and the logarithm of the weight of each (C,), float32.

    The first ``exact`` stand there once, with weight 1; the others were drawn.
    """

    ids: Tensor
    log_weights: Tensor
    exact: int

    def to(self, device: torch.device) -> "Candidates":
        """Return them on a device."""
        return Candidates(self.ids.to(device), self.log_weights.to(device), self.exact)


def every_output(outputs: int) -> Candidates:
    """Return all outputs but ``[PAD]``, whose probability is zero."""
    ids = torch.arange(outputs)
    return Candidates(ids[ids != PAD], torch.zeros(outputs - 1), outputs - 1)


class Sampler:
    """Draws candidates: the first ``head`` outputs, and ``sampled`` of the others, by their counts to the power 3/4."""

    def __init__(self, counts: Sequence[int] | NDArray[np.integer], head: int, sampled: int):
        """Take the counts (outputs,) of the outputs in training."""
        self._head = min(head, len(counts))
        self._sampled = sampled if self._head < len(counts) else 0
        tail = (np.asarray(counts[self._head :], np.float64) + 1) ** 0.75
        self._cumulated = np.cumsum(tail / tail.sum()) if len(tail) else np.zeros(0)
        self._log_weights = -np.log(np.diff(self._cumulated, prepend=0.0) * max(self._sampled, 1))

    def draw(self, rng: np.random.Generator) -> Candidates:
        """Return the candidates of one batch, with replacement."""
        found = np.searchsorted(self._cumulated, rng.random(self._sampled)).clip(max=max(len(self._cumulated) - 1, 0))
        head = np.delete(np.arange(self._head), PAD)
        return Candidates(
            torch.from_numpy(np.concatenate([head, found + self._head])),
            torch.from_numpy(np.concatenate([np.zeros(len(head)), self._log_weights[found]]).astype(np.float32)),
            len(head),
        )


def cross_entropy(inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, candidates: Candidates) -> Tensor:
    """Return the sum of -log p(target), in nats: inputs (M, P), weight (V, P), bias (V,), targets (M,)."""
    found: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
        inputs, weight, bias, targets, candidates.ids, candidates.log_weights, candidates.exact
    )
    return found


class _CrossEntropy(torch.autograd.Function):
    """The sum over candidates, and a target that is none of them apart."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, ids: Tensor, weights: Tensor,
        exact: int,
    ) -> Tensor:  # fmt: skip
        place = torch.full((len(weight),), -1, device=ids.device)
        place[ids[:exact]] = torch.arange(exact, device=ids.device)
        chosen, offsets = weight[ids].to(inputs.dtype), bias[ids] + weights  # (C, P), (C,)
        total = inputs.new_zeros((), dtype=torch.float64 if inputs.device.type != "mps" else torch.float32)
        input_grad, chosen_grad = torch.empty_like(inputs), torch.zeros_like(chosen, dtype=torch.float32)
        offset_grad, apart = torch.zeros_like(offsets), []
        rows = max(_ROWS, _SCORES.get(inputs.device.type, _SCORES_ELSEWHERE) // len(ids))
        for at in range(0, len(inputs), rows):
            some, wanted = inputs[at : at + rows], targets[at : at + rows]  # (R, P), (R,)
            scores = (some @ chosen.T).float().add_(offsets)  # (R, C)
            among = place[wanted]
            inside, outside = (among >= 0).nonzero()[:, 0], (among < 0).nonzero()[:, 0]
            missing = wanted[outside]
            # Drawn by chance, such a target would count twice: here, and with its true weight below.
            scores[outside] = scores[outside].masked_fill_(missing[:, None] == ids, -torch.inf)
            own_weight = weight[missing].to(inputs.dtype)
            own = (some[outside] * own_weight).sum(-1).float() + bias[missing]
            # (The softmax of a row is greatest where its score is, which gives the row's sum without another exp.)
            shares = torch.softmax(scores, 1)  # (R, C)
            log_sum = scores.amax(1) - shares.amax(1).log()  # (R,)
            within = log_sum[outside]
            log_sum[outside] = torch.logaddexp(within, own)
            total += log_sum.sum() - scores[inside, among[inside]].sum() - own.sum()
            # d loss / d score = p - [is the target]
            shares[outside] *= torch.exp(within - log_sum[outside])[:, None]
            shares[inside, among[inside]] -= 1
            own_grad = torch.exp(own - log_sum[outside]) - 1
            narrow = shares.to(inputs.dtype)
            grad = narrow @ chosen
            grad[outside] += own_grad[:, None].to(grad.dtype) * own_weight
            input_grad[at : at + rows] = grad
            chosen_grad += narrow.T @ some
            offset_grad += shares.sum(0)
            apart.append((missing, own_grad[:, None] * some[outside], own_grad))
        weight_grad, bias_grad = torch.zeros_like(weight), torch.zeros_like(bias)
        weight_grad.index_add_(0, ids, chosen_grad)
        bias_grad.index_add_(0, ids, offset_grad)
        for missing, grad, own_grad in apart:
            weight_grad.index_add_(0, missing, grad.to(weight.dtype))
            bias_grad.index_add_(0, missing, own_grad)
        ctx.save_for_backward(input_grad, weight_grad, bias_grad)
        return total.float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, bias = ctx.saved_tensors
        return inputs * grad.to(inputs.dtype), weight * grad, bias * grad, None, None, None, None
