"""What each part of a mixture adds, measured on the same words."""

import json
from pathlib import Path

import models
import networks
import numpy as np
import pytest

from codelm.checkpoint import Checkpoint
from codelm.errors import CorpusError
from codelm.mixture import Trained
from codelm_train.corpus import Sequences, Split
from codelm_train.parts import STEPS, Ranked, what_parts_add

NGRAM = models.checkpoint(60)
BOTH = Checkpoint(
    Path("nowhere"), "both", "code", models.vocabulary(networks.SIZE),
    Trained(networks.SIZE, models.ngram(2, networks.SIZE), networks.opened("lstm, tied", "onnx, int8")), {},
)  # fmt: skip
WORDS = tuple(dict.fromkeys(word for sequence in models.sequences() for word in sequence[:300]))
EMPTY = Sequences([], [], []).joined()


def split_of(numbers: tuple[int, ...]) -> Split:
    """Some of the modules, cut short, as one project."""
    number = {word: n for n, word in enumerate(WORDS)}
    some = [models.sequences()[which][:300] for which in numbers]
    ids = [np.array([number[word] for word in sequence], np.uint32) for sequence in some]
    return Sequences(ids, ["p"] * len(ids), [str(n) for n in numbers]).joined()


FITTED_TO, MEASURED = split_of((0, 1, 2)), split_of((3, 4, 5))


def added(trained: Checkpoint) -> dict[str, Ranked]:
    return {step.name: step for step in what_parts_add(trained, WORDS, FITTED_TO, MEASURED, every=9)}


def test_more_parts_rank_more_words_first():
    found = added(BOTH)
    assert list(found) == [name for name, _, _ in STEPS]
    for step in found.values():
        for first, five in (step.all, step.identifiers):
            assert 0 <= first <= five <= 100
    alone, file = found["n-gram model"], found["+ open file"]
    assert alone.identifiers[1] < file.identifiers[1]
    assert alone.all[1] < file.all[1]


def test_parts_that_a_model_lacks_add_nothing():
    found = added(NGRAM)
    project, network = found["+ project"], found["+ network"]
    assert (network.all, network.identifiers) == (project.all, project.identifiers)
    learned, neural = found["+ learned weights"], found["+ neural cache, project"]
    assert (learned.all, learned.identifiers) == (neural.all, neural.identifiers)


def test_the_same_words_give_the_same_numbers():
    assert json.dumps([step.all for step in added(NGRAM).values()]) == json.dumps(
        [step.all for step in added(NGRAM).values()]
    )


@pytest.mark.parametrize(("fitted_to", "measured"), [(EMPTY, MEASURED), (FITTED_TO, EMPTY)])
def test_there_must_be_words_to_fit_to_and_to_rank(fitted_to, measured):
    with pytest.raises(CorpusError, match="a split has no words"):
        what_parts_add(NGRAM, WORDS, fitted_to, measured, every=1)
