"""What the VS Code extension tells its users of codelm's settings is what the server takes."""

import json
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import codelm
from codelm.settings import Between, OneOf, Settings, parse

EXTENSION = Path(__file__).parents[1] / "editor-config" / "vscode"
PACKAGE = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
SHOWN = PACKAGE["contributes"]["configuration"]["properties"]
OF_THE_EXTENSION = "codelm.server."


def settings(section: Any = None, name: str = "codelm") -> dict[str, tuple[Any, object]]:
    """All settings: their types and defaults, by their names in JSON."""
    section = section or Settings()
    found = {}
    types = typing.get_type_hints(type(section), include_extras=True)
    for field in fields(section):
        first, *rest = field.name.split("_")
        full = f"{name}.{first}{''.join(map(str.capitalize, rest))}"
        value = getattr(section, field.name)
        found |= settings(value, full) if is_dataclass(value) else {full: (types[field.name], value)}
    return found


def test_it_shows_all_settings_and_no_others():
    assert {name for name in SHOWN if not name.startswith(OF_THE_EXTENSION)} == set(settings())


@pytest.mark.parametrize("name", settings())
def test_each_has_the_server_s_type_default_and_range(name):
    kind, default = settings()[name]
    shown = SHOWN[name]
    assert shown["default"] == default
    assert shown["type"] == {bool: "boolean", int: "integer", str: "string"}[type(default)]
    assert shown["markdownDescription"].endswith(".")
    limits = next(iter(getattr(kind, "__metadata__", ())), None)
    if isinstance(limits, Between):
        assert (shown["minimum"], shown["maximum"]) == limits
    elif isinstance(limits, OneOf):
        assert tuple(shown["enum"]) == limits.choices
        assert len(shown.get("enumDescriptions", limits.choices)) == len(limits.choices)
    else:
        assert {"minimum", "maximum", "enum"}.isdisjoint(shown)


def test_nothing_that_starts_or_loads_something_comes_from_a_folder_that_is_not_trusted():
    restricted = set(PACKAGE["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"])
    assert restricted == {name for name in SHOWN if name.startswith(OF_THE_EXTENSION)} | {
        "codelm.model",
        "codelm.interpreter",
    }
    assert not [name for name in restricted if SHOWN[name]["scope"] != "machine-overridable"]


def test_the_server_would_not_know_the_extension_s_own_settings():
    """So the extension has to keep them to itself."""
    _, problems = parse({"server": {"interpreter": ""}})
    assert problems


def test_every_command_is_registered_and_none_is_the_server_s():
    source = (EXTENSION / "src" / "commands.ts").read_text(encoding="utf-8")
    names = [command["command"] for command in PACKAGE["contributes"]["commands"]]
    from codelm.lsp.commands import COMMANDS

    assert set(names).isdisjoint(COMMANDS), "the language client registers those"
    assert not [name for name in names if f'register("{name.removeprefix("codelm.")}"' not in source]


def test_it_has_the_server_s_version_and_licence():
    assert PACKAGE["version"] == codelm.__version__
    assert (EXTENSION / "LICENSE").read_bytes() == (EXTENSION.parents[1] / "LICENSE").read_bytes()
