"""``codelm-train corpus``: sources → a corpus."""

import argparse
from pathlib import Path

from codelm_train import build
from codelm_train.commands.common import Commands, add_cache
from codelm_train.progress import bar
from codelm_train.sources import ACCEPTED


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "corpus", help="gather source code into a corpus",
        description=f"Gather source code into a CORPUS: {ACCEPTED}. Generated, vendored and data-like files and "
        "duplicates are dropped, and counted.",
    )  # fmt: skip
    command.add_argument("sources", nargs="+", metavar="SOURCE", help=ACCEPTED)
    command.add_argument("--out", type=Path, required=True, metavar="CORPUS", help="the folder to make")
    command.add_argument(
        "--code-tokens", action="store_true", help="take CodeSearchNet's tokens as they are: no lines, no blocks"
    )
    command.add_argument(
        "--notebooks", action="store_true", help="read the code cells of notebooks in folders and packages, too"
    )
    command.add_argument(
        "--prose", action="store_true", help="take the words of comments, docstrings and strings instead of the code's"
    )
    command.add_argument(
        "--validation-share", type=float, default=0.05, metavar="S",
        help="about how much to keep for validation where the sources don't say (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--test-share", type=float, default=0.0, metavar="S",
        help="about how much to keep for a test, in the same way (default: nothing)",
    )  # fmt: skip
    command.add_argument(
        "--similarity", type=float, default=0.8, metavar="J",
        help="Jaccard similarity from which files are near-duplicates; 1: exact ones only (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--longest", type=int, default=0, metavar="N", help="cut sequences to their first N words (default: no cut)"
    )
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a core)")
    add_cache(command)
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    options = build.Options(
        code_tokens=args.code_tokens, notebooks=args.notebooks, prose=args.prose,
        validation_share=args.validation_share, test_share=args.test_share, similarity=args.similarity,
        longest=args.longest,
    )  # fmt: skip
    made = build.build(args.sources, args.out, options, cache=args.cache, workers=args.workers, progress=bar)
    for name, counts in made.manifest["splits"].items():
        print(f"{name}: {counts['words']:,} words, {counts['sequences']:,} files, {counts['projects']:,} projects")
    if args.longest:
        print(f"cut to {args.longest:,} words: {made.manifest['cut']:,}")
    for reason, count in made.manifest["dropped"].items():
        print(f"dropped, {reason}: {count:,}")
