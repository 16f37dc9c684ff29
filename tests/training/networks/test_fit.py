"""The loop of training: that it learns, how it ends, and what it says where it can't go on."""

import json
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
import trainings
from trainings import SEQUENCES, STREAMS, curves, settings, stopped_at, train, weights

from codelm.errors import StorageError, TrainingError, UsageError
from codelm.neural.modules import Network
from codelm_train.corpus import open_corpus
from codelm_train.networks import fit, state
from codelm_train.networks import train as training
from codelm_train.networks.device import device_of
from codelm_train.networks.fit import Objective, optimizer_of
from codelm_train.networks.lanes import Lanes
from codelm_train.networks.ranks import Ranks
from codelm_train.networks.schedule import rate
from codelm_train.networks.softmax import every_output
from codelm_train.networks.state import BEST, states
from codelm_train.networks.validate import Quality

CPU = torch.device("cpu")


def losses(folder):
    return [row.loss for row in curves(folder) if row.loss is not None]


def validations(folder):
    return [row for row in curves(folder) if row.validation_bits is not None]


@pytest.mark.parametrize("kind", [STREAMS, SEQUENCES], ids=["streams", "sequences"])
def test_a_network_learns(tmp_path, kind):
    outcome = train(settings(**kind, steps=160, learning_rate=0.02, full_share=1.0), tmp_path / "t")
    assert (outcome.finished, outcome.early, outcome.place.step) == (True, False, 160)
    found = losses(tmp_path / "t")
    assert len(found) == 160 / fit._CURVE
    assert found[-1] < found[0] - 1.5
    bits = [row.validation_bits for row in validations(tmp_path / "t")]
    assert bits[-1] == pytest.approx(outcome.place.best_bits, rel=1e-5)
    assert bits[-1] < bits[0]


def test_the_sampled_softmax_learns_about_as_much(tmp_path):
    said = settings(steps=80, learning_rate=0.02, validations=1)
    bits = [
        train(replace(said, full_share=share), tmp_path / f"{share}").place.best_bits for share in (0.0, 1.0)
    ]  # fmt: skip
    assert bits[0] == pytest.approx(bits[1], abs=0.3)


def test_an_epoch_is_every_word_once(tmp_path):
    corpus = trainings.corpus()
    words = len(corpus.split("train").ids) + len(corpus.split("train"))
    for number, kind in enumerate((STREAMS, SEQUENCES)):
        place = train(settings(**kind, steps=0, epochs=2), tmp_path / str(number)).place
        assert place.tokens == 2 * words
        assert (place.epoch, place.batch) == (2, 0)


class TestCurves:
    def test_validations_are_spread_evenly_and_the_last_stands_at_the_end(self, tmp_path):
        train(settings(steps=40, validations=4), tmp_path)
        assert [row.step for row in validations(tmp_path)] == [10, 20, 30, 40]

    def test_more_validations_than_steps_are_one_a_step(self, tmp_path):
        train(settings(steps=3, validations=50), tmp_path)
        assert [row.step for row in validations(tmp_path)] == [1, 2, 3]

    def test_the_learning_rate_is_that_of_the_schedule(self, tmp_path):
        said = settings(steps=60, learning_rate=0.01, warm_up=0.5, floor=0.1)
        train(said, tmp_path)
        found = {row.step: row.learning_rate for row in curves(tmp_path) if row.learning_rate is not None}
        assert found == pytest.approx(
            {step: 0.01 * rate(step / 60, warm_up=0.5, floor=0.1) for step in (20, 40, 60)}, rel=1e-4
        )

    def test_time_is_a_limit_too(self, tmp_path):
        place = train(settings(steps=0, epochs=1e6, minutes=0.5 / 60, validations=1), tmp_path).place
        assert place.step > 10
        assert 0.5 <= place.seconds < 5

    def test_how_far_it_is_is_shown(self, tmp_path):
        shown = []
        train(settings(steps=40), tmp_path, meter=lambda done, told: shown.append((done, told)))
        assert [done for done, _ in shown] == [0.5, 1.0]
        assert all("bits" in told and "tokens/s" in told for _, told in shown)

    def test_without_a_validation_split_the_last_weights_are_the_best(self, tmp_path):
        corpus = trainings.corpus()
        alone = replace(corpus, splits={"train": corpus.splits["train"]})
        network, _, outcome = training.train(alone, trainings.vocabulary(), settings(), tmp_path)
        assert outcome.place.best_bits is None
        assert not (tmp_path / BEST).exists()
        for name, value in weights(tmp_path).items():
            np.testing.assert_array_equal(network.state_dict()[name].numpy(), value)


