"""``codelm-train lstm`` and ``cnn``, as they are typed."""

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import fields

import pytest
import trainings

from codelm_train.cli import main
from codelm_train.networks import export, fit
from codelm_train.networks.settings import NetworkSettings, explanations, settings_from

TINY = trainings.flags(trainings.settings(steps=6))


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    return [*trainings.written(tmp_path), "--out", str(tmp_path / "model")]


@pytest.fixture
def exported(monkeypatch) -> list[dict]:
    """What would have been exported."""
    found: list[dict] = []

    def save(out, network, vocabulary, tail_shares, **said):
        out.mkdir(exist_ok=True)
        (out / "manifest.json").write_text(json.dumps({"format": "codelm checkpoint"}))
        found.append({"shape": network.shape, "words": len(vocabulary), **said})

    monkeypatch.setattr(export, "save", save)
    return found


def settings_of(tmp_path) -> dict:
    return json.loads((tmp_path / "model.training" / "settings.json").read_text())["settings"]


@pytest.mark.parametrize("kind", ["lstm", "cnn"])
def test_a_network_is_trained_and_exported(tmp_path, arguments, exported, capsys, kind):
    assert main([kind, *arguments, *TINY]) == 0
    (made,) = exported
    assert (made["shape"].kind, made["words"], made["name"], made["stream"]) == (kind, 300, kind, "code")
    facts = made["facts"]["training"]
    assert (facts["steps"], facts["settings"]["kind"], facts["tokens"]) == (
        6,
        kind,
        trainings.corpus().split("train").ids.size,
    )
    assert facts["best_bits"] > 0
    assert made["curves"] == tmp_path / "model.training" / "metrics.csv"
    told = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"6 steps, \d+ tokens in \d\.\d minutes, \d+\.\d{3} bits a token on the validation split", told[0]
    )
    assert told[1].endswith(f"{tmp_path / 'model.training'} may be removed")


def test_a_real_checkpoint_is_written(tmp_path, arguments, capsys):
    assert main(["lstm", *arguments, *TINY]) == 0
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest["kind"] == "lstm"
    assert manifest["training"]["settings"]["hidden"] == 12
    assert (tmp_path / "model" / "metrics.csv").is_file()


def test_what_is_said_goes_before_the_file_and_the_file_before_the_defaults(tmp_path, arguments, exported):
    file = tmp_path / "settings.toml"
    file.write_text('name = "wide"\nsteps = 9\nepochs = 2\ntied = false\nhidden = 13\nbatches = "sequences"\n')
    said = {"embedding": 8, "projection": 8, "outputs": 100, "steps": 4, "device": "cpu", "precision": "fp32"}
    words = [word for name, value in said.items() for word in (f"--{name}", str(value))]
    assert main(["lstm", *arguments, "--config", str(file), *words]) == 0
    default = settings_from({"kind": "lstm"})
    found = settings_of(tmp_path)
    assert {name: found[name] for name in said} == said
    assert (found["name"], found["epochs"], found["tied"], found["hidden"]) == ("wide", 2.0, False, 13)
    assert found["batches"] == "sequences"
    assert found["learning_rate"] == default.learning_rate
    assert exported[0]["name"] == "wide"


def test_a_training_goes_on_where_that_is_asked_for(arguments, exported, capsys):
    assert main(["lstm", *arguments, *TINY]) == 0
    assert main(["lstm", *arguments, *TINY]) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert main(["lstm", *arguments, *TINY, "--resume", "--steps", "8"]) == 0
    assert exported[-1]["facts"]["training"]["steps"] == 8


def test_stopped_it_says_how_to_go_on_and_exports_nothing(arguments, exported, capsys):
    with trainings.stopped_at(3), pytest.raises(SystemExit) as ended:
        main(["lstm", *arguments, *TINY])
    assert ended.value.code == 130
    assert re.search(r"stopped at step 3; the state is in .*model.training: the same command with --resume goes on",
                     capsys.readouterr().err)  # fmt: skip
    assert not exported
    assert main(["lstm", *arguments, *TINY, "--resume"]) == 0
    assert len(exported) == 1


def test_a_training_that_got_no_better_says_so(arguments, exported, capsys, monkeypatch):
    monkeypatch.setattr(fit, "validate", lambda *_, **__: fit.Quality(10, 7.0, 0, 0))
    assert main(["lstm", *arguments, *TINY, "--patience", "1"]) == 0
    assert "it ended early, since it got no better" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("--lanes 0", "lanes = 0 is less than 1"),
        ("--dropout 1", "dropout = 1.0 is no share"),
        ("--learning-rate nan", "learning_rate = nan"),
        ("--batches words", "batches = 'words' is none of streams, sequences"),
        ("--device tpu", "device = 'tpu' is none of"),
        ("--embedding 9", "a projection as wide as its embedding"),
        ("--layers 0", "layers = 0"),
        ("--config nowhere.toml", "cannot read nowhere.toml: No such file"),
        ("--config broken.toml", "broken.toml is not TOML"),
        ("--config binary.toml", "binary.toml is not TOML"),
        ("--config unknown.toml", "a network has no setting colour"),
        ("--config type.toml", "hidden = '12' is no int"),
        ("--config cnn.toml", "cnn.toml: kind = 'cnn', but this is codelm-train lstm"),
        ("--vocabulary nowhere.txt", "nowhere.txt"),
        ("--tokenised corpus", "either a CORPUS or --tokenised"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, arguments, capsys, more, told):
    files = {
        "broken.toml": b"hidden =", "binary.toml": b"\xff\xfe", "unknown.toml": b"colour = 1",
        "type.toml": b"hidden = '12'", "cnn.toml": b"kind = 'cnn'",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main(["lstm", *arguments, *more.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("codelm-train: ")
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "model.training").exists()


@pytest.mark.parametrize("wrong", ["--steps many", "--tied yes", "--colour red"])
def test_what_is_no_argument_is_refused_by_name(arguments, capsys, wrong):
    with pytest.raises(SystemExit) as ended:
        main(["lstm", *arguments, *wrong.split()])
    assert ended.value.code == 2
    assert wrong.split()[0 if "many" in wrong or "red" in wrong else 1] in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["lstm", "cnn"])
def test_help_explains_every_setting_with_its_default(monkeypatch, capsys, kind):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main([kind, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    default = settings_from({"kind": kind})
    for field in fields(NetworkSettings):
        if field.name != "kind":
            text, value = explanations()[field.name].replace("``", "").rstrip("."), getattr(default, field.name)
            assert f"--{field.name.replace('_', '-')}" in told
            assert text + (f" (default: {value})" if value != "" else "") in told
    assert "torchrun --nproc_per_node=N -m codelm_train" in told


# With an import that fails, as where an extra was not installed; and everything else as it is.
BLOCKED = """
    import sys

    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == sys.argv[1]:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Blocked())
    from codelm_train.cli import main
    sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("module", ["torch", "tensorboard"])
def test_a_missing_extra_is_named_before_anything_begins(tmp_path, arguments, module):
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BLOCKED), module, "lstm", *arguments, *TINY],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert told.returncode == 2
    assert told.stderr == f"codelm-train: this needs {module}: pip install 'codelm[train]'\n"
    assert not (tmp_path / "model.training").exists()
