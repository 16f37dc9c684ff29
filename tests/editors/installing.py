"""What the installers of editors share."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, at: Path = ROOT, **variables: str) -> None:
    """Run a command that is shown first. Raises CalledProcessError."""
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=at, env={**os.environ, **variables})


def install_from_debian(*packages: str) -> bool:
    """Install packages of the system where that is allowed; return whether it was. Raises CalledProcessError."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    run("apt-get", "-qq", "update")
    run("apt-get", "-qq", "-y", "install", *packages, DEBIAN_FRONTEND="noninteractive")
    return True
