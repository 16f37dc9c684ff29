"""Installs Emacs and eglot, its LSP client: ``python tests/editors/install_emacs.py``.

They are the system's, so it needs ``apt-get`` and the right to use it. What is there already is left alone.
"""

import shutil
import subprocess
import sys

from installing import install_from_debian


def main() -> int:
    if program := shutil.which("emacs"):
        print(f"{program} is there already")
        return 0
    try:
        if install_from_debian("emacs-nox", "elpa-eglot"):
            return 0
    except subprocess.CalledProcessError as error:
        print(f"Emacs can't be had here: {error}", file=sys.stderr)
        return 1
    print("Emacs can't be had here: install it with its eglot", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
