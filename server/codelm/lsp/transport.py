"""Serving one client, on standard input and output or on a TCP port, and ending cleanly.

The process ends with status 0 after ``shutdown``, else with 1; so it does when the client is gone.
"""

import asyncio
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcException

from codelm.errors import UsageError
from codelm.lsp.log import LOG, where
from codelm.lsp.server import Server

if TYPE_CHECKING:
    from pygls.io_ import AsyncWriter, Writer

PATIENCE = 1.0
"""Seconds that the end waits for a thread before it goes without it."""

_CHUNK = 1 << 16  # bytes that are read at once, at most
_HEADER_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^Content-Length: *(\d+)\r$", re.MULTILINE | re.IGNORECASE)


def serve_stdio(server: Server) -> int:
    """Serve the client at standard input and output; return the exit status.

    From here on what others print goes to standard error, and what they read is empty: a stray ``print``, or
    a child process, would otherwise break the stream of messages.
    """
    requests, answers = FileIO(os.dup(0), "rb"), FileIO(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if sys.stderr else nowhere, 1)
    return _run(server, _stdio(server, requests, answers))


def serve_tcp(server: Server, host: str, port: int) -> int:
    """Serve the first client that connects to a port (0: any free one); return the exit status.

    Where it listens is told on standard error. Raises ``UsageError`` where that is not possible.
    """
    return _run(server, _tcp(server, host, port))


def _run(server: Server, session: Awaitable[None]) -> int:
    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(_log_loop_error)
        try:
            await session
        finally:
            server.stop_work()

    try:
        asyncio.run(main())
        status = server.exit_status
    except KeyboardInterrupt:
        server.stop_work()
        status = 130
    _leave_stuck_threads(status)
    return status


async def _stdio(server: Server, requests: FileIO, answers: FileIO) -> None:
    # A thread of our own: reading blocks, and no other work may wait behind it. Nor does the end of the process.
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        data = b"begin"
        with suppress(RuntimeError):  # the loop is closed: the session ended
            while data:
                try:
                    data = requests.read(_CHUNK)
                except OSError:
                    data = b""
                loop.call_soon_threadsafe(received.put_nowait, data)

    threading.Thread(target=read, name="codelm-stdin", daemon=True).start()
    await _serve(server, received.get, _StreamWriter(answers, server.stopped))


async def _tcp(server: Server, host: str, port: int) -> None:
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    connected = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected.done():
            writer.close()
        else:
            connected.set_result((reader, writer))

    try:
        listener = await asyncio.start_server(accept, host, port)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    for bound in listener.sockets:
        address, number, *_ = bound.getsockname()
        shown = f"[{address}]" if ":" in address else address
        print(f"codelm-lsp: listening on {shown}:{number}", file=sys.stderr, flush=True)  # noqa: T201
    reader, writer = await connected
    listener.close()
    try:
        await _serve(server, lambda: _received(reader), writer)
    finally:
        writer.close()
        # Until the last answers are sent, or the client turns out to be gone.
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)


async def _received(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""


async def _serve(server: Server, receive: Callable[[], Awaitable[bytes]], writer: "AsyncWriter | Writer") -> None:
    """Handle what is received, in the order that it comes in, until there is no more: empty bytes."""
    server.protocol.set_writer(writer)
    buffer = bytearray()
    while not server.stopped.is_set() and (data := await receive()):
        buffer += data
        for body in messages(buffer):
            try:
                server.protocol.handle(body)
            except Exception as error:  # noqa: BLE001 - one message that cannot be handled is not the last
                server.report_server_error(error, JsonRpcException)
            # The handler runs up to its first ``await`` before the next message is handled: it takes its snapshot
            # there, and several messages may be there at once, a change right after a request.
            await asyncio.sleep(0)
            if server.stopped.is_set():
                break
    LOG.info("the client said goodbye" if server.stopped.is_set() else "the client is gone")


def messages(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole messages from the beginning of what was received; yield their bodies."""
    while (end := buffer.find(_HEADER_END)) >= 0:
        length = _LENGTH.search(buffer, 0, end + 2)
        begin = end + len(_HEADER_END)
        size = int(length[1]) if length else 0
        if len(buffer) < begin + size:
            return
        body = bytes(buffer[begin : begin + size])
        del buffer[: begin + size]
        if length:
            yield body


class _StreamWriter:
    """Writes for pygls; where nobody reads any more, it stops the server."""

    def __init__(self, stream: FileIO, stopped: threading.Event) -> None:
        self._stream = stream
        self._stopped = stopped

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            LOG.info("nobody reads the answers (%s)", type(error).__name__)
            self._stopped.set()

    def close(self) -> None:
        self._stream.close()


def _log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Not asyncio's own handler: it prints what the callbacks were called with.
    error = context.get("exception")
    LOG.error("%s\n%s", context.get("message"), where(error) if error else "")


def _leave_stuck_threads(status: int) -> None:
    """End the process here if a thread doesn't end in time: Python would wait for it for ever."""
    deadline = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                LOG.info("leaving %s behind", thread.name)
                logging.shutdown()
                os._exit(status)
