"""CodeSearchNet rows, in their real form, read through the real `datasets`."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from codelm.errors import CorpusError
from codelm_train.documents import Document, Dropped
from codelm_train.lexing import lex
from codelm_train.sources import documents, find


def row(number: int = 0, **fields: object) -> dict[str, object]:
    """Return a row as CodeSearchNet publishes it."""
    code = f'def read_{number}(path):\n    """Read a file."""\n    return open(path).read()\n'
    return {
        "repo": "someone/project",
        "path": "pkg/files.py",
        "func_name": f"read_{number}",
        "original_string": code,
        "language": "python",
        "code": code,
        "code_tokens": ["def", f"read_{number}", "(", "path", ")", ":", "return", "open", "(", "path", ")"],
        "docstring": "Read a file.",
        "docstring_tokens": ["Read", "a", "file", "."],
        "sha": "0123abcd",
        "url": "https://github.com/someone/project/blob/0123abcd/pkg/files.py#L1-L3",
        "partition": "train",
        **fields,
    }


def read(file: Path, *, code_tokens: bool = False) -> list[Document]:
    return list(documents(find([file], Path("unused")), code_tokens=code_tokens))


def rows_file(folder: Path, *rows: object, name: str = "python_train_0.jsonl") -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows)
    file = folder / name
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["python_train_0.jsonl", "python_train_0.jsonl.gz"])
def test_each_row_is_a_document_plain_or_gzipped(tmp_path: Path, name: str) -> None:
    file = rows_file(tmp_path, row(0), row(1, repo="other/one", partition="valid"), row(2, partition=None), name=name)
    assert [(d.project, d.path, d.split) for d in read(file)] == [
        ("someone/project", "pkg/files.py:read_0", "train"),
        ("other/one", "pkg/files.py:read_1", "validation"),
        ("someone/project", "pkg/files.py:read_2", None),
    ]
    assert {d.content for d in read(file)} == {row(number)["code"] for number in range(3)}


def test_code_is_lexed_anew_so_that_lines_end(tmp_path: Path) -> None:
    [document] = read(rows_file(tmp_path, row()))
    lexed = lex((document.path, document.content))
    assert not isinstance(lexed, Dropped)
    assert {"<NEWLINE>", "<INDENT>", "<DEDENT>"} <= set(lexed.words)


def test_a_method_cut_out_of_its_class_is_python() -> None:
    assert not isinstance(lex(("a.py:f", "    def f(self):\n        return self\n")), Dropped)


def test_code_tokens_are_taken_as_they_are(tmp_path: Path) -> None:
    [document] = read(rows_file(tmp_path, row()), code_tokens=True)
    assert document.content == (
        "def",
        "read_0",
        "(",
        "path",
        ")",
        ":",
        "return",
        "open",
        "(",
        "path",
        ")",
    )


def test_rows_of_other_languages_are_dropped(tmp_path: Path) -> None:
    file = rows_file(tmp_path, row(), row(language="go"))
    assert [isinstance(d.content, Dropped) for d in read(file)] == [False, True]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([row(), '{"repo": broken'], r"rows\.jsonl:2: broken JSON \(Expecting value"),
        ([row(), "[1, 2]"], r"rows\.jsonl:2: not a JSON object"),
        ([row(docstring="\ud800")], r"rows\.jsonl:1: broken JSON"),
        ([], r"rows\.jsonl: no rows in it"),
        ([{"text": "x"}], r"rows\.jsonl: row 1 has no repo; it has text"),
        ([row(code=None)], r"rows\.jsonl: row 1 has no code; it has repo, path"),
        ([row(), row(code=None)], r"rows\.jsonl: row 2 has no code"),
        ([row(path=3)], r"rows\.jsonl: path of row 1 is not text"),
    ],
)
def test_broken_rows_are_named_by_line(tmp_path: Path, rows: list[object], complaint: str) -> None:
    with pytest.raises(CorpusError, match=complaint):
        read(rows_file(tmp_path, *rows, name="rows.jsonl"))


def test_code_tokens_that_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="code_tokens of row 1 is not a list of strings"):
        read(rows_file(tmp_path, row(code_tokens="def")), code_tokens=True)


def test_a_gzip_file_that_is_cut_off(tmp_path: Path) -> None:
    file = rows_file(tmp_path, *(row(number) for number in range(50)), name="rows.jsonl.gz")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(CorpusError, match=r"rows\.jsonl\.gz: cannot be read behind line \d+"):
        read(file)


def test_a_binary_file_by_that_name(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(CorpusError, match=r"rows\.jsonl:1: broken JSON"):
        read(tmp_path / "rows.jsonl")


def test_without_datasets_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match=r"rows\.jsonl: CodeSearchNet rows need the train extra: pip install"):
        read(rows_file(tmp_path, row(), name="rows.jsonl"))
