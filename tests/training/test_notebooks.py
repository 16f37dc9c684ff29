"""Notebooks as sources: their code cells, in their order, without what is IPython's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from codelm_train.build import Options, build
from codelm_train.documents import Dropped
from codelm_train.notebooks import code_of
from codelm_train.styles import NOTEBOOKS, style_of


def notebook(*cells: tuple[str, str], **metadata: Any) -> bytes:
    """A notebook as Jupyter writes it: kinds of cells, and their texts."""
    made = [{"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)} for kind, text in cells]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_its_code_cells_are_joined_in_their_order():
    found = code_of(notebook(("markdown", "# Title"), ("code", "import os"), ("code", "os.getcwd()\n")))
    assert found == "import os\nos.getcwd()\n"


def test_what_is_ipythons_own_is_a_comment():
    assert code_of(notebook(("code", "%matplotlib inline\nx = 1"), ("code", "%%bash\nls -l"))) == (
        "#matplotlib inline\nx = 1\n#%bash\n#s -l\n"
    )


def test_the_older_format_has_its_cells_in_sheets_and_texts_may_be_whole():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "y = 2"}]}], "metadata": {}, "nbformat": 3}
    assert code_of(json.dumps(old).encode()) == "y = 2\n"


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[]", b'{"cells": 3}', b'{"cells": [{"source": "x"}]}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_notebook_is_left_out(content):
    assert code_of(content) == Dropped("no notebook")


def test_one_in_another_language_is_left_out():
    assert code_of(notebook(("code", "x <- 1"), kernelspec={"language": "R"})) == Dropped("not Python")
    assert code_of(notebook(("code", "x = 1"), language_info={"name": "python"})) == "x = 1\n"


def test_its_style_is_its_own():
    assert style_of("examples/plot.ipynb") == NOTEBOOKS


def test_a_corpus_has_notebooks_where_they_are_asked_for(tmp_path: Path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "a.py").write_text("import os\n", encoding="utf-8")
    (folder / "b.ipynb").write_bytes(notebook(("code", "def total(prices):\n    return sum(prices)")))
    (folder / "broken.ipynb").write_bytes(b"{")
    asked = build([folder], tmp_path / "with", Options(validation_share=0, notebooks=True))
    assert asked.split("train").paths == ("a.py", "b.ipynb")
    assert asked.manifest["dropped"] == {"no notebook": 1}
    assert "prices" in asked.lexicon.words
    assert build([folder], tmp_path / "without", Options(validation_share=0)).split("train").paths == ("a.py",)
