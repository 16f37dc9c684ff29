"""Notebooks: the code cells of one are completed as one text. Each state of a notebook is an immutable value.

An editor sends each cell as a document of its own. A completer sees those above the cursor's cell, that cell, and those
below it, one behind the other. What IPython takes for itself, such as ``%matplotlib inline`` and ``!ls``, is a comment
to it, of the same length, so that all places stay where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from codelm.cells import ended, without_magic
from codelm.completion import Snapshot
from codelm.lsp.documents import Document, changed, opened
from codelm.lsp.lines import Encoding
from codelm.lsp.uris import path_of


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
        above = "".join(map(ended, (text for _, text in texts[:place])))
        below = "".join("\n" + text for _, text in texts[place + 1 :])
        return Snapshot(self.uri, self.version, above + texts[place][1] + below, path_of(self.uri)), len(above)


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
