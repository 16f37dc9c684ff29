"""``codelm-train ngram`` as a long command: killed and gone on with, on a full disk, asked for what cannot be."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from codelm_train.cli import main

# The command with a small memory, killed or interrupted before some item of some loop.
STOPPED = """
    import os, signal, sys
    from codelm_train import cli, count, ngram
    from codelm_train.commands import ngram as command

    label, before, how = sys.argv[1:4]

    def bar(items, total, name):
        for number, item in enumerate(items):
            if (name, number) == (label, int(before)):
                if how == "interrupt":
                    raise KeyboardInterrupt
                os.kill(os.getpid(), signal.SIGKILL)
            yield item

    command.bar = bar
    ngram.count.__kwdefaults__["run"] = 30
    sys.exit(cli.main(sys.argv[4:]))
"""


@pytest.fixture
def text(tmp_path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("a b c a b c a b\nb c a d e\n" * 20, encoding="utf-8")
    return file


def stopped(label: str, before: int, how: str, *command: str) -> int:
    script = textwrap.dedent(STOPPED)
    return subprocess.run(
        [sys.executable, "-c", script, label, str(before), how, *command], capture_output=True, check=False
    ).returncode


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("how", ["kill", "interrupt"])
@pytest.mark.parametrize(
    ("label", "before", "kept"),
    [
        ("sorting n-grams", 2, {"run-0", "run-1"}),
        ("counting n-grams", 1, {"run-0", "run-1", "run-2", "level-1"}),
        ("estimating", 1, {"run-0", "run-1", "run-2", "level-1", "level-2", "level-3"}),
    ],
)
def test_a_killed_estimation_goes_on_and_ends_as_if_it_had_not_been(text, tmp_path, label, before, kept, how):
    out, whole = tmp_path / "model", tmp_path / "elsewhere" / "model"
    command = ["ngram", "--tokenised", str(text), "--order", "3", "--out"]
    assert stopped(label, before, how, *command, str(out)) == (-9 if how == "kill" else 130)
    assert not out.exists()
    work = tmp_path / ".model.work"
    markers = {file.stem: file.stat().st_mtime_ns for file in work.glob("*-*.json")}
    assert kept <= set(markers)
    # Stopped again, and further on: what was finished is still the same file.
    assert stopped("estimating", 2, how, *command, str(out)) != 0
    assert {name: (work / f"{name}.json").stat().st_mtime_ns for name in markers} == markers
    assert stopped("", 0, how, *command, str(out)) == 0
    assert stopped("", 0, how, *command, str(whole)) == 0
    assert files(out) == files(whole)
    assert not work.exists()


def test_work_of_another_text_or_order_is_not_trusted(text, tmp_path):
    out, whole = tmp_path / "model", tmp_path / "elsewhere" / "model"
    command = ["ngram", "--tokenised", str(text), "--out", str(out), "--order"]
    assert stopped("estimating", 1, "kill", *command, "3") == -9
    text.write_text("a b c a b c a d\nb c a d e\n" * 20, encoding="utf-8")
    assert stopped("estimating", 1, "kill", *command, "3") == -9
    assert main([*command, "2"]) == 0
    assert main(["ngram", "--tokenised", str(text), "--out", str(whole), "--order", "2"]) == 0
    assert files(out) == files(whole)


FULL = """
    import resource, sys
    from codelm_train.cli import main

    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(text, tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), "ngram", "--tokenised", str(text), "--out", str(tmp_path / "m")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 2
    assert f"codelm-train: cannot write {tmp_path / '.m.work'}: File too large" in told.stderr
    assert "Traceback" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("smoothing", ["kneser-ney", "witten-bell", "jelinek-mercer"])
def test_every_smoothing_makes_a_model(text, tmp_path, capsys, smoothing):
    out = str(tmp_path / "model")
    command = ["ngram", "--tokenised", str(text), "--order", "3", "--smoothing", smoothing, "--out", out]
    assert main([*command, "--size", "1MB"]) == 0
    assert main(["evaluate", out, "--tokenised", str(text), "--json"]) == 0
