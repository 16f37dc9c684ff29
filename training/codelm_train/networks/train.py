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
from numpy.typing import NDArray

from codelm import __version__
from codelm.checkpoint import Checkpoint, network_key
from codelm.errors import CheckpointError, CodelmError, UsageError
from codelm.folder import refuse_foreign, replace_file
from codelm.manifest import FORMAT
from codelm.neural.files import TAIL_SHARES
from codelm.neural.modules import Network
from codelm.vocabulary import Vocabulary
from codelm_train.base import check_words
from codelm_train.corpus import Corpus, Ids, Split
from codelm_train.facts import base_facts, data_facts
from codelm_train.networks import export
from codelm_train.networks import state as training_state
from codelm_train.networks.device import device_of, in_bf16
from codelm_train.networks.fit import Outcome, Task, fit
from codelm_train.networks.metrics import CURVES
from codelm_train.networks.ranks import Ranks
from codelm_train.networks.rounded import weights_of
from codelm_train.networks.settings import NetworkSettings
from codelm_train.networks.words import Words
from codelm_train.progress import Meter, unseen
from codelm_train.split import TRAIN, VALIDATION

_SETTINGS = "settings.json"
_SLICE = 1 << 22  # words of a corpus that are looked at together: one may be larger than the memory
# What may differ when a training is resumed: how long it goes on, where it runs, what it keeps.
_FREE = ("steps", "epochs", "minutes", "device", "compile", "patience", "validations", "keep", "name")


def task(corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, base: Checkpoint | None = None) -> Task:
    """Return what a network is trained on, from the one of ``base`` on if there is one.

    Raises CorpusError, UsageError.
    """
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
        tail_shares=_tail_shares(words.tail_shares(counts), base),
        trained_before=base is not None,
    )


def _tail_shares(own: NDArray[np.float32], base: Checkpoint | None) -> NDArray[np.float32]:
    """Return the shares of the words that are no outputs: half by the corpus, half as the base has them."""
    if base is None:
        return own
    before = np.exp(np.load(base.folder / TAIL_SHARES, allow_pickle=False).astype(np.float64))
    both = np.exp(own.astype(np.float64))
    both[: len(before)] += before
    shares: NDArray[np.float32] = np.log(both / both.sum()).astype(np.float32)
    return shares


def _fits(base: Checkpoint, vocabulary: Vocabulary, settings: NetworkSettings) -> None:
    """Raise UsageError unless a network of such settings can go on from the one of ``base``."""
    if base.shape is None:
        raise UsageError(f"{base.folder} has no network to go on from")
    check_words(base, vocabulary)
    wanted, had = settings.shape(len(vocabulary)).as_json(), base.shape.as_json() | {"words": len(vocabulary)}
    if changed := [name for name in wanted if wanted[name] != had[name]]:
        told = ", ".join(f"{name} = {had[name]!r}" for name in changed)
        raise UsageError(f"the network of {base.folder} has {told}: say the same, since it goes on from it")


def train(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, folder: Path, *,
    base: Checkpoint | None = None, resume: bool = False, ranks: Ranks | None = None, meter: Meter = unseen,
) -> tuple[Network, Task, Outcome]:  # fmt: skip
    """Train a network, or go on with one that was interrupted, in ``folder``.

    ``base``: a checkpoint whose network is the one to begin with. Raises UsageError where that has another shape, and
    where the folder holds a training and ``resume`` is not wanted, or one of something else.
    """
    if base is not None:
        _fits(base, vocabulary, settings)
    ranks = ranks or Ranks()
    device = device_of(settings.device, ranks.local)
    stamp = _stamp(corpus, vocabulary, settings, base)
    if ranks.first:
        training_state.clear_up(folder)
    ranks.meet(device)
    latest = _latest(folder, stamp, resume=resume)
    if ranks.first and latest is None:
        training_state.clear_up(folder, anew=True)
        replace_file(folder / _SETTINGS, json.dumps(stamp, indent=1) + "\n")
    what = task(corpus, vocabulary, settings, base)
    torch.manual_seed(settings.seed)
    network = Network(settings.shape(len(vocabulary)), settings.dropout)
    if base is not None:
        network.load_state_dict(weights_of(base))
    network = network.to(device)
    bf16 = in_bf16(settings.precision, device)
    outcome = fit(what, network, folder, device, bf16=bf16, ranks=ranks, resume=latest, meter=meter)
    return network, what, outcome


def make(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, out: Path, *,
    base: Checkpoint | None = None, resume: bool = False, ranks: Ranks | None = None, meter: Meter = unseen,
) -> Outcome:  # fmt: skip
    """Train a network and write the checkpoint ``out`` of its best weights; the training stands beside it.

    ``base``: a checkpoint whose network is the one to begin with. A training that was stopped writes no checkpoint.
    Raises CodelmError.
    """
    refuse_foreign(out, FORMAT)  # now, rather than when all is trained
    folder = training_folder(out)
    network, what, outcome = train(
        corpus, vocabulary, settings, folder, base=base, resume=resume, ranks=ranks, meter=meter
    )
    if outcome.finished and (ranks is None or ranks.first):
        place = outcome.place
        facts = {
            "training": {
                "steps": place.step, "tokens_read": place.tokens, "minutes": round(place.seconds / 60, 1),
                "best_bits": place.best_bits, "settings": asdict(settings), **data_facts(corpus),
                **({} if base is None else {"base": base_facts(base)}),
            }
        }  # fmt: skip
        export.save(
            out, network.cpu(), vocabulary, what.tail_shares,
            name=settings.called, stream=corpus.stream, facts=facts, curves=folder / CURVES,
        )  # fmt: skip
    return outcome


def make_or_go_on(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, out: Path, *,
    base: Checkpoint | None = None, meter: Meter = unseen,
) -> Outcome:  # fmt: skip
    """Make a checkpoint as ``make`` does, going on with a training of the same, and dropping one of something else."""
    folder = training_folder(out)
    try:
        _latest(folder, _stamp(corpus, vocabulary, settings, base), resume=True)
    except CodelmError:
        shutil.rmtree(folder)
    return make(corpus, vocabulary, settings, out, base=base, resume=True, meter=meter)


def training_folder(out: Path) -> Path:
    """Return where the training of a checkpoint keeps its states and curves."""
    return out.with_name(f"{out.name}.training")


def _stamp(
    corpus: Corpus, vocabulary: Vocabulary, settings: NetworkSettings, base: Checkpoint | None
) -> dict[str, Any]:
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
        "base": "" if base is None else network_key(base),
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
    for name in ("corpus", "vocabulary", "base"):
        if before.get(name, "") != stamp[name]:
            raise UsageError(f"{folder} holds a training on another {name}: move it away to begin anew")
    if changed := [name for name in new if old.get(name) != new[name]]:
        told = ", ".join(f"{name} was {old.get(name)!r}" for name in changed)
        raise UsageError(f"{folder} holds another training ({told}): say the same, or move it away to begin anew")
    return found[0]
