"""What a checkpoint says of the data that it was trained on."""

from typing import Any

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
