"""Puts a real VS Code into ``build/editors/vscode``, and what drives it: ``python tests/editors/install_vscode.py``.

It is code-server, VS Code in a browser, from npm, with the Node that it needs; the system's Chromium shows it. Takes
some minutes and 700 MB. Needs npm, a C++ compiler with Python, and Chromium with libkrb5-dev and libsecret-1-dev, which
it fetches where it may use ``apt-get``. It makes the extension, too, and one that starts another server beside it.
What is there already is left alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from installing import ROOT, install_from_debian, run

HOME = ROOT / "build" / "editors" / "vscode"
CODE_SERVER, NODE = "4.139.1", "24"
SYSTEM = ["chromium", "libkrb5-dev", "libsecret-1-dev"]


def main() -> int:
    try:
        if shutil.which("chromium") is None:
            install_from_debian(*SYSTEM)
        if shutil.which("npm") is None:
            print("VS Code can't be had here: it needs npm", file=sys.stderr)
            return 1
        run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "playwright>=1.49")
        node(HOME / "node")
        if not (HOME / "code-server" / "node_modules" / ".bin" / "code-server").exists():
            code_server(HOME / "code-server", HOME / "node")
        run("make", "vscode")
        another_server(HOME / "another-server")
    except subprocess.CalledProcessError as error:
        print(f"VS Code can't be had here: {error}", file=sys.stderr)
        return 1
    print(f"{HOME} is ready")
    return 0


def node(home: Path) -> None:
    """Put Node and its headers into a folder, apart from npm's, which code-server's packages are built into."""
    if (home / "bin" / "node").exists():
        return
    fetched = home / "fetched"
    fetched.mkdir(parents=True, exist_ok=True)
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", fetched, f"node@{NODE}", at=fetched)
    (found,) = fetched.glob("node_modules/node/node_modules/node-*/include")
    shutil.copytree(found, home / "include", dirs_exist_ok=True)
    (home / "bin").mkdir(exist_ok=True)
    shutil.copy2(fetched / "node_modules" / "node" / "bin" / "node", home / "bin" / "node")


def code_server(home: Path, node: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    path = f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(home), f"code-server@{CODE_SERVER}"]
    run(*command, at=home, PATH=path, npm_config_nodedir=str(node))


def another_server(home: Path) -> None:
    """Pack the extension that starts any other server, with the tools and the client of our own."""
    shutil.copytree(ROOT / "tests" / "editors" / "another_server", home, dirs_exist_ok=True)
    tools = ROOT / "editor-config" / "vscode" / "node_modules"
    bundling = "--bundle --platform=node --format=cjs --external:vscode --outfile=extension.js".split()
    run(tools / ".bin" / "esbuild", "extension.ts", *bundling, at=home, NODE_PATH=str(tools))
    packing = "package --no-dependencies --allow-missing-repository --skip-license --out another-server.vsix".split()
    run(tools / ".bin" / "vsce", *packing, at=home)


if __name__ == "__main__":
    sys.exit(main())
