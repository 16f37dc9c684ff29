"""The model card: what a checkpoint was made of, how good it is, and what it is not good for."""

from collections.abc import Mapping, Sequence
from typing import Any

from codelm.ngram import NGram
from codelm_train.evaluate import Evaluation, Scores


def card(name: str, command: str, model: NGram, facts: Mapping[str, Any], evaluation: Evaluation) -> str:
    """Return the card as Markdown. ``facts`` are those of the checkpoint's manifest."""
    training = facts["training"]
    sources = training["sources"]
    lines = [
        f"# Model card: {name}",
        "",
        f"An n-gram model of Python code of order {model.order} with interpolated modified Kneser-Ney smoothing",
        f"(Chen and Goodman 1998), over a vocabulary of {model.size:,} words, trained on {training['tokens']:,}",
        "tokens.",
        "It proposes the next tokens of a Python file. It runs on the computer it is installed on and sends nothing.",
        "",
        f"Made with `{command}`.",
        "",
        "## Size",
        "",
        "| length | n-grams |",
        "| --- | ---: |",
        *(f"| {length} | {len(level.words):,} |" for length, level in enumerate(model.levels, 1)),
        "",
        *_quality(evaluation),
        "## Training data",
        "",
        "Comments, docstrings and long strings are not part of it: the model holds statistics of short runs of",
        "tokens, no files. Generated, vendored and data-like files and duplicates were left out.",
        "",
        *_table(sources, "train"),
        "## Limits",
        "",
        "- It knows names that are common in its training data; those of your own project only by chance.",
        "- It sees the last few tokens, not the file, and knows no types: what it proposes may not exist.",
        "- Its training data is open-source library code and tests; scripts and notebooks are rarer in it.",
        "",
    ]
    return "\n".join(lines)


def _quality(evaluation: Evaluation) -> Sequence[str]:
    return (
        "## Quality",
        "",
        "On projects that are in no part of the training data; an unknown word counts as one class.",
        "",
        "| | tokens | bits a token | perplexity | unknown | top-1 | top-5 | MRR |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        _row("all tokens", evaluation.all),
        _row("identifiers", evaluation.identifiers),
        "",
    )


def _row(name: str, s: Scores) -> str:
    return (
        f"| {name} | {s.tokens:,} | {s.bits_per_token:.2f} | {s.perplexity:.1f} | {s.unknown_share:.1%} "
        f"| {s.top1:.1%} | {s.top5:.1%} | {s.mrr:.3f} |"
    )


def _table(sources: Sequence[Mapping[str, Any]], split: str) -> Sequence[str]:
    """Return the table of the sources that were trained on: those of no split may have been."""
    rows = [
        f"| {s['name']} | {s.get('version') or ''} | {s.get('licence') or 'unknown'} | {s.get('words', 0):,} |"
        for s in sources
        if (s.get("split") or split) == split
    ]
    return ("| source | version | licence | tokens |", "| --- | --- | --- | ---: |", *rows, "")
