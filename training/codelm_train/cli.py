"""The ``codelm-train`` command."""

import argparse
import sys
from collections.abc import Sequence

from codelm import __version__
from codelm.errors import CodelmError
from codelm_train.commands import corpus, evaluate, functions, generate, mix, networks, ngram, report, run, vocabulary

DESCRIPTION = """\
Train language models of Python code, offline: from folders, packages or CodeSearchNet files to a checkpoint that
codelm-lsp loads.
"""

EPILOG = """\
examples:
  codelm-train run standard-library --out model       everything in one command, without the network
  codelm-train corpus ~/projects/*/ --out corpus      a corpus of your own projects
  codelm-train vocabulary corpus --out words.txt
  codelm-train ngram corpus --vocabulary words.txt --size 10MB --out model
  codelm-train mix model --corpus corpus --out mixed
  codelm-train evaluate mixed corpus --workspace
  codelm-train lstm corpus --vocabulary words.txt --minutes 30 --out network
  codelm-train generate network --prompt "def train(" --strategy sample --seed 1
  codelm-train report network model --out report
  codelm-lsp complete app.py:12:9 --model model

Nothing is written until it is whole: a command that is interrupted leaves what was there before.
"""

COMMANDS = (functions, corpus, vocabulary, ngram, networks, mix, evaluate, generate, report, run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 2 for what the user can put right, told in one line."""
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except CodelmError as error:
        print(f"codelm-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("codelm-train: interrupted; run the same command to go on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "codelm-train", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"codelm-train {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
