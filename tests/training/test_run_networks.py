"""Recipes with neural networks beside the n-gram model."""

import gzip
import json
import math
import shutil
import sysconfig
from pathlib import Path

import models
import pytest
from trainings import LSTM_OF_A_RECIPE

from codelm import checkpoint
from codelm.errors import UsageError
from codelm.weights import Weights
from codelm_train.cli import main
from codelm_train.corpus import open_corpus
from codelm_train.evaluate import evaluate
from codelm_train.recipe import RECIPES, read_recipe
from codelm_train.run import run

RECIPE = f"""\
name = "small"
[corpus]
sources = ["source"]
validation_share = 0.2
[vocabulary]
size = 300
[ngram]
order = 2
{LSTM_OF_A_RECIPE}[[network]]
kind = "cnn"
name = "wide"
embedding = 8
hidden = 8
layers = 2
outputs = 200
pieces = 0
batches = "sequences"
budget = 500
steps = 4
precision = "fp32"
validation_tokens = 500
[evaluate]
every = 5
workspace_every = 50
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    """A recipe beside a folder with a few real modules."""
    models.few_modules(tmp_path / "source", "[a-e]*")
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "small.toml"


def made(out: Path) -> dict[str, int]:
    """When each output of a network's step was made."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("network-*") if not path.name.endswith("training")}


def test_all_models_are_evaluated_on_the_same_words(recipe, tmp_path):
    run(str(recipe), tmp_path / "out")
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert list(found["models"]) == ["ngram", "lstm", "wide"]
    tokens = {name: evaluation["tokens"] for name, evaluation in found["models"].items()}
    assert len(set(tokens.values())) == 1
    for evaluation in found["models"].values():
        assert math.isfinite(evaluation["perplexity"])
        assert evaluation["perplexity"] > 1
    assert found["perplexity"] == found["models"]["ngram"]["perplexity"]


def test_only_the_network_whose_settings_changed_is_trained_again(recipe, tmp_path):
    run(str(recipe), tmp_path / "out")
    before = made(tmp_path / "out")
    recipe.write_text(RECIPE.replace("hidden = 12", "hidden = 10"), encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    after = made(tmp_path / "out")
    assert [name for name in before if before[name] != after[name]] == ["network-lstm"]
    assert checkpoint.load(tmp_path / "out" / "network-lstm").shape.hidden == 10


def test_a_training_that_was_stopped_goes_on_where_it_was(recipe, tmp_path, monkeypatch):
    from codelm_train.networks import train as module

    whole = module.fit

    def stopped(task, *rest, **options):
        """Train as asked, then behave as if Ctrl-C had come."""
        from dataclasses import replace

        outcome = whole(replace(task, settings=replace(task.settings, steps=3)), *rest, **options)
        return replace(outcome, finished=False)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "fit", stopped)
        run(str(recipe), tmp_path / "out")
    assert made(tmp_path / "out") == {}
    run(str(recipe), tmp_path / "out")
    facts = checkpoint.load(tmp_path / "out" / "network-lstm").facts["training"]
    assert facts["steps"] == 6
    states = sorted(path.name for path in (tmp_path / "out" / "network-lstm.training").glob("step-*"))
    assert states == ["step-00000003", "step-00000006"]


def test_perplexity_is_two_to_the_bits_and_e_to_the_nats(recipe, tmp_path):
    """2^H with H in bits is e^H with H in nats, weighted by tokens and not by batches."""
    run(str(recipe), tmp_path / "out")
    corpus = open_corpus(tmp_path / "out" / "corpus")
    split = corpus.split("validation")
    for name in ("ngram", "network-lstm"):
        trained = checkpoint.load(tmp_path / "out" / name)
        found = evaluate(trained.model, trained.vocabulary, corpus.lexicon.words, split.ids, split.starts).all
        nats = found.bits_per_token * math.log(2)
        assert found.perplexity == pytest.approx(2**found.bits_per_token)
        assert found.perplexity == pytest.approx(math.exp(nats))


