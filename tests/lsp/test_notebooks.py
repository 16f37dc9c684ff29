"""Notebooks: their cells are one context, however they are edited. Real JSON-RPC, and the functions behind it."""

from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from codelm.cells import without_magic
from codelm.lexer import Kind, lex
from codelm.lsp.documents import Document
from codelm.lsp.lines import Encoding, Lines
from codelm.lsp.notebooks import Notebook, changed_notebook

BOOK = "file:///project/book.ipynb"
CODE = 2


def cell(name: str) -> str:
    return f"vscode-notebook-cell:/project/book.ipynb#{name}"


def text_item(name: str, text: str, language: str = "python") -> dict[str, Any]:
    return {"uri": cell(name), "languageId": language, "version": 1, "text": text}


def opening(*cells: tuple[str, str]) -> dict[str, Any]:
    notebook = {
        "uri": BOOK,
        "notebookType": "jupyter-notebook",
        "version": 1,
        "cells": [{"kind": CODE, "document": cell(name)} for name, _ in cells],
    }
    texts = [text_item(name, text) for name, text in cells]
    return {"method": "notebookDocument/didOpen", "params": {"notebookDocument": notebook, "cellTextDocuments": texts}}


def changing(version: int, **cells: Any) -> dict[str, Any]:
    change = {"notebookDocument": {"uri": BOOK, "version": version}, "change": {"cells": cells}}
    return {"method": "notebookDocument/didChange", "params": change}


def typing_in(name: str, version: int, line: int, character: int, text: str) -> dict[str, Any]:
    place = {"line": line, "character": character}
    changes = [{"range": {"start": place, "end": place}, "text": text}]
    return {"document": {"uri": cell(name), "version": version}, "changes": changes}


# --- as an editor sees it --------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def editor(start):
    """An editor with a notebook of three cells."""
    editor = await start()
    capabilities = await editor.initialize(capabilities={"notebookDocument": {"synchronization": {}}})
    selector = capabilities["notebookDocumentSync"]["notebookSelector"]
    assert selector == [{"cells": [{"language": "python"}], "notebook": "*"}]
    editor.send(opening(("a", "import os"), ("b", "x = 1\nwo"), ("c", "last = 3")))
    return editor


