"""Recipes: from sources to an evaluated checkpoint, resumed where they were interrupted."""

import shutil
import sysconfig
from pathlib import Path

import pytest

from codelm import checkpoint
from codelm.errors import CodelmError, UsageError
from codelm_train import build
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
    (tmp_path / "source").mkdir()
    stdlib = Path(sysconfig.get_path("stdlib"))
    for module in (*stdlib.glob("json/*.py"), *stdlib.glob("email/[a-h]*.py")):
        shutil.copy(module, tmp_path / "source")
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
    assert sum(file.stat().st_size for file in made.folder.iterdir()) <= 80_000
    assert 1 < made.facts["quality"]["perplexity"] < 500
    assert made.facts["training"]["tokens"] > 1000
    assert made.facts["quality"]["workspace"]["perplexity"] < made.facts["quality"]["perplexity"]
    assert made.weights is not None
    card = (made.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# Model card: small" in card
    assert f"{made.facts['quality']['tokens']:,}" in card


def test_the_same_recipe_again_does_nothing(recipe, tmp_path):
    run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    run(str(recipe), tmp_path / "out")
    assert redone(before, times(tmp_path / "out")) == set()


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (("every = 5", "every = 6"), {"evaluation.json", "checkpoint"}),
        (("samples = 500", "samples = 400"), {"mixture.json", "evaluation.json", "checkpoint"}),
        (("order = 3", "order = 2"), {"ngram", "mixture.json", "evaluation.json", "checkpoint"}),
        (("size = 500", "size = 400"), {"vocabulary.txt", "ngram", "mixture.json", "evaluation.json", "checkpoint"}),
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


def test_an_interrupted_run_goes_on_where_it_was(recipe, tmp_path, monkeypatch):
    from codelm_train import run as module

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "evaluate", interrupted)
        run(str(recipe), tmp_path / "out")
    before = times(tmp_path / "out")
    assert set(before) == {"corpus", "vocabulary.txt", "ngram", "mixture.json"}
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
    assert names == ["bundled", "standard-library"]
    for name in names:
        assert read_recipe(find_recipe(name)).name == name


def test_an_unknown_recipe_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match="bundled, standard-library"):
        find_recipe("bundeled")


def test_wheels_are_kept_where_the_user_keeps_caches():
    assert build.DEFAULT_CACHE.name == "wheels"
