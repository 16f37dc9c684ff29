"""The code of a company, for the tests of training one's own model: real modules, in words that no model has seen."""

import atexit
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_FOLDERS = "~/projects/billing ~/projects/website"
_MODULES = {"codelm-train": "codelm_train", "codelm-lsp": "codelm.cli"}

# The standard library's words, and what the company says for them.
_SAID = {"policy": "tariff", "header": "invoice", "message": "booking", "logger": "ledger", "request": "voucher"}
COMPANYS = {"handle_defect", "max_line_length", "invoice_factory", "invoice_source_parse", "cte_type"}
"""What stands behind ``tariff.`` in its code."""
_PACKAGES = {"billing": ("email", "logging"), "website": ("http", "json", "wsgiref", "html", "urllib")}
_LARGEST = 30_000  # bytes of a module: the test takes two minutes as it is


def repositories(folder: Path) -> list[Path]:
    """Make the company's repositories in a folder; return theirs."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    for repository, packages in _PACKAGES.items():
        for package in packages:
            for module in sorted((stdlib / package).glob("*.py")):
                text = module.read_text(encoding="utf-8")
                if len(text) <= _LARGEST:
                    file = folder / repository / package / module.name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(_translated(text), encoding="utf-8")
        (folder / repository / "pyproject.toml").write_text(f'[project]\nname = "{repository}"\n', encoding="utf-8")
    return [folder / repository for repository in _PACKAGES]


def _translated(text: str) -> str:
    for word, other in _SAID.items():
        for form in (str.lower, str.capitalize, str.upper):
            text = re.sub(form(word), form(other), text)
    return text


@dataclass(frozen=True)
class Walked:
    """What came of the README's commands: the folder in which they were given, and what each of them said."""

    folder: Path
    said: dict[str, str]

    @property
    def checkpoint(self) -> Path:
        """The model that was made."""
        return self.folder / "model" / "checkpoint"


@cache
def walked() -> Walked:
    """Give the commands that the README has for one's own code, once for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="codelm-your-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = " ".join(map(str, repositories(folder / "work")))
    said = {}
    for command in commands():
        program, *arguments = shlex.split(command.replace(_FOLDERS, made))
        run = [sys.executable, "-m", _MODULES[program], *arguments]
        done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False, env=_quiet(folder))
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said[command] = done.stdout
    return Walked(folder, said)


def commands() -> list[str]:
    """Return the commands that the README gives: those of the first block in its section."""
    section = README.read_text(encoding="utf-8").partition("\n## Train your own\n")[2].partition("\n## ")[0]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [line[2:].partition("#")[0].strip() for line in block[1].splitlines() if line.startswith("$ ")]


def _quiet(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONWARNINGS": "default"}
