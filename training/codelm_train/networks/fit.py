"""The loop of training: batches, losses, gradients; curves, validations, states; time, signals, trouble.

A training is a function of its settings: what is drawn at random follows from the seed, the epoch and the step, so one
that was interrupted and resumed gives, on a CPU, what it would have given, bit for bit. (But for ``minutes``: no two
hours are alike.)
"""

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from codelm.errors import StorageError, TrainingError, UsageError
from codelm.neural.modules import Network
from codelm_train.corpus import Split
from codelm_train.networks import state as training_state
from codelm_train.networks.buckets import Buckets
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.metrics import Metrics, Row
from codelm_train.networks.ranks import Ranks
from codelm_train.networks.schedule import rate
from codelm_train.networks.settings import STREAMS, NetworkSettings
from codelm_train.networks.softmax import Candidates, Sampler, cross_entropy, every_output
from codelm_train.networks.state import BEST, Place
from codelm_train.networks.stopping import stopping
from codelm_train.networks.validate import Quality, some_sequences, validate
from codelm_train.networks.words import IGNORED, Batch, Words
from codelm_train.progress import Meter, unseen

_CURVE = 20  # steps between two points of the curves
_SAVE = 300.0  # seconds between two states
_BITS = 1 / math.log(2)
_MEMORY = re.compile(r"allocate memory|out of memory")  # of a CPU, and of others
States = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained on what."""

    settings: NetworkSettings
    words: Words
    train: Split
    validation: Split | None
    output_counts: NDArray[np.int64]
    """How often each output is to be predicted."""
    tail_shares: NDArray[np.float32]
    trained_before: bool = False
    """Whether the network is one that was trained before, which may be the best that there is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended: at its end, early because it got no better, or because it was asked to stop."""

    place: Place
    finished: bool
    early: bool = False
    signal: int = 0
    """The signal that asked this process to stop; 0: none did."""


class Objective(nn.Module):
    """A network with its loss: one module, so that processes can share its gradients."""

    def __init__(self, network: Network):
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, states: States, candidates: Candidates) -> tuple[Tensor, States]:
        """Return the sum of the losses of a batch's words, in nats, and the states behind it."""
        keep = (~batch.fresh).to(torch.float32)[None, :, None]
        projected, after = self.network(
            batch.own, batch.pieces, batch.starts, batch.words, tuple(state * keep for state in states)
        )
        valid = batch.targets != IGNORED
        loss = cross_entropy(projected[valid], self.network.head, self.network.bias, batch.targets[valid], candidates)
        return loss, tuple(state.detach().float() for state in after)


def fit(
    task: Task, network: Network, folder: Path, device: torch.device, *,
    bf16: bool = False, ranks: Ranks | None = None, resume: Path | None = None, meter: Meter = unseen,
) -> Outcome:  # fmt: skip
    """Train a network, keeping states and curves in ``folder``, from the state ``resume`` if there is one.

    Ends with the best weights in the network. Raises TrainingError when the loss is no number any more, or memory runs
    out; StorageError when the disk is full. The last state is then still there.
    """
    with _explained(task.settings, folder), stopping() as stopped:
        return _Training(task, network, folder, device, bf16, ranks or Ranks(), stopped, meter).run(resume)


