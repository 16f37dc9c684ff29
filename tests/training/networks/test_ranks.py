"""Several processes that train one network, started by a real ``torchrun``, beside one process that does the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trainings
from trainings import SEQUENCES, STREAMS, curves, settings, stopped_at, train, weights

from codelm.errors import UsageError
from codelm_train.networks.ranks import Ranks, ranks
from codelm_train.networks.state import read_place, states

CPU = torch.device("cpu")


class TestSharing:
    @pytest.mark.parametrize(("rows", "world"), [(10, 3), (2, 3), (8, 2), (1, 1), (0, 2)])
    def test_each_row_is_that_of_one_process(self, rows, world):
        parts = [Ranks(rank, world).share(rows).tolist() for rank in range(world)]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        # In order, so that their states stand in order too.
        assert [row for part in parts for row in part] == list(range(rows))

    def test_one_process_has_everything(self):
        alone = Ranks()
        rows = torch.arange(6).reshape(2, 3)
        assert alone.first
        assert alone.total(1.5, 2.0, device=CPU) == [1.5, 2.0]
        assert alone.gathered(rows) is rows

    def test_without_torchrun_there_is_one_process(self, monkeypatch):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        with ranks("cpu") as mine:
            assert mine == Ranks()

    def test_processes_that_cannot_meet_are_told(self, monkeypatch):
        for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("MASTER_PORT", raising=False)
        with pytest.raises(UsageError, match="the processes of torchrun can't meet"), ranks("cpu"):
            pass


def torchrun(*command: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", *command],
        capture_output=True, text=True, check=False, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]


def close(one: Path, other: Path, tolerance: float = 1e-4) -> None:
    """Check that two trainings have the same curves and weights, but for the order in which numbers are added."""
    rows = [curves(folder) for folder in (one, other)]
    assert len(rows[0]) == len(rows[1])
    for mine, theirs in zip(*rows, strict=True):
        assert (mine.step, mine.tokens) == (theirs.step, theirs.tokens)
        measured = [
            [getattr(row, name) or 0 for name in ("loss", "gradient_norm", "learning_rate", "validation_bits")]
            for row in (mine, theirs)
        ]
        assert measured[0] == pytest.approx(measured[1], rel=tolerance)
    for name, value in weights(one).items():
        np.testing.assert_allclose(weights(other)[name], value, atol=20 * tolerance)


# Five lanes: they do not come out even. And of a batch of sequences there may be one, which leaves nothing for the
# second process. Stopped between two points of the curves, by a signal that only one of the processes got.
SAID = {
    "lanes": 5, "budget": 40, "learning_rate": 1e-3, "clip": 0.1, "pieces": 0, "steps": 40, "validations": 2,
    "warm_up": 0.0,
}  # fmt: skip
WORKER = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import trainings
from codelm_train.networks.ranks import ranks

with ranks("cpu") as mine:
    for folder, said, resume in json.loads(sys.argv[2]):
        with nullcontext() if resume or mine.first else trainings.stopped_at(25):
            outcome = trainings.train(trainings.settings(**said), Path(folder), ranks=mine, resume=resume)
        assert outcome.finished == resume
"""


def test_two_processes_train_as_one_does(tmp_path):
    """Streams and sequences; and where one process goes on with what two began, and the other way round."""
    kinds = {"streams": SAID | STREAMS, "sequences": SAID | SEQUENCES}
    for name, said in kinds.items():
        train(settings(**said), tmp_path / f"alone-{name}")
        with stopped_at(25):
            train(settings(**said), tmp_path / f"alone-then-together-{name}")
    plan = [
        *((str(tmp_path / f"together-then-alone-{name}"), said, False) for name, said in kinds.items()),
        *((str(tmp_path / f"alone-then-together-{name}"), said, True) for name, said in kinds.items()),
    ]
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    torchrun(str(script), str(Path(trainings.__file__).parent), json.dumps(plan))
    for name, said in kinds.items():
        assert read_place(states(tmp_path / f"together-then-alone-{name}")[0]).step == 25
        train(settings(**said), tmp_path / f"together-then-alone-{name}", resume=True)
        close(tmp_path / f"alone-{name}", tmp_path / f"together-then-alone-{name}")
        close(tmp_path / f"alone-{name}", tmp_path / f"alone-then-together-{name}")


def test_the_command_under_torchrun(tmp_path):
    """One of the processes writes: one set of files, each point of the curves once, one checkpoint."""
    said = settings(**STREAMS, validations=2)
    command = ["lstm", *trainings.written(tmp_path), *trainings.flags(said), "--out", str(tmp_path / "model")]
    torchrun("-m", "codelm_train", *command)
    folder = tmp_path / "model.training"
    assert sorted(path.name for path in folder.iterdir()) == [
        "best", "metrics.csv", "settings.json", "step-00000030", "tensorboard",
    ]  # fmt: skip
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert (tmp_path / "model" / "manifest.json").is_file()
    train(said, tmp_path / "alone")
    close(tmp_path / "alone", folder)