@pytest.fixture
def graded(monkeypatch):
    """Validations find what the list says, one after the other."""
    bits: list[float] = []
    monkeypatch.setattr(fit, "validate", lambda *_, **__: Quality(100, bits.pop(0), 0.5, 0.5))
    return bits


class TestTheBest:
    def test_its_weights_come_back_at_the_end(self, tmp_path, graded):
        graded += [9.0, 7.0, 8.0]
        network, _, outcome = training.train(trainings.corpus(), trainings.vocabulary(), settings(), tmp_path)
        assert outcome.place.best_bits == 7.0
        assert state.read_place(tmp_path / BEST).step == 20
        best, last = weights(tmp_path, BEST), weights(tmp_path)
        assert any((best[name] != last[name]).any() for name in best)
        for name, value in network.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), best[name])

    def test_a_training_that_gets_no_better_ends_early(self, tmp_path, graded):
        graded += [9.0, 7.0, 7.5, 7.0, 1.0]
        outcome = train(settings(steps=100, validations=10, patience=2), tmp_path)
        assert (outcome.finished, outcome.early) == (True, True)
        assert outcome.place.step == 40
        assert state.read_place(tmp_path / BEST).step == 20
        assert graded == [1.0]

    def test_asked_to_go_on_it_stays_ended_unless_with_more_patience(self, tmp_path, graded):
        graded += [7.0, 8.0, 9.0]
        said = settings(steps=50, validations=5, patience=1)
        assert train(said, tmp_path).place.step == 20
        again = train(said, tmp_path, resume=True)
        assert (again.finished, again.early, again.place.step) == (True, True, 20)
        more = train(replace(said, patience=2), tmp_path, resume=True)
        assert (more.early, more.place.step) == (True, 30)

    def test_the_best_of_another_training_is_not_taken_for_this_ones(self, tmp_path, graded):
        """A training that was killed before its first state leaves its best, perhaps of another network."""
        graded += [7.0] * 3
        train(settings(hidden=13), tmp_path)
        shutil.rmtree(states(tmp_path)[0])
        corpus = trainings.corpus()
        alone = replace(corpus, splits={"train": corpus.splits["train"]})
        outcome = training.train(alone, trainings.vocabulary(), settings(), tmp_path)[2]
        assert outcome.finished


class TestStates:
    @pytest.mark.parametrize("keep", [1, 3])
    def test_so_many_are_kept(self, tmp_path, monkeypatch, keep):
        monkeypatch.setattr(fit, "_SAVE", -1.0)
        train(settings(steps=10, keep=keep), tmp_path)
        assert [int(path.name[5:]) for path in states(tmp_path)] == [10, 9, 8][:keep]
        assert (tmp_path / BEST).is_dir()

    def test_now_and_then_one_is_saved(self, tmp_path, monkeypatch):
        """By the time that was trained: 300 seconds of a training that takes 100 a step."""
        clock = iter(range(0, 10**9, 25))
        monkeypatch.setattr(fit.time, "monotonic", lambda: float(next(clock)))
        saved = []
        save = state.save
        monkeypatch.setattr(state, "save", lambda folder, name, *rest: (saved.append(name), save(folder, name, *rest)))
        train(settings(steps=100, validations=1), tmp_path)
        assert 5 < len([name for name in saved if name != BEST]) < 15


