"""The loss: what torch says of all outputs, and what the mean over many samples comes to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from codelm.vocabulary import PAD
from codelm_train.networks import softmax
from codelm_train.networks.softmax import Candidates, Sampler, cross_entropy, every_output

ROWS, WIDTH, OUTPUTS = 7, 5, 30
Problem = tuple[Tensor, Tensor, Tensor, Tensor]


def problem(seed: int = 0, rows: int = ROWS, outputs: int = OUTPUTS) -> Problem:
    """Inputs (M, P), weight (V, P), bias (V,) and targets (M,)."""
    made = torch.Generator().manual_seed(seed)
    inputs, weight, bias = (
        torch.randn(*shape, generator=made) for shape in ((rows, WIDTH), (outputs, WIDTH), (outputs,))
    )
    targets = torch.randint(PAD + 1, outputs, (rows,), generator=made)
    return inputs.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), targets


def of_torch(inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, candidates: Candidates) -> Tensor:
    """The same by torch alone, in float64 and all at once; a target counts once, with its true weight."""
    scores = inputs.double() @ weight.double().T + bias.double()  # (M, V)
    ids, log_weights = candidates.ids, candidates.log_weights.double()
    drawn = torch.arange(len(ids)) >= candidates.exact
    twice = (ids == targets[:, None]) & (drawn | ~torch.isin(targets, ids[~drawn])[:, None])
    own = scores.gather(1, targets[:, None])
    apart = torch.where(torch.isin(targets, ids[~drawn])[:, None], -torch.inf, own)
    among = (scores[:, ids] + log_weights).masked_fill(twice, -torch.inf)
    return (torch.cat([among, apart], 1).logsumexp(1) - own[:, 0]).sum()


def gradients(loss: Tensor, problem: Problem) -> list[Tensor]:
    return list(torch.autograd.grad(loss, problem[:3]))


def value(loss: Tensor) -> float:
    return float(loss.detach())


def same(one: Problem, candidates: Candidates, reference: Tensor) -> None:
    loss = cross_entropy(*one, candidates)
    assert loss.dtype == torch.float32
    assert value(loss) == pytest.approx(value(reference), rel=1e-5)
    for mine, theirs in zip(gradients(loss * 3, one), gradients(reference * 3, one), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def full(inputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    possible = torch.arange(len(weight)) != PAD
    return functional.cross_entropy((inputs @ weight.T + bias)[:, possible], targets - 1, reduction="sum")


class TestAllOutputs:
    def test_it_is_torchs_cross_entropy_in_value_and_gradients(self):
        made = problem()
        same(made, every_output(OUTPUTS), full(*made))

    @pytest.mark.parametrize("scores", [1, OUTPUTS - 1, 3 * (OUTPUTS - 1), 3 * (OUTPUTS - 1) + 5])
    def test_however_many_rows_are_held_at_once(self, monkeypatch, scores):
        monkeypatch.setattr(softmax, "_ROWS", 1)
        monkeypatch.setitem(softmax._SCORES, "cpu", scores)
        made = problem(rows=7)
        same(made, every_output(OUTPUTS), full(*made))

    def test_pad_has_no_mass_and_no_gradient(self):
        inputs, weight, bias, targets = problem()
        before = value(cross_entropy(inputs, weight, bias, targets, every_output(OUTPUTS)))
        with torch.no_grad():
            bias[PAD] = 1000.0
        loss = cross_entropy(inputs, weight, bias, targets, every_output(OUTPUTS))
        assert value(loss) == before
        _, of_weight, of_bias = gradients(loss, (inputs, weight, bias, targets))
        assert not of_weight[PAD].any()
        assert of_bias[PAD] == 0

    def test_a_step_along_the_gradient_changes_the_loss_by_as_much_as_it_says(self):
        made = problem(seed=4)
        found = gradients(cross_entropy(*made, every_output(OUTPUTS)), made)
        step = 1e-3
        for argument, gradient in enumerate(found):
            along = gradient / gradient.norm()
            losses = []
            for sign in (1, -1):
                moved = [part.detach() + sign * step * along if place == argument else part.detach()
                         for place, part in enumerate(made[:3])]  # fmt: skip
                losses.append(value(cross_entropy(*moved, made[3], every_output(OUTPUTS))))
            assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(gradient.norm()), rel=1e-2)

    def test_scores_of_any_size_overflow_nothing(self):
        inputs, weight, bias, targets = problem()
        loss = cross_entropy(inputs * 1e4, weight, bias, targets, every_output(OUTPUTS))
        assert torch.isfinite(loss)
        assert all(gradient.isfinite().all() for gradient in gradients(loss, (inputs, weight, bias, targets)))

    def test_no_words_are_no_loss(self):
        made = problem(rows=0)
        loss = cross_entropy(*made, every_output(OUTPUTS))
        assert value(loss) == 0
        assert not any(gradient.any() for gradient in gradients(loss, made))


@st.composite
def some_candidates(draw: st.DrawFn) -> Candidates:
    """Some outputs for certain, and some drawn with any weights, any of them more than once."""
    exact = draw(st.integers(2, OUTPUTS))
    drawn = draw(st.lists(st.integers(exact, OUTPUTS - 1), max_size=40)) if exact < OUTPUTS else []
    logs = draw(st.lists(st.sampled_from([0.0, -2.0, 0.5, 3.0]), min_size=len(drawn), max_size=len(drawn)))
    return Candidates(
        torch.tensor([*range(1, exact), *drawn]), torch.tensor([0.0] * (exact - 1) + logs), exact - 1
    )  # fmt: skip


class TestSomeOutputs:
    @settings(max_examples=60)
    @given(some_candidates(), st.integers(0, 9))
    def test_value_and_gradients_for_any_candidates(self, candidates, seed):
        """Wherever the targets are: among the certain ones, drawn once, twice, or not at all."""
        made = problem(seed)
        same(made, candidates, of_torch(*made, candidates))

    def test_a_target_that_is_drawn_counts_once(self):
        """Also where its weight happens to be 1, as if it stood there for certain."""
        made = problem(rows=1)
        target = int(made[3][0])
        others = [word for word in range(1, OUTPUTS) if word != target]
        drawn = Candidates(torch.tensor([*others, target, target]), torch.zeros(OUTPUTS), len(others))
        assert value(cross_entropy(*made, drawn)) == pytest.approx(value(full(*made)), rel=1e-5)

    def test_the_sum_is_estimated_without_bias(self):
        """The mean over many draws of what is summed, exp(loss) for one word, is the true sum."""
        made = problem(rows=1)
        sampler, rng = Sampler(np.arange(OUTPUTS)[::-1], head=6, sampled=4), np.random.default_rng(0)
        found = [np.exp(value(cross_entropy(*made, sampler.draw(rng)))) for _ in range(1500)]
        error = np.std(found) / len(found) ** 0.5
        assert np.mean(found) == pytest.approx(np.exp(value(full(*made))), abs=4 * error)
        assert error < 0.05 * np.mean(found)

    def test_the_more_is_drawn_the_nearer_are_loss_and_gradients(self):
        made = problem()
        loss, expected = value(full(*made)), gradients(full(*made), made)
        errors = []
        for sampled in (4, 64, 1024):
            sampler, rng = Sampler(np.arange(OUTPUTS)[::-1], head=6, sampled=sampled), np.random.default_rng(1)
            mean, grads = 0.0, [torch.zeros_like(part) for part in made[:3]]
            for _ in range(200):
                one = cross_entropy(*made, sampler.draw(rng))
                mean += value(one) / 200
                for into, gradient in zip(grads, gradients(one, made), strict=True):
                    into += gradient / 200
            away = [float((mine - theirs).norm() / theirs.norm()) for mine, theirs in zip(grads, expected, strict=True)]
            errors.append((abs(mean - loss) / loss, *away))
        assert np.all(np.diff(errors, axis=0) < 0)
        assert max(errors[-1]) < 0.01


class TestSampler:
    def test_the_head_is_always_there_and_frequent_words_are_drawn_more_often(self):
        counts = np.array([0, 50, 40, 30, 1000, 100, 10, 0])
        sampler, rng = Sampler(counts, head=4, sampled=1000), np.random.default_rng(0)
        drawn = sampler.draw(rng)
        assert drawn.exact == 3
        assert drawn.ids[:3].tolist() == [1, 2, 3]
        assert drawn.log_weights[:3].tolist() == [0, 0, 0]
        found = np.bincount(drawn.ids[3:].numpy(), minlength=8)[4:] / 1000
        share = (counts[4:] + 1) ** 0.75
        assert found == pytest.approx(share / share.sum(), abs=0.05)
        # Each stands for as many as it is drawn seldom.
        assert np.exp(drawn.log_weights[3:].numpy()) == pytest.approx(
            (share.sum() / share / 1000)[drawn.ids[3:].numpy() - 4], rel=1e-5
        )

    @pytest.mark.parametrize("head", [8, 9, 1000])
    def test_a_head_of_all_outputs_is_all_outputs(self, head):
        drawn = Sampler(np.arange(8), head, sampled=5).draw(np.random.default_rng(0))
        every = every_output(8)
        assert drawn.ids.tolist() == every.ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
        assert drawn.exact == every.exact == 7

    def test_words_that_never_occurred_are_drawn_too(self):
        drawn = Sampler(np.zeros(8), head=4, sampled=200).draw(np.random.default_rng(0))
        assert set(drawn.ids.tolist()) == set(range(1, 8))


@pytest.mark.parametrize("inputs", [torch.float32, torch.bfloat16])
def test_in_bfloat16_it_is_about_the_same(inputs):
    made = problem(rows=50)
    candidates = Candidates(torch.arange(1, 20), torch.zeros(19), 19)
    for some in (every_output(OUTPUTS), candidates):
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(made[0].to(inputs), *made[1:], some)
        assert loss.dtype == torch.float32
        assert value(loss) == pytest.approx(value(of_torch(*made, some)), rel=0.01)
        assert all(gradient.dtype == torch.float32 for gradient in gradients(loss, made))
