"""How fast files are learned, and the caches asked that compare words: a section of ``make bench``.

The workspace is the standard library up to a million words, the open file one more of its modules. The caches are asked
beside the model's n-grams, without its network. ``python tests/benchmarks/caches.py [MODEL]`` measures another model
than the bundled one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: one thread, as in the server

import statistics

import numpy as np
from measuring import Row, chosen_model, cpu, cpu_once, heads, row
from texts import stdlib

from codelm import beam
from codelm.caches import caches_of
from codelm.checkpoint import Checkpoint, default_weights
from codelm.file_words import FileWords, Places
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids
from codelm.session import SessionVocabulary
from codelm.weights import WORKSPACE
from codelm.words import words
from codelm.workspace_cache import WorkspaceCache

WORDS = 1_000_000
ROUNDS = 5
CONTEXT = 16
PLACES = 600
OPEN = "argparse.py"


def section(row: Row, opened: Checkpoint) -> None:
    """Measure learning and asking."""
    session = SessionVocabulary(opened.vocabulary)
    files = learned_files(session)
    keys = np.concatenate(files).astype(np.uint64)
    sorting = cpu(lambda: np.sort(keys), rounds=ROUNDS)
    sorted_files = cpu(lambda: WorkspaceCache(files), rounds=ROUNDS)
    row("sorting a million words", f"{sorted_files:.2f} s", sorted_files / sorting, "one sort of as many numbers")

    ids = session.learn(words((stdlib() / OPEN).read_text(encoding="utf-8")))
    learning = cpu(lambda: _learned(ids)) / len(ids)
    dictionary = cpu(lambda: dict.fromkeys(ids.tolist())) / len(ids)
    row("learning an open file", f"{learning * 1e6:.2f} µs/word", learning / dictionary, "a dict of its words")

    dense = np.random.default_rng(0).random(len(opened.vocabulary)).astype(np.float32)
    selection = cpu(lambda: np.argpartition(dense, -50))
    states = _states(opened, session, WorkspaceCache(files), ids)
    for k in (5, 50):
        each = _each(states, k)
        row(f"the {k} best words, with caches", f"{each * 1e3:.2f} ms", each / selection, "numpy's top 50 of 40,000")


def _states(
    opened: Checkpoint, session: SessionVocabulary, workspace: WorkspaceCache, ids: Ids
) -> list[tuple[Mixture, MixtureState, Ids]]:
    """Return the models at places in the second half of the open file, ids (T,): their states before the last word
    there, and that word, (1,).
    """
    size, forms = len(session), session.forms()
    weights = opened.weights or default_weights()
    trained = Trained(len(opened.vocabulary), opened.ngram)
    others = workspace.model(size, weights.caches[WORKSPACE])

    def mixture(places: Places) -> Mixture:
        return Mixture(trained, caches_of(places, others, weights.caches, forms), size, weights, forms)

    states: list[tuple[Mixture, MixtureState, Ids]] = []
    for place in range(len(ids) // 2, len(ids), len(ids) // PLACES):
        above = FileWords()
        above.learn(ids[:place])
        mixed = mixture(above.snapshot())
        states.append((mixed, mixed.behind({}, ids[place - CONTEXT : place - 1]), ids[place - 1 : place]))
    return states


def learned_files(session: SessionVocabulary) -> list[Ids]:
    """Return the words of the standard library's modules, up to ``WORDS`` of them, without the open one."""
    files: list[Ids] = []
    for file in sorted(stdlib().glob("[a-z]*/*.py")):
        if sum(map(len, files)) >= WORDS:
            break
        if "site-packages" not in file.parts:
            files.append(session.learn(words(file.read_text(encoding="utf-8", errors="replace"))))
    return files


def _learned(ids: Ids) -> None:
    """Learn a file line by line, as one that is typed."""
    above = FileWords()
    for place in range(0, len(ids), 10):
        above.learn(ids[place : place + 10])


def _each(states: list[tuple[Mixture, MixtureState, Ids]], k: int) -> float:
    """Return the median CPU seconds of asking a state that was never asked, of models that were."""
    taken = []
    for _ in range(ROUNDS):
        for mixture, before, last in states:
            # A state remembers what was found for it: stepped to anew, it has to look again.
            state = mixture.step(before, np.zeros(1, np.int64), last)
            taken.append(cpu_once(lambda mixture=mixture, state=state: beam.best_next(mixture, state, k)))
    return statistics.median(taken[len(states) :])


def main() -> None:
    """Measure the model that the command names."""
    opened = chosen_model(__doc__)
    heads()
    section(row, opened)


if __name__ == "__main__":
    main()