class _Training:
    """One run of the loop: what it needs at each step."""

    def __init__(
        self, task: Task, network: Network, folder: Path, device: torch.device, bf16: bool, ranks: Ranks,
        stopped: Callable[[], int], meter: Meter,
    ):  # fmt: skip
        self._task, self._settings, self._network, self._folder = task, task.settings, network, folder
        self._device, self._bf16, self._ranks, self._stopped, self._meter = device, bf16, ranks, stopped, meter
        if self._settings.batches == STREAMS and self._settings.lanes < ranks.world:
            raise UsageError(f"lanes = {self._settings.lanes} is less than {ranks.world}, the processes")
        self._optimizer = optimizer_of(network, self._settings, device)
        self._recent = _Recent(Place(), device, ranks)
        objective = Objective(network)
        if self._settings.compile:
            network.core.compile()
        self._objective: nn.Module = objective if ranks.world == 1 else DistributedDataParallel(objective)
        self._sampler = Sampler(task.output_counts, self._settings.head, self._settings.sampled)
        self._every = every_output(len(task.output_counts)).to(device)
        self._held_out = (
            None if task.validation is None
            else some_sequences(task.validation, self._settings.validation_tokens, self._settings.seed)
        )  # fmt: skip

    def run(self, resume: Path | None) -> Outcome:
        place = Place()
        carried: States = ()
        if resume is not None:
            place, states = training_state.restore(resume, self._network, self._optimizer, self._device)
            carried = tuple(state[:, self._ranks.share(state.shape[1])] for state in states)
        if not self._ranks.first:
            return self._steps(place, carried, None)
        with Metrics(self._folder, place.step) as metrics:
            return self._steps(place, carried, metrics)

    def _steps(self, place: Place, carried: States, metrics: Metrics | None) -> Outcome:
        settings = self._settings
        epoch = self._epoch(place.epoch)
        began, seconds_before, saved = time.monotonic(), place.seconds, place.seconds
        self._recent = _Recent(place, self._device, self._ranks)
        # Where a training goes on for longer than it was to, less of it is done than was.
        made = math.floor(self._progress(place, epoch) * settings.validations)
        place = place.moved(validated=min(place.validated, made))
        interrupted, early = False, 0 < settings.patience <= place.since_best
        if not carried and epoch.carried:
            carried = self._network.start(len(self._ranks.share(epoch.count(0))))
        if self._task.trained_before and self._held_out is not None and place.step == 0:
            place = self._validated(place, 0.0, metrics).moved(validated=0)
        while not early:
            progress = self._progress(place, epoch)
            if place.batch == len(epoch):
                place = place.moved(epoch=place.epoch + 1, batch=0)
                epoch = self._epoch(place.epoch)
            if progress >= 1 or interrupted:
                break
            # The rate where the step ends: where it begins, the first one of a warm-up would have none.
            ended = self._progress(place.moved(step=place.step + 1, batch=place.batch + 1), epoch)
            learning_rate = settings.learning_rate * rate(ended, warm_up=settings.warm_up, floor=settings.floor)
            carried, tokens, loss, norm = self._step(epoch, place, carried, learning_rate, progress)
            self._recent.add(tokens, loss)
            seconds = seconds_before + time.monotonic() - began
            # What the processes must agree on: how much was read, by whose clock, and whether to stop.
            told = (float(tokens), seconds if self._ranks.first else 0.0, float(self._stopped() > 0))
            total, seconds, wishes = self._ranks.total(*told, device=self._device)
            place = place.moved(
                step=place.step + 1, batch=place.batch + 1, tokens=place.tokens + int(total), seconds=seconds
            )
            interrupted = wishes > 0
            progress = self._progress(place, epoch)
            if place.step % _CURVE == 0 or progress >= 1:
                row = self._recent.row(place, learning_rate, norm)
                self._refuse_nan(place, row.loss)
                self._show(metrics, row, progress)
            if self._held_out is not None and progress * settings.validations >= place.validated + 1:
                began_to_measure = time.monotonic()
                place = self._validated(place, progress, metrics)
                self._recent.pause(time.monotonic() - began_to_measure)
                early = 0 < settings.patience <= place.since_best
            if place.seconds - saved > _SAVE:  # by a clock that the processes share
                self._save(place, carried)
                saved = place.seconds
        self._save(place, carried)
        self._ranks.meet(self._device)  # the best is there when it is read
        if not interrupted and (self._folder / BEST).is_dir():
            training_state.load_weights(self._folder / BEST, self._network)
        return Outcome(place, finished=not interrupted, early=early, signal=self._stopped())

    def _progress(self, place: Place, epoch: Lanes | Buckets) -> float:
        """Return which share of the training is done, by steps or epochs, or by time, whichever ends it first."""
        settings = self._settings
        by_time = place.seconds / (60 * settings.minutes) if settings.minutes else 0.0
        # Epochs differ by a batch or two, as their orders do.
        read = place.epoch + place.batch / len(epoch)
        by_count = place.step / settings.steps if settings.steps else read / settings.epochs
        return min(max(by_count, by_time), 1.0)

    def _epoch(self, epoch: int) -> Lanes | Buckets:
        """Return the batches of an epoch: every sequence once, in an order of its own."""
        settings, split, words = self._settings, self._task.train, self._task.words
        rng = np.random.default_rng([settings.seed, epoch])
        order = rng.permutation(len(split))
        if settings.batches == STREAMS:
            return Lanes(split.ids, split.starts, order, settings.lanes, settings.length, words.pad, words.eos)
        return Buckets(split.ids, split.starts, order, settings.budget, words.pad, words.eos, rng)

    def _step(
        self, epoch: Lanes | Buckets, place: Place, carried: States, learning_rate: float, progress: float
    ) -> tuple[States, int, Tensor, Tensor]:
        """Train on one batch; return the states behind it, its tokens here, their loss, and the gradient's norm."""
        count = epoch.count(place.batch)
        rows = self._ranks.share(count)
        places = epoch.places(place.batch, rows if len(rows) else np.zeros(1, np.int64))
        if not len(rows):  # fewer rows than processes: this one reads along, for nothing
            places.targets[:] = IGNORED
        batch = self._task.words.batch(places).to(self._device)
        states = carried if epoch.carried else self._network.start(places.inputs.shape[1])
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        if self._settings.dropout:
            torch.manual_seed(_seed(self._settings.seed, place.step, self._ranks.rank))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            loss, after = self._objective(batch, states, self._candidates(place.step, progress))
        tokens = int((places.targets != IGNORED).sum())
        (total,) = self._ranks.total(float(tokens), device=self._device)
        # A word of a batch that is not full counts as much as any other: where one long file is all that is left of an
        # epoch, steps of its own mean loss would undo what was learned of all files.
        settings = self._settings
        full = settings.lanes * settings.length if settings.batches == STREAMS else settings.budget
        (loss * (self._ranks.world / max(total, full))).backward()
        norm = clip_grad_norm_(self._network.parameters(), self._settings.clip or math.inf)
        self._optimizer.step()
        return after if epoch.carried else (), tokens, loss.detach(), norm

    def _candidates(self, step: int, progress: float) -> Candidates:
        settings = self._settings
        if not settings.sampled or progress >= 1 - settings.full_share:
            return self._every
        return self._sampler.draw(np.random.default_rng([settings.seed, step, 1])).to(self._device)

    def _show(self, metrics: Metrics | None, row: Row, progress: float) -> None:
        if metrics is None:
            return
        metrics.add(row)
        self._meter(progress, f"{row.loss:.2f} bits, {row.tokens_per_second:,.0f} tokens/s")

    def _validated(self, place: Place, progress: float, metrics: Metrics | None) -> Place:
        """Measure the network, keep it if it is the best so far; return the place with what was found."""
        made = max(place.validated + 1, math.floor(progress * self._settings.validations))
        self._refuse_nan(place)
        bits = 0.0
        if metrics is not None:
            quality = self._measured()
            metrics.add(_validation_row(place, quality))
            bits = quality.bits
        (bits,) = self._ranks.total(bits, device=self._device)
        self._refuse_nan(place, bits)
        if place.best_bits is not None and bits >= place.best_bits:
            return place.moved(validated=made, since_best=place.since_best + 1)
        place = place.moved(validated=made, since_best=0, best_bits=bits)
        if metrics is not None:
            training_state.save(self._folder, BEST, place, self._network)
        return place

    def _measured(self) -> Quality:
        task = self._task
        assert task.validation is not None
        assert self._held_out is not None
        return validate(
            self._network, task.words, task.tail_shares, task.validation, self._held_out, self._device, bf16=self._bf16
        )

    def _refuse_nan(self, place: Place, loss: float | None = None) -> None:
        """Raise TrainingError where the loss or a weight is no number: then the state before is worth more."""
        weights = (bool(weight.isfinite().all()) for weight in self._network.parameters())
        if not (math.isfinite(loss or 0.0) and all(weights)):
            raise TrainingError(
                f"the loss is no number any more at step {place.step}, with a learning rate of up to "
                f"{self._settings.learning_rate:g}: take a lower one (--learning-rate), or cut gradients (--clip 1); "
                f"{_kept(self._folder)}"
            )

    def _save(self, place: Place, carried: States) -> None:
        tokens, loss = self._recent.totals()
        self._refuse_nan(place, loss)
        place = place.moved(curve_tokens=tokens, curve_loss=loss)
        whole = tuple(self._ranks.gathered(state) for state in carried)
        if self._ranks.first:
            name = training_state.name_of(place)
            training_state.save(self._folder, name, place, self._network, self._optimizer, whole)
            training_state.drop_all_but(self._folder, self._settings.keep)


