"""The functions command: sources → functions → without duplicates, a sample → rows as CodeSearchNet publishes them.

One JSON object a line, plain or gzipped, with the fields of ``rows.py``. ``sha`` is the SHA-1 of the file that a
function stands in, for there is no commit to name, and ``url`` is empty.
"""

import gzip
import heapq
import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path

from codelm.errors import CorpusError, UsageError
from codelm.folder import replaced_file
from codelm_train import filters
from codelm_train.build import DEFAULT_CACHE
from codelm_train.documents import Dropped, Source
from codelm_train.duplicates import fingerprint
from codelm_train.functions import FEWEST_TOKENS, Function, docstring_tokens, functions
from codelm_train.lexing import Job, decoded, in_processes
from codelm_train.progress import Progress, silent
from codelm_train.sources import count, documents, find, read
from codelm_train.split import TEST, TRAIN, VALIDATION, assign_projects

PARTITIONS = {TRAIN: "train", VALIDATION: "valid", TEST: "test"}
"""What the published rows call each split."""

# The path of a row's document: pkg/files.py:Class.method
_ROW_PATH = re.compile(r"(?s)(?P<file>.*?\.py)(:((?P<scope>.*)\.)?[^.]*)?")


@dataclass(frozen=True, slots=True)
class Options:
    """What makes one file of rows differ from another of the same sources."""

    limit: int = 0
    """How many functions to draw from all; 0: all."""
    seed: int = 0
    """Which ones: the same seed draws the same."""
    validation_share: float = 0.05
    """About which share of the projects is for validation where the sources don't say; 0 to 0.5."""
    test_share: float = 0.05
    """The same for the test."""

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise UsageError(f"the limit {self.limit} is not 1 or more functions, or 0 for all")
        for name, share in (("validation", self.validation_share), ("test", self.test_share)):
            if not 0 <= share <= 0.5:
                raise UsageError(f"the {name} share {share} is not between 0 and 0.5")


@dataclass(slots=True)
class Counts:
    """What became of the functions, each counted once."""

    functions: Counter[str] = field(default_factory=Counter)
    """Split → rows written."""
    projects: Counter[str] = field(default_factory=Counter)
    """Split → projects that they are of."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason → functions."""
    files: Counter[str] = field(default_factory=Counter)
    """Reason → files that were passed over; of rows each is one."""


def write(
    names: Sequence[str | Path],
    out: Path,
    options: Options = Options(),
    *,
    cache: Path = DEFAULT_CACHE,
    workers: int = 0,
    progress: Progress = silent,
) -> Counts:
    """Write the functions of the sources ``names`` to ``out``, a ``.jsonl`` or ``.jsonl.gz`` file.

    The same sources and options make the same bytes, whatever the number of ``workers`` (0: one per core). In
    memory are a hash of each function and, with a limit, those drawn so far. Raises CodelmError; then ``out`` is
    as it was.
    """
    if not out.name.lower().endswith((".jsonl", ".jsonl.gz")):
        raise UsageError(f"{out}: rows are written to a .jsonl or a .jsonl.gz file")
    counts = Counts()
    with _opened(out) as write_line:
        sources = find(names, cache, progress=progress)
        splits = _splits(sources, options)
        projects: set[str] = set()
        for item in _drawn(_distinct(sources, counts, workers, progress), options, counts):
            split = splits[item.project]
            counts.functions[split] += 1
            projects.add(item.project)
            write_line(_line(item, PARTITIONS[split]))
        if not projects:
            raise CorpusError(_nothing_left(names, counts))
        counts.projects.update(splits[project] for project in projects)
    return counts


@dataclass(frozen=True, slots=True)
class _Item:
    """A function, and where it is from."""

    project: str
    path: str
    sha: str
    """The SHA-1 of the file, in hexadecimal."""
    function: Function
    fingerprint: bytes
    """Of the code tokens."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a document holds: its functions with the fingerprints of their code tokens."""

    sha: str
    functions: tuple[tuple[Function, bytes], ...]
    left_out: Counter[str]


def _splits(sources: Iterable[Source], options: Options) -> dict[str, str]:
    """Return the split of each project. Raises CorpusError where the sources name two of one project."""
    said: dict[str, str | None] = {}
    for source in sources:
        for project, split in _said(source):
            before = said.setdefault(project, split)
            if before and split and split != before:
                raise CorpusError(f"{source.location}: {project} is for {before} and for {split}")
            said[project] = before or split
    return assign_projects(said, options.validation_share, options.test_share)


