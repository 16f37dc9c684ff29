"""Open files of a few words, for the tests of what they teach."""

from collections.abc import Sequence

import laws
import models
import numpy as np
from hypothesis import strategies as st

from codelm.file_cache import FileModel
from codelm.file_words import FileWords, Places
from codelm.form_cache import FormModel

SIZE = 12  # ids, those of a session's own words among them; few, so that much matches
FORMS = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4], np.int16)  # of all ids
WORDS = st.lists(st.integers(1, SIZE - 3), max_size=40)
SEEDS = st.integers(0, 2**32 - 1)
CONTEXTS = laws.contexts(SIZE)


def learned(above: Sequence[int], below: Sequence[int] = ()) -> Places:
    """The places of a file with these words above and below the cursor."""
    words = FileWords()
    words.learn(np.array(above, np.int64))
    words.learn_below(np.array(below, np.int64))
    return words.snapshot()


def file_model(above: Sequence[int], below: Sequence[int], seed: int = 0) -> FileModel:
    """What the file teaches by its words, with random weights."""
    return FileModel(learned(above, below), SIZE, models.random_weights(seed).caches["file"])


def form_model(above: Sequence[int], below: Sequence[int], seed: int = 0) -> FormModel:
    """What it teaches by its form."""
    return FormModel(learned(above, below), SIZE, models.random_weights(seed).caches["form"], FORMS)