class TestTrouble:
    @pytest.mark.parametrize("validations", [1, 60])
    def test_a_loss_that_is_no_number_is_explained(self, tmp_path, validations, monkeypatch):
        """No state and no best with such weights is kept, whether a curve, a validation or a state would meet it."""
        monkeypatch.setattr(fit, "_SAVE", -1.0)
        monkeypatch.setattr(fit, "rate", lambda progress, **_: float(progress > 0.02))  # nothing happens at first
        said = settings(steps=60, learning_rate=1e30, clip=0.0, validations=validations)
        with pytest.raises(TrainingError) as error:
            train(said, tmp_path)
        assert "no number any more at step" in str(error.value)
        assert "--learning-rate" in str(error.value)
        assert f"the state of {states(tmp_path)[0].name} is kept in {tmp_path}" in str(error.value)
        for kept in (path.parent.name for path in tmp_path.glob("*/weights.safetensors")):
            assert all(np.isfinite(array).all() for array in weights(tmp_path, kept).values())

    def test_a_validation_that_is_no_number_is_no_best(self, tmp_path, graded):
        graded += [7.0, float("nan")]
        with pytest.raises(TrainingError, match="no number"):
            train(settings(steps=30), tmp_path)
        assert state.read_place(tmp_path / BEST).best_bits == 7.0

    @pytest.mark.parametrize(
        "problem",
        [
            RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried"),
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
            RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
            MemoryError("Unable to allocate 9 GiB"),
        ],
    )
    @pytest.mark.parametrize(("kind", "smaller"), [(STREAMS, "--lanes or --length"), (SEQUENCES, "--budget")])
    def test_too_little_memory_is_explained(self, tmp_path, monkeypatch, problem, kind, smaller):
        def forward(*_):
            raise problem

        monkeypatch.setattr(Objective, "forward", forward)
        with pytest.raises(TrainingError, match=f"memory ran out: take less for {smaller}.*no state was kept yet"):
            train(settings(**kind), tmp_path)

    def test_other_mistakes_are_not_hidden(self, tmp_path, monkeypatch):
        def forward(*_):
            raise RuntimeError("a shape is wrong")

        monkeypatch.setattr(Objective, "forward", forward)
        with pytest.raises(RuntimeError, match="a shape is wrong"):
            train(settings(), tmp_path)

    def test_a_full_disk_is_told_and_the_last_state_stays(self, tmp_path, monkeypatch):
        said = settings(steps=30, validations=1)
        with stopped_at(10):
            train(said, tmp_path)
        before = weights(tmp_path)

        def full(*_):
            raise OSError(28, "No space left on device")

        for where in ("_csv", "save_file"):
            with monkeypatch.context() as patch:
                if where == "_csv":
                    patch.setattr(fit.Metrics, "add", full)
                else:
                    patch.setattr(state, "save_file", full)
                with pytest.raises(StorageError, match=f"cannot write {tmp_path}.*No space left on device"):
                    train(said, tmp_path, resume=True)
            after = weights(tmp_path)
            assert all((before[name] == after[name]).all() for name in before)
        assert train(said, tmp_path, resume=True).place.step == 30

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
    def test_a_device_that_is_not_there_is_named(self):
        with pytest.raises(TrainingError, match="finds no cuda device here: --device cpu"):
            device_of("cuda")
        assert device_of("auto").type in ("cpu", "mps")

    def test_fewer_streams_than_processes_cannot_be_shared_out(self, tmp_path):
        task = training.task(trainings.corpus(), trainings.vocabulary(), settings(lanes=2))
        with pytest.raises(UsageError, match="lanes = 2 is less than 3, the processes"):
            fit.fit(task, Network(settings().shape(300)), tmp_path, CPU, ranks=Ranks(1, 3))


class TestOneStep:
    """What a step does to the weights, by hand."""

    @staticmethod
    def change(tmp_path, **said) -> dict[str, np.ndarray]:
        """How the weights differ before and behind one step at the full learning rate."""
        made = settings(steps=1, warm_up=0.0, **said)
        torch.manual_seed(made.seed)
        before = {name: value.numpy().copy() for name, value in Network(made.shape(300)).state_dict().items()}
        train(made, tmp_path / str(len(list(tmp_path.iterdir()))))
        after = weights(sorted(tmp_path.iterdir())[-1])
        return {name: after[name] - before[name] for name in before}

    def test_only_the_matrices_of_the_core_decay(self, tmp_path):
        without = self.change(tmp_path, weight_decay=0.0, learning_rate=0.01)
        decayed = self.change(tmp_path, weight_decay=10.0, learning_rate=0.01)
        changed = {name for name in without if np.abs(without[name] - decayed[name]).max() > 1e-6}
        assert changed == {"core.lstm.weight_ih_l0", "core.lstm.weight_hh_l0", "core.project.weight"}

    def test_a_vector_whose_word_is_not_there_stays(self, tmp_path):
        """It has no gradient, and does not decay."""
        moved = self.change(tmp_path, tied=False, weight_decay=1.0)["reader.own"]
        assert 0 < (np.abs(moved).max(1) > 0).sum() < len(moved) / 2

    def test_gradients_are_cut_to_the_norm(self, tmp_path):
        """The moments of the first step are the gradient itself: a tenth of it."""
        norms = {}
        for clip in (0.0, 1e-3):
            folder = tmp_path / str(clip)
            train(settings(steps=1, warm_up=0.0, clip=clip), folder)
            moments = state._loaded(states(folder)[0] / "training.safetensors")
            squares = sum(float((value**2).sum()) for name, value in moments.items() if name.endswith("exp_avg"))
            (row,) = [row for row in curves(folder) if row.gradient_norm is not None]
            norms[clip] = squares**0.5 * 10, row.gradient_norm
        assert norms[0.0][0] == pytest.approx(norms[0.0][1], rel=1e-3)
        assert norms[1e-3] == pytest.approx((1e-3, norms[0.0][1]), rel=1e-3)  # what is told is the norm before

    def test_a_word_counts_the_same_however_few_are_in_its_batch(self, tmp_path):
        """Padding has no part in the gradient; with lanes that are empty it is smaller, by the share that they are."""
        corpus = trainings.corpus(words=60)
        gradients = []
        for lanes in (len(corpus.split("train")), 40):
            folder = tmp_path / str(lanes)
            said = settings(steps=1, warm_up=0.0, lanes=lanes, length=60, full_share=1.0, clip=0.0)
            training.train(corpus, trainings.vocabulary(), said, folder)
            moments = state._loaded(states(folder)[0] / "training.safetensors")
            gradients.append({name: value * lanes for name, value in moments.items() if name.endswith("exp_avg")})
        for name in gradients[0]:
            np.testing.assert_allclose(gradients[0][name], gradients[1][name], atol=1e-6)


