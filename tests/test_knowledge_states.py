"""The network's states in the workspace, as completions draw on them: those of all files but the open one."""

from pathlib import Path

import models
import networks
import numpy as np
import pytest

from codelm import checkpoint
from codelm.checkpoint import Checkpoint
from codelm.completion import Snapshot
from codelm.errors import CheckpointError
from codelm.knowledge import Context, Knowledge
from codelm.model import log_probs
from codelm.weights import NEURAL, NEURAL_WORKSPACE, WORKSPACE
from codelm.words import words_of
from codelm.workspace import WorkspaceIndex, updated
from codelm.workspace_files import path_key, source_files
from codelm.workspace_states import WorkspaceStates

FILES = {"a.py": "import json\nfrobnicate = json.loads\n", "b.py": "for x in frobnicated(1):\n    pass\n"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    states = models.random_reduction(np.random.default_rng(1))
    return networks.write_mixture(tmp_path_factory.mktemp("models") / "mixed", states=states)


@pytest.fixture(scope="module")
def opened(folder) -> Checkpoint:
    return checkpoint.load(folder)


@pytest.fixture
def index(tmp_path) -> WorkspaceIndex:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return updated(WorkspaceIndex(), source_files([tmp_path]).files)


def read(known: Knowledge, index: WorkspaceIndex, states: WorkspaceStates | None = None) -> WorkspaceStates:
    update = known.states_update(index, states)
    for _ in update.steps():
        pass
    return update.states()


def context(known: Knowledge, path: Path) -> Context:
    """What is known behind a line in a file."""
    text = "import json\nx = json.loads\n"
    file = known.file("file:///x.py")
    lexed = file.lex(text)
    places = file.learn(lexed, len(lexed.tokens), text, len(text))
    snapshot = Snapshot("file:///x.py", 1, text, path_key(path))
    return known.context(snapshot, places, list(words_of(lexed.tokens)))


def recalled(found: Context) -> set[int]:
    """The words that the network recalls of the workspace."""
    model, state = found.mixture.caches.neural_workspace, found.state.parts[NEURAL_WORKSPACE]
    return set(np.flatnonzero(np.exp(log_probs(model, state, 1, found.mixture.size)[0])).tolist())


def test_what_the_network_read_is_part_of_the_mixture(opened, index, tmp_path):
    known = Knowledge(opened)
    known.workspace = known.learned(index)
    assert NEURAL_WORKSPACE not in context(known, tmp_path / "c.py").mixture.parts
    known.workspace = known.learned(index, read(known, index))
    found = context(known, tmp_path / "c.py")
    assert found.mixture.parts[-2:] == (NEURAL, NEURAL_WORKSPACE)
    row = np.exp(log_probs(found.mixture, found.state, 1, found.mixture.size)[0].astype(np.float64))
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert recalled(found) <= set(known.session.ids(index.lexicon).tolist())


def test_the_open_file_is_not_recalled(opened, index, tmp_path):
    known = Knowledge(opened)
    known.workspace = known.learned(index, read(known, index))
    of_others = known.session.ids(
        [index.lexicon[number] for number in index.ids_of(path_key(tmp_path / "b.py")).tolist()]
    )
    assert recalled(context(known, tmp_path / "a.py")) <= set(of_others.tolist())


def test_a_workspace_of_the_open_file_alone_recalls_nothing(opened, tmp_path):
    (tmp_path / "a.py").write_text(FILES["a.py"], encoding="utf-8")
    index = updated(WorkspaceIndex(), source_files([tmp_path]).files)
    known = Knowledge(opened)
    known.workspace = known.learned(index, read(known, index))
    assert NEURAL_WORKSPACE not in context(known, tmp_path / "a.py").mixture.parts


def test_without_the_network_nothing_is_recalled(folder, opened, index, tmp_path):
    known = Knowledge(checkpoint.load(folder, network=False))
    assert known.states_key == ""
    known.workspace = known.learned(index, read(Knowledge(opened), index))
    found = context(known, tmp_path / "c.py")
    assert WORKSPACE in found.mixture.parts
    assert NEURAL_WORKSPACE not in found.mixture.parts
    known.open_network()
    assert known.states_key == Knowledge(opened).states_key
    known.workspace = known.learned(index, read(Knowledge(opened), index))
    assert NEURAL_WORKSPACE in context(known, tmp_path / "c.py").mixture.parts


def test_another_networks_states_are_none_and_are_read_anew(opened, index, tmp_path):
    other_states = models.random_reduction(np.random.default_rng(2))
    other = Knowledge(checkpoint.load(networks.write_mixture(tmp_path / "other", states=other_states)))
    known, states = Knowledge(opened), read(other, index)
    assert known.states_key != other.states_key
    known.workspace = known.learned(index, states)
    assert NEURAL_WORKSPACE not in context(known, tmp_path / "c.py").mixture.parts
    assert known.states_update(index, states).pending
    assert read(known, index, states).key == known.states_key


def test_a_checkpoint_whose_states_are_kept_for_another_network_is_broken(tmp_path):
    states = models.random_reduction(np.random.default_rng(1), width=15)
    folder = networks.write_mixture(tmp_path / "model", states=states)
    with pytest.raises(CheckpointError, match="'states' are not those of the network"):
        checkpoint.load(folder)
