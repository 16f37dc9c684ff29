"""A training that was interrupted and resumed ends as one that was not, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import trainings
from trainings import SEQUENCES, STREAMS, curves, same_weights, settings, stopped_at, train

from codelm.errors import CheckpointError, UsageError
from codelm.vocabulary import Vocabulary
from codelm_train.corpus import open_corpus
from codelm_train.networks import fit
from codelm_train.networks import train as training
from codelm_train.networks.state import BEST, read_place, states

# Epochs of 11 and of 39 steps.
SAID = {"lanes": 8, "length": 40, "budget": 100, "steps": 50, "validations": 4}
KINDS = [STREAMS, {**STREAMS, "dropout": 0.3, "layers": 2}, {**SEQUENCES, "dropout": 0.3}, {**STREAMS, "sampled": 0}]


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_again_and_again(tmp_path, kind):
    """At steps between the points of the curves, in the middle of epochs and at their borders."""
    said = settings(**SAID | kind)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(said, whole).finished
    trained = []
    for steps in (7, 4, 2, 26, 1):
        with stopped_at(steps):
            outcome = train(said, parts, resume=bool(trained))
        assert not outcome.finished
        trained.append(outcome.place.step)
    assert trained == [7, 11, 13, 39, 40]
    outcome = train(said, parts, resume=True)
    assert outcome.finished
    assert outcome.place.epoch > 0
    assert same_weights(whole, parts)
    assert same_weights(whole, parts, BEST)
    assert curves(whole) == curves(parts)


@pytest.mark.parametrize("kind", [STREAMS, SEQUENCES], ids=["streams", "sequences"])
def test_by_epochs_rather_than_steps(tmp_path, kind):
    """Epochs are not all of the same length, but each is that of its number."""
    said = settings(**SAID | kind | {"steps": 0, "epochs": 2.5})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    steps = train(said, whole).place.step
    with stopped_at(steps - 5):
        train(said, parts)
    train(said, parts, resume=True)
    assert same_weights(whole, parts)
    assert curves(whole) == curves(parts)


def test_from_an_older_state_what_was_behind_it_is_done_again(tmp_path, monkeypatch):
    """As where the newest was broken."""
    monkeypatch.setattr(fit, "_SAVE", -1.0)
    said = settings(**SAID, keep=30)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(said, whole)
    train(said, parts)
    for state in states(parts)[:14]:
        shutil.rmtree(state)
    assert states(parts)[0].name == "step-00000036"
    train(said, parts, resume=True)
    assert same_weights(whole, parts)
    assert curves(whole) == curves(parts)


def test_early_stopping_remembers_how_long_it_got_no_better(tmp_path, monkeypatch):
    found = iter([9.0, 7.0, 8.0, 8.5, 1.0])
    monkeypatch.setattr(fit, "validate", lambda *_, **__: fit.Quality(10, next(found), 0, 0))
    said = settings(steps=50, validations=10, patience=2)
    with stopped_at(17):
        train(said, tmp_path)
    outcome = train(said, tmp_path, resume=True)
    assert (outcome.early, outcome.place.step) == (True, 20)


def test_a_longer_training_goes_on_and_is_validated_on(tmp_path):
    """How long it takes may change; then less of it is done than was."""
    said = settings(steps=20, validations=4)
    train(said, tmp_path)
    longer = train(replace(said, steps=40), tmp_path, resume=True)
    assert longer.place.step == 40
    rows = [row.step for row in curves(tmp_path) if row.validation_bits is not None]
    assert rows == [5, 10, 15, 20, 30, 40]


class TestWhatIsNotResumed:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        with stopped_at(5):
            train(settings(), tmp_path)
        return tmp_path

    @staticmethod
    def content(folder: Path) -> dict[str, bytes]:
        return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    def refused(self, folder: Path, said, told: str, *, error=UsageError, resume=True, corpus=None, words=None) -> None:
        before = self.content(folder)
        with pytest.raises(error) as raised:
            training.train(
                corpus or trainings.corpus(), words or trainings.vocabulary(), said, folder, resume=resume
            )  # fmt: skip
        assert told in str(raised.value)
        assert str(folder) in str(raised.value)
        assert self.content(folder) == before

    def test_a_training_is_not_overwritten_by_accident(self, folder):
        self.refused(folder, settings(), "at step-00000005: --resume goes on with it", resume=False)

    def test_other_settings_are_named_with_what_they_were(self, folder):
        self.refused(folder, settings(learning_rate=0.5, lanes=5), "lanes was 4, learning_rate was 0.003")

    def test_another_corpus_is_not_gone_on_with(self, folder):
        other = trainings.corpus()
        split = other.split("train")
        ids = split.ids.copy()
        ids[7] += 1  # its manifest is the same, but one word is another
        splits = {**other.splits, "train": replace(split, ids=ids)}
        self.refused(folder, settings(), "another corpus", corpus=replace(other, splits=splits))

    def test_nor_another_vocabulary(self, folder):
        words = trainings.vocabulary()
        other = Vocabulary((*words.words[:-2], words.words[-1], words.words[-2]))
        self.refused(folder, settings(), "another vocabulary", words=other)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": 5}'])
    def test_settings_that_are_broken_are_named(self, folder, text):
        (folder / "settings.json").write_text(text)
        self.refused(folder, settings(), "settings.json is missing or broken", error=CheckpointError)

    def test_a_broken_state_is_named_and_the_one_before_serves(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fit, "_SAVE", -1.0)
        with stopped_at(5):
            train(settings(), tmp_path)
        latest = states(tmp_path)[0]
        (latest / "weights.safetensors").write_bytes(b"cut")
        self.refused(tmp_path, settings(), f"{latest / 'weights.safetensors'} is broken", error=CheckpointError)
        shutil.rmtree(latest)
        assert train(settings(), tmp_path, resume=True).place.step == 30

    def test_what_is_free_may_change(self, folder):
        said = settings(steps=8, keep=1, patience=5, validations=1, name="other", minutes=50.0)
        assert train(said, folder, resume=True).place.step == 8

    def test_without_a_state_there_is_nothing_to_resume_from(self, tmp_path):
        assert train(settings(steps=2), tmp_path / "new", resume=True).place.step == 2


# --- real signals --------------------------------------------------------------------------------------------

# The real command; but it makes no checkpoint, and takes its time for each step.
COMMAND = """
    import sys, time
    from codelm_train import cli
    from codelm_train.networks import export, fit

    out, save, *argv = sys.argv[1:]
    export.save = lambda out, *_, **__: (out.mkdir(), (out / "model").write_text("whole"))
    fit._SAVE = float(save)
    step = fit._Training._step

    def slowly(self, epoch, place, *rest):
        time.sleep(0.01)
        print("step", place.step, flush=True)
        return step(self, epoch, place, *rest)

    fit._Training._step = slowly
    sys.exit(cli.main(argv))
