"""``codelm-train functions``: sources → rows of functions as CodeSearchNet publishes them."""

import argparse
from pathlib import Path

from codelm_train import function_rows
from codelm_train.commands.common import Commands, add_cache
from codelm_train.progress import bar
from codelm_train.sources import ACCEPTED
from codelm_train.split import SPLITS


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "functions", help="cut sources into functions, in CodeSearchNet's form",
        description="Write the functions of source code as rows in the form of CodeSearchNet, one JSON object a line: "
        "what `corpus` and other tools read. Duplicates and what is vendored or generated are left out, and counted.",
    )  # fmt: skip
    command.add_argument("sources", nargs="+", metavar="SOURCE", help=ACCEPTED)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .jsonl or .jsonl.gz file to make")
    command.add_argument("--limit", type=int, default=0, metavar="N", help="draw N functions (default: take all)")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="which are drawn (default: %(default)s)")
    for split in ("validation", "test"):
        command.add_argument(
            f"--{split}-share", type=float, default=0.05, metavar="S",
            help=f"about which share of the projects is for {split} where the sources don't say, and where there are "
            "at least five (default: %(default)s)",
        )  # fmt: skip
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a core)")
    add_cache(command)
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    options = function_rows.Options(args.limit, args.seed, args.validation_share, args.test_share)
    counts = function_rows.write(args.sources, args.out, options, cache=args.cache, workers=args.workers, progress=bar)
    for split in SPLITS:
        if counts.functions[split]:
            print(f"{split}: {counts.functions[split]:,} functions, {counts.projects[split]:,} projects")
    for reason, number in counts.left_out.most_common():
        print(f"left out, {reason}: {number:,} functions")
    for reason, number in counts.files.most_common():
        print(f"passed over, {reason}: {number:,} files")
