"""Already tokenised text as a corpus: one sequence a line, words between blanks."""

import platform
from collections import defaultdict
from pathlib import Path

import numpy as np

from codelm import __version__
from codelm.checkpoint import CODE
from codelm.errors import CorpusError
from codelm_train import corpus
from codelm_train.corpus import FORMAT, VERSION, Corpus, Ids, Sequences
from codelm_train.lexicon import rank
from codelm_train.licences import UNKNOWN
from codelm_train.split import TRAIN, split_named


def tokenised(file: Path, split: str = TRAIN, stream: str = CODE) -> Corpus:
    """Read a corpus from tokenised UTF-8 text, nothing filtered and nothing dropped; an empty line is a
    sequence.

    Raises CorpusError where the file is missing, empty or not UTF-8.
    """
    # A word that is looked up and missing gets the next number.
    numbers: defaultdict[bytes, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    sequences: list[Ids] = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise CorpusError(f"{file}:{number}: not UTF-8 ({error.reason})") from error
                words = line.split()  # at blanks of ASCII, as KenLM has them: a word may hold any other
                sequences.append(np.fromiter(map(numbers.__getitem__, words), np.uint32, len(words)))
    except OSError as error:
        raise CorpusError(f"{file}: cannot be read: {error.strerror}") from error
    if not numbers:
        raise CorpusError(f"{file}: no words in it")
    counts = np.zeros(len(numbers), dtype=np.int64)
    for ids in sequences:
        np.add.at(counts, ids, np.int64(1))
    lexicon, final = rank((word.decode("utf-8") for word in numbers), counts)
    name = split_named(split)
    part = Sequences(
        [final[ids] for ids in sequences],
        [file.name] * len(sequences),
        [f"line {number}" for number in range(1, len(sequences) + 1)],
    )
    manifest = {
        "format": FORMAT, "version": VERSION, "codelm": __version__, "python": platform.python_version(),
        "stream": stream, "words": len(lexicon), "splits": corpus.counts_of({name: part}), "dropped": {},
        "options": {"tokenised": True},
        "sources": [{"name": file.name, "kind": "tokenised", "licence": UNKNOWN}],
    }  # fmt: skip
    return Corpus(manifest, lexicon, {name: part.joined()})
