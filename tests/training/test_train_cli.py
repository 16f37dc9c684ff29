"""The ``codelm-train`` command, as it is typed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import models
import pytest

from codelm.checkpoint import load
from codelm_train.cli import main


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder with a few real modules."""
    return models.few_modules(tmp_path / "source")


def told(capsys) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_step_by_step_from_a_folder_to_numbers(source, tmp_path, capsys):
    corpus, words, model = (str(tmp_path / name) for name in ("corpus", "words.txt", "model"))
    assert main(["corpus", str(source), "--out", corpus, "--validation-share", "0.2"]) == 0
    assert main(["vocabulary", corpus, "--size", "300", "--out", words]) == 0
    assert main(["ngram", corpus, "--vocabulary", words, "--order", "3", "--out", model]) == 0
    told(capsys)
    assert main(["evaluate", model, corpus, "--json"]) == 0
    found = json.loads(told(capsys)[0])
    assert set(found) == {
        "tokens", "perplexity", "bits_per_token", "unknown_share", "top1", "top5", "mrr", "identifiers", "kinds",
        "calibration",
    }  # fmt: skip
    assert set(found["identifiers"]) == set(found) - {"identifiers", "kinds", "calibration"} | {"known", "unknown"}
    assert main(["evaluate", model, corpus]) == 0
    table = told(capsys)[0]
    assert "identifiers" in table
    assert f"{found['perplexity']:.2f}" in table

    mixed = str(tmp_path / "mixed")
    assert main(["mix", model, "--corpus", corpus, "--samples", "500", "--out", mixed]) == 0
    told(capsys)
    assert main(["evaluate", mixed, corpus, "--workspace", "--every", "10", "--json"]) == 0
    learned = json.loads(told(capsys)[0])
    assert learned["perplexity"] < found["perplexity"]
    assert learned["identifiers"]["unknown"]["top5"] > found["identifiers"]["unknown"]["top5"] == 0


def test_a_model_of_prose_is_made_like_one_of_code_and_comes_with_it(source, tmp_path, capsys):
    names = ("corpus", "words.txt", "ngram", "prose-corpus", "prose-words.txt", "prose-ngram", "prose", "model")
    corpus, words, ngram, prose_corpus, prose_words, prose_ngram, prose, model = (
        str(tmp_path / name) for name in names
    )
    few = ["--validation-share", "0.2"]
    for stream, at, vocabulary, made in (
        ([], corpus, words, ngram),
        (["--prose"], prose_corpus, prose_words, prose_ngram),
    ):
        assert main(["corpus", str(source), *stream, "--out", at, *few]) == 0
        assert main(["vocabulary", at, "--size", "300", "--out", vocabulary]) == 0
        assert main(["ngram", at, "--vocabulary", vocabulary, "--order", "3", "--out", made]) == 0
    assert main(["mix", prose_ngram, "--corpus", prose_corpus, "--samples", "200", "--out", prose]) == 0
    mix = ["mix", ngram, "--corpus", corpus, "--samples", "200", "--out", model]
    assert main([*mix, "--prose", prose]) == 0
    assert load(Path(model)).prose.vocabulary.words == load(Path(prose)).vocabulary.words
    told(capsys)
    assert main([*mix, "--prose", ngram]) == 2
    assert "ngram is no model of prose: make its corpus with --prose" in told(capsys)[1]


def test_already_tokenised_text_takes_the_place_of_a_corpus(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("a b c a b c a b\nb c a\n" * 20, encoding="utf-8")
    assert main(["ngram", "--tokenised", str(text), "--order", "3", "--out", str(tmp_path / "model")]) == 0
    told(capsys)
    assert main(["evaluate", str(tmp_path / "model"), "--tokenised", str(text), "--json"]) == 0
    assert json.loads(told(capsys)[0])["top1"] > 0.8


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("corpus nowhere --out c", "nowhere: no such file or folder"),
        ("corpus binary.py --out c", "binary.py"),
        ("corpus rows.jsonl --out c", "rows.jsonl"),
        ("corpus empty --out c", "empty"),
        ("vocabulary nowhere --out v", "nowhere"),
        ("vocabulary --out v", "either a CORPUS or --tokenised"),
        ("vocabulary --tokenised text.txt --size 2 --out v", "leaves no room"),
        ("ngram --tokenised text.txt --order 99 --out m", "order 99"),
        ("ngram --tokenised text.txt --size big --out m", "'big' is no size"),
        ("ngram --tokenised text.txt --size 1KB --out m", "doesn't fit into 1KB"),
        ("ngram --tokenised text.txt --vocabulary text.txt --out m", "text.txt is not a vocabulary"),
        ("ngram --tokenised missing.txt --out m", "missing.txt"),
        ("ngram --tokenised binary.py --out m", "binary.py"),
        ("evaluate nowhere --tokenised text.txt", "nowhere is not a model"),
        ("run nowhere.toml --out r", "no such recipe: nowhere.toml"),
        ("run text.txt --out r", "text.txt is not TOML"),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_status_2(tmp_path, monkeypatch, capsys, command, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\x7fELF\x00\x00\xff\xfe")
    (tmp_path / "rows.jsonl").write_text('{"code": "x = 1", "repo": "a", \n', encoding="utf-8")
    (tmp_path / "text.txt").write_text("a b c\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(command.split()) == 2
    lines = [line for line in told(capsys)[1].splitlines() if not re.search(r"…$| in [\d.]+ s$", line)]
    assert len(lines) == 1
    assert lines[0].startswith("codelm-train: ")
    assert problem in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "something half-written stayed"


def test_an_interrupt_is_no_traceback(source, tmp_path, monkeypatch, capsys):
    from codelm_train import build

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", interrupted)
    assert main(["corpus", str(source), "--out", str(tmp_path / "c")]) == 130
    assert "interrupted" in told(capsys)[1]


def test_help_names_every_command():
    told = subprocess.run(
        [sys.executable, "-m", "codelm_train", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    for command in ("corpus", "vocabulary", "ngram", "evaluate", "run"):
        assert command in told.stdout


def test_a_word_that_is_written_like_a_special_one_is_an_unknown_word(tmp_path, capsys):
    """Text may contain anything; only codelm itself says where a sequence begins and ends."""
    text = tmp_path / "text.txt"
    text.write_text("a [EOS] b [PAD] c a\na b c a\n" * 20, encoding="utf-8")
    assert main(["ngram", "--tokenised", str(text), "--order", "3", "--out", str(tmp_path / "model")]) == 0
    told(capsys)
    assert main(["evaluate", str(tmp_path / "model"), "--tokenised", str(text), "--json"]) == 0
    found = json.loads(told(capsys)[0])
    assert 1 < found["perplexity"] < 10
    assert found["tokens"] == 20 * (6 + 1 + 4 + 1)
    assert found["unknown_share"] == pytest.approx(2 * 20 / found["tokens"])
