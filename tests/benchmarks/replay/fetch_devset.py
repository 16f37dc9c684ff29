"""Bring back the development packages that MANIFEST.json names, at their versions, and verify every target.

usage: python3 fetch_devset.py        (needs pip and a package index; lays them in the temporary folder's codelm-replay/devset)
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build_devset import extract

MANIFEST = Path(__file__).resolve().parent / "devset" / "MANIFEST.json"
DEVSET = Path(tempfile.gettempdir()) / "codelm-replay" / "devset"


def main():
    DEVSET.mkdir(parents=True, exist_ok=True)
    shutil.copy(MANIFEST, DEVSET)
    entries = json.loads(MANIFEST.read_text())
    wanted = sorted({f"{entry['package']}=={entry['version']}" for entry in entries})
    with tempfile.TemporaryDirectory() as wheels:
        for requirement in wanted:
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "-q",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--only-binary=:all:",
                    "-d",
                    wheels,
                    requirement,
                ],
                check=True,
            )
        for wheel in sorted(Path(wheels).glob("*.whl")):
            extract(wheel, DEVSET / "packages")
    wrong = [
        entry["path"]
        for entry in entries
        if hashlib.sha256((DEVSET / entry["root"] / entry["path"]).read_bytes()).hexdigest() != entry["sha256"]
    ]
    print(f"{len(entries) - len(wrong)} of {len(entries)} targets verified")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