async def test_a_cell_is_completed_behind_those_above_it_and_before_those_below(editor):
    answer = await editor.complete(1, 2, uri=cell("b"))
    given = editor.given(answer)
    assert given["text"] == "import os\nx = 1\nwo\nlast = 3"
    assert given["text"][: given["offset"]] == "import os\nx = 1\nwo"
    assert given["path"] == "/project/book.ipynb"
    [item, *_] = answer["items"]
    assert item["textEdit"]["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 2}}


async def test_ghost_text_in_a_cell_stands_where_the_cell_counts(editor):
    [item, _] = await editor.suggest(1, 2, uri=cell("b"))
    assert item["insertText"] == "wo_LINE"
    assert item["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 2}}
    selected = {"range": item["range"], "text": "word"}
    [item, _] = await editor.suggest(1, 2, uri=cell("b"), selected=selected)
    assert (item["insertText"], item["range"]) == ("word_LINE", selected["range"])


async def test_typing_in_a_cell_and_in_one_above_is_followed(editor):
    editor.send(changing(2, textContent=[typing_in("b", 2, 1, 2, "rd")]))
    editor.send(changing(3, textContent=[typing_in("a", 2, 0, 9, ", re")]))
    given = editor.given(await editor.complete(1, 4, uri=cell("b")))
    assert given["text"] == "import os, re\nx = 1\nword\nlast = 3"
    assert given["version"] == 3


async def test_cells_come_and_go_and_move(editor):
    new = text_item("n", "new = 2")
    array = {"start": 1, "deleteCount": 0, "cells": [{"kind": CODE, "document": cell("n")}]}
    editor.send(changing(2, structure={"array": array, "didOpen": [new]}))
    assert editor.given(await editor.complete(1, 2, uri=cell("b")))["text"] == "import os\nnew = 2\nx = 1\nwo\nlast = 3"
    # A cell that moves is taken out and put in again; its document stays.
    editor.send(changing(3, structure={"array": {"start": 0, "deleteCount": 1}}))
    moved = {"start": 3, "deleteCount": 0, "cells": [{"kind": CODE, "document": cell("a")}]}
    editor.send(changing(4, structure={"array": moved}))
    assert editor.given(await editor.complete(1, 2, uri=cell("b")))["text"] == "new = 2\nx = 1\nwo\nlast = 3\nimport os"
    gone = {"array": {"start": 0, "deleteCount": 1}, "didClose": [{"uri": cell("n")}]}
    editor.send(changing(5, structure=gone))
    assert editor.given(await editor.complete(1, 2, uri=cell("b")))["text"] == "x = 1\nwo\nlast = 3\nimport os"
    assert await editor.complete(0, 0, uri=cell("n")) == {"isIncomplete": False, "items": []}


async def test_a_notebook_that_is_closed_is_forgotten(editor):
    assert (await editor.complete(1, 2, uri=cell("b")))["items"]
    notebook = {"uri": BOOK}
    params = {"notebookDocument": notebook, "cellTextDocuments": [{"uri": cell("a")}, {"uri": cell("b")}]}
    editor.send({"method": "notebookDocument/didClose", "params": params})
    assert await editor.complete(1, 2, uri=cell("b")) == {"isIncomplete": False, "items": []}
    editor.send(changing(9, textContent=[typing_in("b", 2, 0, 0, "x")]))  # too late: nothing happens
    await editor.told(f"closed {BOOK}")
    assert await editor.end() == 0
    assert not [line for line in editor.log if "ERROR" in line]


# --- the functions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        ("%matplotlib inline\nimport x", "#matplotlib inline\nimport x"),
        ("!pip install x\n  %cd y\n?help", "#pip install x\n  #cd y\n#help"),
        ("%%bash\nls -l\n\nrm x", "#%bash\n#s -l\n\n#m x"),
        ("%%time\nx = 1", "#%time\nx = 1"),
        ("x = 5 % 3\n", "x = 5 % 3\n"),
        ("%", "%"),
    ],
)
def test_what_is_ipython_s_own_is_a_comment(cell, seen):
    assert without_magic(cell) == seen


@given(st.text(st.sampled_from("%!?x =\n\r\t"), max_size=30))
def test_places_stay_where_they_are(text):
    seen = without_magic(text)
    assert len(seen) == len(text)
    assert [c for c in seen if c in "\r\n"] == [c for c in text if c in "\r\n"]
    if not text.startswith("%%"):
        kept = [(old, new) for old, new in zip(text, seen, strict=True) if old != new]
        assert all(new == "#" for _, new in kept)


def test_a_magic_line_in_a_string_is_none_the_less_one():
    """As IPython has it, which looks at lines before Python does."""
    assert lex(without_magic("%a 'b"))[0].kind is Kind.COMMENT


texts = st.text(st.sampled_from("ab\n🐍"), max_size=6)


@given(st.lists(texts, min_size=1, max_size=5), st.data())
def test_a_cell_s_text_stands_where_it_is_said_to(cells, data):
    names = [cell(str(number)) for number in range(len(cells))]
    documents = {name: Document(name, "python", 1, Lines.of(text)) for name, text in zip(names, cells, strict=True)}
    book = Notebook(BOOK, 1, tuple(names), documents)
    place = data.draw(st.integers(0, len(cells) - 1))
    new = data.draw(texts)
    change = types.NotebookDocumentChangeEvent(
        cells=types.NotebookDocumentCellChanges(
            text_content=[
                types.NotebookDocumentCellContentChanges(
                    types.VersionedTextDocumentIdentifier(2, names[place]),
                    [types.TextDocumentContentChangeWholeDocument(new)],
                )
            ]
        )
    )
    changed = changed_notebook(book, 2, change, Encoding.UTF16)
    for number, name in enumerate(names):
        snapshot, begin = changed.snapshot(name)
        text = new if number == place else cells[number]
        assert snapshot.text[begin : begin + len(text)] == text
        assert not snapshot.text[:begin] or snapshot.text[begin - 1] in "\r\n"
        assert (snapshot.uri, snapshot.version) == (BOOK, 2)
    assert book.documents[names[place]].lines.text == cells[place], "a version never changes"
