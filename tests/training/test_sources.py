"""What a person names on the command line, and the documents that come of it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from codelm.errors import CorpusError
from codelm_train.documents import Document, Dropped, Source
from codelm_train.lexing import decoded
from codelm_train.sources import documents, find


def write(folder: Path, **files: str) -> Path:
    """Write files; ``__`` in a name stands for a slash, and ``.py`` is added."""
    for name, text in files.items():
        file = folder / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def found(*names: str | Path, cache: Path = Path("unused")) -> list[Source]:
    return find(names, cache)


def read(names: Sequence[str | Path], cache: Path = Path("unused"), *, code_tokens: bool = False) -> list[Document]:
    return list(documents(find(names, cache), code_tokens=code_tokens))


class TestFolders:
    def test_a_folder_is_one_project_with_its_python_files(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "shop", models="x = 1\n", views__cart="y = 2\n")
        (folder / "notes.txt").write_text("no Python")
        [source] = found(folder)
        assert (source.kind, source.name, source.files) == ("folder", "shop", ("models.py", "views/cart.py"))
        assert [(d.project, d.path, d.content) for d in read([folder])] == [
            ("shop", "models.py", b"x = 1\n"),
            ("shop", "views/cart.py", b"y = 2\n"),
        ]

    def test_children_that_look_like_projects_are_projects_and_the_rest_is_one(self, tmp_path: Path) -> None:
        write(tmp_path, one__a="x", two__b="y", rest__c="z", d="w")
        (tmp_path / "one" / ".git").mkdir()
        (tmp_path / "two" / "pyproject.toml").touch()
        assert [(source.name, source.files) for source in found(tmp_path)] == [
            ("one", ("a.py",)),
            ("two", ("b.py",)),
            (tmp_path.name, ("d.py", "rest/c.py")),
        ]

    def test_a_project_with_projects_in_it_is_one(self, tmp_path: Path) -> None:
        write(tmp_path, setup="x", example__setup="y")
        assert [source.files for source in found(tmp_path)] == [("example/setup.py", "setup.py")]

    def test_hidden_folders_and_installed_packages_are_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path, a="x", **{".git__hook": "x", "env__lib__six": "x", "__pycache__x": "x"})
        (tmp_path / "env" / "pyvenv.cfg").touch()
        assert "a.py" in found(tmp_path)[0].files
        assert not [file for file in found(tmp_path)[0].files if file.startswith((".git", "env"))]

    def test_what_is_no_file_is_no_document(self, tmp_path: Path) -> None:
        write(tmp_path, a="x")
        (tmp_path / "folder.py").mkdir()
        (tmp_path / "dangling.py").symlink_to("nowhere.py")
        (tmp_path / "loop").symlink_to(tmp_path)
        assert found(tmp_path)[0].files == ("a.py",)

    def test_a_file_that_is_gone_or_too_large_is_dropped_with_the_reason(self, tmp_path: Path) -> None:
        sources = found(write(tmp_path, gone="x", large="#" * 1_000_001))
        (tmp_path / "gone.py").unlink()
        assert [d.content for d in documents(sources)] == [Dropped("unreadable"), Dropped("too large")]

    def test_one_file_is_a_project(self, tmp_path: Path) -> None:
        write(tmp_path, script="x = 1\n", other="y")
        assert [(d.project, d.path) for d in read([tmp_path / "script.py"])] == [("script", "script.py")]


class TestTheStandardLibrary:
    def test_stdlib_is_the_running_pythons_without_installed_packages(self) -> None:
        [source] = found("stdlib")
        assert (source.name, source.licence) == ("cpython", "PSF-2.0")
        assert {"ast.py", "json/decoder.py"} <= set(source.files)
        assert not [file for file in source.files if "site-packages" in file or "dist-packages" in file]

    def test_a_folder_of_that_name_is_named_with_a_dot(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(tmp_path / "stdlib", a="x")
        monkeypatch.chdir(tmp_path)
        assert found("./stdlib")[0].kind == "folder"


class TestErrorsNameTheSource:
    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"nowhere: no such file or folder; a source is a folder, a \.py file"):
            found(tmp_path / "nowhere")

    def test_no_python_files(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=f"{tmp_path.name}: no Python files in it"):
            found(tmp_path)

    @pytest.mark.parametrize("name", ["model.bin", "notes.txt", "README"])
    def test_another_kind_of_file(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(bytes(range(256)))
        with pytest.raises(CorpusError, match=f"{name}: not a source; a source is"):
            found(tmp_path / name)

    @pytest.mark.parametrize(("content", "reason"), [(b"\0\1", "binary"), (b"x = '\xff'\n", "undecodable")])
    def test_a_file_that_is_no_text(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "blob.py").write_bytes(content)
        with pytest.raises(CorpusError, match=rf"blob\.py: {reason}"):
            found(tmp_path / "blob.py")

    def test_a_broken_pyproject(self, tmp_path: Path) -> None:
        (write(tmp_path, a="x") / "pyproject.toml").write_text("[project")
        with pytest.raises(CorpusError, match=r"pyproject\.toml: cannot be read as TOML"):
            found(tmp_path)


class TestDecoding:
    """PEP 263: a file says its encoding in its first lines."""

    @pytest.mark.parametrize(
        "content",
        ["é = 1".encode(), b"\xef\xbb\xbf\xc3\xa9 = 1", "# -*- coding: latin-1 -*-\né = 1".encode("latin-1")],
    )
    def test_text_is_read_in_the_encoding_that_it_declares(self, content: bytes) -> None:
        text = decoded(content)
        assert isinstance(text, str)
        assert text.endswith("é = 1")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"x = '\xe9'", "undecodable"),
            (b"# coding: no-such-codec\n", "undecodable"),
            (b"\xef\xbb\xbf# coding: latin-1\n", "undecodable"),
            (b"x\0", "binary"),
        ],
    )
    def test_what_cannot_be_decoded_is_dropped(self, content: bytes, reason: str) -> None:
        assert decoded(content) == Dropped(reason)
