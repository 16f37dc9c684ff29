"""The corpus command: sources → documents → words → without duplicates, in splits → a CORPUS folder."""

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from codelm import __version__
from codelm.checkpoint import CODE, CODE_TOKENS, PROSE
from codelm.errors import CorpusError
from codelm_train import corpus
from codelm_train.corpus import FORMAT, VERSION, Corpus, Ids, Sequences
from codelm_train.documents import Document, Dropped, Source
from codelm_train.duplicates import BANDS, Hashes, duplicates
from codelm_train.lexicon import Lexicon, rank
from codelm_train.lexing import Lexed, lex_all
from codelm_train.progress import Progress, silent
from codelm_train.sources import count, documents, find
from codelm_train.split import SPLITS, TEST, TRAIN, VALIDATION, assign

DEFAULT_CACHE = Path.home() / ".cache" / "codelm" / "wheels"


@dataclass(frozen=True, slots=True)
class Options:
    """What makes one corpus differ from another of the same sources."""

    code_tokens: bool = False
    """Take the words of CodeSearchNet rows as they are, without lines and blocks; don't lex their code."""
    notebooks: bool = False
    """Read the code cells of notebooks in folders and packages, too."""
    prose: bool = False
    """Take the words of comments, docstrings and strings instead of the code's."""
    validation_share: float = 0.05
    """About how much to keep for validation where the sources don't say; 0 to 0.5."""
    test_share: float = 0.0
    """About how much to keep for a test, in the same way; 0 to 0.5."""
    similarity: float = 0.8
    """The Jaccard similarity from which two documents are near-duplicates; 1: only equal ones are."""
    longest: int = 0
    """Cut each sequence to its first words, so many; 0: no cut. What is left is what duplicates are found by."""

    def __post_init__(self) -> None:
        for name, share in (("validation", self.validation_share), ("test", self.test_share)):
            if not 0 <= share <= 0.5:
                raise CorpusError(f"the {name} share {share} is not between 0 and 0.5")
        if not 0 < self.similarity <= 1:
            raise CorpusError(f"the similarity of near-duplicates {self.similarity} is not between 0 and 1")
        if self.code_tokens and self.prose:
            raise CorpusError("code_tokens have no prose: leave one of the two out")
        if self.longest < 0:
            raise CorpusError(f"the longest sequence {self.longest} is not 1 or more words, or 0 for no cut")


def build(
    names: Sequence[str | Path],
    out: Path,
    options: Options = Options(),
    *,
    cache: Path = DEFAULT_CACHE,
    workers: int = 0,
    progress: Progress = silent,
) -> Corpus:
    """Build the corpus of the sources ``names`` in the folder ``out`` and open it.

    The same sources and options make the same files, whatever the number of ``workers`` (0: one per core).
    Wheels of package lists are kept in ``cache``. Raises CorpusError or StorageError; then ``out`` is as it
    was.
    """
    with corpus.new_corpus(out) as folder:
        _write(folder, names, options, cache, workers, progress)
    return corpus.open_corpus(out)


def _write(
    folder: Path, names: Sequence[str | Path], options: Options, cache: Path, workers: int, progress: Progress
) -> None:
    """Gather the sources and write the corpus; all that it took is freed before the corpus is opened."""
    sources = find(names, cache, notebooks=options.notebooks, progress=progress)
    if options.code_tokens and any(source.kind != "rows" for source in sources):
        raise CorpusError("code_tokens are in CodeSearchNet rows only; give the other sources a corpus of their own")
    draft = _gather(sources, options, workers, progress)
    said = list(zip(draft.projects, draft.paths, draft.said, strict=True))
    splits = assign(said, options.validation_share, options.test_share)
    draft.drop(_duplicates(draft, splits, options))
    if not draft.kept:
        raise CorpusError(_nothing_left(names, draft.dropped))
    lexicon, ids = draft.ranked()
    parts = {name: part for name in SPLITS if (part := _part(draft, ids, splits, name)).ids}
    stream = CODE_TOKENS if options.code_tokens else PROSE if options.prose else CODE
    corpus.write(folder, _manifest(stream, lexicon, parts, draft, options), lexicon, parts)


