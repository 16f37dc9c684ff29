"""What is asked for left of the cursor: a module, a name of a module, or an attribute of something."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from keyword import iskeyword

_STATEMENT_BEGINS = frozenset([":", ";"])


class Wanted(Enum):
    """What kind of name stands at the cursor."""

    MODULE = "a module"  # import |, import a.|, from |, from .a.|
    NAME = "a name of a module"  # from a import |
    ATTRIBUTE = "an attribute"  # a.b.|


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked for, and of what.

    ``of`` is, for a module, the package that it is in ("" for none, dots before it as written); for a name, the
    module; for an attribute, the expression before the dot: names and dots, ``()`` for calls whatever their
    arguments, ``""`` for a string. ``listed`` are the names that the statement has imported already.
    """

    wanted: Wanted
    of: str
    listed: frozenset[str] = frozenset()
    may_be_relative: bool = False
    """Whether a module may begin with dots: behind ``from``."""


def place_of(line: Sequence[str]) -> Place | None:
    """Return what is asked for behind the words of a logical line (``grammar.line_of``), without what is being typed.

    None where neither a module nor an attribute is.

    >>> place_of(["from", "os", "import", "path", ","])
    Place(wanted=<Wanted.NAME: 'a name of a module'>, of='os', listed=frozenset({'path'}), may_be_relative=False)
    """
    begin = _import_begins(line)
    if begin is not None:
        return _in_import(line[begin:])
    if line and line[-1] == ".":
        expression = _expression(line[:-1])
        return Place(Wanted.ATTRIBUTE, expression) if expression else None
    return None


def _import_begins(line: Sequence[str]) -> int | None:
    """Return the place of the word that begins an import statement."""
    for place in range(len(line)):
        if line[place] in ("import", "from") and (place == 0 or line[place - 1] in _STATEMENT_BEGINS):
            return place
    return None


def _in_import(words: Sequence[str]) -> Place | None:
    if words[0] == "import":
        item = _last_item(words[1:])
        return None if "as" in item else _module(item, may_be_relative=False)
    if "import" not in words:
        return _module(words[1:], may_be_relative=True)
    at = words.index("import")
    module = "".join(words[1:at])
    names = words[at + 1 :]
    if names[:1] == ["("] or names[:1] == ("(",):
        names = names[1:]
    if _last_item(names) or not module or ")" in names:
        return None
    listed = frozenset(name for name, before in zip(names, [",", *names], strict=False) if before == ",")
    return Place(Wanted.NAME, module, listed)


def _last_item(words: Sequence[str]) -> Sequence[str]:
    """Return what stands behind the last comma."""
    for place in range(len(words) - 1, -1, -1):
        if words[place] == ",":
            return words[place + 1 :]
    return words


def _module(words: Sequence[str], may_be_relative: bool) -> Place | None:
    """Return the place behind the words of an unfinished module's name."""
    text = "".join(words)
    if text and not text.endswith("."):
        return None
    dots = len(text) - len(text.lstrip("."))
    if dots and not may_be_relative:
        return None
    package = text[dots:].removesuffix(".")
    if package and not all(part.isidentifier() for part in package.split(".")):
        return None
    return Place(Wanted.MODULE, "." * dots + package, may_be_relative=may_be_relative)


def _expression(words: Sequence[str]) -> str:
    """Return the expression that ``words`` end in, "" for one that nothing is known of."""
    parts: list[str] = []
    place = len(words) - 1
    while place >= 0:
        word = words[place]
        if word == ")":
            place = _opening(words, place) - 1
            if place < 0 or not words[place].isidentifier() or iskeyword(words[place]):
                return ""
            parts.append("()")
            continue
        if word[-1] in "'\"" or word == "<STR>":
            parts.append('""')
            break
        if not word.isidentifier() or iskeyword(word):
            return ""
        parts.append(word)
        if place == 0 or words[place - 1] != ".":
            break
        parts.append(".")
        place -= 2
    return "".join(reversed(parts)) if place >= 0 else ""


def _opening(words: Sequence[str], closing: int) -> int:
    """Return the place of the bracket that the one at ``closing`` closes; -1 for none."""
    depth = 0
    for place in range(closing, -1, -1):
        depth += (words[place] in (")", "]", "}")) - (words[place] in ("(", "[", "{"))
        if depth == 0:
            return place
    return -1
