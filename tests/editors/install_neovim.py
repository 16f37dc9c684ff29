"""Puts a Neovim 0.12, which shows ghost text, into ``build/editors/neovim-0.12``.

``python tests/editors/install_neovim.py``. It comes from Debian's archive with the libraries that it needs, and lies
beside the system: nothing else is changed. Needs ``apt-get`` and ``dpkg``; does nothing where it is there already.
"""

import shutil
import subprocess
import sys
from pathlib import Path

SUITE = "forky"
PACKAGES = (
    "neovim neovim-runtime libc6 libgcc-s1 libluajit-5.1-2 libluajit-5.1-common libtree-sitter0.26 libunibilium4 "
    "libutf8proc3 libuv1t64 lua-lpeg lua-luv"
).split()
HOME = Path(__file__).resolve().parents[2] / "build" / "editors" / "neovim-0.12"
START = """#!/bin/sh
export VIMRUNTIME={root}/usr/share/nvim/runtime
exec {root}/usr/lib64/ld-linux-x86-64.so.2 --library-path {root}/usr/lib/x86_64-linux-gnu {root}/usr/bin/nvim "$@"
"""


def main() -> int:
    start = HOME / "nvim"
    if start.exists():
        print(f"{start} is there already")
        return 0
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        print("Neovim 0.12 can't be had here: this is no Debian or Ubuntu", file=sys.stderr)
        return 1
    print(f"fetching Neovim 0.12 from Debian {SUITE} into {HOME}")
    for folder in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    sources = HOME / "sources.list"
    sources.write_text(f"deb [trusted=yes] http://deb.debian.org/debian {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": HOME / "state",
        "Dir::Cache": HOME / "cache",
        "Dir::State::status": "/var/lib/dpkg/status",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    try:
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "download", *PACKAGES], check=True, cwd=HOME / "packages")
        for package in sorted((HOME / "packages").glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, HOME / "root"], check=True)
    except subprocess.CalledProcessError as error:
        print(f"Neovim 0.12 can't be had here: {error}", file=sys.stderr)
        return 1
    start.write_text(START.format(root=HOME / "root"))
    start.chmod(0o755)
    print(subprocess.run([start, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
