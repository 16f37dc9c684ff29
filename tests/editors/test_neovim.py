"""The plugin, in a real Neovim, with the real server and the bundled model."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]

SLOW = """
import sys, time
from codelm.cli import main
from codelm.completer import Completer
complete = Completer.complete
def slowly(*args, **options):
    time.sleep(0.5)
    return complete(*args, **options)
Completer.complete = slowly
sys.exit(main(["--stdio"]))
"""


def test_the_menu_opens_after_a_dot_and_an_item_is_accepted(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    editor.type("Gofolder = os.path.")
    editor.until_offered("join", "exists", "dirname")
    editor.accept("join")
    editor.shows("import os", "folder = os.path.join")
    # Accepting opens no new menu, and what is typed on just follows.
    editor.stays_closed()
    editor.type("(")
    editor.shows("import os", "folder = os.path.join(")
    editor.stays_closed()


def test_the_menu_follows_while_a_name_is_typed_and_not_behind_it(neovim: Start):
    editor = neovim()
    editor.open("main.py")
    editor.type("ii")
    for typed, key in (("i", "m"), ("im", "p"), ("imp", "o"), ("impo", "")):
        menu = editor.until_menu(
            lambda menu, typed=typed: all(word.lower().startswith(typed) for word in menu), f"of {typed}…"
        )
        assert "import" in menu
        editor.type(key)
    editor.type("rt ")
    editor.shows("import ")
    editor.stays_closed()
    editor.type("o")
    editor.accept("os")
    editor.shows("import os")


def test_the_menu_opens_again_after_a_character_was_deleted(neovim: Start):
    editor = neovim()
    editor.open("main.py")
    editor.type("iimpp")
    editor.until_answered()
    editor.type("<BS>o")
    editor.accept("import")
    editor.shows("import")


def test_an_item_of_several_words_is_inserted_whole(neovim: Start):
    editor = neovim()
    editor.open("main.py", "def size(value):\n")
    editor.type("Goif value is n")  # Neovim indents
    menu = editor.until_menu(lambda menu: any(" " in word for word in menu), "with an item of several words")
    item = next(word for word in menu if " " in word)
    editor.accept(item)
    editor.shows("def size(value):", f"    if value is {item}")


def test_undo_takes_back_what_was_accepted_and_the_server_follows(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.jo")
    editor.accept("join")
    editor.type("<Esc>u")
    editor.shows("import os")
    editor.type("<C-r>")
    editor.shows("import os", "os.path.join")
    editor.type("uGoos.path.dirn")
    editor.accept("dirname")
    editor.shows("import os", "os.path.dirname")


def test_a_name_of_another_file_is_completed_and_forgotten(neovim: Start):
    # A message on top of another would have to be acknowledged with Enter.
    editor = neovim(init='vim.o.messagesopt = "wait:0,history:500"')
    project = editor.home / "project"
    (project / "package").mkdir(parents=True)
    (project / "pyproject.toml").write_text("", encoding="utf-8")
    helper = project / "package" / "helper.py"
    helper.write_text("def quixotic_banana(argument):\n    pass\n", encoding="utf-8")
    editor.open("project/main.py", "import os\n")
    editor.until_learned("quixotic_banana")
    editor.type("Gofolder = os.pa")  # once this is answered, the model is there
    editor.accept("path")
    editor.type("<Esc>oresult = quixo")
    editor.accept("quixotic_banana")
    editor.shows("import os", "folder = os.path", "result = quixotic_banana")
    editor.type("<Esc>:silent write<CR>")
    editor.edit(helper)
    editor.type(":Codelm forget<CR>")
    editor.until_told("codelm forgot helper.py")
    assert not editor.has_learned("quixotic_banana")
    editor.type(":Codelm forget nonsense<CR>")
    editor.until_told("codelm.forget takes 'file', 'workspace', 'all'")
    editor.type(":Codelm learn<CR>")
    editor.until_told("codelm learns this workspace again")
    editor.until_learned("quixotic_banana")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_accepted_text_lands_right_behind_any_characters(neovim: Start, encoding: str):
    editor = neovim({"capabilities": {"general": {"positionEncodings": [encoding]}}})
    editor.open("größe.py", "import os\n\n# 𝒳\n")
    editor.type('Gos = "é😀𝒳"; größe𝒳 = os.path.jo')
    editor.accept("join")
    editor.type('("')
    editor.shows("import os", "", "# 𝒳", 's = "é😀𝒳"; größe𝒳 = os.path.join("')
    assert editor.remote.exec_lua("return vim.lsp.get_clients()[1].offset_encoding") == encoding


def test_two_files(neovim: Start):
    editor = neovim()
    first = editor.open("first.py", "import os\n")
    editor.type("Goos.path.jo")
    editor.accept("join")
    editor.type("<Esc>:set hidden<CR>")
    editor.open("second.py", "import re\n\n\n\n")
    editor.type("Gopattern = re.comp")
    editor.accept("compile")
    editor.type("<Esc>")
    editor.shows("import re", "", "", "", "pattern = re.compile")
    editor.edit(first)
    editor.type("Goos.path.dirn")
    editor.accept("dirname")
    editor.shows("import os", "os.path.join", "os.path.dirname")
    assert len(editor.children) == 1, "one server for both"


def test_in_a_comment_words_are_offered(neovim: Start):
    editor = neovim()
    editor.open("main.py", "notable = 1\n")
    editor.type("Go# Raises an excep")
    editor.accept("exception")
    editor.shows("notable = 1", "# Raises an exception")


def test_a_comment_is_left_alone_where_that_is_wanted(neovim: Start):
    editor = neovim({"settings": {"codelm": {"completion": {"prose": False}}}})
    editor.open("main.py", "notable = 1\n")
    editor.type("Go# os.path.j")
    editor.until_answered()
    # Neovim's own keys are free there: <C-n> offers the words of the file.
    editor.type("<CR># nota")
    editor.until_answered()
    editor.type("<C-n>")
    editor.accept("notable")
    editor.shows("notable = 1", "# os.path.j", "# notable")


def test_no_key_is_taken(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    assert editor.remote.current.buffer.api.get_keymap("i") == []
    before = editor.remote.options["completeopt"]
    editor.type("Goos.path.jo")
    editor.until_offered("join")
    # Enter ends the line as it was typed, although a menu is open …
    editor.type("<CR>")
    editor.shows("import os", "os.path.jo", "")
    # … Tab indents, and Escape leaves insert mode.
    editor.type("os.path.jo")
    editor.until_offered("join")
    editor.type("<Tab>")
    editor.until("vim.fn.getline('.'):find('^os.path.jo%s+$')")
    editor.type("<Esc>")
    editor.until("vim.fn.mode(1) == 'n'")
    assert editor.remote.options["completeopt"] == before


def test_your_own_completeopt_goes_first(neovim: Start):
    editor = neovim(init='vim.o.completeopt = "menuone,noinsert"')
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.joi")
    first = editor.until_offered("join")[0]
    editor.type("<C-y>")  # with noinsert the first item is chosen already
    editor.shows("import os", f"os.path.{first}")


def test_a_late_answer_opens_no_menu(neovim: Start):
    editor = neovim({"cmd": (sys.executable, "-c", SLOW)})
    editor.open("main.py")
    editor.type("ipri")
    editor.until("asked.answered == false")
    # Now an item would replace "pri(" and not "pri".
    editor.type("(")
    editor.shows("pri(")
    editor.until("asked.answered")
    editor.until_closed()


def test_settings_are_honoured_from_the_start_and_when_they_change(neovim: Start):
    editor = neovim({"settings": {"codelm": {"completion": {"maxItems": 3}}}})
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.")
    assert len(editor.until_offered("join")) == 3
    editor.type("<C-e>")
    editor.until_closed()
    editor.remote.exec_lua("""
        local client = vim.lsp.get_clients({ name = "codelm" })[1]
        client.settings = { codelm = { completion = { maxItems = 7 } } }
        client:notify("workspace/didChangeConfiguration", { settings = client.settings })
    """)
    for _ in range(20):  # the server asks for its settings first, and may answer us before it has them
        editor.type("<BS>.")
        if len(editor.until_offered("join")) == 7:
            break
        editor.type("<C-e>")
        editor.until_closed()
    assert len(editor.menu) == 7


def test_a_wrong_setting_is_told(neovim: Start):
    # With less room Neovim asks to press Enter, and waits.
    editor = neovim({"settings": {"codelm": {"completion": {"maxItems": "many"}}}}, init="vim.o.cmdheight = 9")
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.")
    editor.until_offered("join")
    assert "codelm.completion.maxItems" in editor.remote.call("execute", "messages")
    assert all("codelm.completion.maxItems" in line for line in editor.complaints())


def test_the_server_ends_with_the_editor(neovim: Start):
    editor = neovim()
    editor.open("main.py", "import os\n")
    editor.type("Goos.path.")
    editor.until_offered("join")
    (server,) = editor.children
    assert editor.quit() == 0
    editor.until_ended(server)


def test_the_server_ends_when_the_editor_is_killed(neovim: Start):
    editor = neovim()
    editor.open("main.py")
    (server,) = editor.children
    editor.kill()
    editor.until_ended(server)