@dataclass(slots=True)
class _Draft:
    """A corpus in the making: a list for each property of the N documents that have words."""

    sources: list[Source]
    of: list[int] = field(default_factory=list)  # index into sources
    projects: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    said: list[str | None] = field(default_factory=list)  # the split that the source says
    ids: list[Ids] = field(default_factory=list)  # into numbers
    fingerprints: list[bytes] = field(default_factory=list)
    keys: list[Hashes] = field(default_factory=list)
    cut: list[bool] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # word → provisional id, by first occurrence
    dropped: list[Counter[str]] = field(default_factory=list)  # per source: reason → documents
    kept: list[int] = field(default_factory=list)

    def add(self, source: int, document: Document, lexed: Lexed) -> None:
        self.kept.append(len(self.of))
        self.of.append(source)
        self.projects.append(document.project)
        self.paths.append(document.path)
        self.said.append(document.split)
        numbers = self.numbers
        table = np.array([numbers.setdefault(word, len(numbers)) for word in lexed.words], dtype=np.uint32)
        self.ids.append(table[lexed.ids])
        self.fingerprints.append(lexed.fingerprint)
        self.keys.append(lexed.keys)
        self.cut.append(lexed.cut)

    def drop(self, reasons: dict[int, str]) -> None:
        for i, reason in reasons.items():
            self.dropped[self.of[i]][reason] += 1
        self.kept = [i for i in self.kept if i not in reasons]

    def ranked(self) -> tuple[Lexicon, Ids]:
        """Return the lexicon of what is kept, and each provisional id's final one."""
        counts = np.zeros(len(self.numbers), dtype=np.int64)
        for i in self.kept:
            numbers, occurrences = np.unique(self.ids[i], return_counts=True)
            counts[numbers] += occurrences
        return rank(self.numbers, counts)


def _gather(sources: list[Source], options: Options, workers: int, progress: Progress) -> _Draft:
    draft = _Draft(sources, dropped=[Counter() for _ in sources])
    index = {id(source): i for i, source in enumerate(sources)}
    found = documents(sources, code_tokens=options.code_tokens)
    lexed = lex_all(found, workers, options.longest, prose=options.prose)
    for document, words in progress(lexed, count(sources), "reading sources"):
        source = index[id(document.source)]
        if isinstance(words, Dropped):
            draft.dropped[source][words.reason] += 1
        else:
            draft.add(source, document, words)
    return draft


def _duplicates(draft: _Draft, splits: list[str], options: Options) -> dict[int, str]:
    """Return the duplicates to drop. Training gives way: what a model is measured on, it has not learned."""
    order = sorted(range(len(splits)), key=lambda i: (TEST, VALIDATION, TRAIN).index(splits[i]))
    keys = np.array(draft.keys, dtype=np.uint64).reshape(len(splits), BANDS)
    return duplicates(draft.fingerprints, keys, draft.ids, order, options.similarity)


def _part(draft: _Draft, ids: Ids, splits: list[str], name: str) -> Sequences:
    """Return the sequences of a split, each renumbered in its place: there is never a second copy of all."""
    mine = [i for i in draft.kept if splits[i] == name]
    for i in mine:
        draft.ids[i] = ids[draft.ids[i]]
    return Sequences([draft.ids[i] for i in mine], [draft.projects[i] for i in mine], [draft.paths[i] for i in mine])


def _manifest(
    stream: str, lexicon: Lexicon, parts: dict[str, Sequences], draft: _Draft, options: Options
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "codelm": __version__,
        "python": platform.python_version(),  # its grammar decides what is Python
        "stream": stream,
        "words": len(lexicon),
        "splits": corpus.counts_of(parts),
        "cut": sum(draft.cut[i] for i in draft.kept),  # sequences that were longer than the options' longest
        "dropped": _by_falling(sum(draft.dropped, Counter())),
        "options": asdict(options),
        "sources": list(_source_entries(draft)),
    }


def _source_entries(draft: _Draft) -> Iterator[dict[str, Any]]:
    kept: list[list[int]] = [[] for _ in draft.sources]
    for i in draft.kept:
        kept[draft.of[i]].append(i)
    for source, mine, dropped in zip(draft.sources, kept, draft.dropped, strict=True):
        yield {
            "name": source.name,
            "kind": source.kind,
            "version": source.version,
            "licence": source.licence,
            "split": source.split,
            "sha256": source.sha256,
            "projects": len({draft.projects[i] for i in mine}),
            "sequences": len(mine),
            "words": sum(len(draft.ids[i]) for i in mine),
            "dropped": _by_falling(dropped),
        }


def _nothing_left(names: Iterable[str | Path], dropped: Iterable[Counter[str]]) -> str:
    reasons = _by_falling(sum(dropped, Counter()))
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "no documents"
    return f"{', '.join(map(str, names))}: nothing is left for a corpus ({why})"


def _by_falling(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
