"""Serving one client, on standard input and output or on a TCP port, and ending cleanly.

The process ends with status 0 after ``shutdown``, else with 1; so it does when the client is gone.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, Any, BinaryIO

from pygls.io_ import run_async

from codelm.errors import UsageError
from codelm.lsp.log import LOG, where
from codelm.lsp.server import Server

if TYPE_CHECKING:
    from pygls.io_ import AsyncWriter, Writer

PATIENCE = 1.0
"""Seconds that the end waits for a thread before it goes without it."""


def serve_stdio(server: Server) -> int:
    """Serve the client at standard input and output; return the exit status.

    From here on what others print goes to standard error, and what they read is empty: a stray ``print``, or
    a child process, would otherwise break the stream of messages.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), FileIO(os.dup(1), "wb")
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


async def _stdio(server: Server, requests: BinaryIO, answers: FileIO) -> None:
    # A thread of our own: reading blocks, and no other work may wait behind it.
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codelm-stdin")
    loop = asyncio.get_running_loop()
    try:
        await _serve(
            server,
            _Reader(
                lambda: loop.run_in_executor(thread, requests.readline),
                lambda size: loop.run_in_executor(thread, requests.read, size),
            ),
            _StreamWriter(answers, server.stopped),
        )
    finally:
        thread.shutdown(wait=False)


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
        await _serve(server, _Reader(reader.readline, reader.readexactly), writer)
    finally:
        writer.close()
        # Until the last answers are sent, or the client turns out to be gone.
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)


async def _serve(server: Server, reader: "_Reader", writer: "AsyncWriter | Writer") -> None:
    server.protocol.set_writer(writer)
    await run_async(
        stop_event=server.stopped,
        reader=reader,
        protocol=server.protocol,
        error_handler=server.report_server_error,
    )
    LOG.info("the client said goodbye" if server.stopped.is_set() else "the client is gone")


class _Reader:
    """Reads for pygls: empty bytes at the end, however it comes.

    Before each message it lets the handlers of the last one run up to their first ``await``: they take their
    snapshots there, and on a socket several messages may be there at once, a change right after a request.
    """

    def __init__(self, readline: Callable[[], Awaitable[bytes]], read: Callable[[int], Awaitable[bytes]]) -> None:
        self._readline = readline
        self._read = read

    async def readline(self) -> bytes:
        await asyncio.sleep(0)
        try:
            return await self._readline()
        except OSError:
            return b""

    async def readexactly(self, size: int) -> bytes:
        try:
            return await self._read(size)
        except (OSError, asyncio.IncompleteReadError):
            return b""


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
