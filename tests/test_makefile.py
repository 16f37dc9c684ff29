"""What `make` says on machines that lack something."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def new_environment(python: Path, at: Path) -> subprocess.CompletedProcess[str]:
    """Ask `make` for an environment at ``at`` made by the interpreter ``python``."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    return subprocess.run(
        [make, "--no-print-directory", "-C", str(ROOT), "new-environment", f"PYTHON={python}", f"AT={at}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def interpreter(folder: Path, refuses: str) -> Path:
    """Return an interpreter that fails at any program that contains ``refuses``."""
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *"{refuses}"*) echo "Traceback: a page of it" >&2; exit 1;; esac\n'
        f'exec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("refuses", "help_"),
    [("import venv", "apt install python3-venv"), ("version_info", "codelm needs Python 3.11 or newer")],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, refuses, help_):
    told = new_environment(interpreter(tmp_path, refuses), tmp_path / "env")
    assert told.returncode != 0
    lines = [line for line in told.stderr.splitlines() if "Traceback" not in line and not line.startswith("make")]
    assert len(lines) == 1
    assert help_ in lines[0]
    assert not (tmp_path / "env").exists()


def test_an_environment_is_made(tmp_path):
    told = new_environment(Path(sys.executable), tmp_path / "env")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "env" / "bin" / "python").exists()


def test_what_is_compared_can_be_chosen():
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    told = subprocess.run(
        [make, "--no-print-directory", "-n", "-C", str(ROOT), "compare", "SERVERS=codelm ty", "FILES=3"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines()[-1].endswith("--files 3 codelm ty")


def test_a_server_that_is_not_known_is_not_compared(tmp_path):
    command = [sys.executable, str(ROOT / "tests/benchmarks/replay/compare.py"), "--codelm", "c", "--others", "o"]
    told = subprocess.run([*command, "codelm", "pyre"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "no such server: pyre; there are codelm, pyrefly" in told.stderr