def _said(source: Source) -> Iterator[tuple[str, str | None]]:
    """Yield the projects of a source with the splits that it says; rows are read for theirs."""
    if source.kind == "rows":
        for document in read(source):
            yield document.project, document.split
    else:
        yield source.name, source.split


def _distinct(sources: list[Source], counts: Counts, workers: int, progress: Progress) -> Iterator[_Item]:
    """Yield the functions of the sources in their order, of those with the same tokens the first."""
    seen: set[bytes] = set()
    for document, found in progress(
        in_processes(documents(sources), _find, workers), count(sources), "reading sources"
    ):
        if isinstance(found, Dropped):
            counts.files[found.reason] += 1
            continue
        counts.left_out += found.left_out
        path = _file_of(document.path) if isinstance(document.content, str) else document.path
        for function, words in found.functions:
            if words in seen:
                counts.left_out["duplicate"] += 1
            else:
                seen.add(words)
                yield _Item(document.project, path, found.sha, function, words)


def _drawn(items: Iterable[_Item], options: Options, counts: Counts) -> Iterator[_Item]:
    """Yield the items that are drawn, in their order: those whose tokens have the least hashes.

    So whether one is drawn before another depends on these two and the seed alone, not on their places.
    """
    if not options.limit:
        yield from items
        return
    drawn: list[tuple[int, int, _Item]] = []  # a heap: the greatest hash is first, made negative
    for place, item in enumerate(items):
        hashed = sha1(f"{options.seed} ".encode() + item.fingerprint).digest()
        entry = (-int.from_bytes(hashed), place, item)
        if len(drawn) < options.limit:
            heapq.heappush(drawn, entry)
        else:
            heapq.heappushpop(drawn, entry)
            counts.left_out["not drawn"] += 1
    for _, _, item in sorted(drawn, key=lambda entry: entry[1]):
        yield item


def _find(job: Job) -> _Found | Dropped:
    """Return the functions of a document's content, or why it is passed over; in a process of its own."""
    path, content = job
    assert not isinstance(content, tuple), "words are not asked for"
    reason = filters.vendored(path) or filters.generated_name(path)
    if reason:
        return Dropped(reason)
    if isinstance(content, Dropped):
        return content
    scope = ""
    if isinstance(content, str):
        match = _ROW_PATH.fullmatch(path)
        scope = match["scope"] or "" if match else ""
        text: str | Dropped = textwrap.dedent(content) if content[:1] in (" ", "\t") else content
        content = content.encode("utf-8", "surrogatepass")
    else:
        text = decoded(content)
    if isinstance(text, Dropped):
        return text
    reason = filters.generated(text) or filters.minified(text)
    if reason:
        return Dropped(reason)
    try:
        found = functions(text, scope)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Dropped("not Python 3")
    reasons = list(map(_too_little, found))
    kept = [function for function, why in zip(found, reasons, strict=True) if why is None]
    fingerprints = (fingerprint(function.code_tokens) for function in kept)
    return _Found(
        sha1(content).hexdigest(), tuple(zip(kept, fingerprints, strict=True)), Counter(filter(None, reasons))
    )


def _too_little(function: Function) -> str | None:
    """Leave out a function that does nothing."""
    if not function.code:
        return "only a docstring"
    return "short" if len(function.code_tokens) < FEWEST_TOKENS else None


def _file_of(row_path: str) -> str:
    match = _ROW_PATH.fullmatch(row_path)
    return match["file"] if match else row_path


def _line(item: _Item, partition: str) -> bytes:
    """Return a function as a line of the file."""
    function = item.function
    row = {
        "repo": item.project,
        "path": item.path,
        "func_name": function.name,
        "original_string": function.original,
        "language": "python",
        "code": function.code,
        "code_tokens": function.code_tokens,
        "docstring": function.docstring,
        "docstring_tokens": docstring_tokens(function.docstring),
        "sha": item.sha,
        "url": "",
        "partition": partition,
    }
    # Half a surrogate pair, which a docstring may speak of and a file name may hold, is no text: a question mark.
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


@contextmanager
def _opened(out: Path) -> Iterator[Callable[[bytes], int]]:
    """Give what writes a line to a file that takes the place of ``out`` when it is whole."""
    with replaced_file(out) as new, new.open("wb") as file:
        if out.name.lower().endswith(".gz"):
            # Without name and time: the same rows are the same bytes.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield packed.write
        else:
            yield file.write


def _nothing_left(names: Iterable[str | Path], counts: Counts) -> str:
    reasons = (counts.left_out + counts.files).most_common()
    why = ", ".join(f"{number} {reason}" for reason, number in reasons) or "there are none"
    return f"{', '.join(map(str, names))}: no function is left ({why})"
