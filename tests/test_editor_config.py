"""The short configurations for editors can be read, and name nothing that codelm doesn't have."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from codelm.settings import parse

EDITORS = Path(__file__).parents[1] / "editor-config"


def without_comments(text: str) -> Any:
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def helix() -> tuple[list[str], Any]:
    found = tomllib.loads((EDITORS / "helix" / "languages.toml").read_text(encoding="utf-8"))
    server = found["language-server"]["codelm"]
    assert "codelm" in found["language"][0]["language-servers"]
    return [server["command"], *server["args"]], server["config"]


def sublime() -> tuple[list[str], Any]:
    text = (EDITORS / "sublime" / "LSP-codelm.sublime-settings").read_text(encoding="utf-8")
    server = without_comments(text)["clients"]["codelm"]
    settings: dict[str, Any] = {}
    for name, value in server["settings"].items():
        section = settings
        *outer, last = name.removeprefix("codelm.").split(".")
        for part in outer:
            section = section.setdefault(part, {})
        section[last] = value
    return server["command"], settings


def kate() -> tuple[list[str], Any]:
    server = json.loads((EDITORS / "kate" / "lspclient.json").read_text(encoding="utf-8"))["servers"]["python"]
    return server["command"], server["settings"]["codelm"]


def zed() -> tuple[list[str], Any]:
    settings = without_comments((EDITORS / "zed" / "settings.json").read_text(encoding="utf-8"))
    ((name, server),) = settings["lsp"].items()
    assert name in settings["languages"]["Python"]["language_servers"]
    return [server["binary"]["path"], *server["binary"]["arguments"]], server["initialization_options"]


@pytest.mark.parametrize("editor", [helix, sublime, kate, zed])
def test_it_starts_the_server_with_settings_that_there_are(editor):
    command, settings = editor()
    assert command == ["codelm-lsp", "--stdio"]
    assert settings
    _, problems = parse(settings)
    assert problems == []


def test_every_folder_is_in_the_list():
    listed = (EDITORS / "README.md").read_text(encoding="utf-8")
    assert not [folder.name for folder in EDITORS.iterdir() if folder.is_dir() and f"]({folder.name}/" not in listed]
