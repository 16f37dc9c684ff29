"""``codelm-train mix``: an n-gram model, a network, or both → one checkpoint with the weights of a mixture."""

import argparse
from dataclasses import replace
from pathlib import Path

from codelm import checkpoint
from codelm.errors import UsageError
from codelm_train import mix, rerank
from codelm_train.commands.common import Commands, add_tokenised, opened
from codelm_train.progress import bar
from codelm_train.split import VALIDATION


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "mix", help="fit how models are mixed with what an editor's files teach",
        description="Fit the weights of a mixture of an n-gram model, a network (or one of the two), the open file and "
        "the workspace, to files that the models were not trained on, and write the models with them as one: what "
        "codelm-lsp loads.",
    )  # fmt: skip
    command.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="the folder of a checkpoint, or of two")
    command.add_argument("--corpus", type=Path, metavar="CORPUS", help="a folder that `corpus` made")
    add_tokenised(command)
    command.add_argument("--split", default=VALIDATION, metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--samples", type=int, default=mix.SAMPLES, metavar="N", help="words to look at (default: %(default)s)"
    )
    command.add_argument(
        "--torch", action="store_true",
        help="write a network's weights for torch too, which runs it on a GPU: they are the larger part of it",
    )  # fmt: skip
    command.add_argument(
        "--prose", type=Path, metavar="CHECKPOINT",
        help="a model of prose that is to come with it, made of a corpus with --prose: what completes comments",
    )  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="CHECKPOINT", help="the folder to make")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    if args.samples < 1:
        raise UsageError(f"--samples {args.samples} is not 1 or more")
    models = [checkpoint.load(folder) for folder in args.models]
    if args.prose is not None and checkpoint.load(args.prose).stream != checkpoint.PROSE:
        raise UsageError(f"--prose {args.prose} is no model of prose: make its corpus with --prose")
    corpus = opened(args, args.split)
    whole, words, split = checkpoint.joined(models), corpus.lexicon.words, corpus.split(args.split)
    beside = corpus.beside(args.split)
    weights = mix.fit_weights(whole, words, split, beside=beside, samples=args.samples, progress=bar)
    mixed = replace(whole, weights=weights)
    reranker = None  # prose is not ranked once more
    if whole.stream != checkpoint.PROSE:
        reranker = rerank.fit_reranker(
            mixed, words, split, beside=beside, samples=min(args.samples, rerank.SAMPLES), progress=bar
        )
    checkpoint.save_mixed(args.out, models, weights, reranker, torch=args.torch, prose=args.prose)
    print(f"{args.out}: {checkpoint.bytes_in(args.out) / 1e6:.1f} MB, mixed for {args.samples:,} words")
