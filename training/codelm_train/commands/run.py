"""``codelm-train run``: a recipe → an evaluated checkpoint."""

import argparse
from pathlib import Path

from codelm import checkpoint
from codelm_train.commands.common import Commands, add_cache, comparison, table
from codelm_train.evaluate import Evaluation
from codelm_train.progress import bar, meter
from codelm_train.recipe import RECIPES
from codelm_train.run import run
from codelm_train.sources import ACCEPTED


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
    command = commands.add_parser(
        "run", help="follow a recipe from sources to an evaluated checkpoint",
        description=f"Follow a recipe, a .toml file or one of: {names}. Run again, it goes on where it was.",
    )  # fmt: skip
    command.add_argument("recipe", metavar="RECIPE", help="a .toml file or a name")
    command.add_argument(
        "--source", nargs="+", action="extend", default=[], metavar="SOURCE",
        help=f"what to learn from, in the place of the recipe's sources: {ACCEPTED}",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the run")
    add_cache(command)
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    folder = run(args.recipe, args.out, sources=args.source, cache=args.cache, progress=bar, meters=meter)
    trained = checkpoint.load(folder)
    quality = trained.facts["quality"]
    if models := {name: Evaluation.from_json(found) for name, found in quality.get("models", {}).items()}:
        print(f"each model alone:\n{comparison(models)}\n")
    best = "the network" if trained.shape is not None else "the n-gram model"
    print(f"{best} alone:\n{table(Evaluation.from_json(quality))}\n")
    learned = Evaluation.from_json(quality["workspace"])
    print(f"with the open file and its workspace learned:\n{table(learned)}")
    if "base" in quality:
        for told, which in (("the workspace", "workspace"), ("the open file alone", "file")):
            both = {"before": quality["base"][which], "now": quality[which]}
            evaluations = {name: Evaluation.from_json(found) for name, found in both.items()}
            print(f"\nbefore it was taught your code, and now, with {told} learned:\n{comparison(evaluations)}")
    size = checkpoint.bytes_in(folder) / 1e6
    print(f"\n{folder}: {size:.1f} MB; try: codelm-lsp complete FILE:LINE:COLUMN --model {folder}")
