"""``codelm-train generate``: a checkpoint and a prompt → text."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from codelm import checkpoint
from codelm.errors import UsageError
from codelm.sampling import Sampling
from codelm_train.commands.common import Commands
from codelm_train.generate import BEAMS, LONGEST, Beam, Generated, Greedy, Sample, Strategy, generate

# The options of each strategy. They have no defaults here, so that one that was given for another strategy is seen.
OPTIONS = {
    "greedy": (),
    "beam": ("beams", "count"),
    "sample": ("temperature", "top_k", "top_p", "count", "seed"),
}
_SAMPLING = ("temperature", "top_k", "top_p")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "generate", help="let a model write on from a prompt",
        description="Continue a prompt with a model alone, word by word. Long strings are written '…' and long "
        "numbers 0; words that the model has no id for never come.",
    )  # fmt: skip
    command.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint's folder")
    command.add_argument("--prompt", default="", metavar="TEXT", help="default: the beginning of a file")
    command.add_argument(
        "--strategy", choices=OPTIONS, default="greedy",
        help="take the best word each time, search for the best words together, or draw (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--length", type=int, default=LONGEST, metavar="N", help="words to generate at most (default: %(default)s)"
    )
    command.add_argument("--count", type=int, metavar="N", help="beam, sample: continuations to print (default: 1)")
    command.add_argument("--beams", type=int, metavar="N", help=f"beam: hypotheses to keep (default: {BEAMS})")
    command.add_argument(
        "--temperature", type=float, metavar="T", help="sample: below 1 more of the probable (default: 1)"
    )
    command.add_argument("--top-k", type=int, metavar="K", help="sample: of the K best words only (default: 0, all)")
    command.add_argument(
        "--top-p", type=float, metavar="P",
        help="sample: of the fewest words that have the probability P together (default: 1, all)",
    )  # fmt: skip
    command.add_argument("--seed", type=int, metavar="S", help="sample: other words for another (default: 0)")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    strategy = _strategy(args)
    if any("\ud800" <= character <= "\udfff" for character in args.prompt):
        raise UsageError("--prompt is not UTF-8")
    trained = checkpoint.load(args.model)
    found = generate(trained.model, trained.vocabulary, trained.stream, args.prompt, strategy, args.length)
    print("\n".join(json.dumps(asdict(one)) for one in found) if args.json else _told(found))


def _strategy(args: argparse.Namespace) -> Strategy:
    """Return the strategy that is asked for. Raises UsageError, for an option of another one, too."""
    every = dict.fromkeys(option for options in OPTIONS.values() for option in options)
    given = {option: value for option in every if (value := getattr(args, option)) is not None}
    for option in given:
        if option not in OPTIONS[args.strategy]:
            of = " or ".join(strategy for strategy, options in OPTIONS.items() if option in options)
            name = option.replace("_", "-")
            raise UsageError(f"--{name} is for --strategy {of}, not {args.strategy}")
    if args.strategy == "greedy":
        return Greedy()
    if args.strategy == "beam":
        return Beam(**given)
    settings = {option: given.pop(option) for option in _SAMPLING if option in given}
    return Sample(Sampling(**settings), **given)


def _told(found: list[Generated]) -> str:
    """Return continuations as text: one as it is, several behind a comment each."""
    if len(found) == 1:
        return found[0].text.rstrip("\n")
    return "\n\n".join(
        f"# {number} of {len(found)}, log probability {one.log_prob:.2f}\n" + one.text.rstrip("\n")
        for number, one in enumerate(found, 1)
    )
