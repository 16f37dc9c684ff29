"""Which modules a workspace's files import, by the words that were learned from them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from codelm.exports import absolute
from codelm.words import DEDENT, INDENT, NEWLINE
from codelm.workspace import WorkspaceIndex

_LONGEST = 200  # words of a statement that are looked at


def imported(index: WorkspaceIndex, name_of: Callable[[str], tuple[str, bool]]) -> Counter[str]:
    """Return how many statements of an index's files import each module, by its full name.

    ``name_of`` returns the name that a file is imported by itself, and whether it is a package.
    """
    numbers = {word: number for number, word in enumerate(index.lexicon) if word in _STATEMENTS or word in _BEFORE}
    statements = [numbers[word] for word in _STATEMENTS if word in numbers]
    before = [numbers[word] for word in _BEFORE if word in numbers]
    found: Counter[str] = Counter()
    for path in index.files:
        ids = index.ids_of(path)
        begins = np.isin(ids, statements)
        begins[1:] &= np.isin(ids[:-1], before)
        for begin in begins.nonzero()[0].tolist():
            words = [index.lexicon[number] for number in ids[begin : begin + _LONGEST].tolist()]
            for name, level in _modules(words):
                full = absolute(name, level, *name_of(path)) if level else name
                if full:
                    found[full] += 1
    return found


_STATEMENTS = frozenset(["import", "from"])
_BEFORE = frozenset([NEWLINE, INDENT, DEDENT])


def _modules(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the modules that a statement imports, and how many dots each has before its name.

    >>> list(_modules(["from", ".", "a", ".", "b", "import", "c"]))
    [('a.b', 1)]
    """
    statement = words[1 : words.index(NEWLINE)] if NEWLINE in words else words[1:]
    if words[0] == "import":
        for item in " ".join(statement).split(","):
            yield item.partition(" as ")[0].replace(" ", ""), 0
    elif "import" in statement:
        origin = "".join(statement[: statement.index("import")])
        name = origin.lstrip(".")
        yield name, len(origin) - len(name)