"""


class Command:
    """``codelm-train lstm`` in a process of its own."""

    def __init__(self, tmp_path: Path, said, *more: str, save: float = 300.0):
        self.out = tmp_path / "model"
        self.folder = tmp_path / "model.training"
        argv = ["lstm", *trainings.written(tmp_path), "--out", str(self.out), *trainings.flags(said), *more]
        script = [sys.executable, "-c", textwrap.dedent(COMMAND), str(self.out), str(save), *argv]
        self.process = subprocess.Popen(
            script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )

    def stop_at(self, step: int, number: signal.Signals) -> tuple[int, str]:
        """Send a signal when a step is trained; return the exit status and what was told."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.split() == ["step", str(step)]:
                self.process.send_signal(number)
                break
        told = self.process.communicate(timeout=60)[1]
        return self.process.returncode, told


def test_a_signal_saves_a_state_and_stops(tmp_path):
    said = settings(**SAID)
    command = Command(tmp_path, said)
    returned, told = command.stop_at(23, signal.SIGTERM)
    assert returned == 128 + signal.SIGTERM
    assert "Traceback" not in told
    assert f"the state is in {command.folder}: the same command with --resume goes on" in told
    assert not command.out.exists()
    step = read_place(states(command.folder)[0]).step
    assert 23 <= step < 50
    assert [path.name for path in states(command.folder)] == [f"step-{step:08d}"]
    whole = tmp_path / "whole"
    trainings.train(said, whole)
    resume(tmp_path, said)
    assert same_weights(whole, command.folder)
    assert curves(whole) == curves(command.folder)


def resume(tmp_path: Path, said) -> None:
    corpus, words = open_corpus(tmp_path / "corpus"), Vocabulary.read(tmp_path / "words.txt")
    outcome = training.train(corpus, words, said, tmp_path / "model.training", resume=True)[2]
    assert outcome.finished


def test_killed_at_any_time_the_last_state_is_whole(tmp_path):
    """With a state saved after each step, a kill comes in the middle of one."""
    said = settings(**SAID)
    command = Command(tmp_path, said, save=-1.0)
    returned, _ = command.stop_at(19, signal.SIGKILL)
    assert returned == -signal.SIGKILL
    kept = read_place(states(command.folder)[0]).step
    assert 18 <= kept < 50
    whole = tmp_path / "whole"
    trainings.train(said, whole)
    resume(tmp_path, said)
    assert same_weights(whole, command.folder)
    assert same_weights(whole, command.folder, BEST)
    assert curves(whole) == curves(command.folder)
    assert not list(command.folder.glob(".*"))
