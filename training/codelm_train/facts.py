"""What a checkpoint says of the data that it was trained on."""

from typing import Any

from codelm.checkpoint import Checkpoint
from codelm_train.corpus import Corpus
from codelm_train.split import TRAIN

_KEPT = ("name", "version", "licence", "split", "sha256", "words")


def data_facts(corpus: Corpus) -> dict[str, Any]:
    """Return the tokens of a corpus's training split, its sources with their licences, and what was dropped."""
    return {
        "tokens": len(corpus.split(TRAIN).ids),
        "sources": [{key: source.get(key) for key in _KEPT} for source in corpus.manifest["sources"]],
        "dropped": dict(corpus.manifest["dropped"]),
    }


def base_facts(base: Checkpoint) -> dict[str, Any]:
    """Return what a checkpoint says of the one that it was made from: its name, and all that it was trained on."""
    return {
        "name": base.name,
        **{key: base.facts[key] for key in ("training", "network_training") if key in base.facts},
    }
