"""What a folder's ignore files leave out, decided as git decides it.

A walk asks of every entry it meets, from the root down, and never enters an ignored folder: as with git, nothing in
one can be taken back in. The rules of a deeper folder go before those above it, and in a file the last line wins.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

IGNORE_FILE = ".gitignore"
MOST_STARS = 4
"""In one part of a pattern, and of double ones in all: matching takes time to that power, and a workspace may be a
stranger's. A pattern with more is left out."""

_GIT, _EXCLUDE = ".git", Path("info", "exclude")
# "Everything below" at a pattern's end, and what says the same to pathspec, which would take the folder itself for it.
_ALL_BELOW = re.compile(r"(?<=/)\*\*(/?)\s*\Z")
# Any folder at all; of these pathspec only sees whether a path has a slash.
_ANY_FOLDER = re.compile(r"(!?)(?:\*\*/)*\*{1,2}/\s*")
# A set of characters, or an escaped one. re warns of sets that may mean more one day, and pathspec has no classes.
_SET = re.compile(r"\\.|\[[!^]?\]?(?:\[:\w*:\]|[^\]])*\]")
_FOLDER_MARK = "ps_d"  # pathspec's group for the slash behind the folder that a pattern names
_GROUP_NAME = re.compile(r"\?P<\w+>")
_ODD_SET = re.compile(r"(?s).+\[|--|&&|~~|\|\|")


@dataclass(frozen=True, slots=True)
class Level:
    """One ignore file: its folder, its patterns, and what matches where any of them does."""

    folder: str
    patterns: tuple[Any, ...]
    any: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold in a folder, those of the outermost ignore file first."""

    levels: tuple[Level, ...] = ()

    def ignore(self, path: str, is_folder: bool) -> bool:
        """Return whether an entry, an absolute path below all levels, is left out. Its folder must not be."""
        for level in reversed(self.levels):
            relative = path[len(level.folder) :].lstrip(os.sep).replace(os.sep, "/")
            decision = _decision(level, relative + "/" * is_folder)
            if decision is not None:
                return decision
        return False


def rules_in(folder: str, names: Collection[str], above: Rules) -> Rules:
    """Return the rules for the entries of ``folder``, which has files and folders of these ``names``.

    Raises OSError when an ignore file cannot be read.
    """
    levels = above.levels
    if _GIT in names:
        exclude = Path(folder, _GIT, _EXCLUDE)
        if exclude.is_file():
            levels += _level(folder, exclude)
    if IGNORE_FILE in names:
        levels += _level(folder, Path(folder, IGNORE_FILE))
    return Rules(levels)


def rules_above(root: str) -> Rules:
    """Return the rules that hold for ``root``'s entries because it is a folder inside a repository.

    Raises OSError when an ignore file cannot be read.
    """
    outer = list(Path(root).parents)
    within = next((n for n, folder in enumerate([Path(root), *outer]) if (folder / _GIT).exists()), 0)
    rules = Rules()
    for folder in reversed(outer[:within]):
        names = [name for name in (_GIT, IGNORE_FILE) if (folder / name).exists()]
        rules = rules_in(str(folder), names, rules)
    return rules


def _level(folder: str, file: Path) -> tuple[Level, ...]:
    # A name may be bytes that are no UTF-8; os.scandir spells it in the same way.
    patterns = tuple(_patterns(file.read_bytes().decode("utf-8", "surrogateescape")))
    if not patterns:
        return ()
    regexes = (_GROUP_NAME.sub("?:", pattern.regex.pattern) for pattern in patterns)
    return (Level(folder, patterns, re.compile("|".join(f"(?:{regex})" for regex in regexes))),)


def _patterns(text: str) -> Iterator[Any]:
    """Yield the patterns of an ignore file; a line that git would not understand either says nothing."""
    for line in re.split(r"\r?\n", text.removeprefix("\ufeff")):
        if not line.strip() or line.startswith("#") or _most_stars(line) > MOST_STARS:
            continue
        line = _SET.sub(_plain_set, line)
        line = rf"{found[1]}?*/" if (found := _ANY_FOLDER.fullmatch(line)) else _ALL_BELOW.sub(r"**/?*\1", line)
        try:
            made = GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error):  # a range like [b-a]
            continue
        yield from (pattern for pattern in made if pattern.include is not None)


def _plain_set(found: re.Match[str]) -> str:
    """Return a set of characters, or what may stand for it: any character where it is an odd one."""
    written = found[0]
    if written == "[[]":
        return r"\["
    return "?" if written[0] == "[" and _ODD_SET.search(written) else written


def _most_stars(line: str) -> int:
    """Return how many stars one part of a pattern has, or how many parts are double stars, whichever is more."""
    return max(line.count("**"), *(len(re.findall(r"\*+", part)) for part in line.split("/")))


def _decision(level: Level, path: str) -> bool | None:
    """Return whether the patterns leave a path out (True), take it in (False), or say nothing of it (None).

    pathspec's own answer is another where a pattern names a folder above the path: that was decided when the walk
    came by it.
    """
    if not level.any.search(path):
        return None
    for pattern in reversed(level.patterns):
        found = pattern.match_file(path)
        if found is None:
            continue
        slash = found.match.start(_FOLDER_MARK) if _FOLDER_MARK in found.match.re.groupindex else -1
        if slash in (-1, len(path) - 1):
            return bool(pattern.include)
    return None
