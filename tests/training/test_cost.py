"""What a checkpoint costs, measured in a process of its own."""

import shutil
import sys

import networks
import pytest

from codelm.checkpoint import BUNDLED
from codelm.errors import TrainingError
from codelm_train.cost import Cost, cost_of


def test_opening_it_takes_time_and_memory(tmp_path):
    cost = cost_of(networks.write(tmp_path / "model", "lstm, tied"))
    assert cost.open_ms > 0
    assert cost.latency.step_ms.wall > 0
    assert Cost.from_json(cost.as_json()) == cost
    if sys.platform == "linux":
        assert cost.python_mb is not None
        assert cost.peak_mb is not None
        assert 10 < cost.python_mb < cost.peak_mb


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has had")
def test_the_memory_of_who_asks_is_not_counted(tmp_path):
    folder = networks.write(tmp_path / "model", "lstm, tied")
    before = cost_of(folder)
    held = bytearray(400_000_000)
    after = cost_of(folder)
    assert len(held) > 0
    assert before.peak_mb is not None
    assert after.peak_mb is not None
    assert after.peak_mb < before.peak_mb + 100


def test_a_broken_one_is_named(tmp_path):
    broken = shutil.copytree(BUNDLED, tmp_path / "broken")
    (broken / "core.onnx").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"broken can't be measured: .*core\.onnx"):
        cost_of(broken)
