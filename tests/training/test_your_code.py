"""The README's way from one's own repositories to a checkpoint in the editor, walked as it stands there."""

import json

import own_code
import pytest

from codelm import checkpoint
from codelm.checkpoint import BUNDLED
from codelm.lsp.client import ask
from codelm_train.networks.metrics import read

OTHER_PROJECT = "def parsed(self, name, value):\n    return self.tariff."


@pytest.fixture(scope="module")
def walked() -> own_code.Walked:
    """What came of the README's commands, in repositories of a company."""
    return own_code.walked()


@pytest.fixture(scope="module")
def quality(walked: own_code.Walked) -> dict:
    return json.loads((walked.folder / "model" / "evaluation.json").read_text(encoding="utf-8"))


def test_every_command_of_the_readme_does_what_it_says(walked: own_code.Walked):
    run, check = walked.said.values()
    assert "before it was taught your code, and now, with the workspace learned:" in run
    assert "your-code: n-grams of up to 5 words and LSTM network (1 x 512)" in check


def test_files_that_were_held_out_are_measured_before_and_now(quality: dict):
    for learned in ("workspace", "file"):
        before, now = quality["base"][learned], quality[learned]
        assert now["tokens"] == before["tokens"] > 100
        assert now["unknown_share"] < before["unknown_share"]


def test_the_network_is_no_worse_than_it_was_on_files_that_were_held_out(walked: own_code.Walked):
    curves = walked.folder / "model" / "network-lstm.training" / "metrics.csv"
    bits = [row.validation_bits for row in read(curves) if row.validation_bits is not None]
    assert len(bits) > 2
    kept = checkpoint.load(walked.checkpoint).facts["network_training"]["best_bits"]
    assert kept == pytest.approx(min(bits), abs=1e-3)
    assert kept <= bits[0] + 1e-3  # before it read the first of one's own words


def test_in_another_project_the_editor_proposes_what_the_company_writes(walked: own_code.Walked):
    line = OTHER_PROJECT.count("\n")
    column = len(OTHER_PROJECT.rpartition("\n")[2])
    labels = {model: ask(OTHER_PROJECT, line, column, str(model)).labels for model in (walked.checkpoint, BUNDLED)}
    assert own_code.COMPANYS & set(labels[walked.checkpoint][:5])
    assert not own_code.COMPANYS & set(labels[BUNDLED][:5])


def test_its_words_stand_behind_the_bundled_ones(walked: own_code.Walked):
    mine, bundled = checkpoint.load(walked.checkpoint), checkpoint.load(BUNDLED)
    assert mine.vocabulary.words[: len(bundled.vocabulary)] == bundled.vocabulary.words
    new = {"invoice_factory", "invoice_bytes", "booking"} - set(bundled.vocabulary.words)
    assert new
    assert new <= set(mine.vocabulary.words)
    assert mine.weights is not None
    assert bundled.weights is not None
    assert mine.weights.as_json() != bundled.weights.as_json()


def test_its_comments_are_learned_too(walked: own_code.Walked):
    mine, bundled = checkpoint.load(walked.checkpoint).prose, checkpoint.load(BUNDLED).prose
    assert mine is not None
    assert bundled is not None
    assert mine.vocabulary.words[: len(bundled.vocabulary)] == bundled.vocabulary.words
    new = {" invoice", " tariff", "tariffs", "Tariff"} - set(bundled.vocabulary.words)
    assert new
    assert new & set(mine.vocabulary.words)
    assert mine.facts["quality"]["file"]["tokens"] > 100


def test_the_card_names_both_what_was_learned_now_and_what_the_model_had_learned(walked: own_code.Walked):
    card = (walked.checkpoint / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| billing |" in card
    assert "| website |" in card
    assert "| cpython |" in card
