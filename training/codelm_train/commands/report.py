"""``codelm-train report``: checkpoints, trainings and runs → a page of tables and pictures."""

import argparse
import json
from functools import partial
from pathlib import Path

from codelm import __version__
from codelm.folder import MANIFEST, replaced_folder
from codelm.vocabulary import escape
from codelm_train.commands.common import Commands, needs_extra
from codelm_train.report import PROMPT, gather, temperatures

FORMAT, VERSION = "codelm report", 1
INDEX = "index.html"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "report", help="compare models on a page: tables, curves, calibration",
        description="Write a folder with a page, index.html, and its pictures: how well models predict, how their "
        "training went or is going, how sure they are, and what a temperature does to a prediction.",
    )  # fmt: skip
    command.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER",
        help="a checkpoint, the MODEL.training of a training that may still go on, or the folder of a `run`",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    command.add_argument(
        "--prompt", default=PROMPT, metavar="TEXT",
        help=f'code whose next word is predicted under several temperatures (default: "{PROMPT}")',
    )  # fmt: skip
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    made = write(args.folders, args.out, args.prompt)
    print(f"{args.out / INDEX}: {', '.join(map(escape, made))}")


def write(folders: list[Path], out: Path, prompt: str = PROMPT) -> list[str]:
    """Write the report of some folders, replacing one that is there; return the names of its models.

    Raises CodelmError: for a folder that is nothing to report on, and where matplotlib is missing.
    """
    with needs_extra("train"):
        from codelm_train import pictures
        from codelm_train.page import Shown, page
    models = gather(folders)
    asked = [(number, found) for number, model in enumerate(models) if (found := temperatures(model, prompt))]
    measured = [found for model in models for found in (model.alone, model.learned) if found is not None]
    with replaced_folder(out, FORMAT) as new:
        shown = Shown(
            models,
            prompt,
            curves=pictures.draw("curves", new, partial(pictures.curves, models))
            if any(model.curves for model in models) else None,
            calibrations=pictures.draw("calibration", new, partial(pictures.calibrations, models))
            if any(found.calibration for found in measured) else None,
            kinds=pictures.draw("kinds", new, partial(pictures.kinds, models)) if measured else None,
            temperatures=[
                (pictures.draw(f"temperature-{number + 1}", new, partial(pictures.temperatures, found, number)), found)
                for number, found in asked
            ],
        )  # fmt: skip
        (new / INDEX).write_text(page(shown), encoding="utf-8")
        manifest = {"format": FORMAT, "version": VERSION, "codelm": __version__}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return [model.name for model in models]
