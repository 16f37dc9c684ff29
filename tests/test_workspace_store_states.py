"""What a network made of a workspace, on the disk: kept for that network, private, and forgotten for good."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from codelm.workspace_files import path_key
from codelm.workspace_states import WorkspaceStates, encoded_states
from codelm.workspace_store import WorkspaceStore

FILES = {"one": (0, 2), "two": (2, 5)}
STATES = WorkspaceStates(
    "network", np.arange(10, dtype=np.int8).reshape(5, 2), np.arange(5, dtype=np.uint16), MappingProxyType(FILES)
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def store(root: Path, tmp_path: Path) -> WorkspaceStore:
    return WorkspaceStore([root], tmp_path / "cache")


@pytest.fixture
def files(root: Path) -> dict[str, str]:
    """The digests of two files, by their paths."""
    return {path_key(root / f"{name}.py"): name for name in FILES}


def kept(store: WorkspaceStore) -> dict[str, list[list[int]]] | None:
    """The states of each file that is kept."""
    states, problem = store.load_states("network")
    assert problem == ""
    return states and {name: states.states[begin:end].tolist() for name, (begin, end) in states.files.items()}


def test_states_come_back_as_they_were(store, files):
    assert kept(store) is None
    assert store.save_states(STATES, files)
    assert kept(store) == {"one": [[0, 1], [2, 3]], "two": [[4, 5], [6, 7], [8, 9]]}


def test_those_of_another_network_are_none_and_no_trouble(store, files):
    store.save_states(STATES, files)
    assert store.load_states("another") == (None, "")


def test_only_the_files_that_there_are_are_kept(store, files):
    store.save_states(STATES, dict([files.popitem()]))
    assert kept(store) == {"two": [[4, 5], [6, 7], [8, 9]]}


@pytest.mark.parametrize("spoil", [lambda whole: whole[:0], lambda whole: whole[:-1], lambda whole: whole[::-1]])
def test_broken_ones_are_made_again(store, files, spoil: Callable[[bytes], bytes]):
    store.save_states(STATES, files)
    path = store.folder / "states"
    path.write_bytes(spoil(path.read_bytes()))
    states, problem = store.load_states("network")
    assert states is None
    assert problem.startswith(f"{path} is made again: ")
    assert store.save_states(STATES, files)
    assert kept(store) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_they_are_for_their_owner_alone(store, files):
    store.save_states(STATES, files)
    assert stat.S_IMODE((store.folder / "states").stat().st_mode) == 0o600


# --- forgetting ----------------------------------------------------------------------------------------------


def test_a_file_that_is_forgotten_takes_its_states_along(store, files, root):
    """All are removed: what the others' were is soon written again."""
    store.save_states(STATES, files)
    store.forget(root / "one.py")
    assert kept(store) is None
    store.save_states(STATES, files)
    assert kept(store) == {"two": [[4, 5], [6, 7], [8, 9]]}


def test_a_workspace_that_is_forgotten_has_none_and_gets_none(store, files):
    store.save_states(STATES, files)
    store.forget_workspace()
    assert not (store.folder / "states").exists()
    store.save_states(STATES, files)
    assert not (store.folder / "states").exists()
    assert kept(store) is None


def test_what_another_process_has_forgotten_altogether_does_not_come_back(store, files, root):
    store.save_states(STATES, files)
    other = WorkspaceStore([root], store.base.parent)
    other.forget_all()
    assert not store.folder.exists()
    assert not store.save_states(STATES, files)
    assert not store.folder.exists()


# --- bounded -------------------------------------------------------------------------------------------------


def test_they_go_with_the_index_that_was_not_used_for_longest(root, tmp_path, files):
    most = 2 * len(encoded_states(STATES)) + 10
    stores = [WorkspaceStore([root, tmp_path / name], tmp_path / "cache", most) for name in "abc"]
    for age, store in enumerate(stores[:2]):
        store.save_states(STATES, files)
        os.utime(store.folder / "states", (1_000_000_000 + age, 1_000_000_000 + age))
    assert kept(stores[0]) is not None  # now they were used last
    stores[2].save_states(STATES, files)
    assert [kept(store) is not None for store in stores] == [True, False, True]
