"""The names that may stand at the cursor, from what a document imports and what its classes hold.

All of them, unranked: which one is meant, the models say.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from codelm import importable_store
from codelm.buffer import Buffer
from codelm.completion import CompletionKind
from codelm.exports import MODULE, VARIABLE, Entry, Module, absolute
from codelm.importable import BUDGET, Importable, Reading
from codelm.modules import FRESH
from codelm.resolve import Resolver, Value
from codelm.scope import Place, Wanted

_MOST_ANSWERS = 64
_DEEPEST_LOCAL = 5  # names of names: x = self.y; z = x.f()
_MODULE_DUNDERS = ("__name__", "__doc__", "__file__", "__dict__", "__package__", "__spec__", "__loader__", "__path__")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name that may stand at the cursor. ``origin`` is the module or the class that has it."""

    name: str
    kind: CompletionKind
    origin: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """All names that may stand at a place, those that are meant for others first.

    ``exhaustive`` says that any other name would be wrong, but for private ones (``_name``): stubs leave them out.
    ``complete`` says that no file is left to be read.
    """

    items: tuple[Candidate, ...] = ()
    exhaustive: bool = False
    complete: bool = True


class Finder:
    """Finds candidates in an index. Not thread-safe: one worker asks. The last answers are remembered."""

    def __init__(self, index: Importable):
        self.index = index
        self._answers: OrderedDict[Hashable, tuple[float, int, Candidates]] = OrderedDict()

    def find(self, place: Place, buffer: Buffer, offset: int, *, budget: float = BUDGET) -> Candidates | None:
        """Return the names that may stand at a place of a document; None when nothing is known of it.

        ``offset`` is the cursor's, in characters. At most ``budget`` bytes of source are read; what that leaves out
        is pending in the index, and the answer is not complete.
        """
        reading = Reading(budget)
        question = Question(self.index, buffer, offset, reading)
        found = self._find(place, question, buffer.module, reading)
        if reading.missing:
            self.index.postpone(reading.missing)
            found = Candidates(found.items if found else (), exhaustive=False, complete=False)
        return found

    def _find(self, place: Place, question: "Question", own: Module, reading: Reading) -> Candidates | None:
        if place.wanted is Wanted.MODULE:
            return self._remembered(
                (place.of, own.name, own.is_package), reading, lambda: question.modules_in(place.of)
            )
        value = question.imported(place.of) if place.wanted is Wanted.NAME else question.value(place.of)
        if value is None or value.what == "function":
            return None
        names = question.names_of if value.what == "module" else question.members_of
        if value.module is own:  # it changes as the user types
            found = names(value)
        else:
            found = self._remembered((value.what, value.module.name, value.name), reading, lambda: names(value))
        if place.listed:
            items = tuple(item for item in found.items if item.name not in place.listed)
            found = Candidates(items, found.exhaustive, found.complete)
        return found

    def _remembered(self, key: Hashable, reading: Reading, find: Callable[[], Candidates]) -> Candidates:
        now = time.monotonic()
        known = self._answers.get(key)
        if known is not None and now - known[0] < FRESH and known[1] == self.index.version:
            return known[2]
        found = find()
        if not reading.missing:
            self._answers[key] = (now, self.index.version, found)
            self._answers.move_to_end(key)
            if len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
        return found


