"""Replay the same typing against codelm and other language servers, one after the other, and compare them.

usage: python3 compare.py --codelm COMMAND --others FOLDER [--files N] [SERVER...]     (FOLDER has the others' commands)

Each server has one core to itself, where `taskset` exists, and what drives it the others. All see the Python that
is installed beside the others. They are asked for lists alone: none of the others has ghost text.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import replay
import report

CODELM = "codelm"
OTHERS = {
    "pyrefly": ["pyrefly", "lsp"],
    "jedi-language-server": ["jedi-language-server"],
    "zuban": ["zuban", "server"],
    "basedpyright": ["basedpyright-langserver", "--stdio"],
    "ty": ["ty", "server"],
}
OPTIONS = ["--no-inline", "--warmup", "20", "--budget", "900"]
HERE = Path(__file__).resolve().parent


def command_of(server, options):
    """A server's command line; it runs in another folder, so with an absolute path."""
    if server == CODELM:
        return [str(options.codelm.absolute()), "--stdio"]
    program, *arguments = OTHERS[server]
    return [str(options.others.absolute() / program), *arguments]


def alone():
    """What is put before a server's command, so that it has a core that this process and its children leave alone."""
    if shutil.which("taskset") is None:
        return []
    first, *rest = sorted(os.sched_getaffinity(0))
    if rest:
        os.sched_setaffinity(0, rest)
    return ["taskset", "-c", str(first)]


def versions(folder):
    """What is installed there, as `pip freeze` has it."""
    found = subprocess.run([folder / "python", "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if line.partition("==")[0] in OTHERS]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "servers", nargs="*", metavar="SERVER", help=f"of {', '.join([CODELM, *OTHERS])} (default: all)"
    )
    parser.add_argument("--codelm", type=Path, required=True, help="codelm-lsp")
    parser.add_argument("--others", type=Path, required=True, help="the folder of the other servers' commands")
    parser.add_argument("--files", type=int, default=10, help="how many files are typed in (default 10)")
    options = parser.parse_args()
    options.servers = options.servers or [CODELM, *OTHERS]
    unknown = [server for server in options.servers if server not in (CODELM, *OTHERS)]
    if unknown:
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join([CODELM, *OTHERS])}")
    return options


def main():
    options = parse_arguments()
    before, results = alone(), []
    os.environ["PATH"] = f"{options.others.absolute()}{os.pathsep}{os.environ['PATH']}"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        os.environ.pop(variable, None)
    print(*versions(options.others), sep="\n")
    for server in options.servers:
        print(f"\n{server}", flush=True)
        out = replay.HOME / "results" / f"compare-{server}.json"
        chosen = ["--name", server, "--out", str(out), "--files", str(options.files), *OPTIONS]
        results.append(replay.recorded(replay.parse_arguments([*chosen, "--", *before, *command_of(server, options)])))
    print(f"\n{report.tables(results)}")


if __name__ == "__main__":
    main()
