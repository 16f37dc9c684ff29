"""The ``codelm-lsp`` command."""

import argparse
import os
import sys
from collections.abc import Sequence

from codelm import __version__
from codelm.errors import CodelmError
from codelm.lsp.log import LEVELS

DESCRIPTION = """\
Complete Python as you type, privately: a language server over a model that runs on this computer.

Editors start it as `codelm-lsp --stdio`. The two commands are for the terminal.
"""

EPILOG = """\
examples:
  codelm-lsp --stdio                          serve an editor on standard input and output
  codelm-lsp --tcp 8765 --log-level debug     serve one that connects to this computer's port 8765
  codelm-lsp complete app.py:12:9             show what would be proposed in line 12, column 9
  codelm-lsp check                            say what is installed, and whether it works

Editors can also set the model, and more, in their settings under "codelm"; those go before options.
Messages go to standard error. They never hold your code.
"""

# How many threads the libraries take that numpy may multiply matrices with.
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 2 for what the user can put right, told in one line."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.command:
            return _show(args)
        if args.stdio or args.tcp:
            return _serve(args)
    except CodelmError as error:
        print(f"codelm-lsp: {error}", file=sys.stderr)
        return 2
    parser.print_help(sys.stderr)
    return 2


def _show(args: argparse.Namespace) -> int:
    """Run a command for the terminal. Who reads its output may have enough of it, as ``head`` has: that is no error."""
    try:
        if args.command == "complete":
            from codelm import terminal

            status = terminal.complete(args)
        else:
            from codelm import check

            status = check.check(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left of the output goes nowhere: Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _serve(args: argparse.Namespace) -> int:
    """Serve one client. Everything of the server is imported here: the other commands don't need it."""
    # Read when numpy is imported, later: an editor's processor is not ours to heat, and our products are small.
    for library in _BLAS_THREADS:
        os.environ.setdefault(library, "1")
    from codelm.lsp import log, transport
    from codelm.lsp.server import Server

    log.start(args.log_level)
    server = Server(model=args.model)
    if args.stdio:
        return transport.serve_stdio(server)
    return transport.serve_tcp(server, *args.tcp)


def _address(text: str) -> tuple[str, int]:
    """Read ``[HOST:]PORT``; without a host it is this computer alone."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise argparse.ArgumentTypeError(f"expected [HOST:]PORT with a port from 0 to 65535, not {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codelm-lsp",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"codelm-lsp {__version__}")
    serve = parser.add_mutually_exclusive_group()
    serve.add_argument("--stdio", action="store_true", help="serve an editor on standard input and output")
    serve.add_argument(
        "--tcp",
        type=_address,
        metavar="[HOST:]PORT",
        help="serve one editor that connects to PORT (0: any free one, which is then shown); without HOST "
        "only programs on this computer can connect, and with one nothing asks who they are",
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="DIR",
        help="folder of the checkpoint to use (default: the bundled one)",
    )
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="warning",
        help="how much the server tells on standard error (default: %(default)s)",
    )

    commands = parser.add_subparsers(dest="command", title="commands", metavar="")
    complete = commands.add_parser(
        "complete",
        help="show the completions at a place in a file",
        description="Show what an editor would be offered at a place in a file.",
    )
    complete.add_argument(
        "where",
        metavar="FILE:LINE:COLUMN",
        help="the place; LINE and COLUMN count from 1, COLUMN is the characters before the cursor plus 1",
    )
    complete.add_argument(
        "-k", "--limit", type=_count, default=10, metavar="N", help="how many at most (default: %(default)s)"
    )
    check = commands.add_parser(
        "check",
        help="say what is installed, which model is loaded and how long one completion takes",
        description="Say what is installed, which model is loaded and how long one completion takes.",
    )
    check.add_argument(
        "where",
        nargs="?",
        metavar="FILE:LINE:COLUMN",
        help="the place to complete at (default: in a sample of its own)",
    )
    for command in (complete, check):
        command.add_argument("--json", action="store_true", help="print one JSON object")
        # Suppressed: else its default would undo a --model before the command's name.
        command.add_argument(
            "--model", default=argparse.SUPPRESS, metavar="DIR", help="folder of the checkpoint to use"
        )
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
