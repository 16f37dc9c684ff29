"""A CORPUS: sequences of words as numbers, in a folder of plain files.

::

    manifest.json           format, version, stream, counts, sources with licences, what was dropped and why
    lexicon.txt             every distinct word; a word's id is its line, from 0
    train.ids.npy           uint32 (T,): the sequences of the split, one after the other, nothing between them
    train.starts.npy        int64 (N + 1,): sequence i is ids[starts[i] : starts[i + 1]]
    train.files.tsv         the project and path of each sequence
    validation.*, test.*    the same, where the corpus has such a split

The vocabulary is open: no word is unknown to a corpus. Opening one reads the lexicon and maps the arrays.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codelm.checkpoint import CODE, CODE_TOKENS, PROSE
from codelm.errors import CorpusError
from codelm.folder import MANIFEST, replaced_folder
from codelm.vocabulary import escape, unescape
from codelm_train.lexicon import Lexicon, lines, read_lexicon
from codelm_train.split import SPLITS

FORMAT, VERSION = "codelm corpus", 1
LEXICON = "lexicon.txt"
_AGAIN = "build the corpus again"

Ids = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Split:
    """The sequences of one split: N of them, T words together."""

    ids: Ids
    """(T,) word ids, sequence after sequence."""
    starts: npt.NDArray[np.int64]
    """(N + 1,) where each sequence starts in ``ids``, and at last T."""
    projects: tuple[str, ...]
    """(N,)"""
    paths: tuple[str, ...]
    """(N,) inside the project; of a row with its function's name."""

    def __len__(self) -> int:
        """Return N."""
        return len(self.projects)

    def __iter__(self) -> Iterator[Ids]:
        """Yield the ids of each sequence, views of ``ids``."""
        for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            yield self.ids[start:end]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sequences of words in splits, over one lexicon."""

    manifest: Mapping[str, Any]
    lexicon: Lexicon
    splits: Mapping[str, Split]
    """By name, in the order train, validation, test; only those that have sequences."""

    @property
    def stream(self) -> str:
        """What a word is: ``code`` (the lexer's, with lines and blocks), ``code_tokens`` (a row's) or ``prose``."""
        return str(self.manifest["stream"])

    def split(self, name: str) -> Split:
        """Return the split ``name``. Raises CorpusError if the corpus has none."""
        if name not in self.splits:
            raise CorpusError(f"the corpus has no {name} split; it has {', '.join(self.splits)}")
        return self.splits[name]

    def beside(self, name: str) -> tuple[Split, ...]:
        """Return the other splits: where files were held out, and not projects, the rest of the projects is there."""
        return tuple(split for other, split in self.splits.items() if other != name)


@dataclass(frozen=True, slots=True)
class Sequences:
    """The sequences of a split as they are gathered, N of them, each an array of its own."""

    ids: Sequence[Ids]
    projects: Sequence[str]
    paths: Sequence[str]

    def joined(self) -> Split:
        """Return them as a split in memory."""
        ids = np.concatenate(self.ids, dtype=np.uint32) if self.ids else np.zeros(0, dtype=np.uint32)
        return Split(ids, starts_of(self.ids), tuple(self.projects), tuple(self.paths))


def starts_of(sequences: Iterable[Ids]) -> npt.NDArray[np.int64]:
    """Return where each of N sequences starts, and the end of the last: (N + 1,)."""
    return np.cumsum([0, *map(len, sequences)], dtype=np.int64)


def counts_of(splits: Mapping[str, Sequences]) -> dict[str, dict[str, int]]:
    """Return the counts that a manifest has of its splits."""
    return {
        name: {
            "sequences": len(split.ids),
            "words": sum(map(len, split.ids)),
            "projects": len(set(split.projects)),
        }
        for name, split in splits.items()
    }


def new_corpus(out: Path) -> AbstractContextManager[Path]:
    """Give a folder that becomes the corpus ``out`` when the block ends; only a corpus there is replaced.

    Raises StorageError, then or at the end of the block.
    """
    return replaced_folder(out, FORMAT)


def write(folder: Path, manifest: Mapping[str, Any], lexicon: Lexicon, splits: Mapping[str, Sequences]) -> None:
    """Write the files of a corpus into ``folder``. Raises OSError."""
    for name, split in splits.items():
        _write_array(folder / f"{name}.ids.npy", np.dtype("<u4"), sum(map(len, split.ids)), split.ids)
        _write_array(folder / f"{name}.starts.npy", np.dtype("<i8"), len(split.ids) + 1, [starts_of(split.ids)])
        with (folder / f"{name}.files.tsv").open("w", encoding="utf-8", newline="\n") as file:
            rows = zip(split.projects, split.paths, strict=True)
            file.writelines(f"{escape(project)}\t{escape(path)}\n" for project, path in rows)
    with (folder / LEXICON).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines(lexicon))
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def open_corpus(folder: Path) -> Corpus:
    """Open a corpus, its arrays mapped into memory. Raises CorpusError that says what is missing or wrong."""
    try:
        manifest = _read_manifest(folder)
        lexicon = read_lexicon(folder / LEXICON)
        if len(lexicon) != manifest["words"]:
            raise CorpusError(
                f"{folder / LEXICON}: {len(lexicon)} words, the manifest says {manifest['words']}; {_AGAIN}"
            )
        counts = manifest["splits"]
        splits = {name: _read_split(folder, name, counts[name], len(lexicon)) for name in SPLITS if name in counts}
        return Corpus(manifest, lexicon, splits)
    except FileNotFoundError as error:
        raise CorpusError(f"{error.filename}: missing from the corpus; {_AGAIN}") from error
    except OSError as error:
        raise CorpusError(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder; codelm-train corpus makes one")
    if not file.exists():
        raise CorpusError(f"{folder}: is no corpus (it has no {MANIFEST}); codelm-train corpus makes one")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusError(f"{file}: not JSON ({error}); {_AGAIN}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CorpusError(f"{folder}: is no corpus (its manifest is of something else)")
    if manifest.get("version") != VERSION:
        raise CorpusError(f"{folder}: a corpus of version {manifest.get('version')}, not {VERSION}; {_AGAIN}")
    counts = manifest.get("splits")
    if (
        not isinstance(counts, dict)
        or not all(isinstance(count, dict) and isinstance(count.get("sequences"), int) for count in counts.values())
        or not isinstance(manifest.get("words"), int)
        or manifest.get("stream") not in (CODE, CODE_TOKENS, PROSE)
    ):
        raise CorpusError(f"{file}: its splits, words or stream are missing or wrong; {_AGAIN}")
    return manifest


def _read_split(folder: Path, name: str, counts: Mapping[str, Any], words: int) -> Split:
    ids: Ids = _read_array(folder / f"{name}.ids.npy", np.dtype("<u4"))
    starts: npt.NDArray[np.int64] = _read_array(folder / f"{name}.starts.npy", np.dtype("<i8"))
    if (
        len(starts) != counts["sequences"] + 1
        or starts[0] != 0
        or starts[-1] != len(ids)
        or (np.diff(starts) < 0).any()
    ):
        raise CorpusError(f"{folder / name}.starts.npy: does not fit its ids or the manifest; {_AGAIN}")
    if len(ids) and int(ids.max()) >= words:
        raise CorpusError(f"{folder / name}.ids.npy: has a word that the lexicon lacks; {_AGAIN}")
    file = folder / f"{name}.files.tsv"
    try:
        rows = [line.split("\t") for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: not UTF-8; {_AGAIN}") from error
    if len(rows) != len(starts) - 1 or any(len(row) != 2 for row in rows):
        raise CorpusError(f"{file}: not a project and a path for each of {len(starts) - 1} sequences; {_AGAIN}")
    seen: dict[str, str] = {}  # one string per project, not one per file of it
    try:
        projects = tuple(seen.setdefault(project, unescape(project)) for project, _ in rows)
        return Split(ids, starts, projects, tuple(unescape(path) for _, path in rows))
    except ValueError as error:
        raise CorpusError(f"{file}: {error}; {_AGAIN}") from error


def _write_array(file: Path, dtype: np.dtype[Any], length: int, parts: Iterable[npt.NDArray[Any]]) -> None:
    """Write a one-dimensional .npy file of ``length`` numbers, part by part: never all of them in memory.

    Not through a memory map: a disk that is full would end the process there, where writing raises OSError.
    """
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, header)
        for part in parts:
            opened.write(np.ascontiguousarray(part, dtype).data)


def _read_array(file: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CorpusError(f"{file}: broken or cut off ({error}); {_AGAIN}") from error
    if array.ndim != 1 or array.dtype != dtype:
        raise CorpusError(f"{file}: {array.dtype} {array.shape} where {dtype} numbers in one row belong; {_AGAIN}")
    return np.asarray(array)
