"""What a training resumes from: weights, optimizer, carried states and the place in the data.

::

    MODEL.training/
        settings.json           what is trained; a resumption must say the same
        metrics.csv, tensorboard/
        step-00001200/          manifest.json, weights.safetensors, training.safetensors
        best/                   the weights with the best validation so far

A state is a folder, written whole or not at all; all arrays are safetensors, nothing is ever unpickled.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from codelm.errors import CheckpointError
from codelm.folder import MANIFEST, recover, replaced_folder
from codelm.neural.modules import Network

FORMAT = "codelm training state"
BEST = "best"
WEIGHTS = "weights.safetensors"
_TRAINING = "training.safetensors"
_NAME = re.compile(r"step-(\d{8,})")
_HIDDEN = re.compile(r"\.(step-\d{8,}|best)\.\w+\.(new|old)")  # what replaced_folder leaves when it is killed
_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}  # what AdamW keeps of a parameter
_AGAIN = "remove the folder to resume from the state before"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training is."""

    step: int = 0
    """Batches trained on."""
    epoch: int = 0
    batch: int = 0
    """The next batch of the epoch."""
    tokens: int = 0
    seconds: float = 0.0
    """Time trained, over all resumptions."""
    validated: int = 0
    """Validations made."""
    best_bits: float | None = None
    """The best validation so far, in bits a token."""
    since_best: int = 0
    """Validations since."""
    curve_tokens: int = 0
    """Words trained on since the last point of the curves …"""
    curve_loss: float = 0.0
    """… and the sum of their losses, in nats."""

    def moved(self, **changes: Any) -> "Place":
        """Return the place with changes."""
        return replace(self, **changes)


def save(
    folder: Path, name: str, place: Place, network: Network, optimizer: torch.optim.Optimizer | None = None,
    carried: tuple[Tensor, ...] = (),
) -> None:  # fmt: skip
    """Write a state into the folder of a training; without an optimizer, weights alone. Raises StorageError."""
    arrays = {f"carried.{number}": state for number, state in enumerate(carried)}
    for key, of_parameter in optimizer.state_dict()["state"].items() if optimizer is not None else ():
        arrays |= {f"optimizer.{key}.{part}": value for part, value in of_parameter.items()}
    with replaced_folder(folder / name, FORMAT) as new:
        (new / MANIFEST).write_text(json.dumps({"format": FORMAT, **asdict(place)}, indent=1) + "\n", encoding="utf-8")
        try:
            save_file(_whole(network.state_dict()), new / WEIGHTS)
            if optimizer is not None:
                save_file(_whole(arrays), new / _TRAINING)
        except SafetensorError as error:  # what it makes of a full disk
            raise OSError(str(error)) from error


def states(folder: Path) -> list[Path]:
    """Return the folders of the states of a training, the latest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: -int(path.name[5:]))


def clear_up(folder: Path, *, anew: bool = False) -> None:
    """Put right what a killed process left in the folder of a training; ``anew``: another one begins there."""
    for left in sorted(folder.glob(".*")):
        if found := _HIDDEN.fullmatch(left.name):
            recover(folder / found[1])
    if anew:
        shutil.rmtree(folder / BEST, ignore_errors=True)


def name_of(place: Place) -> str:
    """Return the name of a place's state."""
    return f"step-{place.step:08d}"


def drop_all_but(folder: Path, kept: int) -> None:
    """Remove all states but the latest so many."""
    for old in states(folder)[kept:]:
        shutil.rmtree(old, ignore_errors=True)


def restore(
    state: Path, network: Network, optimizer: torch.optim.Optimizer, device: torch.device
) -> tuple[Place, tuple[Tensor, ...]]:
    """Bring network and optimizer to a state; return its place and the carried states.

    Raises CheckpointError, naming the file, where it is broken or of another network.
    """
    place = read_place(state)
    load_weights(state, network)
    arrays = _loaded(state / _TRAINING)
    own: dict[int, dict[str, Tensor]] = {}
    try:
        for name, value in arrays.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                number, _, part = rest.partition(".")
                own.setdefault(int(number), {})[part] = value
        carried = [arrays[f"carried.{number}"] for number in range(sum(name.startswith("carried.") for name in arrays))]
        _check(own, carried, network, optimizer)
        optimizer.load_state_dict({"state": own, "param_groups": optimizer.state_dict()["param_groups"]})
    except (ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{state / _TRAINING} is not of this network; {_AGAIN}") from error
    return place, tuple(array.to(device) for array in carried)


def _check(
    own: Mapping[int, Mapping[str, Tensor]], carried: Sequence[Tensor], network: Network,
    optimizer: torch.optim.Optimizer,
) -> None:  # fmt: skip
    """Raise ValueError where arrays are missing or of another size: torch itself would take them."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(parameters):
        moments = own.get(number, {})
        if parameter.requires_grad and set(moments) != _MOMENTS:
            raise ValueError("moments are missing")
        if any(value.shape != parameter.shape for name, value in moments.items() if name != "step"):
            raise ValueError("moments are of other parameters")
    expected = network.start(carried[0].shape[1] if carried and carried[0].dim() == 3 else 0)
    if carried and [array.shape for array in carried] != [array.shape for array in expected]:
        raise ValueError("carried states are of another network")


def load_weights(state: Path, network: Network) -> None:
    """Bring the weights of a state into a network. Raises CheckpointError, naming the file."""
    try:
        network.load_state_dict(_loaded(state / WEIGHTS))
    except RuntimeError as error:
        raise CheckpointError(f"{state / WEIGHTS} is not of this network; {_AGAIN}") from error


def read_place(state: Path) -> Place:
    """Return the place of a state. Raises CheckpointError."""
    file = state / MANIFEST
    try:
        raw: Mapping[str, Any] = json.loads(file.read_bytes())
        if raw.get("format") != FORMAT:
            raise ValueError("it is of something else")
        place = Place(**{name: value for name, value in raw.items() if name != "format"})
        for field in fields(Place):
            if not isinstance(getattr(place, field.name), field.type):  # type: ignore[arg-type]
                raise ValueError(f"{field.name} is {getattr(place, field.name)!r}")
        return place
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is no training state ({error}); {_AGAIN}") from error


def _whole(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: array.detach().cpu().contiguous() for name, array in arrays.items()}


def _loaded(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file} is broken ({error}); {_AGAIN}") from error
