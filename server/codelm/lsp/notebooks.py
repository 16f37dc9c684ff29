"""Notebooks: the code cells of one are completed as one text. Each state of a notebook is an immutable value.

An editor sends each cell as a document of its own. A completer sees those above the cursor's cell, that cell, and those
below it, one behind the other. What IPython takes for itself, such as ``%matplotlib inline`` and ``!ls``, is a comment
to it, of the same length, so that all places stay where they are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from codelm.completion import Snapshot
from codelm.lsp.documents import Document, changed, opened
from codelm.lsp.lines import Encoding
from codelm.lsp.uris import path_of

# At a line's begin, as IPython has it; "%" and "!" go before anything else that it knows. "x = !ls" stays as it is: the
# lexer copes.
_MAGIC_LINE = re.compile(r"^([ \t]*)[%!?](?=[^\r\n])", re.MULTILINE)
_MAGIC_CELL = re.compile(r"\A%%(\w*)")
# Cells that begin so are Python all the same.
_PYTHON_CELLS = frozenset(["time", "timeit", "capture", "prun", "debug", "python", "python3", "pypy"])
_LINE = re.compile(r"^(?=[^\r\n])[^\r\n]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Notebook:
    """One version of one open notebook: its cells' URIs in their order, and the documents of those."""

    uri: str
    version: int
    cells: tuple[str, ...]
    documents: Mapping[str, Document]

    def snapshot(self, cell: str) -> tuple[Snapshot, int]:
        """Return what a completer sees where a cell is worked on, and where in it the cell begins (characters)."""
        texts = [
            (uri, without_magic(document.lines.text))
            for uri in self.cells
            if (document := self.documents.get(uri)) is not None and document.is_python
        ]
        place = [uri for uri, _ in texts].index(cell)
        above = "".join(map(_ended, (text for _, text in texts[:place])))
        below = "".join("\n" + text for _, text in texts[place + 1 :])
        return Snapshot(self.uri, self.version, above + texts[place][1] + below, path_of(self.uri)), len(above)


def _ended(text: str) -> str:
    return text if text.endswith(("\n", "\r")) else text + "\n"


def without_magic(text: str) -> str:
    """Return the text of a cell with what is IPython's own as comments of the same length.

    >>> without_magic("%pip install x\\nimport x")
    '#pip install x\\nimport x'
    """
    magic = _MAGIC_CELL.match(text)
    if magic is not None and magic[1] not in _PYTHON_CELLS:
        return _LINE.sub("#", text)
    return _MAGIC_LINE.sub(r"\1#", text)


def opened_notebook(notebook: types.NotebookDocument, texts: Sequence[types.TextDocumentItem]) -> Notebook:
    """Return the first version of a notebook."""
    cells = tuple(cell.document for cell in notebook.cells)
    return Notebook(notebook.uri, notebook.version, cells, {item.uri: opened(item) for item in texts})


def changed_notebook(
    notebook: Notebook, version: int, change: types.NotebookDocumentChangeEvent, encoding: Encoding
) -> Notebook:
    """Return the notebook after an editor's change: cells that come, go and move, and changes of their texts."""
    cells, documents = list(notebook.cells), dict(notebook.documents)
    if change.cells is not None and (structure := change.cells.structure) is not None:
        array = structure.array
        new = [cell.document for cell in array.cells or ()]
        cells[array.start : array.start + array.delete_count] = new
        for item in structure.did_open or ():
            documents[item.uri] = opened(item)
        for closed in structure.did_close or ():
            documents.pop(closed.uri, None)
    for text in (change.cells.text_content if change.cells is not None else None) or ():
        if (document := documents.get(text.document.uri)) is not None:
            documents[text.document.uri] = changed(document, text.document.version, text.changes, encoding)
    return replace(notebook, version=version, cells=tuple(cells), documents=documents)
