"""``codelm-train vocabulary``: a corpus → a vocabulary's file."""

import argparse
from pathlib import Path

from codelm.errors import UsageError
from codelm.folder import replace_file
from codelm.vocabulary import DEFAULT_SIZE, SPECIAL_WORDS
from codelm_train.base import open_base
from codelm_train.commands.common import Commands, add_base, add_corpus_or_text, opened
from codelm_train.encode import word_counts
from codelm_train.extend import vocabulary_of
from codelm_train.split import TRAIN


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "vocabulary", help="choose the words that a model has ids for",
        description="Choose the most frequent words of a corpus's training split.",
    )  # fmt: skip
    add_corpus_or_text(command)
    command.add_argument(
        "--size", type=int, default=DEFAULT_SIZE, metavar="N",
        help="words, [PAD], [UNK] and [EOS] included; 0: all (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--min-count", type=int, default=1, metavar="N", help="leave out words seen less often")
    add_base(command, "its words keep their ids, and those that it lacks are added")
    command.add_argument("--out", type=Path, required=True, metavar="VOCABULARY", help="the file to write")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    if 0 < args.size <= len(SPECIAL_WORDS):
        raise UsageError(f"--size {args.size} leaves no room for a word; 0 takes all")
    corpus = opened(args, TRAIN)
    counts = word_counts(corpus, corpus.split(TRAIN))
    vocabulary = vocabulary_of(counts, args.size, args.min_count, open_base(args.base))
    replace_file(args.out, vocabulary.text())
    known = sum(count for word, count in counts.items() if word in vocabulary)
    print(f"{len(vocabulary):,} words; they make up {known / sum(counts.values()):.2%} of the training split")
