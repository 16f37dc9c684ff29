"""Which modules a workspace imports."""

from collections import Counter
from pathlib import Path

from codelm.imports import imported
from codelm.workspace import WorkspaceIndex, updated
from codelm.workspace_files import source_files


def imports_of(folder: Path, **files: str) -> Counter[str]:
    """What files of a package ``shop`` import, by their names without ``.py``."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    index = updated(WorkspaceIndex(), source_files([folder]).files)
    return imported(index, lambda path: (f"shop.{Path(path).stem}", False))


def test_statements_of_all_files_are_counted(tmp_path):
    one = "import os, os.path as path\nfrom json import (\n    dumps,\n    loads,\n)\n"
    two = "def f():\n    import os\n    if x:\n        from os.path import join\n    from json import *\n"
    assert imports_of(tmp_path, one=one, two=two) == {"os": 2, "os.path": 2, "json": 2}


def test_names_that_begin_with_dots_are_those_of_the_file_s_package(tmp_path):
    assert imports_of(tmp_path, one="from . import two\nfrom .two import x\nfrom ... import far\n") == {
        "shop": 1,
        "shop.two": 1,
    }


def test_what_only_looks_like_an_import_is_none(tmp_path):
    text = "yield from os\nraise ValueError() from error\nx.import_(os)\nfrom\nimport\n"
    assert not +Counter({name: n for name, n in imports_of(tmp_path, one=text).items() if name})


def test_nothing_is_imported_where_nothing_was_learned():
    assert not imported(WorkspaceIndex(), lambda _: ("", False))