class Question:
    """One question: what is looked up for it is looked up in the document first, then in the index."""

    def __init__(self, index: Importable, buffer: Buffer, offset: int, reading: Reading):
        self.index = index
        self._buffer = buffer
        self._offset = offset
        self._reading = reading
        self._resolver = Resolver(self._lookup)

    def _lookup(self, name: str, importer: str) -> Module | None:
        if name == self._buffer.module.name:
            return self._buffer.module
        return self.index.module(name, self._reading, importer)

    # --- what stands before the dot -----------------------------------------------------------------------

    def imported(self, written: str) -> Value | None:
        """Return the module that ``from written import`` means."""
        name = self._absolute(written)
        return self._resolver.module(name, self._buffer.module) if name else None

    def _absolute(self, written: str) -> str | None:
        name = written.lstrip(".")
        module = self._buffer.module
        return absolute(name, len(written) - len(name), module.name, module.is_package)

    def value(self, expression: str) -> Value | None:
        """Return what an expression in the document stands for at the cursor."""
        return self._value(expression, self._offset, _DEEPEST_LOCAL)

    def _value(self, expression: str, offset: int, depth: int) -> Value | None:
        first, *rest = expression.split(".")
        if first == '""':
            return self._resolver.attributes(self._builtin("str"), rest)
        name = first.rstrip("()")
        if first == "super()":
            return self._resolver.attributes(self._super(offset), rest)
        local = self._local(name, offset, depth)
        if local is None:
            return self._resolver.expression(self._buffer.module, expression)
        for _ in range((len(first) - len(name)) // 2):
            local = [self._resolver.called(value) for value in local]
        return self._resolver.attributes(local[0], rest)

    def _builtin(self, name: str) -> Value | None:
        builtins = self._lookup("builtins", "")
        return None if builtins is None else self._resolver.instance(self._resolver.name(builtins, name))

    def _local(self, name: str, offset: int, depth: int) -> list[Value | None] | None:
        """Return what a name is in the functions around ``offset``, in a list; None when it is none of theirs."""
        module = self._buffer.module
        for function in self._buffer.around(offset):
            if function.owner and name == function.first:
                what = "class" if function.is_of_class else "instance"
                return [Value(what, module, function.owner)]
            if name in ("self", "cls") and function.owner:
                continue
            assigned = [(at, type_) for at, local, type_ in function.local if local == name]
            if not assigned:
                continue
            before = [(at, type_) for at, type_ in assigned if at <= offset and type_]
            for at, type_ in reversed(before or assigned):
                if type_ and depth and (value := self._typed(type_, at - 1, depth - 1)) is not None:
                    return [value]
            return [None]
        return None

    def _typed(self, type_: str, offset: int, depth: int) -> Value | None:
        if type_.startswith("="):
            return self._value(type_[1:], offset, depth)
        value = self._value(type_, offset, depth)
        return value if type_.endswith("()") else self._resolver.instance(value)

    def _super(self, offset: int) -> Value | None:
        module = self._buffer.module
        for function in self._buffer.around(offset):
            if function.owner:
                owner = Value("class", module, function.owner)
                body = module.classes.get(function.owner)
                bases = [self._resolver.base(owner, base) for base in body.bases] if body is not None else []
                known = next((base for base in bases if base is not None), None)
                return self._resolver.instance(known) or self._builtin("object")
        return None

    # --- names --------------------------------------------------------------------------------------------

    def modules_in(self, written: str) -> Candidates:
        """Return the modules in a package, as it is written in an import; of "" those that are in none."""
        package = self._absolute(written) if written else ""
        if package is None:
            return Candidates()
        index = self.index
        names = dict.fromkeys(self._submodules(package))
        if not package:
            names.update(dict.fromkeys(sorted(importable_store.stdlib_names())))
            names.update(dict.fromkeys(self._beside()))
        if package == "os":  # no package, but this one can be imported as if it were
            names["path"] = None
        items = tuple(Candidate(name, MODULE, package) for name in _public_first(names))
        return Candidates(items, exhaustive=bool(items) and (bool(package) or bool(index.environment.site)))

    def _submodules(self, package: str) -> list[str]:
        found = self.index.find(package, self._buffer.module.name) if package else None
        return self.index.modules.submodules(found.name if found is not None else package)

    def _beside(self) -> list[str]:
        """Return the modules beside the document, when it is a script and no part of a package."""
        package = self._buffer.module.name.rpartition(".")[0]
        found = self.index.modules.find(package) if package else None
        return self.index.modules.submodules(package) if found is not None and not found.file else []

    def names_of(self, value: Value) -> Candidates:
        """Return the names of a module: what it says is public first, what others don't use last."""
        module = value.module
        kinds: dict[str, tuple[Entry | None, str]] = {}
        for name, entry, origin in self._exported(module, set()):
            kinds.setdefault(name, (entry, origin))
        submodules = set(self._submodules(module.name))
        for name in sorted(submodules):
            kinds.setdefault(name, (None, module.name))
        for name in _MODULE_DUNDERS:
            kinds.setdefault(name, (Entry(VARIABLE), module.name))
        items = []
        for name, (known, origin) in kinds.items():
            if known is None or (known.source.partition(":")[0] == module.name and name in submodules):
                items.append(Candidate(name, MODULE, origin))
            else:
                items.append(Candidate(name, self._kind(known), origin))
        return Candidates(tuple(items), exhaustive=self._is_exhaustive(module, set()))

    def _is_exhaustive(self, module: Module, seen: set[str]) -> bool:
        """Return whether all names of a module are known: none are made as it runs, nor in what it takes all from."""
        seen.add(module.name)
        if module.is_dynamic or not (module.entries or module.stars or module.is_package):
            return False
        stars = (self._lookup(star, module.name) for star in module.stars if star not in seen)
        return all(star is not None and self._is_exhaustive(star, seen) for star in stars)

    def _exported(self, module: Module, seen: set[str]) -> Iterator[tuple[str, Entry, str]]:
        """Yield all names of a module with their entries and modules, public ones first."""
        seen.add(module.name)
        entries = module.entries
        for name in module.public or ():
            if name in entries:
                yield name, entries[name], module.name
        later: list[tuple[str, Entry, str]] = []
        private: list[tuple[str, Entry, str]] = []
        for name, entry in entries.items():
            if name in module.hidden:
                continue
            if name.startswith("_"):
                private.append((name, entry, module.name))
            elif entry.source:
                later.append((name, entry, module.name))
            else:
                yield name, entry, module.name
        for star in module.stars:
            starred = self._lookup(star, module.name) if star not in seen else None
            if starred is not None:
                public = set(starred.public) if starred.public is not None else None
                for exported in self._exported(starred, seen):
                    if (exported[0] in public) if public is not None else exported[0][0] != "_":
                        yield exported
        yield from later
        yield from private

    def _kind(self, entry: Entry) -> CompletionKind:
        """Return an entry's kind; an imported name's is looked up where that costs nothing."""
        for _ in range(3):
            origin, _, name = entry.source.partition(":")
            if not name:
                break
            module = self.index.in_memory(origin)
            target = module.entries.get(name) if module is not None else None
            if target is None:
                break
            entry = target
        return entry.kind

    def members_of(self, value: Value) -> Candidates:
        """Return the attributes of a class or an instance, inherited ones included."""
        items = {
            name: Candidate(name, member.entry.kind, f"{member.module.name}.{member.owner}")
            for name, member in self._resolver.members(value).items()
        }
        if value.what == "class" and (meta := self._builtin("type")) is not None:
            for name, member in self._resolver.members(meta).items():
                items.setdefault(name, Candidate(name, member.entry.kind, "builtins.type"))
        ordered = _public_first(items)
        return Candidates(tuple(items[name] for name in ordered))


def _public_first(names: dict[str, object] | dict[str, Candidate] | dict[str, None]) -> list[str]:
    return sorted(names, key=lambda name: name.startswith("__") + name.startswith("_"))
