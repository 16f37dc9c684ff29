"""Measures a checkpoint on the projects that the bundled model's recipe keeps for that: ``make evaluate-bundled``.

::

    python tests/benchmarks/evaluate_bundled.py [--every N] [--parts-every N] [MODEL]

Prints the table of the model with all files of each project learned, as in an editor; the same for code that was
written in 2026, and for the cells of notebooks; of the model's prose, with the open file's learned; and then what each
part adds. Wheels are fetched with pip (``held-out`` has the lists that are not the recipe's); what is made of them is
kept in ``build/evaluation`` while the lists stay as they are. Takes about half an hour.
"""

import argparse
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.folder import replace_file
from codelm_train.build import DEFAULT_CACHE
from codelm_train.commands.common import table
from codelm_train.corpus import Corpus, open_corpus
from codelm_train.evaluate import Evaluation, evaluate_workspace
from codelm_train.notebooks import SUFFIX
from codelm_train.packages import fetch, read_list
from codelm_train.progress import bar
from codelm_train.recipe import RECIPES
from codelm_train.replay import NONE, OTHERS, Workspace
from codelm_train.split import TEST, TRAIN, VALIDATION

LIST = RECIPES / "bundled-packages.tsv"
LISTS = Path(__file__).parent / "held-out"
FOLDER = Path(__file__).resolve().parents[2] / "build" / "evaluation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=checkpoint.find(""), metavar="MODEL")
    parser.add_argument("--every", type=int, default=90, help="look at each n-th word only")
    parser.add_argument("--parts-every", type=int, default=120, help="the same, for the table of parts; 0: without it")
    args = parser.parse_args()
    model, corpus = checkpoint.load(args.model), projects()
    for told, held_out, split, share in (
        ("five projects", corpus, TEST, 1),
        ("code of three of them that was written, or rewritten, in 2026", since_2026(), VALIDATION, 4),
        ("the cells of notebooks of three more", cells(), TRAIN, 4),
    ):
        every = max(1, args.every // share)  # there is less of it
        print(f"\n{told}:", flush=True)
        print(table(learned(model, open_corpus(held_out), split, every)), flush=True)
    if model.prose is not None:
        print("\ncomments, docstrings and strings of the five projects:", flush=True)
        found = learned(model.prose, open_corpus(projects("--prose")), TEST, args.every, NONE)
        print("\n".join(table(found).splitlines()[:2]), flush=True)  # kinds are of code
    if args.parts_every:
        print("\nthe five projects, by more and more parts of the model:", flush=True)
        train("evaluate", args.model, corpus, "--split", TEST, "--parts", VALIDATION, "--every", args.parts_every)
    return 0


def learned(mixed: Checkpoint, corpus: Corpus, split: str, every: int, workspace: Workspace = OTHERS) -> Evaluation:
    """Measure a model with the files of a split learned that are of the same project: none of other splits, which here
    may hold the same file as it was before.
    """
    return evaluate_workspace(
        mixed.trained, mixed.vocabulary, mixed.weights or checkpoint.default_weights(), corpus.lexicon.words,
        corpus.split(split), workspace=workspace, every=every, reranker=mixed.reranker, progress=bar,
    )  # fmt: skip


def projects(*options: str) -> Path:
    """Return the corpus of what the recipe holds out: to measure on, and to fit weights to."""
    learned = {package.name for package in read_list(LIST) if package.split == TRAIN}
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    packages = "".join(f"{line}\n" for line in lines if line.partition("\t")[0] not in learned)
    listed = FOLDER / f"projects-{key(packages)}.tsv"
    if not listed.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        replace_file(listed, packages)
    return corpus_of(packages, [listed], *options)


def since_2026() -> Path:
    """Return a corpus whose validation split is what is new in later releases.

    The releases before are its test split, so that near-duplicates of their files are dropped from the other.
    """
    lists = [LISTS / "before-2026.tsv", LISTS / "since-2026.tsv"]
    return corpus_of("".join(file.read_text(encoding="utf-8") for file in lists), lists)


def cells() -> Path:
    """Return the corpus of the notebooks in the wheels of a list, without their modules: a folder for each package."""
    listed = LISTS / "notebooks.tsv"
    packages = read_list(listed)
    folders = [FOLDER / "notebooks" / package.name for package in packages]
    for package, folder in zip(packages, folders, strict=True):
        with zipfile.ZipFile(fetch(package, DEFAULT_CACHE)) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if name.endswith(SUFFIX)])
    return corpus_of(listed.read_text(encoding="utf-8"), folders, "--notebooks", "--validation-share", 0)


def corpus_of(content: str, sources: Sequence[Path], *options: object) -> Path:
    """Return the corpus of sources, made where none of such content is there."""
    corpus = FOLDER / key(" ".join([content, *map(str, options)]))
    if not corpus.exists():
        train("corpus", *sources, *options, "--out", corpus)
    return corpus


def key(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def train(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "codelm_train", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
