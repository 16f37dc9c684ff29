"""From a corpus to the checkpoint of a trained network."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codelm import __version__
from codelm.errors import CheckpointError, CodelmError, UsageError
from codelm.folder import refuse_foreign, replace_file
from codelm.manifest import FORMAT
from codelm.neural.modules import Network
from codelm.vocabulary import Vocabulary
from codelm_train.corpus import Corpus, Ids, Split
from codelm_train.facts import data_facts
from codelm_train.networks import export
from codelm_train.networks import state as training_state
from codelm_train.networks.device import device_of, in_bf16
from codelm_train.networks.fit import Outcome, Task, fit
from codelm_train.networks.metrics import CURVES
from codelm_train.networks.ranks import Ranks
from codelm_train.networks.settings import NetworkSettings
from codelm_train.networks.words import Words
from codelm_train.progress import Meter, unseen
from codelm_train.split import TRAIN, VALIDATION

_SETTINGS = "settings.json"
_SLICE = 1 << 22  # words of a corpus that are looked at together: one may be larger than the memory
# What may differ when a training is resumed: how long it goes on, where it runs, what it keeps.
_FREE = ("steps", "epochs", "minutes", "device", "compile", "patience", "validations", "keep", "name")


def task(corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings) -> Task:
    """Return what a network is trained on. Raises CorpusError, UsageError."""
    words = Words(corpus.lexicon.words, vocabulary, settings.shape(len(vocabulary)))
    train = corpus.split(TRAIN)
    counts = np.zeros(len(corpus.lexicon.words), np.int64)
    for some in _slices(train):
        counts += np.bincount(some, minlength=len(counts))
    return Task(
        settings=settings,
        words=words,
        train=train,
        validation=corpus.splits.get(VALIDATION),
        output_counts=words.output_counts(counts, settings.shape(len(vocabulary)).outputs, len(train)),
        tail_shares=words.tail_shares(counts),
    )


def train(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, folder: Path, *,
    resume: bool = False, ranks: Ranks | None = None, meter: Meter = unseen,
) -> tuple[Network, Task, Outcome]:  # fmt: skip
    """Train a network, or go on with one that was interrupted, in ``folder``.

    Raises UsageError where the folder holds a training and ``resume`` is not wanted, or one of something else.
    """
    ranks = ranks or Ranks()
    device = device_of(settings.device, ranks.local)
    stamp = _stamp(corpus, vocabulary, settings)
    if ranks.first:
        training_state.clear_up(folder)
    ranks.meet(device)
    latest = _latest(folder, stamp, resume=resume)
    if ranks.first and latest is None:
        training_state.clear_up(folder, anew=True)
        replace_file(folder / _SETTINGS, json.dumps(stamp, indent=1) + "\n")
    what = task(corpus, vocabulary, settings)
    torch.manual_seed(settings.seed)
    network = Network(settings.shape(len(vocabulary)), settings.dropout).to(device)
    bf16 = in_bf16(settings.precision, device)
    outcome = fit(what, network, folder, device, bf16=bf16, ranks=ranks, resume=latest, meter=meter)
    return network, what, outcome


def make(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, out: Path, *,
    resume: bool = False, ranks: Ranks | None = None, meter: Meter = unseen,
) -> Outcome:  # fmt: skip
    """Train a network and write the checkpoint ``out`` of its best weights; the training stands beside it.

    A training that was stopped writes no checkpoint. Raises CodelmError.
    """
    refuse_foreign(out, FORMAT)  # now, rather than when all is trained
    folder = training_folder(out)
    network, what, outcome = train(corpus, vocabulary, settings, folder, resume=resume, ranks=ranks, meter=meter)
    if outcome.finished and (ranks is None or ranks.first):
        place = outcome.place
        facts = {
            "training": {
                "steps": place.step, "tokens_read": place.tokens, "minutes": round(place.seconds / 60, 1),
                "best_bits": place.best_bits, "settings": asdict(settings), **data_facts(corpus),
            }
        }  # fmt: skip
        export.save(
            out, network.cpu(), vocabulary, what.tail_shares,
            name=settings.called, stream=corpus.stream, facts=facts, curves=folder / CURVES,
        )  # fmt: skip
    return outcome


def make_or_go_on(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, out: Path, *, meter: Meter = unseen
) -> Outcome:
    """Make a checkpoint as ``make`` does, going on with a training of the same, and dropping one of something else."""
    folder = training_folder(out)
    try:
        _latest(folder, _stamp(corpus, vocabulary, settings), resume=True)
    except CodelmError:
        shutil.rmtree(folder)
    return make(corpus, vocabulary, settings, out, resume=True, meter=meter)


def training_folder(out: Path) -> Path:
    """Return where the training of a checkpoint keeps its states and curves."""
    return out.with_name(f"{out.name}.training")


def _stamp(corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings) -> dict[str, Any]:
    """Return what a training is of."""
    told = hashlib.sha256(json.dumps(dict(corpus.manifest), sort_keys=True).encode())
    told.update("\n".join(corpus.lexicon.words).encode("utf-8", "surrogatepass"))
    train = corpus.split(TRAIN)  # a manifest need not tell two texts from each other
    told.update(train.starts.tobytes())
    for some in _slices(train):
        told.update(some.tobytes())
    return {
        "codelm": __version__,
        "corpus": told.hexdigest(),
        "vocabulary": vocabulary.sha256,
        "settings": asdict(settings),
    }


def _slices(split: Split) -> Iterator[Ids]:
    for at in range(0, len(split.ids), _SLICE):
        yield split.ids[at : at + _SLICE]


def _latest(folder: Path, stamp: Mapping[str, Any], *, resume: bool) -> Path | None:
    """Return the state to go on from. Raises UsageError where there is one that is not wanted, or of something else."""
    found = training_state.states(folder)
    if not found:
        return None
    if not resume:
        raise UsageError(f"{folder} holds a training, at {found[0].name}: --resume goes on with it; or move it away")
    file = folder / _SETTINGS
    try:
        before = json.loads(file.read_bytes())
        old, new = dict(before["settings"]), dict(stamp["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file} is missing or broken ({error}): move {folder} away to begin anew") from error
    for name in _FREE:
        old[name] = new[name]
    for name in ("corpus", "vocabulary"):
        if before.get(name) != stamp[name]:
            raise UsageError(f"{folder} holds a training on another {name}: move it away to begin anew")
    if changed := [name for name in new if old.get(name) != new[name]]:
        told = ", ".join(f"{name} was {old.get(name)!r}" for name in changed)
        raise UsageError(f"{folder} holds another training ({told}): say the same, or move it away to begin anew")
    return found[0]
