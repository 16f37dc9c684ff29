"""How often the true name is among the candidates: names of real files are masked, one at a time, and asked for.

::

    python tests/benchmarks/importable_recall.py [--files N] [--names N] [--missing] [FOLDER …]

A FOLDER is what modules are imported from: a folder of packages. Without one: the standard library and what is
installed beside this interpreter. The whole rest of a file stays as it is, below the cursor too. *asked* is how many
names were masked, *known* the share of places that something was known of, *found* the share of masked names that
were among the candidates, *excluded* the share of those that were not, though the answer was said to be exhaustive.
Where an attribute of ``self`` is assigned it is often new, so these have a row of their
own. The names of modules that are not installed are left out.
"""

import argparse
import random
import statistics
import sys
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from codelm.buffer import Buffer, scan
from codelm.candidates import Finder, Question
from codelm.completion import CompletionKind
from codelm.environment import find_environment
from codelm.exports import decoded
from codelm.grammar import line_of
from codelm.importable import Importable, Reading
from codelm.lexer import Kind, Token, lex
from codelm.scope import Place, Wanted, place_of
from codelm.words import words_of

EVERYTHING = float("inf")
DEFINES = ("= ", ": ", "=\n", ", ")
MOST_TOKENS = 400  # before the cursor
KINDS = ("import |, from |", "from … import |", "module.|", "self.|, cls.|", "self.| = …", "another name.|")


def places(tokens: Sequence[Token]) -> Iterator[tuple[int, Place]]:
    """Yield the places in a file where a module or an attribute stands: the token's number, and what is asked for."""
    begin = 0
    for at, token in enumerate(tokens):
        if token.kind in (Kind.NEWLINE, Kind.INDENT, Kind.DEDENT):
            begin = at + 1
        if token.kind is not Kind.NAME:
            continue
        words = list(words_of(tokens[max(begin, at - MOST_TOKENS) : at]))
        if words and (words[0] in ("import", "from") or words[-1] == "."):
            place = place_of(line_of(words))
            if place is not None:
                yield at, place


def kind_of(place: Place, index: Importable, buffer: Buffer, offset: int, defines: bool) -> str | None:
    """Return the row that a place belongs to; None when its module is not installed."""
    module = buffer.module
    if place.wanted is not Wanted.ATTRIBUTE:
        top = place.of.partition(".")[0]
        if top and not place.of.startswith(".") and index.module(top, Reading(), module.name) is None:
            return None
        return KINDS[0] if place.wanted is Wanted.MODULE else KINDS[1]
    if place.of in ("self", "cls"):
        return KINDS[4] if defines else KINDS[3]
    value = Question(index, buffer, offset, Reading(EVERYTHING)).value(place.of)
    if value is None:
        entry = module.entries.get(place.of)
        is_module = entry is not None and entry.kind is CompletionKind.MODULE
        return None if is_module else KINDS[5]
    return KINDS[2] if value.what == "module" else KINDS[5]


class Table:
    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.exhaustive: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.sizes: dict[str, list[int]] = defaultdict(list)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.missing: Counter[tuple[str, str, str]] = Counter()

    def show(self, title: str) -> None:
        print(f"\n{title}\n{'':<20}{'asked':>8}{'known':>9}{'found':>9}{'excluded':>10}", end="")
        print(f"{'candidates':>12}{'CPU, median':>13}{'95 %':>10}")
        for kind in KINDS:
            if asked := self.asked[kind]:
                times = sorted(self.times[kind])
                print(
                    f"{kind:<20}{asked:>8}{self.known[kind] / asked:>9.1%}{self.found[kind] / asked:>9.1%}"
                    f"{self.wrong[kind] / max(1, self.exhaustive[kind]):>10.1%}"
                    f"{statistics.median(self.sizes[kind] or [0]):>12.0f}{1e3 * statistics.median(times):>10.2f} ms"
                    f"{1e3 * times[int(0.95 * len(times))]:>7.2f} ms"
                )


def measure(index: Importable, files: Sequence[Path], names: int, table: Table) -> None:
    finder = Finder(index)
    for file in files:
        text = decoded(file.read_bytes())
        if text is None or len(text) > 500_000:
            continue
        tokens = lex(text)
        name, is_package = index.module_name(file)
        asked = list(places(tokens))
        for at, place in random.sample(asked, min(names, len(asked))):
            token = tokens[at]
            masked = text[: token.start] + text[token.end :]
            began = time.process_time()
            buffer = scan(masked, name, is_package)
            found = finder.find(place, buffer, token.start, budget=EVERYTHING)
            taken = time.process_time() - began
            kind = kind_of(place, index, buffer, token.start, masked[token.start :].lstrip(" ")[:2] in DEFINES)
            if kind is None or (
                kind is KINDS[0] and not place.of and index.module(token.text, Reading(), name) is None
            ):
                continue
            table.asked[kind] += 1
            table.times[kind].append(taken)
            if found is not None:
                table.known[kind] += 1
                table.sizes[kind].append(len(found.items))
                table.exhaustive[kind] += found.exhaustive
                if any(item.name == token.text for item in found.items):
                    table.found[kind] += 1
                    continue
                table.wrong[kind] += found.exhaustive
            table.missing[kind, f"{place.of}.{token.text}", file.name] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--files", type=int, default=300, help="files of each folder")
    parser.add_argument("--names", type=int, default=30, help="masked names of each file")
    parser.add_argument("--missing", action="store_true", help="list names that were not found")
    options = parser.parse_args()
    folders = options.folders or [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    environment = find_environment([], sys.prefix)
    for folder in folders:
        random.seed(1)
        files = [
            file for file in sorted(folder.rglob("*.py")) if folder == folders[-1] or "site-packages" not in file.parts
        ]
        table = Table()
        measure(
            Importable([folder], environment),
            random.sample(files, min(options.files, len(files))),
            options.names,
            table,
        )
        table.show(str(folder.name))
        if options.missing:
            for (kind, what, file), count in table.missing.most_common():
                print(f"  {kind:<20}{what:<50}{count:>4}  {file}")


if __name__ == "__main__":
    main()
