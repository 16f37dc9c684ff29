"""Measures a checkpoint on the projects that the bundled model's recipe keeps for that: ``make evaluate-bundled``.

::

    python tests/benchmarks/evaluate_bundled.py [--every N] [--parts-every N] [MODEL]

Prints the table of the model with all files of each project learned, as in an editor, and then what each part of it
adds. The wheels of these projects, and of those that weights are fitted to, are fetched with pip; what it makes of them
is kept in ``build/evaluation`` while the recipe's list stays as it is. Takes about half an hour.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from codelm import checkpoint
from codelm_train.packages import read_list
from codelm_train.recipe import RECIPES
from codelm_train.split import TEST, TRAIN, VALIDATION

LIST = RECIPES / "bundled-packages.tsv"
FOLDER = Path(__file__).resolve().parents[2] / "build" / "evaluation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=checkpoint.find(""), metavar="MODEL")
    parser.add_argument("--every", type=int, default=90, help="look at each n-th word only")
    parser.add_argument("--parts-every", type=int, default=120, help="the same, for the table of parts; 0: without it")
    args = parser.parse_args()
    corpus = corpus_of(held_out())
    measure = ("evaluate", args.model, corpus, "--split", TEST)
    train(*measure, "--workspace", "--every", args.every)
    if args.parts_every:
        train(*measure, "--parts", VALIDATION, "--every", args.parts_every)
    return 0


def held_out() -> str:
    """Return the recipe's list without what the model has learned from."""
    learned = {package.name for package in read_list(LIST) if package.split == TRAIN}
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return "".join(f"{line}\n" for line in lines if line.partition("\t")[0] not in learned)


def corpus_of(packages: str) -> Path:
    """Return the corpus of a list of packages, made where it isn't there."""
    corpus = FOLDER / hashlib.sha256(packages.encode()).hexdigest()[:12]
    if not corpus.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        listed = FOLDER / "packages.tsv"
        listed.write_text(packages, encoding="utf-8")
        train("corpus", listed, "--out", corpus)
    return corpus


def train(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "codelm_train", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
