"""``codelm-train lstm`` and ``codelm-train cnn``: a corpus → a neural network's checkpoint."""

import argparse
import signal
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from codelm import checkpoint
from codelm.errors import UsageError
from codelm.neural.shape import CNN, KINDS, LSTM
from codelm.vocabulary import Vocabulary
from codelm_train.base import open_base
from codelm_train.commands.common import Commands, add_base, add_corpus_or_text, needs_extra, opened
from codelm_train.networks.settings import NetworkSettings, explanations, settings_from
from codelm_train.progress import meter, no_meter
from codelm_train.split import TRAIN

_NAMES = {LSTM: "an LSTM", CNN: "a causal CNN"}
_DESCRIPTION = """\
Train {name} on a corpus, and export it for the CPU (ONNX, int8) and for GPUs (safetensors).

States and curves (metrics.csv, TensorBoard) are kept in MODEL.training. Ctrl-C and SIGTERM save a state and stop;
--resume goes on there. Several GPUs, or machines:

  torchrun --nproc_per_node=N -m codelm_train {kind} CORPUS --vocabulary V --out MODEL
"""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    told = explanations()
    for kind in KINDS:
        command = commands.add_parser(
            kind, help=f"train {_NAMES[kind]}", description=_DESCRIPTION.format(name=_NAMES[kind], kind=kind),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        add_corpus_or_text(command)
        command.add_argument("--vocabulary", type=Path, required=True, metavar="V", help="the file of `vocabulary`")
        add_base(command, "its network is trained on")
        command.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the folder to make")
        command.add_argument("--resume", action="store_true", help="go on with the training in MODEL.training")
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="a .toml file with settings; what is said here goes before it"
        )
        default = settings_from({"kind": kind})
        settings = command.add_argument_group("settings")
        for field in fields(NetworkSettings):
            if field.name != "kind":
                _add_setting(settings, field.name, getattr(default, field.name), told[field.name])
        command.set_defaults(command=_run, kind=kind)


def _add_setting(group: "argparse._ArgumentGroup", name: str, default: Any, told: str) -> None:
    flag, text = f"--{name.replace('_', '-')}", told.replace("``", "").replace("%", "%%").rstrip(".")
    text = f"{text} (default: {default})".replace("(default: )", "")
    if isinstance(default, bool):
        group.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        group.add_argument(flag, dest=name, type=type(default), default=None, metavar="X", help=text)


def _run(args: argparse.Namespace) -> None:
    with needs_extra("train"):
        from torch.utils import tensorboard  # noqa: F401 - missed now, rather than when the training begins

        from codelm_train.networks.ranks import ranks
        from codelm_train.networks.train import make, training_folder
    settings = settings_from({"kind": args.kind, **_config(args.config, args.kind), **_said(args)})
    corpus, vocabulary, base = opened(args, TRAIN), Vocabulary.read(args.vocabulary), open_base(args.base)
    with ranks(settings.device) as mine, (meter if mine.first else no_meter)(f"training {_NAMES[args.kind]}") as shown:
        outcome = make(corpus, vocabulary, settings, args.out, base=base, resume=args.resume, ranks=mine, meter=shown)
    place = outcome.place
    if not mine.first:
        return
    if not outcome.finished:
        print(
            f"codelm-train: stopped at step {place.step:,}; the state is in {training_folder(args.out)}: "
            "the same command with --resume goes on", file=sys.stderr,
        )  # fmt: skip
        sys.exit(128 + (outcome.signal or signal.SIGINT))  # as a shell says it
    best = "" if place.best_bits is None else f", {place.best_bits:.3f} bits a token on the validation split"
    early = "; it ended early, since it got no better" if outcome.early else ""
    print(f"{place.step:,} steps, {place.tokens:,} tokens in {place.seconds / 60:.1f} minutes{best}{early}")
    print(f"{args.out}: {checkpoint.bytes_in(args.out) / 1e6:.1f} MB; {training_folder(args.out)} may be removed")


def _said(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the command line says."""
    found = {field.name: getattr(args, field.name) for field in fields(NetworkSettings)}
    return {name: value for name, value in found.items() if value is not None}


def _config(file: Path | None, kind: str) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        if found.get("kind", kind) != kind:
            raise UsageError(f"{file}: kind = {found['kind']!r}, but this is codelm-train {kind}")
        return found
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
