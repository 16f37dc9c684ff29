"""An editor runs the command that an accepted item carries: a real Neovim, with what a user switches on."""

import json
from collections.abc import Callable
from typing import Any

from codelm.statistics_store import FILE

Start = Callable[..., Any]


def test_an_accepted_item_is_counted_where_the_user_wants_it(neovim: Start):
    editor = neovim({"settings": {"codelm": {"statistics": {"enabled": True}}}})
    file = editor.home / "data" / "codelm" / FILE
    editor.open("main.py", "import os\n")
    editor.type("Gofolder = os.path.jo")
    assert not file.exists()
    editor.accept("join")
    editor.shows("import os", "folder = os.path.join")
    editor.until(f"vim.fn.filereadable({json.dumps(str(file))}) == 1")
    [kinds] = json.loads(file.read_text(encoding="utf-8"))["days"].values()
    [(accepted, characters)] = kinds.pop("list").values()
    assert (accepted, characters, kinds) == (1, 2, {})
