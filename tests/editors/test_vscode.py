"""The extension in a real VS Code, with the real server and the bundled model."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import own_code
import pytest
import real_vscode as real
from beside import PIPE, PYREFLY
from editor_waits import wait_until

Start = Callable[..., Any]

FILES = """def size(path):
    with open(path) as file:
        return len(file.read())


def lines(path):
"""

TWO = """def first(left):
    return left.close()


def second(right):
    return right.open()


def third(left, right):
    left.close()
    right.open()


def fourth(left, right):
    right.open()
    left.close()


def fifth(left, right):
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs python tests/editors/install_vscode.py")
    program = shutil.which("chromium")
    if program is None or not real.PROGRAM.exists() or not real.EXTENSION.exists():
        pytest.skip("needs VS Code and Chromium: python tests/editors/install_vscode.py")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=real.CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def vscode(browser, tmp_path) -> Iterator[Start]:
    """Start a VS Code with files in its folder, and show the first of them. It ends with the test."""
    started: list[real.VSCode] = []

    def start(files: dict[str, str], *extensions: Path, icon: str = "sparkle", **settings: Any) -> real.VSCode:
        editor = real.VSCode(browser, tmp_path / f"user{len(started)}", files, settings, *extensions)
        started.append(editor)
        editor.open(next(iter(files)), icon)
        return editor

    yield start
    for editor in started:
        editor.close()


def test_the_list_and_ghost_text_are_shown_and_accepted(vscode: Start):
    editor = vscode({"files.py": FILES})
    editor.type("    with ope")
    assert editor.until_popup("open")[0] == "open"
    editor.press("Enter")
    editor.shows_line("    with open")
    editor.until_ghost_text("(path) as file:")
    editor.press("Tab")
    editor.shows_line("    with open(path) as file:")
    editor.press("Control+Z")
    wait_until(lambda: editor.text[-1] != "    with open(path) as file:", "it is undone", lambda: editor.text)


def test_ghost_text_goes_on_from_the_item_that_is_selected(vscode: Start):
    editor = vscode({"files.py": FILES})
    editor.type("    with ope")
    editor.until_popup("open")
    editor.until_ghost_text("n(path) as file:")
    editor.press("Escape")
    editor.until_ghost_text("n(path) as file:")


def test_a_word_of_ghost_text_is_accepted_and_typing_on_keeps_it(vscode: Start):
    editor = vscode({"files.py": FILES}, **{"editor.autoClosingBrackets": "never"})
    editor.type("    with ope")
    editor.until_popup("open")
    editor.press("Escape")  # the list goes, the ghost text stays
    editor.until_ghost_text("n(path) as file:")
    editor.type("n(pa")
    editor.until_ghost_text("th) as file:")
    editor.until_popup("path")
    editor.press("Escape")
    editor.until_ghost_text("th) as file:")
    editor.press("Control+ArrowRight")
    editor.until_ghost_text(") as file:")
    editor.type("q")
    wait_until(lambda: "as file" not in editor.ghost_text, "it is gone", lambda: editor.ghost_text)


def test_other_ghost_text_is_one_key_away(vscode: Start):
    editor = vscode({"two.py": TWO}, **{"codelm.inline.confidence": 0})
    editor.type("    return ")
    both = {"left.close()", "right.open()"}
    shown = wait_until(
        lambda: (grey := editor.ghost_text) in both and grey, f"one of {both}", lambda: editor.ghost_text
    )
    (other,) = both - {shown}
    editor.press("Alt+BracketRight")
    editor.until_ghost_text(other)
    editor.press("Alt+BracketLeft")
    editor.until_ghost_text(shown)
    editor.press("Alt+BracketRight")
    editor.until_ghost_text(other)
    editor.press("Tab")
    editor.shows_line(f"    return {other}")


