"""Rows of functions, as CodeSearchNet publishes them: one JSON object a line, plain or gzipped.

The fields ``code`` (or ``code_tokens``), ``repo`` and ``path`` are used, and ``func_name``, ``partition`` and
``language`` where they are. Husain et al., "CodeSearchNet Challenge", 2019.
"""

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from codelm.errors import CorpusError
from codelm_train.documents import Document, Dropped, Source
from codelm_train.split import split_named


def read(source: Source, *, code_tokens: bool) -> Iterator[Document]:
    """Yield a document per row, read through ``datasets`` as a stream.

    Raises CorpusError where ``datasets`` is not installed, a line is broken, or a field is missing or of
    another type.
    """
    text_field = "code_tokens" if code_tokens else "code"
    for number, row in enumerate(_rows(source.location), start=1):
        project, path = _text(row, "repo", source, number), _text(row, "path", source, number)
        yield Document(
            source, project, _place(row, path), _content(row, text_field, source, number), _split(row, source)
        )


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):  # read once, when datasets is imported
        os.environ.setdefault(variable, "1")
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(f"{file}: CodeSearchNet rows need the train extra: pip install 'codelm[train]'") from error
    loud = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what is wrong is said once, below
    try:
        with TemporaryDirectory() as cache:  # lock files, nothing else: the rows are a stream
            yield from datasets.load_dataset(
                "json", data_files=str(file), split="train", streaming=True, cache_dir=cache
            )
    except Exception as error:  # pyarrow and datasets raise what they like for a broken line
        raise _broken(file, error) from error
    finally:
        datasets.logging.set_verbosity(loud)


def _broken(file: Path, error: Exception) -> CorpusError:
    """Return the error that names the first line of ``file`` which is no JSON object."""
    number = 0
    try:
        with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                row = json.loads(line) if line.strip() else {}
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair, which Arrow refuses
                if not isinstance(row, dict):
                    return CorpusError(f"{file}:{number}: not a JSON object")
    except ValueError as reason:
        return CorpusError(f"{file}:{number}: broken JSON ({reason})")
    except (EOFError, OSError) as reason:
        return CorpusError(f"{file}: cannot be read behind line {number} ({reason})")
    if number == 0:
        return CorpusError(f"{file}: no rows in it")
    return CorpusError(f"{file}: cannot be read as JSON lines ({(str(error) or repr(error)).splitlines()[0]})")


def _content(row: Mapping[str, Any], field: str, source: Source, number: int) -> str | tuple[str, ...] | Dropped:
    if str(row.get("language") or "python").lower() != "python":
        return Dropped("other language")
    if field == "code":
        return _text(row, field, source, number)
    words = row.get(field)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise _wrong(row, field, "a list of strings", source, number)
    return tuple(word for word in words if word)


def _split(row: Mapping[str, Any], source: Source) -> str | None:
    partition = row.get("partition")
    return split_named(partition) if isinstance(partition, str) and partition else source.split


def _place(row: Mapping[str, Any], path: str) -> str:
    """Return where a row's function stands: its file and its name."""
    name = row.get("func_name")
    return f"{path}:{name}" if isinstance(name, str) and name else path


def _text(row: Mapping[str, Any], field: str, source: Source, number: int) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        raise _wrong(row, field, "text", source, number)
    return value


def _wrong(row: Mapping[str, Any], field: str, expected: str, source: Source, number: int) -> CorpusError:
    if row.get(field) is None:
        return CorpusError(f"{source.location}: row {number} has no {field}; it has {', '.join(row)}")
    return CorpusError(f"{source.location}: {field} of row {number} is not {expected}")
