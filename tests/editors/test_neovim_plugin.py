"""The plugin's commands, health check and keys; and ghost text, in a Neovim 0.12 where there is one."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from beside import PIPE, PYREFLY
from editor_waits import wait_until

Start = Callable[..., Any]

KEYS = 'vim.g.codelm = { keys = { accept = "<Tab>", accept_word = "<C-l>", next = "<C-j>", previous = "<C-k>" } }'
FILES = """def size(path):
    with open(path) as file:
        return len(file.read())


def lines(path):
"""
"""Behind it, ``with open(path) as file:`` is what anybody expects."""


def ready(editor, number: int) -> None:
    """Wait until the server that was started as the ``number``-th is attached and has its model."""
    editor.until(f"(require('codelm').clients()[1] or {{}}).id == {number} and require('codelm').status() == 'codelm'")


# --- commands, in any Neovim -----------------------------------------------------------------------------------------


def test_it_pauses_and_goes_on(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    editor.until("require('codelm').status() == 'codelm'")
    editor.type(":Codelm pause<CR>")
    editor.until("require('codelm').status() == 'codelm: paused'")
    editor.type("Goos.path.jo")
    editor.until_answered()
    editor.type("<Esc>:Codelm resume<CR>")
    editor.until("require('codelm').status() == 'codelm'")
    editor.type("A<BS>o")
    editor.accept("join")
    editor.shows("import os", "os.path.join")


def test_it_says_how_it_is(neovim: Start):
    editor = neovim(init="vim.o.cmdheight = 9")
    editor.open("main.py", "import os\n")
    editor.until("require('codelm').status() == 'codelm'")
    editor.type(":Codelm<CR>")
    editor.until_told("model: the bundled model (ready)")
    editor.type(":Codelm nonsense<CR>")
    editor.until_told(":Codelm takes forget, learn, log, pause, restart, resume, statistics, status")
    assert editor.remote.call("getcompletion", "Codelm forget ", "cmdline") == ["all", "file", "workspace"]


def test_it_is_restarted_on_command_and_after_a_crash(neovim: Start):
    editor = neovim(init='vim.o.messagesopt = "wait:0,history:500"')  # else a long message waits for Enter
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.jo")
    editor.accept("join")
    editor.type("<Esc>")
    (first,) = editor.children
    editor.type(":Codelm restart<CR>")
    editor.until_ended(first)
    ready(editor, 2)
    editor.type("oos.path.dirn")
    editor.accept("dirname")
    editor.type("<Esc>")
    (second,) = editor.children
    os.kill(second, signal.SIGKILL)
    editor.until_ended(second)
    editor.until("#vim.lsp.get_clients({ name = 'codelm' }) == 0")
    editor.complaints()  # Neovim says that it ended
    editor.type(":Codelm restart<CR>")
    ready(editor, 3)
    editor.type("oos.path.exis")
    editor.accept("exists")
    editor.shows("import os", "os.path.join", "os.path.dirname", "os.path.exists")
    editor.complaints()


def test_its_health_is_checked(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    editor.until("require('codelm').status() == 'codelm'")
    editor.type(":checkhealth codelm<CR>")
    editor.until("vim.bo.filetype == 'checkhealth'")
    report = "\n".join(editor.text)
    assert "a server runs" in report
    assert "model: the bundled model (ready)" in report
    assert "ghost text needs Neovim 0.12" in report
    assert "ERROR" not in report


def test_its_health_tells_of_a_server_that_is_not_there(neovim: Start):
    editor = neovim({"cmd": ["/nowhere/codelm-lsp", "--stdio"]})
    editor.type(":checkhealth codelm<CR>")
    editor.until("vim.bo.filetype == 'checkhealth'")
    report = "\n".join(editor.text)
    assert "/nowhere/codelm-lsp is not on Neovim's PATH" in report
    assert "no server runs" in report


def test_it_does_not_start_where_it_is_not_wanted(neovim: Start):
    editor = neovim(init="vim.g.codelm_enabled = false")
    (editor.home / "main.py").write_text("import os\n", encoding="utf-8")
    editor.remote.command(f"edit {editor.home / 'main.py'}")
    assert editor.remote.exec_lua("return vim.lsp.is_enabled('codelm')") is False
    assert editor.children == []


def test_the_menu_can_be_left_to_others(neovim: Start):
    editor = neovim(init="vim.g.codelm = { menu = false }")
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.jo")
    editor.shows("import os", "os.path.jo")
    editor.stays_closed()
    assert editor.remote.exec_lua("return vim.bo.completeopt") == ""


# --- ghost text, in Neovim 0.12 --------------------------------------------------------------------------------------


def in_the_function(editor) -> None:
    """Begin a line where a person would write ``with open(path) as file:``."""
    editor.open("files.py", FILES)
    editor.until("require('codelm').status() == 'codelm'")
    editor.type("GA<CR>with open")  # Neovim indents


def test_ghost_text_is_shown_and_accepted(neovim_12: Start):
    editor = neovim_12(init=KEYS)
    in_the_function(editor)
    editor.until_ghost_text(lambda text: text == "(path) as file:")
    editor.type("<Tab>")
    editor.shows(*FILES.splitlines(), "    with open(path) as file:")
    editor.type("<Esc>u")
    editor.until("not vim.fn.getline('$'):find('path. as')")


def test_a_word_of_it_is_accepted_and_the_rest_stays(neovim_12: Start):
    editor = neovim_12(init=KEYS)
    in_the_function(editor)
    line, rest = "    with open", "(path) as file:"
    for word in ("(", "path", ")", " as", " file", ":"):
        editor.until_ghost_text(lambda text, rest=rest: text == rest)
        editor.type("<C-l>")
        line, rest = line + word, rest.removeprefix(word)
        editor.shows(*FILES.splitlines(), line)


def test_it_stays_while_it_is_typed_and_goes_when_something_else_is(neovim_12: Start):
    editor = neovim_12(init=KEYS)
    in_the_function(editor)
    for typed, rest in (("", "(path) as file:"), ("(", "path) as file:"), ("pa", "th) as file:")):
        editor.type(typed)
        editor.until_ghost_text(lambda text, rest=rest: text == rest)
    editor.type("qq")
    editor.until("#vim.api.nvim_buf_get_extmarks(0, -1, 0, -1, { type = 'virt_text' }) == 0")


def test_its_keys_do_what_they_did_where_there_is_none(neovim_12: Start):
    mapped = 'vim.keymap.set("i", "<C-l>", "LL")\nvim.keymap.set("i", "<C-j>", function() return "JJ" end, {expr=true})'
    editor = neovim_12({"settings": {"codelm": {"inline": {"enabled": False}}}}, init=f"{mapped}\n{KEYS}")
    editor.open("main.py", "x = 1\n")
    editor.type("Go<C-l><C-j><Tab>.")
    editor.until("vim.fn.getline('$'):find('^LLJJ%s+%.$')")


def test_others_can_be_chosen(neovim_12: Start):
    editor = neovim_12({"settings": {"codelm": {"inline": {"confidence": 0}}}}, init=KEYS)
    in_the_function(editor)
    first = editor.until_ghost_text()
    count = editor.remote.exec_lua(
        "local n = 0; for _, c in pairs(require('vim.lsp._capability').all.inline_completion.active) do "
        "n = n + c:count_items() end; return n"
    )
    editor.type("<C-j>")
    if count > 1:
        editor.until_ghost_text(lambda text: not text.startswith(first))
        editor.type("<C-k>")
    editor.until_ghost_text(lambda text: text.startswith(first))


def test_it_follows_an_edit_above(neovim_12: Start):
    editor = neovim_12(init=KEYS)
    in_the_function(editor)
    editor.until_ghost_text(lambda text: text == "(path) as file:")
    editor.type("<Esc>:%s/path/place/g<CR>GA")
    editor.until_ghost_text(lambda text: text == "(place) as file:")
    editor.type("<Tab>")
    editor.until("vim.fn.getline('$') == '    with open(place) as file:'")


def test_its_health_tells_of_keys(neovim_12: Start):
    for keys, told in (("", "no key accepts ghost text"), (KEYS, "")):
        editor = neovim_12(init=keys)
        editor.type(":checkhealth codelm<CR>")
        editor.until("vim.bo.filetype == 'checkhealth'")
        assert told in "\n".join(editor.text)
        assert ("no key accepts" in "\n".join(editor.text)) == bool(told)


# --- beside another language server ----------------------------------------------------------------------------------

BOTH = f"""
vim.lsp.config("pyrefly", {{ cmd = {{ "{PYREFLY}", "lsp" }}, filetypes = {{ "python" }} }})
vim.lsp.enable("pyrefly")
vim.api.nvim_create_autocmd("LspAttach", {{ callback = function(event)
  local client = vim.lsp.get_client_by_id(event.data.client_id)
  if client.name == "pyrefly" then
    vim.lsp.completion.enable(true, client.id, event.buf, {{ cmp = require("codelm.menu").stands_before }})
  end
end }})
"""


@pytest.mark.parametrize("ranking", ["beside", "first", "last"])
def test_its_items_stand_beside_those_of_another_server_as_the_user_wants(neovim_12: Start, ranking: str):
    """In Neovim 0.11 the items of one server stand behind those of the other."""
    if not PYREFLY.exists():
        pytest.skip("needs pyrefly: make build/others-env/installed")
    editor = neovim_12({"settings": {"codelm": {"completion": {"ranking": ranking}}}}, init=BOTH)
    editor.open("pipe.py", PIPE)
    editor.until("#vim.lsp.get_clients({ bufnr = 0 }) == 2")
    editor.until("require('codelm').status() == 'codelm'")
    editor.type("GA<CR>pipe.close_right()<CR>pipe.")
    editor.until_offered("__class__")  # which pyrefly lists, and codelm only behind what has been used
    code = """
        local found = {}
        for _, item in ipairs(vim.fn.complete_info({ "items" }).items) do
          local id = vim.tbl_get(item, "user_data", "nvim", "lsp", "client_id")
          table.insert(found, id and vim.lsp.get_client_by_id(id).name or "?")
        end
        return found
    """
    owners = wait_until(
        lambda: (found := editor.remote.exec_lua(code)) and len(set(found)) == 2 and found, "items of both"
    )
    editor.quit()
    editor.complaints()  # pyrefly's
    ours = [place for place, owner in enumerate(owners) if owner == "codelm"]
    theirs = [place for place, owner in enumerate(owners) if owner == "pyrefly"]
    if ranking == "first":
        assert max(ours) < min(theirs)
    elif ranking == "last":
        assert min(ours) > max(theirs)
    else:
        front = [place for place in ours if place < min(theirs)]
        assert 1 <= len(front) <= 3, owners
        assert all(place > max(theirs) for place in ours[len(front) :]), owners
