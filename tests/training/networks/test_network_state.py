"""The states that a training resumes from: written whole, read back as they were, refused where they are broken."""

import json
import shutil

import pytest
import torch
import trainings
from safetensors import SafetensorError

from codelm.errors import CheckpointError, StorageError
from codelm.neural.modules import Network
from codelm_train.networks import state
from codelm_train.networks.fit import optimizer_of
from codelm_train.networks.state import BEST, Place

CPU = torch.device("cpu")
PLACE = Place(
    step=12, epoch=1, batch=3, tokens=500, seconds=1.25, validated=2, best_bits=7.5, since_best=1, curve_tokens=40,
    curve_loss=200.5,
)  # fmt: skip


def made(seed: int, **said):
    """A network and its optimizer behind a few steps, and the states that it carries."""
    settings = trainings.settings(**said)
    torch.manual_seed(seed)
    network = Network(settings.shape(300))
    optimizer = optimizer_of(network, settings, CPU)
    for _ in range(2):
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
        optimizer.step()
    return network, optimizer, tuple(torch.randn_like(array) for array in network.start(4))


KINDS = [{"kind": "lstm"}, {"kind": "cnn", "layers": 2}, {"kind": "cnn", "kernel": 1, "layers": 1}, {"pieces": 0}]


@pytest.mark.parametrize("said", KINDS)
def test_a_state_is_restored_as_it_was(tmp_path, said):
    network, optimizer, carried = made(1, **said)
    state.save(tmp_path, "step-00000012", PLACE, network, optimizer, carried)
    others, moments, _ = made(2, **said)
    place, states = state.restore(tmp_path / "step-00000012", others, moments, CPU)
    assert place == PLACE
    assert [array.shape for array in states] == [array.shape for array in carried]
    assert all(torch.equal(*pair) for pair in zip(states, carried, strict=True))
    # The next step is the same, so weights and moments are.
    for one, other in ((network, optimizer), (others, moments)):
        for parameter in one.parameters():
            parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
        other.step()
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), others.parameters(), strict=True))


@pytest.fixture
def kept(tmp_path):
    network, optimizer, carried = made(1)
    for step in (9, 10, 11):
        state.save(tmp_path, state.name_of(Place(step=step)), Place(step=step), network, optimizer, carried)
    return tmp_path


def test_the_latest_is_the_first_and_old_ones_are_dropped(kept):
    (kept / "step-notes").mkdir()
    (kept / "step-00000099").write_text("no folder")
    assert [path.name for path in state.states(kept)] == ["step-00000011", "step-00000010", "step-00000009"]
    state.drop_all_but(kept, 2)
    assert [path.name for path in state.states(kept)] == ["step-00000011", "step-00000010"]


def test_ten_million_steps_come_behind_nine():
    assert state.name_of(Place(step=123_456_789)) == "step-123456789"


def cut(folder):
    for name in ("weights.safetensors",):
        file = folder / name
        file.write_bytes(file.read_bytes()[:-5])


def manifest(text):
    return lambda folder: (folder / "manifest.json").write_text(text)


def place_with(**changes):
    def damage(folder):
        file = folder / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return damage


def of_another(file, **said):
    def damage(folder):
        network, optimizer, carried = made(3, **said)
        state.save(folder.parent / "other", "step-00000001", Place(), network, optimizer, carried)
        shutil.copy(folder.parent / "other" / "step-00000001" / file, folder / file)

    return damage


WEIGHTS, TRAINING = "weights.safetensors", "training.safetensors"


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (cut, WEIGHTS),
        (lambda folder: (folder / WEIGHTS).unlink(), WEIGHTS),
        (lambda folder: (folder / TRAINING).unlink(), TRAINING),
        (lambda folder: (folder / TRAINING).write_bytes(b"nonsense"), TRAINING),
        (lambda folder: (folder / TRAINING).write_bytes(b""), TRAINING),
        (manifest(""), "manifest.json"),
        (manifest("[]"), "manifest.json"),
        (manifest('{"format": "codelm checkpoint"}'), "manifest.json"),
        (place_with(colour=1), "manifest.json"),
        (place_with(step="many"), "manifest.json"),
        (place_with(batch=None), "manifest.json"),
        (of_another(WEIGHTS, hidden=13), WEIGHTS),
        (of_another(WEIGHTS, kind="cnn"), WEIGHTS),
        # Torch would take these, and fail somewhere in the next step.
        (of_another(TRAINING, embedding=9, projection=9), TRAINING),
        (of_another(TRAINING, kind="cnn"), TRAINING),
        (of_another(TRAINING, layers=2), TRAINING),
        (lambda folder: shutil.copy(folder / WEIGHTS, folder / TRAINING), TRAINING),
    ],
)
def test_a_broken_state_is_named_with_what_to_do(kept, damage, file):
    latest = state.states(kept)[0]
    damage(latest)
    network, optimizer, _ = made(2)
    with pytest.raises(CheckpointError) as error:
        state.restore(latest, network, optimizer, CPU)
    assert str(error.value).startswith(str(latest / file))
    assert "remove the folder to resume from the state before" in str(error.value)
    assert "\n" not in str(error.value)
    shutil.rmtree(latest)
    assert state.restore(state.states(kept)[0], network, optimizer, CPU)[0].step == 10


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), SafetensorError("I/O error: disk full")])
def test_a_full_disk_changes_nothing(kept, monkeypatch, problem):
    def full(arrays, file):
        file.write_bytes(b"half")
        raise problem

    monkeypatch.setattr(state, "save_file", full)
    network, optimizer, carried = made(1)
    before = sorted(kept.iterdir())
    for name in ("step-00000011", "step-00000012"):
        with pytest.raises(StorageError, match=r"cannot write .*(No space left on device|disk full)"):
            state.save(kept, name, Place(step=11), network, optimizer, carried)
    assert sorted(kept.iterdir()) == before
    assert state.restore(kept / "step-00000011", network, optimizer, CPU)[0] == Place(step=11)


class TestClearingUp:
    """A process can be killed at any time, also while it replaces a folder."""

    def test_what_was_being_replaced_is_put_back_and_what_was_not_finished_goes(self, kept):
        (kept / "step-00000010").rename(kept / ".step-00000010.0011aabb.old")
        shutil.copytree(kept / "step-00000009", kept / ".best.00112233.new")
        shutil.copytree(kept / "step-00000009", kept / ".best.44556677.old")
        state.clear_up(kept)
        assert sorted(path.name for path in kept.iterdir()) == [BEST, "step-00000009", "step-00000010", "step-00000011"]

    def test_a_new_training_has_no_best_yet(self, kept):
        (kept / "step-00000011").rename(kept / BEST)
        state.clear_up(kept, anew=True)
        assert not (kept / BEST).exists()

    def test_other_hidden_files_stay(self, kept):
        (kept / ".notes.new").write_text("mine")
        state.clear_up(kept)
        assert (kept / ".notes.new").exists()

    def test_there_is_nothing_to_do_where_there_is_no_folder(self, tmp_path):
        state.clear_up(tmp_path / "nowhere", anew=True)
