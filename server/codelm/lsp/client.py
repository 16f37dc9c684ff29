"""One completion through a real server process, as an editor asks for it."""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from codelm import __version__
from codelm.errors import UsageError

TIMEOUT = 30.0
"""Seconds that an answer may take before the server is given up."""
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server process answered, and how long it took, in milliseconds."""

    labels: tuple[str, ...]
    initialize_ms: float
    first_ms: float
    """The first completion: the model is loaded meanwhile."""
    completion_ms: float
    """The median of the following ones."""


def ask(text: str, line: int, character: int, model: str = "") -> Answer:
    """Start ``codelm-lsp --stdio``, open ``text`` and ask for completions at a place (from 0, UTF-32 units).

    Raises UsageError when the server doesn't answer.
    """
    return asyncio.run(_ask([sys.executable, "-m", "codelm.cli", "--stdio", *_option(model)], text, line, character))


def _option(model: str) -> Sequence[str]:
    return ("--model", model) if model else ()


async def _ask(command: Sequence[str], text: str, line: int, character: int) -> Answer:
    client = LanguageClient("codelm-check", __version__)
    uri = "untitled:check.py"
    began = time.perf_counter()
    await client.start_io(*command)
    try:
        async with asyncio.timeout(TIMEOUT):
            capabilities = types.ClientCapabilities(
                general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf32])
            )
            await client.initialize_async(types.InitializeParams(capabilities=capabilities))
            initialize_ms = (time.perf_counter() - began) * 1000
            client.initialized(types.InitializedParams())
            item = types.TextDocumentItem(uri, "python", 1, text)
            client.text_document_did_open(types.DidOpenTextDocumentParams(item))
            where = types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(line, character))
            labels: tuple[str, ...] = ()
            taken = []
            for _ in range(1 + _REPEATS):
                began = time.perf_counter()
                found = await client.text_document_completion_async(where)
                taken.append((time.perf_counter() - began) * 1000)
                items = found.items if isinstance(found, types.CompletionList) else found or []
                labels = tuple(item.label for item in items)
            await client.shutdown_async(None)
            client.exit(None)
    except TimeoutError as error:
        raise UsageError(f"the server did not answer within {TIMEOUT:.0f} seconds: {' '.join(command)}") from error
    finally:
        await client.stop()  # type: ignore[no-untyped-call]
    return Answer(labels, initialize_ms, taken[0], statistics.median(taken[1:]))
