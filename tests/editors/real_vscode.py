"""A real VS Code in a browser, driven from outside, with a new user's profile, the packed extension and our server."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from editor_waits import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "editors" / "vscode"
PROGRAM = HOME / "code-server" / "node_modules" / ".bin" / "code-server"
EXTENSION = ROOT / "editor-config" / "vscode" / "dist" / "codelm.vsix"
ANOTHER_SERVER = HOME / "another-server" / "another-server.vsix"
# What belongs to a machine is taken from the settings of the machine that the extension runs on.
MACHINE = {"codelm.server.command": [sys.executable, "-m", "codelm.cli"]}
SETTINGS = {
    "workbench.startupEditor": "none",
    "telemetry.telemetryLevel": "off",
    "editor.minimap.enabled": False,
    "chat.commandCenter.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "editor.accessibilitySupport": "off",
    "editor.wordBasedSuggestions": "off",  # else its own words could be taken for ours
}
CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
NO_GALLERY = '{"serviceUrl":"","itemUrl":"","resourceUrlTemplate":"","controlUrl":"","recommendationsUrl":""}'


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


class VSCode:
    """One VS Code with a folder open, and all that a test does with it."""

    def __init__(
        self, browser: Any, folder: Path, files: dict[str, str], settings: dict[str, Any], *extensions: Path
    ) -> None:
        self.workspace = folder / "project"
        self.workspace.mkdir(parents=True)
        for name, text in files.items():
            (self.workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (self.workspace / name).write_text(text, encoding="utf-8")
        self.profile = folder / "profile"
        write_settings(self.profile / "User", {**SETTINGS, **settings})
        of_machine = {name: value for name, value in settings.items() if name.startswith("codelm.server.")}
        write_settings(self.profile / "Machine", {**MACHINE, **of_machine})
        self._port = free_port()
        folders = ["--user-data-dir", self.profile, "--extensions-dir", folder / "extensions"]
        node = HOME / "node" / "bin"
        env = {
            **os.environ,
            "PATH": f"{node}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "EXTENSIONS_GALLERY": NO_GALLERY,
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed at the end
        packed = [word for file in (EXTENSION, *extensions) for word in ("--install-extension", file)]
        installing = [PROGRAM, *folders, *packed]
        subprocess.run(installing, check=True, env=env, stdout=self._log, stderr=self._log, timeout=6 * PATIENCE)
        options = (
            f"--bind-addr 127.0.0.1:{self._port} --auth none --disable-telemetry --disable-update-check "
            "--disable-workspace-trust --disable-getting-started-override --reconnection-grace-time 5"
        ).split()
        self.process = subprocess.Popen(
            [PROGRAM, *folders, *options], env=env, stdout=self._log, stderr=self._log, start_new_session=True
        )
        wait_until(self._answers, "VS Code answers", self._said)
        self.page = browser.new_context(viewport={"width": 1100, "height": 700}).new_page()
        self.page.set_default_timeout(PATIENCE * 1000)

    def configure(self, settings: dict[str, Any]) -> None:
        """Write the folder's settings, which VS Code watches."""
        write_settings(self.workspace / ".vscode", settings)

    def _answers(self) -> bool:
        with suppress(urllib.error.URLError, OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=5).status == 200
        return False

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:]

    # --- files and text -----------------------------------------------------------------------------------

    def open(self, name: str, icon: str = "sparkle") -> None:
        """Show the folder and a file of it, with the cursor at its end, once codelm has an icon: that it is ready."""
        self._show(name)
        self.page.wait_for_selector(".view-line")
        self.until_icon(icon)
        self.focus()
        self.press("Control+End")

    def _show(self, name: str) -> None:
        file = f"vscode-remote://127.0.0.1:{self._port}{self.workspace / name}"
        payload = urllib.parse.quote(json.dumps([["openFile", file]]))
        folder = urllib.parse.quote(str(self.workspace))
        self.page.goto(f"http://127.0.0.1:{self._port}/?folder={folder}&payload={payload}")

    def open_notebook(self, name: str, cell: int) -> None:
        """Show a notebook, with the cursor at the end of a cell, counted from 0."""
        self._show(name)
        cells = self.page.locator(".notebookOverlay .cell-editor-container .view-lines")
        cells.nth(cell).click()
        self.until_icon("sparkle")
        cells.nth(cell).click()
        self.press("Control+End")

    def focus(self) -> None:
        self.page.click(".monaco-editor .view-lines")

    def type(self, text: str) -> None:
        """Type, as fast as a quick typist."""
        self.page.keyboard.type(text, delay=30)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    @property
    def text(self) -> list[str]:
        """The lines that are shown, from the top; what is in grey is not among them."""
        code = """() => [...document.querySelectorAll('.editor-instance .view-line')].map(line => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll('[class*=ghost-text]').forEach(grey => grey.remove());
            return [parseInt(line.style.top), copy.textContent];
        }).sort((a, b) => a[0] - b[0]).map(pair => pair[1])"""
        return [line.replace("\u00a0", " ").rstrip() for line in self.page.evaluate(code)]

    def shows(self, *lines: str) -> None:
        """Wait until the file's text is this."""
        wait_until(lambda: self.text == list(lines), f"the text {lines}", lambda: self.text)

    def shows_line(self, line: str) -> None:
        """Wait until the file has this line."""
        wait_until(lambda: line in self.text, f"the line {line}", lambda: self.text)

    # --- what is proposed ---------------------------------------------------------------------------------

    @property
    def popup(self) -> list[str]:
        """The names in the list; nothing where none is open."""
        rows = self.page.query_selector_all(".suggest-widget.visible .monaco-list-row .label-name")
        with suppress(Exception):  # it may close meanwhile
            return [row.inner_text() for row in rows]
        return []

    @property
    def owners(self) -> list[str]:
        """Whose the items are that the list shows: codelm's say where they come from, others have no such word."""
        code = """() => [...document.querySelectorAll('.suggest-widget.visible .monaco-list-row')]
            .map(row => [parseInt(row.dataset.index), row.ariaLabel])
            .sort((a, b) => a[0] - b[0]).map(pair => pair[1])"""
        told = [label.split(", ") for label in self.page.evaluate(code)]
        return ["codelm" if len(parts) == 3 else "other" for parts in told]  # name, source, kind

    def until_popup(self, *names: str) -> list[str]:
        """Wait until the list has all these names; return it.

        Where keys pile up on a busy machine, VS Code may ask for no list, and the user has to.
        """

        def found() -> list[str] | None:
            nonlocal asking
            popup = self.popup
            if not popup and time.monotonic() > asking:
                self.press("Control+Space")
                asking = math.inf
            return popup if popup and set(names) <= set(popup) else None

        asking = time.monotonic() + PATIENCE / 3
        return wait_until(found, f"a list with {names}", lambda: f"{self.popup}, {self.text}")

    @property
    def ghost_text(self) -> str:
        """What is shown in grey."""
        code = """() => [...document.querySelectorAll('.editor-instance [class*=ghost-text-decoration]')]
            .map(e => e.textContent).join('')"""
        return self.page.evaluate(code).replace("\u00a0", " ")

    def until_ghost_text(self, text: str) -> None:
        """Wait until just this is shown in grey."""
        wait_until(lambda: self.ghost_text == text, f"ghost text {text}", lambda: f"{self.ghost_text}, {self.text}")

    def until_some_ghost_text(self) -> None:
        """Wait until more than the selected item is shown in grey."""
        wait_until(lambda: " " in self.ghost_text, "ghost text", lambda: f"{self.ghost_text}, {self.text}")

    # --- the status bar and commands ----------------------------------------------------------------------

    def until_icon(self, name: str, patience: int = 1) -> None:
        """Wait until codelm's item in the status bar has this icon, so many times as long as for anything else."""
        icon = f"[id*='codelm.status'] .codicon-{name}"
        wait_until(lambda: self.page.query_selector(icon), f"the icon {name}", self._said, patience * PATIENCE)

    def until_notification(self, text: str) -> None:
        """Wait until the user is told something."""
        self.page.wait_for_selector(f".notifications-toasts >> text={text}")

    @property
    def log(self) -> str:
        """What codelm's channel in VS Code's output holds."""
        return "".join(file.read_text(encoding="utf-8") for file in self.profile.rglob("codelm.log"))

    def command(self, title: str) -> None:
        """Do what the command palette has by this name."""
        self.press("F1")
        self.page.wait_for_selector(".quick-input-widget input")
        self.page.keyboard.type(title, delay=5)
        row = f".quick-input-list .monaco-list-row >> text={title}"
        self.page.wait_for_selector(row)
        self.press("Enter")

    @property
    def servers(self) -> list[int]:
        """The processes of codelm's server that this VS Code has started."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().split(b"\0")
                env = (entry / "environ").read_bytes()
                if b"codelm.cli" in line and f"HOME={self.profile.parent}\0".encode() in env:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """End it, however it is."""
        self.page.context.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()
