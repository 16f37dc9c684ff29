"""The caches of one moment, put together: what the open file teaches in three ways, and the workspace."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from codelm.file_cache import FileModel
from codelm.file_words import FileWords, Places
from codelm.form_cache import FormModel
from codelm.mixture import Caches, Mixture, Trained
from codelm.neural.table import Floats as Vectors
from codelm.neural_cache import NeuralCache
from codelm.neural_workspace import NeuralWorkspace
from codelm.session import SessionVocabulary
from codelm.vocabulary import Vocabulary
from codelm.weights import FILE, FORM, WORKSPACE, Floats, Weights
from codelm.workspace_cache import WorkspaceCache, WorkspaceModel


def caches_of(
    places: Places, workspace: WorkspaceModel, tables: Mapping[str, Floats], forms: NDArray[np.int16],
    vectors: Vectors | None = None, recalled: NeuralWorkspace | None = None,
) -> Caches:  # fmt: skip
    """Return the caches of an open file and a workspace, over as many ids as there are ``forms``.

    ``tables``: the weights of their experts. ``vectors`` (N, P), of length one: what a network's head read before each
    of the last N words above the cursor; None without a network. ``recalled``: what it has read of the workspace.
    """
    size = len(forms)
    return Caches(
        FileModel(places, size, tables[FILE]),
        FormModel(places, size, tables[FORM], forms),
        workspace.over(size),
        None if vectors is None else NeuralCache(places, vectors, size),
        None if recalled is None else recalled.over(size),
    )


def without_caches(trained: Trained, vocabulary: Vocabulary, weights: Weights) -> Mixture:
    """Return trained models as one, with nothing learned in a session."""
    forms = SessionVocabulary(vocabulary).forms()
    nothing = WorkspaceCache(()).model(len(forms), weights.caches[WORKSPACE])
    caches = caches_of(FileWords().snapshot(), nothing, weights.caches, forms)
    return Mixture(trained, caches, len(forms), weights, forms)