def objective_loss(kind: dict, *, bf16: bool = False, compiled: bool = False) -> float:
    made = settings(**kind)
    task = training.task(trainings.corpus(), trainings.vocabulary(), made)
    torch.manual_seed(0)
    network = Network(made.shape(300))
    if compiled:
        network.core.compile()
    split = task.train
    lanes = Lanes(split.ids, split.starts, np.arange(len(split)), 4, 12, task.words.pad, task.words.eos)
    states = network.start(4)
    total = 0.0
    for step in range(3):
        batch = task.words.batch(lanes.places(step, np.arange(4)))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, states = Objective(network)(batch, states, every_output(made.outputs))
        assert all(array.dtype == torch.float32 for array in states)
        loss.backward()
        total += float(loss.detach())
    return total


PARTS = [
    {"kind": "lstm"},
    {"kind": "lstm", "projection": 0, "tied": False},
    {"kind": "cnn"},
    {"kind": "cnn", "projection": 0, "hidden": 8, "embedding": 8, "tied": True},
    {"kind": "cnn", "gated": False, "residual": False},
]


@pytest.mark.parametrize("kind", PARTS)
def test_in_bfloat16_the_loss_is_about_the_same(kind):
    assert objective_loss(kind, bf16=True) == pytest.approx(objective_loss(kind), rel=0.01)


def test_a_training_in_bfloat16(tmp_path):
    bits = {
        precision: train(settings(steps=40, precision=precision, learning_rate=0.01), tmp_path / precision).place
        for precision in ("bf16", "fp32")
    }
    assert bits["bf16"].best_bits == pytest.approx(bits["fp32"].best_bits, rel=0.05)
    assert {array.dtype for array in weights(tmp_path / "bf16").values()} == {np.dtype(np.float32)}


@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="torch.compile needs a compiler")
def test_a_compiled_network_is_the_same():
    kind = {"kind": "cnn", "layers": 1}
    assert objective_loss(kind, compiled=True) == pytest.approx(objective_loss(kind), rel=1e-4)


def test_a_corpus_is_read_by_slices(tmp_path, monkeypatch):
    """One larger than the memory can be trained on: the words of a split stay where they are mapped."""
    trainings.written(tmp_path)
    folder = tmp_path / "corpus"
    words = 4_000_000
    manifest = open_corpus(folder).manifest
    (folder / "manifest.json").write_text(
        json.dumps(dict(manifest) | {"splits": {"train": {"sequences": 2, "words": words}}})
    )
    np.save(folder / "train.ids.npy", np.arange(words, dtype=np.uint32) % 50)
    np.save(folder / "train.starts.npy", np.array([0, words // 2, words]))
    (folder / "train.files.tsv").write_text("a\tb\na\tc\n")
    corpus = open_corpus(folder)
    assert isinstance(corpus.split("train").ids.base, np.memmap)
    monkeypatch.setattr(training, "_SLICE", 1 << 16)
    tracemalloc.start()
    try:
        outcome = training.train(corpus, trainings.vocabulary(), settings(steps=3), tmp_path / "t")[2]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome.finished
    assert peak < words  # bytes: a copy would have four for each


def test_adamw_has_two_groups():
    made = settings(weight_decay=0.25)
    groups = optimizer_of(Network(made.shape(300)), made, CPU).param_groups
    assert [group["weight_decay"] for group in groups] == [0.25, 0.0]
    assert all(parameter.dim() == 2 for parameter in groups[0]["params"])
