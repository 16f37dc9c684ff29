"""``codelm-train evaluate``: a checkpoint and a corpus → how well it predicts."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from codelm import checkpoint
from codelm.errors import UsageError
from codelm_train.commands.common import Commands, add_corpus_or_text, opened, table
from codelm_train.encode import encoded
from codelm_train.evaluate import evaluate, evaluate_workspace
from codelm_train.latency import measure
from codelm_train.parts import Ranked, what_parts_add
from codelm_train.progress import bar
from codelm_train.replay import OTHERS, WORKSPACES
from codelm_train.split import VALIDATION


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "evaluate", help="measure a model on code that it was not trained on",
        description="Measure a model: bits a token, perplexity, and how often the next token is ranked first and "
        "among the first five; identifiers apart.",
    )  # fmt: skip
    command.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint's folder")
    add_corpus_or_text(command)
    command.add_argument("--split", default=VALIDATION, metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--workspace", nargs="?", const=OTHERS, choices=WORKSPACES, metavar="FILES",
        help="replay the files with what an editor would have learned: the file above the cursor, and of its project "
        "all others (default), the earlier ones, or none",
    )  # fmt: skip
    command.add_argument(
        "--parts", metavar="SPLIT",
        help="rank the words by mixtures of more and more of the model's parts, with weights that are fitted to that "
        "split: what each part adds",
    )  # fmt: skip
    command.add_argument(
        "--every", type=int, default=1, metavar="N",
        help="rank each n-th token only; with --workspace, look at each n-th only",
    )  # fmt: skip
    command.add_argument(
        "--latency", action="store_true", help="measure too how long the model alone takes to read and to predict"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(command=_run)


def _run(args: argparse.Namespace) -> None:
    if args.every < 1:
        raise UsageError(f"--every {args.every} is not 1 or more")
    trained = checkpoint.load(args.model)
    corpus = opened(args, args.split)
    if trained.stream != corpus.stream and args.tokenised is None:
        raise UsageError(f"{args.model} speaks the stream {trained.stream!r}, the corpus {corpus.stream!r}")
    split, words = corpus.split(args.split), corpus.lexicon.words
    if args.parts is not None:
        steps = what_parts_add(trained, words, corpus.split(args.parts), split, every=args.every, progress=bar)
        print(json.dumps([asdict(step) for step in steps]) if args.json else _steps(steps))
        return
    if args.workspace is None:
        found = evaluate(
            trained.model, trained.vocabulary, words, split.ids, split.starts, every=args.every, progress=bar
        )
    else:
        found = evaluate_workspace(
            trained.trained, trained.vocabulary, trained.weights or checkpoint.default_weights(), words, split,
            beside=corpus.beside(args.split), workspace=args.workspace, every=args.every, reranker=trained.reranker,
            progress=bar,
        )  # fmt: skip
    latency = None
    if args.latency:
        ids = encoded(words, split.ids, trained.vocabulary)
        latency = measure(trained.model, ids, len(trained.vocabulary))
    if args.json:
        print(json.dumps(found.as_json() | ({} if latency is None else {"latency": latency.as_json()})))
    else:
        print(table(found) + ("" if latency is None else f"\nlatency: {latency.told()}"))


def _steps(steps: Sequence[Ranked]) -> str:
    """Return a table of what each part adds."""
    lines = [f"{'top-1 / top-5 in percent':<26}{'all tokens':>14}{'identifiers':>16}"]
    for step in steps:
        shown = [f"{first:.1f} / {five:.1f}" for first, five in (step.all, step.identifiers)]
        lines.append(f"{step.name:<26}{shown[0]:>14}{shown[1]:>16}")
    return "\n".join(lines)