def test_cells_of_a_notebook_are_one_context(vscode: Start):
    cells = ["quixotic_banana = 1", "print(quix"]
    notebook = {
        "cells": [
            {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": [cell]}
            for cell in cells
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    editor = vscode({"main.py": "", "study.ipynb": json.dumps(notebook)})
    editor.open_notebook("study.ipynb", 1)
    editor.type("o")
    editor.until_popup("quixotic_banana")


def test_what_is_accepted_is_counted_where_the_user_wants_it(vscode: Start):
    editor = vscode({"files.py": FILES}, **{"codelm.statistics.enabled": True})
    editor.type("    with ope")
    editor.until_popup("open")
    editor.press("Enter")
    editor.until_ghost_text("(path) as file:")
    editor.press("Tab")
    editor.shows_line("    with open(path) as file:")
    editor.command("codelm: Show Statistics")
    for counted in ("items of the list: 1 accepted", "ghost text: 1 accepted"):
        wait_until(lambda counted=counted: counted in editor.log, counted, lambda: editor.log)


def test_the_server_is_installed_when_the_user_agrees(vscode: Start):
    """It comes with the extension; pip fetches what it needs."""
    editor = vscode({"files.py": FILES}, icon="cloud-download", **{"codelm.server.command": []})
    editor.page.click(".notifications-toasts .monaco-button >> text=Install")
    editor.until_notification("Installing codelm's server")
    editor.until_icon("sparkle", patience=10)
    assert editor.servers
    editor.focus()
    editor.press("Control+End")
    editor.type("    with open(")
    editor.until_ghost_text("path as file:")


def test_the_list_opens_after_a_dot_with_any_characters_before_it(vscode: Start):
    editor = vscode({"größe.py": "import os\n# 𝒳\n"})
    editor.type('s = "é😀𝒳"; größe𝒳 = os.path.')
    editor.until_popup("join", "exists")
    editor.type("joi")
    editor.until_popup("join")
    editor.press("Enter")
    wait_until(lambda: editor.text[-1].endswith("größe𝒳 = os.path.join"), "it is accepted", lambda: editor.text)


def test_the_status_bar_tells_pauses_and_goes_on(vscode: Start):
    editor = vscode({"main.py": "import os\n"})
    editor.command("codelm: Pause or Resume")
    editor.until_icon("debug-pause")
    editor.focus()
    editor.press("Control+End")
    editor.type("os.path.joi")
    editor.shows_line("os.path.joi")
    assert "join" not in editor.popup
    editor.command("codelm: Pause or Resume")
    editor.until_icon("sparkle")
    editor.focus()
    editor.press("Control+End")
    editor.type("n")
    editor.press("Backspace")
    editor.until_popup("join")


def test_a_server_that_was_killed_comes_back(vscode: Start):
    editor = vscode({"main.py": "import os\n"})
    (first,) = editor.servers
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: editor.servers and editor.servers != [first], "another server runs", lambda: editor.servers)
    editor.until_icon("sparkle")
    editor.focus()
    editor.press("Control+End")
    editor.type("os.path.joi")

    def typed_again() -> bool:
        """Keys that came before it was ready opened no list."""
        editor.press("Backspace")
        editor.type("i")
        editor.page.wait_for_timeout(500)
        return "join" in editor.popup

    wait_until(typed_again, "a list with join", lambda: editor.popup)
    (second,) = editor.servers
    editor.command("codelm: Restart the Server")
    wait_until(lambda: editor.servers and editor.servers != [second], "a third server runs", lambda: editor.servers)
    editor.until_icon("sparkle")


def test_settings_that_change_are_honoured(vscode: Start):
    editor = vscode({"main.py": "import os\n"})
    editor.type("os.path.")
    assert len(editor.until_popup("join")) > 3
    editor.press("Escape")
    editor.configure({"codelm.completion.maxItems": 2})

    def asked_again() -> bool:
        """VS Code sees the settings after a while."""
        editor.press("Backspace")
        editor.type(".")
        count = len(editor.until_popup("join"))
        editor.press("Escape")
        return count == 2

    wait_until(asked_again, "two items at most", lambda: editor.text)


def test_an_edit_above_is_followed_and_so_is_another_file(vscode: Start):
    editor = vscode({"main.py": "import os\nvalue = 1\n\n", "other.py": "import os\n"})
    editor.press("Control+Home")
    editor.press("ArrowDown")
    editor.type("quixotic_banana = 2\n")
    editor.press("Control+End")
    editor.type("print(quixo")
    editor.until_popup("quixotic_banana")
    editor.open("other.py")
    editor.type("os.path.dirn")
    editor.until_popup("dirname")
    wait_until(lambda: len(editor.servers) == 1, "one server", lambda: editor.servers)


def test_a_model_that_was_taught_ones_own_code_completes_with_it(vscode: Start):
    model = str(own_code.walked().checkpoint)
    editor = vscode({"other.py": "def parsed(self, name, value):\n"}, **{"codelm.model": model})
    editor.type("    return self.tariff.")
    assert own_code.COMPANYS & set(editor.until_popup()[:5])


# --- beside another language server ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ranking", ["beside", "first", "last"])
def test_its_items_stand_beside_those_of_another_server_as_the_user_wants(vscode: Start, ranking: str):
    if not PYREFLY.exists() or not real.ANOTHER_SERVER.exists():
        pytest.skip("needs pyrefly beside codelm: make editors")
    settings = {"anotherServer.command": [str(PYREFLY), "lsp"], "codelm.completion.ranking": ranking}
    editor = vscode({"pipe.py": PIPE}, real.ANOTHER_SERVER, **settings)
    editor.page.wait_for_selector(".codicon-check-all")
    editor.type("    pipe.close_right()\npipe.")
    wait_until(lambda: "other" in editor.owners or ranking == "first", "items of both", lambda: editor.owners)
    editor.until_popup("close_left")
    top = editor.owners
    editor.press("ArrowUp")  # from the first to the last
    wait_until(lambda: editor.popup and "close_left" not in editor.popup[:3], "the list's end", lambda: editor.popup)
    end = editor.owners
    if ranking == "first":
        assert top[0] == "codelm"
        assert end[-1] == "other"
    elif ranking == "last":
        assert top == ["other"] * len(top)
        assert end[-1] == "codelm"
    else:
        assert 1 <= top.index("other") <= 3
        assert "codelm" not in top[top.index("other") :]
        assert end[-1] == "codelm"
