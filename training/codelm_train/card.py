"""The model card: what a checkpoint was made of, how good it is, and what it is not good for."""

from collections.abc import Mapping, Sequence
from typing import Any

from codelm.checkpoint import Checkpoint
from codelm_train.cost import Cost
from codelm_train.evaluate import Evaluation, Scores
from codelm_train.smoothing import JELINEK_MERCER, KNESER_NEY, WITTEN_BELL

_SMOOTHED = {
    KNESER_NEY: "with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998)",
    WITTEN_BELL: "with Witten-Bell smoothing (Witten and Bell 1991)",
    JELINEK_MERCER: "with Jelinek-Mercer smoothing (Jelinek and Mercer 1980)",
}

_BEFORE = ("*Before*: the model that it began with. *The file alone*: without its project.",)


def card(name: str, command: str, model: Checkpoint, facts: Mapping[str, Any], size: int) -> str:
    """Return the card as Markdown. ``facts`` are those of the checkpoint's manifest; its files have ``size`` bytes."""
    ngram, training = model.ngram, facts["training"]
    lines = [
        f"# Model card: {name}",
        "",
        f"An n-gram model of Python code of order {ngram.order}, {_SMOOTHED[training['smoothing']]},",
        f"over a vocabulary of {ngram.size:,} words, trained on {training['tokens']:,} tokens{_and(model, facts)}",
        *_begun_with(training),
        "With it come weights by which it is mixed with what the open file and the workspace teach.",
        "It proposes the next tokens of a Python file. It runs on the computer it is installed on and sends nothing.",
        "",
        f"Made with `{command}`.",
        "",
        "## Size",
        "",
        "| length | n-grams |",
        "| --- | ---: |",
        *(f"| {length} | {len(level.words):,} |" for length, level in enumerate(ngram.levels, 1)),
        "",
        *_quality(facts["quality"]),
        *_prose(facts.get("prose")),
        *_cost(Cost.from_json(facts["cost"]), size),
        "## Training data",
        "",
        *_left_out(facts),
        "",
        *_table(training["sources"], "train"),
        *_of_base(training),
        "## Limits",
        "",
        "- By itself it knows names that are common in its training data; those of a project come from its files.",
        "- It knows no types: what it proposes may not exist.",
        "- A model can be made to say what it has learned: who may not see its training data should not be given it.",
        "- Its training data is open-source library code and tests; scripts and notebooks are rarer in it.",
        "",
    ]
    return "\n".join(lines)


def _and(model: Checkpoint, facts: Mapping[str, Any]) -> str:
    """Return what is said of the network beside the n-gram model."""
    shape = model.shape
    if shape is None:
        return "."
    read = facts["network_training"]["tokens_read"]
    return (
        f",\nand an {shape.kind.upper()} network ({shape.embedding} → {shape.hidden} → {shape.width}, "
        f"{shape.outputs:,} outputs, in 8 bits) that has read {read:,} tokens of them."
    )


def _begun_with(training: Mapping[str, Any]) -> Sequence[str]:
    """Return what is said of the model that it was made from."""
    if "base" not in training:
        return ()
    base = training["base"]
    return (
        f"It began with the model *{base['name']}*: new words stand behind the old ones in its vocabulary, the n-grams",
        f"of both are merged, its own tokens counting {training['weight']:g} times, and the network was trained on.",
    )


def _of_base(training: Mapping[str, Any]) -> Sequence[str]:
    """Return the table of what the model that it was made from had learned."""
    if "base" not in training:
        return ()
    base = training["base"]
    return (
        f"The model *{base['name']}* had been trained on {base['training']['tokens']:,} tokens:",
        "",
        *_table(base["training"]["sources"], "train"),
        *_of_base(base["training"]),
    )


def _quality(quality: Mapping[str, Any]) -> Sequence[str]:
    alone, learned = Evaluation.from_json(quality), Evaluation.from_json(quality["workspace"])
    rows = [
        _row("all tokens", alone.all),
        _row("identifiers", alone.identifiers),
        _row("all tokens, learned", learned.all),
        _row("identifiers, learned", learned.identifiers),
        *(_row(f"{kind}s, learned", scores) for kind, scores in learned.kinds.items() if _is_apart(kind, scores)),
    ]
    if "base" in quality:
        for name, which in (("learned", "workspace"), ("the file alone", "file")):
            before, now = (Evaluation.from_json(found[which]) for found in (quality["base"], quality))
            rows += [_row(f"all tokens, {name}, *before*", before.all)]
            rows += [_row(f"identifiers, {name}, *before*", before.identifiers)]
            if which == "file":
                rows += [_row(f"all tokens, {name}", now.all), _row(f"identifiers, {name}", now.identifiers)]
    return (
        "## Quality",
        "",
        "On code that neither the model nor the weights have seen; an unknown word counts as one class. *Learned*:",
        "with the file above the cursor and all other files of its project learned, as in an editor.",
        *(
            ("*Before*: the model that it began with. *The file alone*: without its project.",)
            if "base" in quality
            else ()
        ),
        "",
        "| | tokens | bits a token | perplexity | unknown | top-1 | top-5 | MRR |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
    )


def _prose(said: Mapping[str, Any] | None) -> Sequence[str]:
    """Return what is said of the model of prose that comes with it."""
    if said is None:
        return ()
    found = Evaluation.from_json(said["quality"]["file"]).all
    return (
        "## Prose",
        "",
        f"In comments, docstrings and strings of several words, an n-gram model of order {said['order']} over",
        f"{said['words']:,} words proposes the next ones. It has learned from {said['tokens']:,} words of the same",
        f"sources. With the file's prose above the cursor learned: {found.bits_per_token:.2f} bits a word,",
        f"top-1 {found.top1:.1%}, top-5 {found.top5:.1%}; {found.unknown_share:.1%} of the words are unknown to it.",
        "",
    )


def _left_out(facts: Mapping[str, Any]) -> Sequence[str]:
    """Return what is said of what the models hold, and of what they have not seen."""
    others = "Generated, vendored and data-like files and duplicates were left out."
    if "prose" not in facts:
        return (
            "Comments, docstrings and long strings are not part of it: the model holds statistics of short runs of",
            f"tokens, no files. {others}",
        )
    return (
        "The models of code hold statistics of short runs of tokens, without comments, docstrings and long strings;",
        "that of prose holds those of short runs of words in these, without lines that have an address, an author or",
        f"a copyright notice. {others}",
    )


def _is_apart(kind: str, scores: Scores) -> bool:
    return kind != "identifier" and scores.tokens > 0


def _cost(cost: Cost, size: int) -> Sequence[str]:
    lines = [f"Its files are {size / 1e6:.1f} MB. On the computer that made it, it was open in {cost.open_ms:.0f} ms."]
    if cost.peak_mb is not None and cost.python_mb is not None:
        lines.append(
            f"A process that runs it has {cost.peak_mb:.0f} MB of memory at most, {cost.python_mb:.0f} of them before."
        )
    lines.append(f"On one core the models, without caches, take {cost.latency.told()}.")
    return ("## Cost", "", *lines, "")


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
