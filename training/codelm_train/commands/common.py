"""What several commands share: options, opening what they name, and the table of an evaluation."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from codelm.errors import UsageError
from codelm_train import build
from codelm_train.corpus import Corpus, open_corpus
from codelm_train.evaluate import Evaluation, Scores
from codelm_train.tokenised import tokenised

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What ``add_subparsers`` returns: the commands are added to it."""


def add_corpus_or_text(command: argparse.ArgumentParser) -> None:
    """Add ``CORPUS`` and, for its place, ``--tokenised``: what ``opened`` opens."""
    command.add_argument("corpus", type=Path, nargs="?", metavar="CORPUS", help="a folder that `corpus` made")
    add_tokenised(command)


def add_tokenised(command: argparse.ArgumentParser) -> None:
    """Add ``--tokenised``."""
    command.add_argument(
        "--tokenised", type=Path, metavar="FILE",
        help="instead of CORPUS: text, one sequence a line, words between blanks",
    )  # fmt: skip


def add_base(command: argparse.ArgumentParser, told: str) -> None:
    """Add ``--base``, and what becomes of it."""
    command.add_argument(
        "--base", default="", metavar="CHECKPOINT", help=f"a model to begin with, bundled or a folder: {told}"
    )


def add_cache(command: argparse.ArgumentParser) -> None:
    """Add ``--cache``."""
    command.add_argument(
        "--cache", type=Path, default=build.DEFAULT_CACHE, metavar="DIR",
        help="where fetched wheels are kept (default: %(default)s)",
    )  # fmt: skip


def opened(args: argparse.Namespace, split: str) -> Corpus:
    """Open the corpus that a command names; already tokenised text is all of one split.

    Raises UsageError where it names both or neither, CorpusError where it cannot be opened.
    """
    if (args.corpus is None) == (args.tokenised is None):
        raise UsageError("name either a CORPUS or --tokenised FILE")
    return tokenised(args.tokenised, split) if args.corpus is None else open_corpus(args.corpus)


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Say which extra is missing where an import fails. Raises UsageError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"this needs {error.name}: pip install 'codelm[{extra}]'") from error


def table(evaluation: Evaluation) -> str:
    """Return an evaluation as lines: a head, and a row for each class of words that occurs."""
    identifiers = evaluation.identifiers, evaluation.known, evaluation.unknown
    return "\n".join([
        _HEAD,
        _row("all", evaluation.all),
        *map(_row, ("identifiers", "  known", "  unknown"), identifiers),
        *(_row(kind, scores) for kind, scores in evaluation.kinds.items() if kind != "identifier" and scores.tokens),
        *(_row(f"in {style}", scores) for style, scores in evaluation.styles.items() if scores.tokens),
    ])  # fmt: skip


def comparison(evaluations: Mapping[str, Evaluation]) -> str:
    """Return the evaluations of several models, by their names, as lines: all words, and the identifiers among them."""
    rows = [
        row
        for name, evaluation in evaluations.items()
        for row in (_row(name, evaluation.all), _row("  identifiers", evaluation.identifiers))
    ]
    return "\n".join([_HEAD, *rows])


_HEAD = f"{'':<14}{'tokens':>10}{'bits':>8}{'perplexity':>12}{'unknown':>9}{'top-1':>8}{'top-5':>8}{'MRR':>8}"


def _row(name: str, s: Scores) -> str:
    return (
        f"{name:<14}{s.tokens:>10,}{s.bits_per_token:>8.3f}{s.perplexity:>12.2f}{s.unknown_share:>9.1%}"
        f"{s.top1:>8.1%}{s.top5:>8.1%}{s.mrr:>8.3f}"
    )
