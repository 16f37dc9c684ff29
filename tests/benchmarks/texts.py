"""Text to measure with: the standard library's modules. Imports nothing that a bare server would not."""

import sysconfig
from pathlib import Path


def stdlib() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def sources(count: int) -> list[str]:
    """Return the texts of the largest modules of the standard library's first level."""
    files = sorted(stdlib().glob("*.py"), key=lambda file: -file.stat().st_size)[:count]
    return [file.read_text(encoding="utf-8") for file in files]


def long_text(characters: int = 0, lines: int = 0) -> str:
    """Return the longest modules of the standard library, one behind the other, cut to a length."""
    text = ""
    for file in sorted(stdlib().glob("*.py"), key=lambda file: -file.stat().st_size):
        if file.name not in ("turtle.py", "typing.py"):  # what is open is not also in the workspace
            text += file.read_text(encoding="utf-8")
        if len(text) > characters and text.count("\n") > lines:
            break
    return text[:characters] if characters else "".join(text.splitlines(keepends=True)[:lines])


def middle_of(text: str) -> int:
    """Return where a method begins in the middle of a text: the beginning of its line."""
    return text.index("\n    def ", len(text) // 2) + 1
