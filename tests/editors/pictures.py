"""Makes the pictures of the documentation, of the real editors: ``python tests/editors/pictures.py``.

Needs what ``install_vscode.py`` and ``install_neovim.py`` beside it install. Writes ``images/editor.png`` in
``editor-config/vscode`` and ``editor-config/neovim``.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import real_vscode as real
from conftest import NEOVIM_12, PLUGIN, Neovim
from neovim_screen import screen
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


NEOVIM = """
vim.g.codelm = { keys = { accept = "<Tab>" } }
vim.o.number, vim.o.ruler, vim.o.pumheight, vim.o.fillchars = true, false, 7, "eob: "
"""


def main() -> int:
    program = shutil.which("chromium")
    if program is None or not real.PROGRAM.exists() or not real.EXTENSION.exists() or not NEOVIM_12.exists():
        print("needs VS Code, Chromium and Neovim 0.12: run install_vscode.py and install_neovim.py", file=sys.stderr)
        return 1
    page = neovim()  # pynvim and Playwright don't run inside each other
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=real.CHROMIUM)
        try:
            shown = browser.new_page()
            shown.set_content(page)
            shown.locator("pre").screenshot(path=image(PLUGIN))
            vscode(browser, image(real.EXTENSION.parents[1]))
        finally:
            browser.close()
    return 0


def image(folder: Path) -> Path:
    """Return where the picture of an editor is kept."""
    file = folder / "images" / "editor.png"
    file.parent.mkdir(exist_ok=True)
    print(file)
    return file


def vscode(browser: Any, target: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        editor = real.VSCode(browser, Path(home), FILES, SHOWN)
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


def neovim() -> str:
    """Return the picture of Neovim, as a page."""
    with tempfile.TemporaryDirectory() as home:
        editor = Neovim(NEOVIM_12, Path(home) / "home", {}, NEOVIM)
        try:
            (name,) = FILES
            editor.open(name, FILES[name])
            editor.until("require('codelm').status() == 'codelm'")
            editor.type('GA<CR>with open(self.path, "w", encoding="utf-8") as file:<CR>json.')
            editor.until_offered("dump")
            editor.until_ghost_text()
            return screen(editor.address, 84, 28).page()
        finally:
            editor.close()


if __name__ == "__main__":
    sys.exit(main())