class _Recent:
    """The losses since the last point of the curves, added up where they are: asking for a number makes a GPU wait."""

    def __init__(self, place: Place, device: torch.device, ranks: Ranks):
        self._device, self._ranks = device, ranks
        if ranks.first:  # what is known of before is that of all processes
            self._begin(place, place.curve_tokens, place.curve_loss)
        else:
            self._begin(place)

    def _begin(self, place: Place, tokens: int = 0, loss: float = 0.0) -> None:
        self._tokens, self._at, self._since = tokens, time.monotonic(), place
        self._loss = torch.full((), loss, device=self._device)

    def add(self, tokens: int, loss: Tensor) -> None:
        self._tokens += tokens
        self._loss += loss

    def pause(self, seconds: float) -> None:
        """Leave out so many seconds, in which nothing was trained."""
        self._at += seconds

    def totals(self) -> tuple[int, float]:
        """Return the words, and the sum of their losses in nats, of all processes."""
        tokens, loss = self._ranks.total(float(self._tokens), float(self._loss), device=self._device)
        return int(tokens), loss

    def row(self, place: Place, learning_rate: float, norm: Tensor) -> Row:
        """Return the point at ``place``, and begin the next."""
        tokens, loss = self.totals()
        row = Row(
            place.step, place.tokens, place.seconds,
            loss=loss / max(tokens, 1) * _BITS,
            learning_rate=learning_rate,
            gradient_norm=float(norm),
            tokens_per_second=(place.tokens - self._since.tokens) / max(time.monotonic() - self._at, 1e-9),
        )  # fmt: skip
        self._begin(place)
        return row


