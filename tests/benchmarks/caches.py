"""How fast files are learned and the caches asked: a section of ``make bench``.

The workspace is the standard library up to a million words, the open file one more of its modules.
"""

import statistics
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from codelm import beam, checkpoint
from codelm.caches import caches_of
from codelm.file_words import FileWords
from codelm.mixture import Mixture, MixtureState, Trained
from codelm.model import Ids
from codelm.session import SessionVocabulary
from codelm.weights import WORKSPACE
from codelm.words import words
from codelm.workspace_cache import WorkspaceCache

Row = Callable[[str, str, float, str], None]

WORDS = 1_000_000
ROUNDS = 5
CONTEXT = 16
OPEN = "argparse.py"


def section(row: Row) -> None:
    """Measure learning and asking."""
    bundled = checkpoint.load(checkpoint.BUNDLED)
    session = SessionVocabulary(bundled.vocabulary)
    files = learned_files(session)
    keys = np.concatenate(files).astype(np.uint64)
    sorting = _cpu(lambda: np.sort(keys))
    sorted_files = _cpu(lambda: WorkspaceCache(files))
    row("sorting a million words", f"{sorted_files:.2f} s", sorted_files / sorting, "one sort of as many numbers")

    ids = session.learn(words((_stdlib() / OPEN).read_text(encoding="utf-8")))
    learning = _cpu(lambda: _learned(ids)) / len(ids)
    dictionary = _cpu(lambda: dict.fromkeys(ids.tolist())) / len(ids)
    row("learning an open file", f"{learning * 1e6:.2f} µs/word", learning / dictionary, "a dict of its words")

    weights = bundled.weights or checkpoint.default_weights()
    cache = WorkspaceCache(files)
    others = cache.model(len(session), weights.caches[WORKSPACE])
    dense = np.random.default_rng(0).random(len(bundled.vocabulary)).astype(np.float32)
    selection = _cpu(lambda: np.argpartition(dense, -50))
    states = []
    for place in range(len(ids) // 2, len(ids), len(ids) // 600):
        above = FileWords()
        above.learn(ids[:place])
        caches = caches_of(above.snapshot(), others, weights.caches, session.forms(), None)
        trained = Trained(bundled.trained.known, bundled.ngram)
        mixture = Mixture(trained, caches, len(session), weights, session.forms())
        states.append((mixture, mixture.read(mixture.start(), ids[place - CONTEXT : place])))
    for k in (5, 50):
        each = _each(states, k)
        row(f"the {k} best words, with caches", f"{each * 1e3:.2f} ms", each / selection, "numpy's top 50 of 40,000")


def learned_files(session: SessionVocabulary) -> list[Ids]:
    """Return the words of the standard library's modules, up to ``WORDS`` of them, without the open one."""
    files: list[Ids] = []
    for file in sorted(_stdlib().glob("[a-z]*/*.py")):
        if sum(map(len, files)) >= WORDS:
            break
        if "site-packages" not in file.parts:
            files.append(session.learn(words(file.read_text(encoding="utf-8", errors="replace"))))
    return files


def _stdlib() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _learned(ids: Ids) -> None:
    """Learn a file line by line, as one that is typed."""
    above = FileWords()
    for place in range(0, len(ids), 10):
        above.learn(ids[place : place + 10])


def _each(states: list[tuple[Mixture, MixtureState]], k: int) -> float:
    """Return the median CPU seconds of asking a state that was never asked, of models that were."""
    taken = []
    for _ in range(ROUNDS):
        for mixture, state in states:
            # A state remembers what was found for it: asked anew, it has to look again.
            parts = {
                name: type(own)(own.contexts) if name in mixture.learned else own for name, own in state.parts.items()
            }
            fresh = MixtureState(parts, state.last)
            began = time.process_time()
            beam.best_next(mixture, fresh, k)
            taken.append(time.process_time() - began)
    return statistics.median(taken[len(states) :])


def _cpu(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    section(lambda what, figure, ratio, reference: print(f"{what:<34}{figure:>16}{ratio:>9.2f} x  {reference}"))
    sys.exit()
