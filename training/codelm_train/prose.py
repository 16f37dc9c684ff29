"""The model of prose that comes with one of code: from comments, docstrings and strings to a checkpoint."""

from pathlib import Path
from typing import Any

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm_train import ngram
from codelm_train.corpus import Corpus, open_corpus
from codelm_train.encode import word_counts
from codelm_train.evaluate import evaluate_workspace
from codelm_train.extend import vocabulary_of
from codelm_train.mix import fit_weights
from codelm_train.progress import Progress, silent
from codelm_train.recipe import NGramRecipe, ProseRecipe, Recipe
from codelm_train.replay import NONE
from codelm_train.split import TRAIN
from codelm_train.work import work_folder


def make_ngram(
    corpus: Corpus, part: ProseRecipe, name: str, out: Path, base: Checkpoint | None = None, progress: Progress = silent
) -> None:
    """Write the n-gram model of a corpus of prose, merged with that of ``base`` if there is one. Raises CodelmError."""
    counts = word_counts(corpus, corpus.split(TRAIN))
    vocabulary = vocabulary_of(counts, part.vocabulary, min_count=1 if base is None else 3, base=base)
    wanted = NGramRecipe(order=part.order, size=part.size)
    with work_folder(out) as work:
        model, facts = ngram.made(corpus, vocabulary, wanted, work, base, progress)
        checkpoint.save(out, model, vocabulary, name=name, stream=corpus.stream, facts=facts)


def make_checkpoint(
    folder: Path, recipe: Recipe, out: Path, base: Checkpoint | None = None, progress: Progress = silent
) -> None:
    """Write the model of prose ``folder / "ngram"`` with its weights, and with how good it is beside an open file.

    Raises CodelmError.
    """
    part, corpus, trained = recipe.prose, open_corpus(folder / "corpus"), checkpoint.load(folder / "ngram")
    assert part is not None
    words, weights = corpus.lexicon.words, checkpoint.default_weights()
    if recipe.mixture.split:
        split = corpus.split(recipe.mixture.split)
        start = None if base is None else base.weights
        weights = fit_weights(
            trained, words, split, beside=corpus.beside(recipe.mixture.split), start=start, samples=part.samples,
            progress=progress,
        )  # fmt: skip
    found = evaluate_workspace(
        trained.trained, trained.vocabulary, weights, words, corpus.split(recipe.evaluate.split),
        workspace=NONE, every=recipe.evaluate.workspace_every, progress=progress,
    )  # fmt: skip
    facts = {**trained.facts, "quality": {"split": recipe.evaluate.split, "file": found.as_json()}}
    checkpoint.save_mixed(out, [trained], weights, name=recipe.name, facts=facts)


def told(made: Checkpoint) -> dict[str, Any]:
    """Return what the checkpoint that a model of prose comes with says of it."""
    return {
        "order": made.ngram.order,
        "words": len(made.vocabulary),
        "tokens": made.facts["training"]["tokens"],
        "quality": made.facts["quality"],
    }
