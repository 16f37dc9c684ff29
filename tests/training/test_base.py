"""Models that begin with another: step by step, and as a recipe."""

import json
from pathlib import Path

import models
import pytest
from trainings import LSTM_OF_A_RECIPE

from codelm import checkpoint
from codelm.errors import UsageError
from codelm_train.base import open_base
from codelm_train.cli import main
from codelm_train.run import run

BASE = f"""\
name = "base"
[corpus]
sources = ["source"]
validation_share = 0.2
[vocabulary]
size = 300
[ngram]
order = 3
size = "100KB"
{LSTM_OF_A_RECIPE}
[mixture]
network = "lstm"
split = "validation"
samples = 200
[evaluate]
every = 5
workspace_every = 50
"""
OWN = """\
base = "base/checkpoint"
""" + BASE.replace('"base"', '"own"', 1).replace('["source"]', '["own"]').replace("size = 300", "size = 400")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A base, made of one source, and another source."""
    found = tmp_path_factory.mktemp("base")
    models.few_modules(found / "source", "[a-f]*")
    models.few_modules(found / "own", "[g-p]*")
    (found / "base.toml").write_text(BASE, encoding="utf-8")
    (found / "own.toml").write_text(OWN, encoding="utf-8")
    run(str(found / "base.toml"), found / "base")
    return found


def told(capsys) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_recipe_begins_with_its_base(folder, tmp_path):
    made = checkpoint.load(run(str(folder / "own.toml"), tmp_path / "own"))
    base = checkpoint.load(folder / "base" / "checkpoint")
    assert (len(base.vocabulary), len(made.vocabulary)) == (300, 400)
    assert made.vocabulary.words[:300] == base.vocabulary.words
    training = made.facts["training"]
    assert training["base"]["name"] == "base"
    assert training["base"]["training"]["tokens"] == base.facts["training"]["tokens"]
    assert training["weight"] > 0
    quality = made.facts["quality"]
    assert set(quality["base"]) == {"workspace", "file"}
    assert quality["base"]["workspace"]["tokens"] == quality["workspace"]["tokens"]
    card = (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "It began with the model *base*" in card
    assert card.index("| own |") < card.index("The model *base* had been trained on") < card.rindex("| source |")
    assert "| all tokens, the file alone, *before* |" in card


def test_with_another_base_all_that_begins_with_it_is_done_again(folder, tmp_path):
    def stamps() -> dict[str, str]:
        return json.loads((tmp_path / "own" / "steps.json").read_text(encoding="utf-8"))

    recipe = folder / "changing.toml"
    recipe.write_text(OWN, encoding="utf-8")
    run(str(recipe), tmp_path / "own")
    before = stamps()
    (folder / "other.toml").write_text(BASE.replace("steps = 6", "steps = 7"), encoding="utf-8")
    run(str(folder / "other.toml"), folder / "other")
    recipe.write_text(OWN.replace("base/checkpoint", "other/checkpoint"), encoding="utf-8")
    run(str(recipe), tmp_path / "own")
    after = stamps()
    assert {step for step in after if after[step] == before[step]} == {"corpus"}
    run(str(recipe), tmp_path / "own")
    assert stamps() == after


def test_step_by_step(folder, tmp_path, capsys):
    corpus, words = str(tmp_path / "corpus"), str(tmp_path / "words.txt")
    base = str(folder / "base" / "checkpoint")
    assert main(["corpus", str(folder / "own"), "--validation-share", "0.2", "--out", corpus]) == 0
    begin = ["--base", base]
    assert main(["vocabulary", corpus, "--size", "350", *begin, "--out", words]) == 0
    assert "350 words" in told(capsys)
    assert main(["ngram", corpus, "--vocabulary", words, "--order", "3", *begin, "--out", str(tmp_path / "ngram")]) == 0
    (tmp_path / "net.toml").write_text(LSTM_OF_A_RECIPE.replace("[[network]]\n", ""), encoding="utf-8")
    network = ["lstm", corpus, "--vocabulary", words, "--config", str(tmp_path / "net.toml"), *begin]
    assert main([*network, "--out", str(tmp_path / "lstm")]) == 0
    rows = (tmp_path / "lstm.training" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    first = dict(zip(rows[0].split(","), rows[1].split(","), strict=True))
    assert first["step"] == "0"  # what it is before it learns: nothing worse is kept
    assert float(first["validation_bits"]) > 0
    mixed = ["mix", str(tmp_path / "ngram"), str(tmp_path / "lstm"), "--corpus", corpus, "--samples", "200"]
    assert main([*mixed, "--out", str(tmp_path / "mixed")]) == 0


def test_merged_with_what_it_knows_already_the_ngrams_predict_better(folder, tmp_path, capsys):
    corpus, words = str(tmp_path / "corpus"), str(tmp_path / "words.txt")
    assert main(["corpus", str(folder / "own"), "--validation-share", "0.3", "--out", corpus]) == 0
    base = ["--base", str(folder / "base" / "checkpoint")]
    assert main(["vocabulary", corpus, "--size", "300", *base, "--out", words]) == 0
    bits = {}
    for name, options in (("alone", []), ("merged", base)):
        out = str(tmp_path / name)
        assert main(["ngram", corpus, "--vocabulary", words, "--order", "3", *options, "--out", out]) == 0
        told(capsys)
        assert main(["evaluate", out, corpus, "--json"]) == 0
        bits[name] = json.loads(capsys.readouterr().out)["bits_per_token"]
    assert bits["merged"] < bits["alone"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (["--hidden", "16"], "has hidden = 12: say the same, since it goes on from it"),
        ([], "the vocabulary does not begin with the words of"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(folder, tmp_path, capsys, said, problem):
    corpus, words = str(tmp_path / "corpus"), str(tmp_path / "words.txt")
    base = ["--base", str(folder / "base" / "checkpoint")]
    assert main(["corpus", str(folder / "own"), "--out", corpus]) == 0
    assert main(["vocabulary", corpus, "--size", "350", *(base if said else []), "--out", words]) == 0
    (tmp_path / "net.toml").write_text(LSTM_OF_A_RECIPE.replace("[[network]]\n", ""), encoding="utf-8")
    network = ["lstm", corpus, "--vocabulary", words, "--config", str(tmp_path / "net.toml"), *base, *said]
    assert main([*network, "--out", str(tmp_path / "lstm")]) == 2
    assert problem in told(capsys)
    if not said:
        assert main(["ngram", corpus, "--vocabulary", words, *base, "--out", str(tmp_path / "ngram")]) == 2
        assert problem in told(capsys)


def test_a_base_without_a_network_has_none_to_go_on_from(folder, tmp_path):
    without = OWN.replace("base/checkpoint", "base/ngram")
    (folder / "without.toml").write_text(without, encoding="utf-8")
    with pytest.raises(UsageError, match="has no network to go on from"):
        run(str(folder / "without.toml"), tmp_path / "out")


def test_a_corpus_that_lacks_a_split_is_refused_before_anything_is_trained(folder, tmp_path):
    (folder / "test.toml").write_text(OWN.replace("[evaluate]", '[evaluate]\nsplit = "test"'), encoding="utf-8")
    with pytest.raises(Exception, match="the corpus has no test split; it has train, validation"):
        run(str(folder / "test.toml"), tmp_path / "out")
    assert not (tmp_path / "out" / "vocabulary.txt").exists()


def test_a_base_is_bundled_or_a_folder_beside_the_recipe(folder):
    assert open_base("") is None
    bundled = open_base("bundled", folder)
    assert bundled is not None
    assert bundled.folder == checkpoint.BUNDLED
    assert open_base("base/checkpoint", folder) is not None
