"""The ``codelm-train`` command."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from codelm import __version__, checkpoint
from codelm.errors import CodelmError, UsageError
from codelm.folder import replace_file
from codelm.vocabulary import DEFAULT_SIZE, SPECIAL_WORDS, Vocabulary, most_frequent
from codelm_train import build, mix, ngram
from codelm_train.corpus import Corpus, open_corpus
from codelm_train.encode import word_counts
from codelm_train.evaluate import Evaluation, Scores, evaluate, evaluate_workspace
from codelm_train.progress import bar
from codelm_train.recipe import RECIPES, NGramRecipe
from codelm_train.replay import OTHERS, WORKSPACES
from codelm_train.run import run
from codelm_train.smoothing import KNESER_NEY, SMOOTHINGS
from codelm_train.sources import ACCEPTED
from codelm_train.split import TRAIN, VALIDATION
from codelm_train.tokenised import tokenised
from codelm_train.work import work_folder

DESCRIPTION = """\
Train language models of Python code, offline: from folders, packages or CodeSearchNet files to a checkpoint that
codelm-lsp loads.
"""

EPILOG = """\
examples:
  codelm-train run standard-library --out model       everything in one command, without the network
  codelm-train corpus ~/projects/*/ --out corpus      a corpus of your own projects
  codelm-train vocabulary corpus --out words.txt
  codelm-train ngram corpus --vocabulary words.txt --size 10MB --out model
  codelm-train mix model --corpus corpus --out mixed
  codelm-train evaluate mixed corpus --workspace
  codelm-lsp complete app.py:12:9 --model model

Nothing is written until it is whole: a command that is interrupted leaves what was there before.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 2 for what the user can put right, told in one line."""
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except CodelmError as error:
        print(f"codelm-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("codelm-train: interrupted; run the same command to go on", file=sys.stderr)
        return 130
    return 0


def _corpus(args: argparse.Namespace) -> None:
    options = build.Options(
        code_tokens=args.code_tokens, validation_share=args.validation_share, similarity=args.similarity
    )
    made = build.build(args.sources, args.out, options, cache=args.cache, workers=args.workers, progress=bar)
    for name, counts in made.manifest["splits"].items():
        print(f"{name}: {counts['words']:,} words, {counts['sequences']:,} files, {counts['projects']:,} projects")
    for reason, count in made.manifest["dropped"].items():
        print(f"dropped, {reason}: {count:,}")


def _vocabulary(args: argparse.Namespace) -> None:
    if 0 < args.size <= len(SPECIAL_WORDS):
        raise UsageError(f"--size {args.size} leaves no room for a word; 0 takes all")
    corpus = _opened(args, TRAIN)
    counts = word_counts(corpus, corpus.split(TRAIN))
    vocabulary = most_frequent(counts, args.size, args.min_count)
    replace_file(args.out, vocabulary.text())
    known = sum(count for word, count in counts.items() if word in vocabulary)
    print(f"{len(vocabulary):,} words; they make up {known / sum(counts.values()):.2%} of the training split")


def _ngram(args: argparse.Namespace) -> None:
    corpus = _opened(args, TRAIN)
    if args.vocabulary:
        vocabulary = Vocabulary.read(args.vocabulary)
    else:
        vocabulary = most_frequent(word_counts(corpus, corpus.split(TRAIN)), 0)
    recipe = NGramRecipe(args.order, args.smoothing, tuple(args.prune), args.size or "")
    facts = ngram.facts(corpus, recipe)
    with work_folder(args.out) as work:
        model = ngram.train(corpus, vocabulary, recipe, work, bar)
        checkpoint.save(args.out, model, vocabulary, name=args.out.name, stream=corpus.stream, facts=facts)
    counts = ", ".join(f"{len(level.words):,}" for level in model.levels)
    print(f"n-grams of 1 to {model.order} words: {counts}; {checkpoint.bytes_in(args.out) / 1e6:.1f} MB")


def _evaluate(args: argparse.Namespace) -> None:
    if args.every < 1:
        raise UsageError(f"--every {args.every} is not 1 or more")
    trained = checkpoint.load(args.model)
    corpus = _opened(args, args.split)
    if trained.stream != corpus.stream and args.tokenised is None:
        raise UsageError(f"{args.model} speaks the stream {trained.stream!r}, the corpus {corpus.stream!r}")
    split, words = corpus.split(args.split), corpus.lexicon.words
    if args.workspace is None:
        found = evaluate(
            trained.model, trained.vocabulary, words, split.ids, split.starts, every=args.every, progress=bar
        )
    else:
        found = evaluate_workspace(
            trained.model, trained.vocabulary, trained.weights or checkpoint.default_weights(), words, split,
            workspace=args.workspace, every=args.every, progress=bar,
        )  # fmt: skip
    print(json.dumps(found.as_json()) if args.json else _table(found))


def _mix(args: argparse.Namespace) -> None:
    if args.samples < 1:
        raise UsageError(f"--samples {args.samples} is not 1 or more")
    trained = checkpoint.load(args.model)
    corpus = _opened(args, args.split)
    weights = mix.fit_weights(
        trained.model, trained.vocabulary, corpus.lexicon.words, corpus.split(args.split),
        samples=args.samples, progress=bar,
    )  # fmt: skip
    card = args.model / checkpoint.CARD_FILE
    checkpoint.save(
        args.out, trained.model, trained.vocabulary, name=args.out.name, stream=trained.stream, facts=trained.facts,
        card=card.read_text(encoding="utf-8") if card.exists() else "", weights=weights,
    )  # fmt: skip
    print(f"{args.out}: {checkpoint.bytes_in(args.out) / 1e6:.1f} MB, mixed for {args.samples:,} words")


def _run(args: argparse.Namespace) -> None:
    folder = run(args.recipe, args.out, cache=args.cache, progress=bar)
    trained = checkpoint.load(folder)
    quality = trained.facts["quality"]
    print(f"the model alone:\n{_table(Evaluation.from_json(quality))}\n")
    print(f"with the open file and its workspace learned:\n{_table(Evaluation.from_json(quality['workspace']))}")
    size = checkpoint.bytes_in(folder) / 1e6
    print(f"\n{folder}: {size:.1f} MB; try: codelm-lsp complete FILE:LINE:COLUMN --model {folder}")


def _table(evaluation: Evaluation) -> str:
    def row(name: str, s: Scores) -> str:
        return (
            f"{name:<12}{s.tokens:>10,}{s.bits_per_token:>8.3f}{s.perplexity:>12.2f}{s.unknown_share:>9.1%}"
            f"{s.top1:>8.1%}{s.top5:>8.1%}{s.mrr:>8.3f}"
        )

    head = f"{'':<12}{'tokens':>10}{'bits':>8}{'perplexity':>12}{'unknown':>9}{'top-1':>8}{'top-5':>8}{'MRR':>8}"
    identifiers = evaluation.identifiers, evaluation.known, evaluation.unknown
    return "\n".join([
        head,
        row("all", evaluation.all),
        *map(row, ("identifiers", "  known", "  unknown"), identifiers),
        *(row(kind, scores) for kind, scores in evaluation.kinds.items() if kind != "identifier" and scores.tokens),
    ])  # fmt: skip


def _opened(args: argparse.Namespace, split: str) -> Corpus:
    """Open the corpus that a command names; already tokenised text is all of one split."""
    if (args.corpus is None) == (args.tokenised is None):
        raise UsageError("name either a CORPUS or --tokenised FILE")
    return tokenised(args.tokenised, split) if args.corpus is None else open_corpus(args.corpus)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codelm-train", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"codelm-train {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_corpus, _add_vocabulary, _add_ngram, _add_mix, _add_evaluate, _add_run):
        add(commands)
    return parser


def _add_corpus(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
        "--validation-share", type=float, default=0.05, metavar="S",
        help="about how much to keep for validation where the sources don't say (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--similarity", type=float, default=0.8, metavar="J",
        help="Jaccard similarity from which files are near-duplicates; 1: exact ones only (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a core)")
    _add_cache(command)
    command.set_defaults(command=_corpus)


def _add_vocabulary(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "vocabulary", help="choose the words that a model has ids for",
        description="Choose the most frequent words of a corpus's training split.",
    )  # fmt: skip
    _add_corpus_or_text(command)
    command.add_argument(
        "--size", type=int, default=DEFAULT_SIZE, metavar="N",
        help="words, [PAD], [UNK] and [EOS] included; 0: all (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--min-count", type=int, default=1, metavar="N", help="leave out words seen less often")
    command.add_argument("--out", type=Path, required=True, metavar="VOCABULARY", help="the file to write")
    command.set_defaults(command=_vocabulary)


def _add_ngram(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "ngram", help="train an n-gram model",
        description="Estimate an interpolated n-gram model. Interrupted, the same command goes on where it was, from "
        "what it keeps beside MODEL.",
    )  # fmt: skip
    _add_corpus_or_text(command)
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
    command.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the folder to make")
    command.set_defaults(command=_ngram)


def _add_mix(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "mix", help="fit how a model is mixed with what an editor's files teach",
        description="Fit the weights of a mixture of a model, the open file and the workspace, to files that the model "
        "was not trained on, and write the model with them: what codelm-lsp loads.",
    )  # fmt: skip
    command.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint's folder")
    command.add_argument("--corpus", type=Path, metavar="CORPUS", help="a folder that `corpus` made")
    _add_tokenised(command)
    command.add_argument("--split", default=VALIDATION, metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--samples", type=int, default=mix.SAMPLES, metavar="N", help="words to look at (default: %(default)s)"
    )
    command.add_argument("--out", type=Path, required=True, metavar="CHECKPOINT", help="the folder to make")
    command.set_defaults(command=_mix)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "evaluate", help="measure a model on code that it was not trained on",
        description="Measure a model: bits a token, perplexity, and how often the next token is ranked first and "
        "among the first five; identifiers apart.",
    )  # fmt: skip
    command.add_argument("model", type=Path, metavar="MODEL", help="a checkpoint's folder")
    _add_corpus_or_text(command)
    command.add_argument("--split", default=VALIDATION, metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--workspace", nargs="?", const=OTHERS, choices=WORKSPACES, metavar="FILES",
        help="replay the files with what an editor would have learned: the file above the cursor, and of its project "
        "all others (default), the earlier ones, or none",
    )  # fmt: skip
    command.add_argument(
        "--every", type=int, default=1, metavar="N",
        help="rank each n-th token only; with --workspace, look at each n-th only",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(command=_evaluate)


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
    command = commands.add_parser(
        "run", help="follow a recipe from sources to an evaluated checkpoint",
        description=f"Follow a recipe, a .toml file or one of: {names}. Run again, it goes on where it was.",
    )  # fmt: skip
    command.add_argument("recipe", metavar="RECIPE", help="a .toml file or a name")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the run")
    _add_cache(command)
    command.set_defaults(command=_run)


def _add_corpus_or_text(command: argparse.ArgumentParser) -> None:
    command.add_argument("corpus", type=Path, nargs="?", metavar="CORPUS", help="a folder that `corpus` made")
    _add_tokenised(command)


def _add_tokenised(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tokenised", type=Path, metavar="FILE",
        help="instead of CORPUS: text, one sequence a line, words between blanks",
    )  # fmt: skip


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cache", type=Path, default=build.DEFAULT_CACHE, metavar="DIR",
        help="where fetched wheels are kept (default: %(default)s)",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