def test_a_network_is_mixed_with_what_files_teach_as_any_model_is(recipe, tmp_path, capsys):
    run(str(recipe), tmp_path / "out")
    network, corpus, mixed = (str(tmp_path / "out" / name) for name in ("network-lstm", "corpus", "mixed"))
    assert main(["mix", network, "--corpus", corpus, "--samples", "300", "--out", mixed]) == 0
    assert checkpoint.load(Path(mixed)).weights is not None
    capsys.readouterr()
    found = []
    for options in ([], ["--workspace", "--every", "20"]):
        assert main(["evaluate", mixed, corpus, "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["bits_per_token"])
    alone, learned = found
    assert learned < alone


def test_a_recipe_mixes_the_n_gram_model_with_the_network_that_it_names(recipe, tmp_path):
    recipe.write_text(RECIPE + '[mixture]\nnetwork = "lstm"\nsplit = "validation"\nsamples = 200\n', encoding="utf-8")
    out = tmp_path / "out"
    mixed = checkpoint.load(run(str(recipe), out))
    assert mixed.kind == "mixture"
    assert mixed.trained.ngram is not None
    assert mixed.shape == checkpoint.load(out / "network-lstm").shape
    assert not list(mixed.folder.glob("*.safetensors"))
    assert (
        mixed.weights.gate.as_json() == Weights.from_json(json.loads((out / "mixture.json").read_text())).gate.as_json()
    )
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert mixed.facts["quality"] == found
    assert found["perplexity"] == found["models"]["lstm"]["perplexity"]
    assert found["workspace"]["perplexity"] < min(one["perplexity"] for one in found["models"].values())
    read = checkpoint.load(out / "network-lstm").facts["training"]["tokens_read"]
    assert f"an LSTM network (8 → 12 → 8, 200 outputs, in 8 bits) that has read {read:,} tokens" in card_of(mixed)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace('network = "lstm"', 'network = "wide"'), encoding="utf-8"
    )
    assert checkpoint.load(run(str(recipe), out)).shape.kind == "cnn"
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {
        "mixture.json", "reranker.json", "evaluation.json", "checkpoint", "steps.json",
    }  # fmt: skip


def card_of(made: checkpoint.Checkpoint) -> str:
    return (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8").replace("\n", " ")


def test_the_command_mixes_an_n_gram_model_and_a_network_too(recipe, tmp_path, capsys):
    run(str(recipe), tmp_path / "out")
    ngram, network, corpus = (str(tmp_path / "out" / name) for name in ("ngram", "network-lstm", "corpus"))
    mixed = str(tmp_path / "mixed")
    command = ["mix", ngram, network, "--corpus", corpus, "--samples", "100", "--out", mixed]
    assert main(command) == 0
    assert "mixed for 100 words" in capsys.readouterr().out
    assert checkpoint.load(Path(mixed)).kind == "mixture"
    assert not list(Path(mixed).glob("*.safetensors"))
    assert main([*command, "--torch"]) == 0
    assert list(Path(mixed).glob("*.safetensors"))
    assert main(["mix", ngram, ngram, "--corpus", corpus, "--out", mixed]) != 0
    assert "one n-gram model and one network at most" in capsys.readouterr().err
    assert main(["mix", ngram, "--corpus", corpus, "--samples", "0", "--out", mixed]) != 0
    assert "--samples 0 is not 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[evaluate]", '[mixture]\nnetwork = "deep"\n[evaluate]'), "there is no network deep to mix with"),
        (('name = "wide"', 'name = "lstm"'), "two networks are called lstm"),
        (('name = "wide"', 'name = "../x"'), "can't be called"),
        (("hidden = 12", "hiden = 12"), "no setting hiden"),
        (("hidden = 12", 'hidden = "many"'), "hidden"),
        (("projection = 8", "projection = 9"), "tied"),
    ],
)
def test_a_network_that_makes_no_sense_is_an_error(recipe, tmp_path, change, problem):
    recipe.write_text(RECIPE.replace(*change), encoding="utf-8")
    with pytest.raises(UsageError, match=problem):
        run(str(recipe), tmp_path / "out")
    assert not (tmp_path / "out" / "network-lstm.training").exists()


def test_the_notebook_has_its_own_numbers():
    recipe = read_recipe(RECIPES / "notebook.toml")
    cnn, lstm = recipe.network
    assert (recipe.vocabulary.size, recipe.corpus.longest, recipe.ngram.order) == (40_000, 127, 5)
    assert (cnn.kind, cnn.embedding, cnn.hidden, cnn.kernel, cnn.layers) == ("cnn", 300, 100, 5, 1)
    assert cnn.shape(40_000).receptive_field == 5
    assert (lstm.kind, lstm.embedding, lstm.hidden, lstm.layers) == ("lstm", 300, 50, 1)
    for network in recipe.network:
        assert (network.learning_rate, network.budget, network.epochs, network.batches) == (0.01, 1000, 1, "sequences")
        assert (network.weight_decay, network.floor, network.warm_up) == (0, 1, 0), "plain Adam, at one rate"


def test_the_notebook_on_rows_as_codesearchnet_has_them(tmp_path, capsys, monkeypatch):
    """The whole way of a person who has the data set: rows in, three models with a finite perplexity out."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    monkeypatch.chdir(tmp_path)
    projects = []
    for number, folder in enumerate(("json", "email", "http", "html", "logging", "xml/dom", "urllib", "wsgiref")):
        shutil.copytree(stdlib / folder, tmp_path / f"project{number}", ignore=shutil.ignore_patterns("__pycache__"))
        projects.append(f"project{number}")
    assert main(["functions", *projects, "--out", "rows.jsonl.gz", "--test-share", "0.2"]) == 0
    with gzip.open("rows.jsonl.gz", "rt", encoding="utf-8") as rows:
        assert {"code_tokens", "partition", "func_name"} <= json.loads(rows.readline()).keys()
    small = (RECIPES / "notebook.toml").read_text(encoding="utf-8")
    small = small.replace("embedding = 300", "embedding = 12").replace("size = 40000", "size = 2000")
    Path("notebook.toml").write_text(small, encoding="utf-8")
    assert main(["run", "notebook.toml", "--source", "rows.jsonl.gz", "--out", "out"]) == 0
    told = capsys.readouterr().out
    found = json.loads(Path("out/evaluation.json").read_text(encoding="utf-8"))["models"]
    for name, evaluation in found.items():
        assert 1 < evaluation["perplexity"] < 2000
        (row,) = (line for line in told.splitlines() if line.startswith(f"{name} "))
        assert f" {evaluation['perplexity']:.2f} " in row
    assert found["lstm"]["unknown_share"] == found["ngram"]["unknown_share"]