def _seed(*numbers: int) -> int:
    """Return what torch's generator begins a step with."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def _validation_row(place: Place, quality: Quality) -> Row:
    return Row(
        place.step, place.tokens, place.seconds,
        validation_bits=quality.bits, validation_perplexity=quality.perplexity,
        validation_top1=quality.top1, validation_top5=quality.top5,
    )  # fmt: skip


def optimizer_of(network: Network, settings: NetworkSettings, device: torch.device) -> torch.optim.Optimizer:
    """Return AdamW; only the core's matrices decay: a word's vector would, each time that the word is not there."""
    core = [parameter for parameter in network.core.parameters() if parameter.dim() > 1]
    chosen = set(map(id, core))
    rest = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    groups = [{"params": core, "weight_decay": settings.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=device.type in ("cpu", "cuda"))


def _kept(folder: Path) -> str:
    found = training_state.states(folder)
    return f"the state of {found[0].name} is kept in {folder}" if found else "no state was kept yet"


@contextmanager
def _explained(settings: NetworkSettings, folder: Path) -> Iterator[None]:
    """Turn what torch says when memory runs out, and a full disk, into errors that say what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and not _MEMORY.search(str(error)):
            raise
        smaller = "--lanes or --length" if settings.batches == STREAMS else "--budget"
        told = f"memory ran out: take less for {smaller}, or a smaller network; {_kept(folder)}"
        raise TrainingError(told) from error
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}; {_kept(folder)}") from error
