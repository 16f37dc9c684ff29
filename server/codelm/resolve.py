"""What an expression stands for, looked up through modules' entries. A look-up, not an inference."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from codelm.exports import CLASS, FIELD, FUNCTION, METHOD, Entry, Module

_DEEPEST = 25  # imports of imports, bases of bases, types of types
_MOST_STEPS = 2_000  # of one question
_MOST_CLASSES = 100  # that one class inherits from
_SELF = ("Self", "typing.Self", "typing_extensions.Self")


class Value(NamedTuple):
    """What an expression stands for: a module, or a class, an instance of it or a function in a module.

    ``name`` is the name in the module; "" for the module itself. Of a function, ``type`` is what it returns.
    """

    what: str  # "module", "class", "instance" or "function"
    module: Module
    name: str = ""
    type: str = ""


class Member(NamedTuple):
    """An attribute: its entry, and the class that has it, with that class's module."""

    entry: Entry
    module: Module
    owner: str


class Resolver:
    """Answers one question: what it has looked up, it does not look up again, so that no circle holds it."""

    def __init__(self, lookup: Callable[[str, str], Module | None]):
        """Take what finds a module by its name, for the module (also by its name) that asks for it."""
        self._lookup = lookup
        self._steps = _MOST_STEPS
        self._busy: set[tuple[str, str]] = set()

    def module(self, name: str, importer: Module) -> Value | None:
        """Return a module by its name, as ``importer`` imports it; it may be another's attribute, as ``os.path`` is."""
        found = self._lookup(name, importer.name)
        if found is not None:
            return Value("module", found)
        package, _, last = name.rpartition(".")
        value = self.module(package, importer) if package else None
        value = self.attribute(value, last) if value is not None else None
        return value if value is not None and value.what == "module" else None

    def name(self, module: Module, name: str) -> Value | None:
        """Return what ``name`` is in ``module``."""
        key = (module.name, name)
        self._steps -= 1
        if self._steps < 0 or key in self._busy or len(self._busy) > _DEEPEST:
            return None
        self._busy.add(key)
        try:
            entry = module.entries.get(name)
            if entry is not None:
                return self.entry(module, name, entry)
            if module.is_package and (inner := self._lookup(f"{module.name}.{name}", module.name)):
                return Value("module", inner)
            for star in module.stars:
                starred = self._lookup(star, module.name)
                if starred is not None and (found := self.name(starred, name)) is not None:
                    return found
            return self._builtin(module, name)
        finally:
            self._busy.discard(key)

    def _builtin(self, module: Module, name: str) -> Value | None:
        builtins = self._lookup("builtins", "")
        if builtins is None or builtins is module or name not in builtins.entries:
            return None
        return self.name(builtins, name)

    def entry(self, module: Module, name: str, entry: Entry, owner: str = "") -> Value | None:
        """Return what an entry of ``module`` stands for, or one of its class ``owner``."""
        if entry.source:
            origin, _, imported = entry.source.partition(":")
            target = self.module(origin, module)
            if target is None or not imported:
                return target
            found = self.name(target.module, imported)
            if found is None and (inner := self._lookup(f"{origin}.{imported}", module.name)) is not None:
                return Value("module", inner)
            return found
        qualified = f"{owner}.{name}" if owner else name
        if entry.kind is CLASS and qualified in module.classes:
            return Value("class", module, qualified)
        if entry.kind in (FUNCTION, METHOD):
            return Value("function", module, qualified, entry.type)
        return self.typed(module, entry.type)

    def typed(self, module: Module, type_: str) -> Value | None:
        """Return what has the type ``type_``, as entries write types."""
        if not type_:
            return None
        if type_.startswith("="):
            return self.expression(module, type_[1:])
        if type_.endswith("()"):
            return self.expression(module, type_)
        return self.instance(self.expression(module, type_))

    def instance(self, value: Value | None) -> Value | None:
        """Return an instance of a class; what an annotation that names it means."""
        return value._replace(what="instance") if value is not None and value.what == "class" else None

    def called(self, value: Value | None) -> Value | None:
        """Return what calling ``value`` gives."""
        if value is None:
            return None
        if value.what == "class":
            return self.instance(value)
        return self.typed(value.module, value.type) if value.what == "function" else None

    def expression(self, module: Module, text: str) -> Value | None:
        """Return what names and dots (and ``()`` for calls) stand for in ``module``."""
        first, *rest = text.split(".")
        return self.attributes(self._calls(first, lambda name: self.name(module, name)), rest)

    def attributes(self, value: Value | None, names: list[str]) -> Value | None:
        """Return what ``value.a.b()`` is, given ``["a", "b()"]``."""
        for part in names:
            if value is None:
                return None
            owner = value
            value = self._calls(part, lambda name, owner=owner: self.attribute(owner, name))  # type: ignore[misc]
        return value

    def _calls(self, part: str, find: Callable[[str], Value | None]) -> Value | None:
        name = part.rstrip("()")
        value = find(name)
        for _ in range((len(part) - len(name)) // 2):
            value = self.called(value)
        return value

    def attribute(self, value: Value, name: str) -> Value | None:
        """Return what ``value.name`` is."""
        if value.what == "module":
            found = self.name(value.module, name)
            return found if name in value.module.entries or not self._is_builtin(found) else None
        if value.what in ("class", "instance"):
            for owner in self.classes(value):
                entry = owner.module.classes[owner.name].members.get(name)
                if entry is not None:
                    key = (owner.module.name, f"{owner.name}.{name}")
                    if key in self._busy or len(self._busy) > _DEEPEST:
                        return None
                    self._busy.add(key)
                    try:
                        found = self.entry(owner.module, name, entry, owner.name)
                    finally:
                        self._busy.discard(key)
                    if entry.type in _SELF and entry.kind is FIELD:
                        return value._replace(what="instance")
                    if entry.type in _SELF and found is not None:
                        return found._replace(module=value.module, type=value.name)
                    return found
        return None

    @staticmethod
    def _is_builtin(value: Value | None) -> bool:
        return value is not None and value.module.name == "builtins" and value.what != "module"

    def classes(self, value: Value) -> Iterator[Value]:
        """Yield a class (or an instance's) and those that it inherits from, ``object`` last."""
        seen: set[tuple[str, str]] = set()
        stack = [value]
        while stack and len(seen) < _MOST_CLASSES:
            owner = stack.pop()
            body = owner.module.classes.get(owner.name)
            if body is None or (owner.module.name, owner.name) in seen:
                continue
            seen.add((owner.module.name, owner.name))
            yield owner
            bases = [self.base(owner, base) for base in body.bases]
            stack += [base for base in reversed(bases) if base is not None]
        builtins = self._lookup("builtins", "")
        if builtins is not None and ("builtins", "object") not in seen and "object" in builtins.classes:
            yield Value("class", builtins, "object")

    def base(self, owner: Value, base: str) -> Value | None:
        """Return the class that a base's expression in a class's head names."""
        if base == owner.name and base in owner.module.entries and owner.module.entries[base].kind is CLASS:
            return None
        found = self.expression(owner.module, base)
        return found if found is not None and found.what == "class" else None

    def members(self, value: Value) -> Mapping[str, Member]:
        """Return the attributes of a class or an instance, its own first."""
        members: dict[str, Member] = {}
        for owner in self.classes(value):
            for name, entry in owner.module.classes[owner.name].members.items():
                if name not in members:
                    members[name] = Member(entry, owner.module, owner.name)
        return members
