"""``codelm-train mix``: a checkpoint → the same with the weights of a mixture."""

import argparse
from pathlib import Path

from codelm import checkpoint
from codelm.errors import UsageError
from codelm_train import mix
from codelm_train.commands.common import Commands, add_tokenised, opened
from codelm_train.progress import bar
from codelm_train.split import VALIDATION


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "mix", help="fit how a model is mixed with what an editor's files teach",
        description="Fit the weights of a mixture of a model, the open file and the workspace, to files that the model "
        "was not trained on, and write the model with them: what codelm-lsp loads.",
    )  # fmt: skip
    command.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint's folder")
    command.add_argument("--corpus", type=Path, metavar="CORPUS", help="a folder that `corpus` made")
    add_tokenised(command)
    command.add_argument("--split", default=VALIDATION, metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--samples", type=int, default=mix.SAMPLES, metavar="N", help="words to look at (default: %(default)s)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="CHECKPOINT", help="the folder to make")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    if args.samples < 1:
        raise UsageError(f"--samples {args.samples} is not 1 or more")
    trained = checkpoint.load(args.model)
    corpus = opened(args, args.split)
    weights = mix.fit_weights(
        trained.model, trained.vocabulary, corpus.lexicon.words, corpus.split(args.split),
        samples=args.samples, progress=bar,
    )  # fmt: skip
    checkpoint.save_mixed(args.out, trained, weights)
    print(f"{args.out}: {checkpoint.bytes_in(args.out) / 1e6:.1f} MB, mixed for {args.samples:,} words")
