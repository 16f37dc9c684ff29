"""``codelm-train ngram``: a corpus → an n-gram model's checkpoint."""

import argparse
from pathlib import Path

from codelm import checkpoint
from codelm.vocabulary import Vocabulary, most_frequent
from codelm_train import ngram
from codelm_train.base import open_base
from codelm_train.commands.common import Commands, add_base, add_corpus_or_text, opened
from codelm_train.encode import word_counts
from codelm_train.progress import bar
from codelm_train.recipe import NGramRecipe
from codelm_train.smoothing import KNESER_NEY, SMOOTHINGS
from codelm_train.split import TRAIN
from codelm_train.work import work_folder


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "ngram", help="train an n-gram model",
        description="Estimate an interpolated n-gram model. Interrupted, the same command goes on where it was, from "
        "what it keeps beside MODEL.",
    )  # fmt: skip
    add_corpus_or_text(command)
    command.add_argument("--vocabulary", type=Path, metavar="V", help="default: all words of the training split")
    command.add_argument("--order", type=int, default=5, metavar="N", help="longest n-grams (default: %(default)s)")
    command.add_argument(
        "--smoothing", choices=SMOOTHINGS, default=KNESER_NEY, help="estimates of what is rare (default: %(default)s)"
    )
    command.add_argument(
        "--prune", type=int, nargs="+", default=[], metavar="N",
        help="drop n-grams of 1, 2, … words with at most so many occurrences; the last serves all longer ones",
    )  # fmt: skip
    command.add_argument("--size", metavar="SIZE", help="prune and round to a checkpoint of this size, such as 10MB")
    add_base(command, "the n-grams are merged with its own; --size is that of what is added")
    command.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the folder to make")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    corpus = opened(args, TRAIN)
    if args.vocabulary:
        vocabulary = Vocabulary.read(args.vocabulary)
    else:
        vocabulary = most_frequent(word_counts(corpus, corpus.split(TRAIN)), 0)
    recipe = NGramRecipe(args.order, args.smoothing, tuple(args.prune), args.size or "")
    base = open_base(args.base)
    with work_folder(args.out) as work:
        model, facts = ngram.made(corpus, vocabulary, recipe, work, base, bar)
        checkpoint.save(args.out, model, vocabulary, name=args.out.name, stream=corpus.stream, facts=facts)
    counts = ", ".join(f"{len(level.words):,}" for level in model.levels)
    print(f"n-grams of 1 to {model.order} words: {counts}; {checkpoint.bytes_in(args.out) / 1e6:.1f} MB")
