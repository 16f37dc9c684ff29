"""Makes the pictures of the documentation, of the real editors: ``python tests/editors/pictures.py``.

Needs what ``python tests/editors/install_vscode.py`` installs. Writes ``editor-config/vscode/images/editor.png``.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import real_vscode as real
from playwright.sync_api import sync_playwright

FILES = {
    "inventory.py": """import json
from pathlib import Path


class Inventory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.items: dict[str, int] = {}

    def load(self) -> None:
        with open(self.path, encoding="utf-8") as file:
            self.items = json.load(file)

    def save(self) -> None:
"""
}
SHOWN = {
    "workbench.activityBar.location": "hidden",
    "workbench.sideBar.location": "right",
    "breadcrumbs.enabled": False,
    "editor.fontSize": 15,
    "editor.lineHeight": 1.6,
    "workbench.colorTheme": "Default Light Modern",
}


def main() -> int:
    program = shutil.which("chromium")
    if program is None or not real.PROGRAM.exists() or not real.EXTENSION.exists():
        print("needs VS Code and Chromium: python tests/editors/install_vscode.py", file=sys.stderr)
        return 1
    target = real.EXTENSION.parents[1] / "images" / "editor.png"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=program, args=real.CHROMIUM)
        editor = real.VSCode(browser, Path(folder), FILES, SHOWN)
        try:
            editor.open("inventory.py")
            editor.press("Control+B")  # the folder's files are of no interest here
            editor.focus()
            editor.press("Control+End")
            editor.type("        with ope")
            editor.until_popup("open")
            editor.until_some_ghost_text()
            editor.page.screenshot(path=target, clip={"x": 0, "y": 35, "width": 900, "height": 665})
        finally:
            editor.close()
            browser.close()
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
