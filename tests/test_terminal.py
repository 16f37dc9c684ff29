"""``codelm-lsp complete`` and ``codelm-lsp check``, as they are typed, with the bundled model."""

import json
import subprocess
import sys

import pytest

from codelm.cli import main

CODE = "import os\n\n\ndef newest(folder):\n    return os.path.jo\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def test_completions_at_a_place(file, capsys):
    assert main(["complete", f"{file}:5:22"]) == 0
    best = capsys.readouterr().out.splitlines()[0].split()
    assert best[:2] == ["join", "function"]


def test_completions_as_json(file, capsys):
    assert main(["complete", f"{file}:5:22", "--json", "--limit", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "bundled"
    assert found["items"][0]["text"] == "join"
    assert found["start"] == CODE.index("jo\n")
    assert 0 < found["items"][0]["probability"] <= 1


def test_who_reads_may_have_enough(file):
    command = [sys.executable, "-m", "codelm.cli", "complete", f"{file}:5:22"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, "")


def test_columns_count_characters_of_any_width(tmp_path, capsys):
    path = tmp_path / "wide.py"
    path.write_text("x = '𝒳é'; os.path.jo\n", encoding="utf-8")
    assert main(["complete", f"{path}:1:21"]) == 0
    assert capsys.readouterr().out.startswith("join")


def test_nothing_to_propose_is_said(tmp_path, capsys):
    path = tmp_path / "address.py"
    path.write_text("# ask joe@example.com\n", encoding="utf-8")
    assert main(["complete", f"{path}:1:17"]) == 0
    assert capsys.readouterr().out == "nothing to propose here\n"


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("{file}", "expected FILE:LINE:COLUMN"),
        ("{file}:5", "expected FILE:LINE:COLUMN"),
        ("{file}:0:1", "expected FILE:LINE:COLUMN"),
        ("{file}:99:1", "the file has 6 lines"),
        ("{file}:5:99", "line 5 has 21 characters"),
        ("missing.py:1:1", "cannot read missing.py: No such file"),
        ("{folder}:1:1", "Is a directory"),
        ("{binary}:1:1", "not text in the encoding"),
    ],
)
def test_places_that_are_not_there(file, capsys, where, problem):
    binary = file.with_name("binary.py")
    binary.write_bytes(b"\xff\xfe\x00")
    assert main(["complete", where.format(file=file, folder=file.parent, binary=binary)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("codelm-lsp: ")
    assert problem in error
    assert error.count("\n") == 1


def test_a_model_that_is_missing_is_named(file, capsys):
    assert main(["complete", f"{file}:5:22", "--model", "nowhere"]) == 2
    assert "nowhere is not a model" in capsys.readouterr().err


def test_check_tells_of_the_model_and_of_a_completion_through_a_server_of_its_own():
    told = subprocess.run(
        [sys.executable, "-W", "error", "-m", "codelm.cli", "check", "--json"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    facts = json.loads(told.stdout)
    assert told.stderr == ""
    assert facts["model"]["name"] == "bundled"
    assert facts["completions"][0] == "join"
    assert facts["milliseconds"]["completion"] > 0
    assert facts["packages"]["pygls"].startswith("2.")


def test_check_for_people(capsys):
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    assert (
        "model     bundled: n-grams of up to 5 words and LSTM network (1 x 512), 40,000 words, 40,000 of prose" in told
    )
    assert "ms for a completion" in told
