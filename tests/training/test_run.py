"""Recipes: from sources to an evaluated checkpoint, resumed where they were interrupted."""

import shutil
import sysconfig
from pathlib import Path

import models
import pytest

from codelm import checkpoint
from codelm.errors import CodelmError, UsageError
from codelm_train import build
from codelm_train.cli import main
from codelm_train.corpus import open_corpus
from codelm_train.recipe import RECIPES, read_recipe
from codelm_train.run import find_recipe, run

RECIPE = """\
name = "small"
[corpus]
sources = ["source"]
validation_share = 0.2
[vocabulary]
size = 500
[ngram]
order = 3
size = "80KB"
[mixture]
split = "validation"
samples = 500
[evaluate]
every = 5
workspace_every = 5
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    """A recipe beside a folder with a few real modules."""
    models.few_modules(tmp_path / "source")
    (tmp_path / "small.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "small.toml"


def times(out: Path) -> dict[str, int]:
    """When each step's output was made."""
    return {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != "steps.json"}


def redone(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name in after if after[name] != before.get(name)}


def test_one_command_makes_an_evaluated_checkpoint(recipe, tmp_path):
    made = checkpoint.load(run(str(recipe), tmp_path / "out"))
    assert made.name == "small"
    assert made.model.order == 3
    assert len(made.vocabulary) == 500
    assert checkpoint.bytes_in(tmp_path / "out" / "ngram") <= 80_000
    assert 1 < made.facts["quality"]["perplexity"] < 500
    assert made.facts["training"]["tokens"] > 1000
    assert made.facts["quality"]["workspace"]["perplexity"] < made.facts["quality"]["perplexity"]
    assert made.weights is not None
    card = (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# Model card: small" in card
    assert f"{made.facts['quality']['tokens']:,}" in card


PROSE = (
    RECIPE
    + """\
[prose]
vocabulary = 800
order = 3
size = "100KB"
samples = 300
"""
)


def test_a_model_of_prose_comes_with_it(recipe, tmp_path):
    recipe.write_text(PROSE, encoding="utf-8")
    made = checkpoint.load(run(str(recipe), tmp_path / "out"))
    assert made.stream == "code"
    assert made.prose is not None
    assert (made.prose.stream, made.prose.ngram.order, len(made.prose.vocabulary)) == ("prose", 3, 800)
    assert made.prose.weights is not None
    assert 1 < made.prose.facts["quality"]["file"]["perplexity"] < 800
    assert " the" in made.prose.vocabulary
    assert " the" not in made.vocabulary
    card = (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "an n-gram model of order 3 over\n800 words" in card
    assert "without lines that have an address" in card


def test_prose_is_made_again_when_it_changed_and_only_then(recipe, tmp_path):
    recipe.write_text(PROSE, encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    before, prose_before = times(tmp_path / "out"), times(tmp_path / "out" / "prose")
    recipe.write_text(PROSE.replace("vocabulary = 800", "vocabulary = 700"), encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) - {"prose"} == {"checkpoint"}
    assert redone(prose_before, times(tmp_path / "out" / "prose")) == {"ngram", "checkpoint"}
    before, prose_before = times(tmp_path / "out"), times(tmp_path / "out" / "prose")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == redone(prose_before, times(tmp_path / "out" / "prose")) == set()


def test_a_recipe_without_prose_takes_that_of_its_base(recipe, tmp_path):
    recipe.write_text(PROSE, encoding="utf-8")
    base = run(str(recipe), tmp_path / "out")
    (tmp_path / "taught.toml").write_text(f'base = "{base}"\n{RECIPE}'.replace("size = 500", "size = 600"))
    taught = checkpoint.load(run(str(tmp_path / "taught.toml"), tmp_path / "taught"))
    assert taught.prose is not None
    assert taught.prose.vocabulary.sha256 == checkpoint.load(base).prose.vocabulary.sha256


def test_prose_goes_on_from_that_of_its_base(recipe, tmp_path):
    recipe.write_text(PROSE, encoding="utf-8")
    base = run(str(recipe), tmp_path / "out")
    words = "# The zymurgy of it is the zymurgy that the zymurgist has.\nx = 1\n"
    (tmp_path / "source" / "new.py").write_text(words * 5, encoding="utf-8")
    (tmp_path / "taught.toml").write_text(f'base = "{base}"\n{PROSE}'.replace("vocabulary = 800", "vocabulary = 900"))
    taught, before = checkpoint.load(run(str(tmp_path / "taught.toml"), tmp_path / "taught")), checkpoint.load(base)
    assert taught.prose.vocabulary.words[:800] == before.prose.vocabulary.words
    assert " zymurgy" in taught.prose.vocabulary
    assert " zymurgy" not in before.prose.vocabulary


def test_the_same_recipe_again_does_nothing(recipe, tmp_path):
    run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == set()


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (("every = 5", "every = 6"), {"evaluation.json", "checkpoint"}),
        (("samples = 500", "samples = 400"), {"mixture.json", "reranker.json", "evaluation.json", "checkpoint"}),
        (("order = 3", "order = 2"), {"ngram", "mixture.json", "reranker.json", "evaluation.json", "checkpoint"}),
        (
            ("size = 500", "size = 400"),
            {"vocabulary.txt", "ngram", "mixture.json", "reranker.json", "evaluation.json", "checkpoint"},
        ),
        (
            ("validation_share = 0.2", "validation_share = 0.2\nlongest = 300"),
            {"corpus", "vocabulary.txt", "ngram", "mixture.json", "reranker.json", "evaluation.json", "checkpoint"},
        ),
    ],
)
def test_a_changed_recipe_redoes_only_what_depends_on_the_change(recipe, tmp_path, change, again):
    run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    recipe.write_text(RECIPE.replace(*change), encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == again


def test_a_changed_source_redoes_everything(recipe, tmp_path):
    run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    (tmp_path / "source" / "new.py").write_text("def added(x):\n    return x + 1\n", encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == set(before)


class TestSourcesOnTheCommandLine:
    """What to learn from is said with the command, in the place of what the recipe says."""

    def test_they_take_the_place_of_the_recipes_relative_to_the_working_directory(self, recipe, tmp_path, monkeypatch):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "source").rename(tmp_path / "elsewhere" / "code")
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert main(["run", f"../{recipe.name}", "--source", "code", "--out", str(tmp_path / "out")]) == 0
        assert [source["name"] for source in open_corpus(tmp_path / "out" / "corpus").manifest["sources"]] == ["code"]
        card = (tmp_path / "out" / "checkpoint" / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert "codelm-train run ../small.toml --source SOURCE..." in card

    def test_a_recipe_can_leave_them_out_and_several_can_be_given(self, recipe, tmp_path, monkeypatch):
        recipe.write_text(RECIPE.replace('sources = ["source"]\n', ""), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        more = tmp_path / "more.py"
        more.write_text("def added(x):\n    return x + 1\n", encoding="utf-8")
        several = ["--source", "source", "more.py", "--source", "again.py"]
        shutil.copy(Path(sysconfig.get_path("stdlib"), "ast.py"), tmp_path / "again.py")
        assert main(["run", "small.toml", *several, "--out", "out"]) == 0
        names = [source["name"] for source in open_corpus(tmp_path / "out" / "corpus").manifest["sources"]]
        assert names == ["source", "more", "again"]

    def test_without_any_the_error_says_how_to_give_them(self, recipe, tmp_path):
        recipe.write_text(RECIPE.replace('["source"]', "[]"), encoding="utf-8")
        with pytest.raises(UsageError, match=r"small\.toml names no sources: give them with --source SOURCE\.\.\."):
            run(str(recipe), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_the_same_again_do_nothing_and_others_redo_everything(self, recipe, tmp_path):
        given = [str(tmp_path / "source")]
        run(str(recipe), tmp_path / "out", sources=given)
        before = times(tmp_path / "out")
        run(str(recipe), tmp_path / "out", sources=given)
        assert redone(before, times(tmp_path / "out")) == set()
        shutil.copy(Path(sysconfig.get_path("stdlib"), "ast.py"), tmp_path / "more.py")
        run(str(recipe), tmp_path / "out", sources=[*given, str(tmp_path / "more.py")])
        assert redone(before, times(tmp_path / "out")) == set(before)


def test_sequences_are_cut_as_the_recipe_says(recipe, tmp_path):
    recipe.write_text(RECIPE.replace("[vocabulary]", "longest = 300\n[vocabulary]"), encoding="utf-8")
    run(str(recipe), tmp_path / "out")
    corpus = open_corpus(tmp_path / "out" / "corpus")
    assert max(map(len, corpus.split("train"))) == 300
    assert corpus.manifest["cut"] > 5


def test_an_interrupted_run_goes_on_where_it_was(recipe, tmp_path, monkeypatch):
    from codelm_train import run as module

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "evaluate", interrupted)
        run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    assert set(before) == {"corpus", "vocabulary.txt", "ngram", "mixture.json", "reranker.json"}
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == {"evaluation.json", "checkpoint"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "is not TOML"),
        ('name = "x"', "corpus"),
        ('name = "x"\n[corpus]\nsources = ["a"]\nspeed = 9', "speed"),
        ('name = "x"\n[corpus]\nsources = ["a"]\n[ngram]\norder = "many"', "order"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_an_error(tmp_path, text, problem):
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"bad.toml.*{problem}"):
        read_recipe(tmp_path / "bad.toml")


def test_sources_that_are_missing_are_named_and_nothing_is_left(recipe, tmp_path):
    recipe.write_text(RECIPE.replace('["source"]', '["elsewhere"]'), encoding="utf-8")
    with pytest.raises(CodelmError, match="elsewhere"):
        run(str(recipe), tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


def test_broken_stamps_are_named(recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "steps.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(UsageError, match=r"steps\.json is broken"):
        run(str(recipe), tmp_path / "out")


def test_every_recipe_that_codelm_brings_can_be_read():
    names = sorted(recipe.stem for recipe in RECIPES.glob("*.toml"))
    assert names == ["bundled", "notebook", "standard-library", "your-code"]
    for name in names:
        assert read_recipe(find_recipe(name)).name == name


def test_an_unknown_recipe_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match="bundled, notebook, standard-library"):
        find_recipe("bundeled")


def test_wheels_are_kept_where_the_user_keeps_caches():
    assert build.DEFAULT_CACHE.name == "wheels"
