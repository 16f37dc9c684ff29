"""Running a recipe: corpus → vocabulary → n-grams, networks → mixture → evaluation → prose → checkpoint.

Each step is run only when it is needed. A recipe with a base begins each of them with what that checkpoint has.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.errors import UsageError
from codelm.folder import MANIFEST, replace_file
from codelm.rerank import Reranker
from codelm.vocabulary import Vocabulary
from codelm.weights import Weights
from codelm_train import build, ngram, prose
from codelm_train.base import open_base
from codelm_train.card import card
from codelm_train.corpus import open_corpus
from codelm_train.cost import cost_of
from codelm_train.encode import word_counts
from codelm_train.evaluate import Evaluation, evaluate, evaluate_workspace
from codelm_train.extend import vocabulary_of
from codelm_train.mix import fit_weights
from codelm_train.networks.settings import NetworkSettings
from codelm_train.progress import Meters, Progress, no_meter, silent
from codelm_train.recipe import RECIPES, Recipe, Steps, fingerprint, made_from, read_recipe
from codelm_train.replay import NONE, OTHERS, Workspace
from codelm_train.rerank import SAMPLES, fit_reranker
from codelm_train.sources import STDLIB
from codelm_train.split import TRAIN
from codelm_train.work import work_folder


def run(
    name: str,
    out: Path,
    *,
    sources: Sequence[str] = (),
    cache: Path = build.DEFAULT_CACHE,
    progress: Progress = silent,
    meters: Meters = no_meter,
) -> Path:
    """Run a recipe, a file or the name of one that codelm brings along, in the folder ``out``.

    ``sources``, relative to the working directory, take the place of the recipe's. Returns the folder of the
    checkpoint, ``out/checkpoint``. Raises CodelmError.
    """
    file = find_recipe(name)
    recipe = read_recipe(file)
    home = file.parent
    if sources:
        recipe = replace(recipe, corpus=replace(recipe.corpus, sources=tuple(sources)))
        home = Path()
    if not recipe.corpus.sources:
        raise UsageError(f"{file} names no sources: give them with --source SOURCE...")
    base = open_base(recipe.base, file.parent)
    steps = Steps(out)
    _corpus(recipe, home, out, steps, cache, progress)
    _check_splits(recipe, out)
    _vocabulary(recipe, base, out, steps)
    _ngram(recipe, base, out, steps, progress)
    for settings in recipe.network:
        _network(settings, base, out, steps, meters)
    _mixture(recipe, base, out, steps, progress)
    _evaluation(recipe, base, out, steps, progress)
    _prose(recipe, base, home, out, steps, cache, progress)
    # Not the sources themselves: a card goes where the model goes, and the paths of this machine don't.
    _checkpoint(recipe, base, f"codelm-train run {name}{' --source SOURCE...' if sources else ''}", out, steps)
    return out / "checkpoint"


def find_recipe(name: str) -> Path:
    """Return the file of a recipe. Raises UsageError, naming the recipes that there are."""
    file = Path(name)
    if file.is_file():
        return file
    known = RECIPES / f"{name}.toml"
    if known.is_file():
        return known
    names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
    raise UsageError(f"no such recipe: {name}; name a .toml file, or one of: {names}")


def _key(base: Checkpoint | None) -> list[str]:
    """Return what tells a base from others, as an input of the steps that begin with it."""
    if base is None:
        return []
    return [hashlib.sha256((base.folder / MANIFEST).read_bytes()).hexdigest(), checkpoint.network_key(base)]


def _corpus(
    recipe: Recipe, home: Path, out: Path, steps: Steps, cache: Path, progress: Progress, *, of_prose: bool = False
) -> None:
    part = recipe.corpus
    sources = [source if source == STDLIB else home / source for source in part.sources]
    options = build.Options(
        code_tokens=part.code_tokens, notebooks=part.notebooks, prose=of_prose, validation_share=part.validation_share,
        test_share=part.test_share, longest=part.longest,
    )  # fmt: skip

    def make() -> None:
        build.build(sources, out / "corpus", options, cache=cache, progress=progress)

    name = "prose corpus" if of_prose else "corpus"
    steps.run(name, out / "corpus", made_from(part, fingerprint(sources)), make)


def _check_splits(recipe: Recipe, out: Path) -> None:
    """Raise CorpusError where the corpus lacks a split that is needed in the end, rather than then."""
    corpus = open_corpus(out / "corpus")
    for name in (TRAIN, recipe.mixture.split, recipe.evaluate.split):
        if name:
            corpus.split(name)


def _vocabulary(recipe: Recipe, base: Checkpoint | None, out: Path, steps: Steps) -> None:
    part = recipe.vocabulary

    def make() -> None:
        corpus = open_corpus(out / "corpus")
        counts = word_counts(corpus, corpus.split(TRAIN))
        vocabulary = vocabulary_of(counts, part.size, part.min_count, base)
        replace_file(out / "vocabulary.txt", vocabulary.text())

    steps.run("vocabulary", out / "vocabulary.txt", made_from(part, steps.stamp("corpus"), *_key(base)), make)


def _ngram(recipe: Recipe, base: Checkpoint | None, out: Path, steps: Steps, progress: Progress) -> None:
    def make() -> None:
        corpus = open_corpus(out / "corpus")
        vocabulary = Vocabulary.read(out / "vocabulary.txt")
        with work_folder(out / "ngram") as work:
            model, facts = ngram.made(corpus, vocabulary, recipe.ngram, work, base, progress)
            checkpoint.save(out / "ngram", model, vocabulary, name=recipe.name, stream=corpus.stream, facts=facts)

    steps.run("ngram", out / "ngram", made_from(recipe.ngram, steps.stamp("vocabulary")), make)


def _network(settings: NetworkSettings, base: Checkpoint | None, out: Path, steps: Steps, meters: Meters) -> None:
    name = f"network-{settings.called}"

    def make() -> None:
        from codelm_train.networks.train import make_or_go_on  # torch takes seconds, and not every recipe needs it

        corpus, vocabulary = open_corpus(out / "corpus"), Vocabulary.read(out / "vocabulary.txt")
        with meters(f"training {settings.called}") as shown:
            outcome = make_or_go_on(corpus, vocabulary, settings, out / name, base=base, meter=shown)
        if not outcome.finished:
            raise KeyboardInterrupt

    steps.run(name, out / name, made_from(settings, steps.stamp("vocabulary")), make)


def _models(recipe: Recipe, out: Path) -> list[Checkpoint]:
    """Return the models that are mixed."""
    folders = ["ngram", *([f"network-{recipe.mixture.network}"] if recipe.mixture.network else [])]
    return [checkpoint.load(out / folder) for folder in folders]


def _mixture(recipe: Recipe, base: Checkpoint | None, out: Path, steps: Steps, progress: Progress) -> None:
    part = recipe.mixture

    def make() -> None:
        if not part.split:
            replace_file(out / "mixture.json", json.dumps(checkpoint.default_weights().as_json()) + "\n")
            return
        corpus, models = open_corpus(out / "corpus"), checkpoint.joined(_models(recipe, out))
        weights = fit_weights(
            models, corpus.lexicon.words, corpus.split(part.split), beside=corpus.beside(part.split),
            start=None if base is None else base.weights, samples=part.samples, progress=progress,
        )  # fmt: skip
        replace_file(out / "mixture.json", json.dumps(weights.as_json()) + "\n")

    def make_reranker() -> None:
        found = None
        if part.split:
            corpus = open_corpus(out / "corpus")
            found = fit_reranker(
                _mixed(recipe, out), corpus.lexicon.words, corpus.split(part.split), beside=corpus.beside(part.split),
                start=None if base is None else base.reranker, samples=min(part.samples, SAMPLES), progress=progress,
            )  # fmt: skip
        replace_file(out / "reranker.json", json.dumps(None if found is None else found.as_json()) + "\n")

    inputs = [steps.stamp("ngram"), *([steps.stamp(f"network-{part.network}")] if part.network else [])]
    steps.run("mixture", out / "mixture.json", made_from(part, *inputs), make)
    steps.run("reranker", out / "reranker.json", made_from(part, steps.stamp("mixture")), make_reranker)


def _mixed(recipe: Recipe, out: Path) -> Checkpoint:
    """Return the mixture, with its weights, and with what ranks its candidates once more as soon as that is made."""
    file = out / "reranker.json"
    raw = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    reranker = None if raw is None else Reranker.from_json(raw)
    return replace(checkpoint.joined(_models(recipe, out)), weights=_weights(out), reranker=reranker)


def _weights(out: Path) -> Weights:
    return Weights.from_json(json.loads((out / "mixture.json").read_text(encoding="utf-8")))


def _evaluation(recipe: Recipe, base: Checkpoint | None, out: Path, steps: Steps, progress: Progress) -> None:
    part = recipe.evaluate
    networks = [network.called for network in recipe.network]

    def make() -> None:
        corpus, mixed = open_corpus(out / "corpus"), _mixed(recipe, out)
        split, words = corpus.split(part.split), corpus.lexicon.words
        models = {"ngram": checkpoint.load(out / "ngram")}
        models |= {name: checkpoint.load(out / f"network-{name}") for name in networks}
        alone = {
            name: evaluate(
                model.model, model.vocabulary, words, split.ids, split.starts, every=part.every, progress=progress
            )
            for name, model in models.items()
        }

        def learned_by(mixture: Checkpoint, workspace: Workspace = OTHERS) -> Evaluation:
            return evaluate_workspace(
                mixture.trained, mixture.vocabulary, mixture.weights or checkpoint.default_weights(), words, split,
                beside=corpus.beside(part.split), workspace=workspace, every=part.workspace_every,
                reranker=mixture.reranker, progress=progress,
            )  # fmt: skip

        learned = learned_by(mixed)
        best = recipe.mixture.network or "ngram"
        found = {"split": part.split, **alone[best].as_json(), "workspace": learned.as_json()}
        if base is not None:
            found["base"] = {"workspace": learned_by(base).as_json(), "file": learned_by(base, NONE).as_json()}
            found["file"] = learned_by(mixed, NONE).as_json()
        if networks:
            found["models"] = {name: evaluation.as_json() for name, evaluation in alone.items()}
        replace_file(out / "evaluation.json", json.dumps(found, indent=1) + "\n")

    inputs = [steps.stamp("reranker"), *(steps.stamp(f"network-{name}") for name in networks)]
    steps.run("evaluation", out / "evaluation.json", made_from(part, *inputs), make)


def _prose(
    recipe: Recipe, base: Checkpoint | None, home: Path, out: Path, steps: Steps, cache: Path, progress: Progress
) -> None:
    part = recipe.prose
    if part is None:
        return
    known, folder = None if base is None else base.prose, out / "prose"
    _corpus(recipe, home, folder, steps, cache, progress, of_prose=True)

    def make_ngram() -> None:
        corpus = open_corpus(folder / "corpus")
        prose.make_ngram(corpus, part, recipe.name, folder / "ngram", known, progress)

    def make() -> None:
        prose.make_checkpoint(folder, recipe, folder / "checkpoint", known, progress)

    steps.run("prose ngram", folder / "ngram", made_from(part, steps.stamp("prose corpus"), *_key(base)), make_ngram)
    inputs = (recipe.mixture.split, str(recipe.evaluate), steps.stamp("prose ngram"))
    steps.run("prose", folder / "checkpoint", made_from(part, *inputs), make)


def _checkpoint(recipe: Recipe, base: Checkpoint | None, command: str, out: Path, steps: Steps) -> None:
    of_prose = out / "prose" / "checkpoint" if recipe.prose is not None else None
    if of_prose is None and base is not None and base.prose is not None:
        of_prose = base.prose.folder

    def make() -> None:
        models = _models(recipe, out)
        mixed = _mixed(recipe, out)
        facts = {**mixed.facts, "quality": json.loads((out / "evaluation.json").read_text(encoding="utf-8"))}
        if of_prose is not None:
            facts["prose"] = prose.told(checkpoint.load(of_prose))

        def save(facts: Mapping[str, Any], text: str) -> None:
            checkpoint.save_mixed(
                out / "checkpoint", models, _weights(out), mixed.reranker, name=recipe.name, facts=facts, card=text,
                prose=of_prose,
            )  # fmt: skip

        save(facts, "")  # as it will be loaded, so that what it costs can be measured
        facts["cost"] = cost_of(out / "checkpoint").as_json()
        size = checkpoint.bytes_in(out / "checkpoint")
        save(facts, card(recipe.name, command, mixed, facts, size))

    inputs = [steps.stamp("evaluation"), command, *([steps.stamp("prose")] if recipe.prose is not None else _key(base))]
    steps.run("checkpoint", out / "checkpoint", made_from(recipe.evaluate, *inputs), make)
