"""Notebooks (``.ipynb``) as text: the code cells of one, joined in their order, as an editor completes them."""

import json
from typing import Any

from codelm.cells import ended, without_magic
from codelm_train.documents import Dropped

SUFFIX = ".ipynb"


def code_of(content: bytes) -> str | Dropped:
    """Return the code of a notebook of nbformat 3 or 4, or why it has none.

    What IPython takes for itself is a comment in it.
    """
    try:
        notebook = json.loads(content)
        language = _language(notebook)
        sheets = notebook.get("worksheets", [notebook])  # nbformat 3 has them
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        texts = [_text(cell.get("source", cell.get("input", ""))) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Dropped("no notebook")
    if language not in ("", "python", "ipython"):
        return Dropped("not Python")
    return "".join(ended(without_magic(text)) for text in texts)


def _language(notebook: dict[str, Any]) -> str:
    """Return the language that a notebook says it is in; "" where it says nothing."""
    about = notebook.get("metadata", {})
    return str(about.get("kernelspec", {}).get("language") or about.get("language_info", {}).get("name") or "").lower()


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
