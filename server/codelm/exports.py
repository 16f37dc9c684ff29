"""What a module exports, read from its source with ``ast``: nothing is imported, nothing runs.

Three plain values describe a module: its ``Entry`` values by name, the ``ClassBody`` values of its classes, and the
``Module`` that holds both. What a name stands for is written as an expression in terms of the module itself and is
looked up only when it is asked for:

====================  ===================================================================================
``source="a.b"``      the module ``a.b``
``source="a.b:c"``    the name ``c`` of the module ``a.b``
``type="Foo"``        an instance of ``Foo``; a function's: what it returns
``type="Foo()"``      what calling ``Foo`` gives
``type="=Foo"``       the same as ``Foo``
====================  ===================================================================================
"""

import ast
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from keyword import iskeyword
from sys import intern
from typing import NamedTuple

from codelm.completion import CompletionKind

LONGEST_NAME = 200  # characters: longer ones are no one's
MOST_NAMES = 20_000  # of one module; data in disguise has more
_LONGEST_TYPE = 300
_PIECE = 40_000  # characters that are parsed at once, at the least

FUNCTION, METHOD, CLASS = CompletionKind.FUNCTION, CompletionKind.METHOD, CompletionKind.CLASS
CONSTANT, VARIABLE = CompletionKind.CONSTANT, CompletionKind.VARIABLE
FIELD, MODULE = CompletionKind.FIELD, CompletionKind.MODULE


class Entry(NamedTuple):
    """What a name is: its kind, where it was imported from ("" when defined here), and its type ("" when unknown)."""

    kind: CompletionKind
    source: str = ""
    type: str = ""


class ClassBody(NamedTuple):
    """A class: its bases as expressions, and its members: methods, attributes, and what is assigned to ``self``."""

    bases: tuple[str, ...]
    members: Mapping[str, Entry]


class Module(NamedTuple):
    """What a module holds. An inner class ``B`` of a class ``A`` is the class ``A.B``."""

    name: str
    is_package: bool
    entries: Mapping[str, Entry]
    classes: Mapping[str, ClassBody]
    stars: tuple[str, ...] = ()
    """Modules whose public names are imported all."""
    public: tuple[str, ...] | None = None
    """``__all__``; None when there is none, or when it is computed."""
    hidden: frozenset[str] = frozenset()
    """Names that a stub imports for itself."""
    is_dynamic: bool = False
    """Whether it makes names in ways that can't be read."""


def nothing(name: str, is_package: bool = False) -> Module:
    """Return a module without names."""
    return Module(name, is_package, {}, {})


# --- reading -------------------------------------------------------------------------------------------------

_parsing = threading.Lock()
# Where a text can be cut in two: before a statement that begins at the left margin. Inside a string or a bracket it is
# none, but then what stands before it does not parse.
_STATEMENT = re.compile(r"^(?:(?:class|def|async|import|from)\b|@|[A-Za-z_]\w*[ \t]*=[^=])", re.M)

_DYNAMIC = re.compile(r"\b(?:globals|vars|locals)\(\)|\bsys\.modules\[__name__\]|\._convert_\(")


def read(source: bytes, name: str, *, is_package: bool = False, is_stub: bool = False) -> Module | None:
    """Return what the source of the module ``name`` exports; None when it is no Python that this one reads."""
    text = decoded(source)
    if text is None:
        return None
    reader = _Reader(name, is_package, is_stub, _DYNAMIC.search(text) is not None)
    for statements in _statements(text):
        if statements is None:
            return None
        reader.read(statements)
    return reader.module()


def decoded(source: bytes) -> str | None:
    """Return the text of a source file, as its encoding line says; None when it has no encoding that Python knows."""
    import tokenize  # not loaded before it is needed

    lines = iter(source.splitlines(keepends=True)[:2])
    try:
        encoding = tokenize.detect_encoding(lambda: next(lines, b""))[0]
        return source.decode(encoding, "replace").removeprefix("\ufeff")
    except (SyntaxError, LookupError, ValueError, TypeError):
        return None


def _statements(text: str) -> Iterator[list[ast.stmt] | None]:
    """Yield the statements of a text in pieces, then None where they end too early.

    In pieces, because nothing else runs in this process while Python parses one.
    """
    begin = 0
    size = _PIECE
    while begin < len(text):
        cut = _STATEMENT.search(text, begin + size)
        end = cut.start() if cut else len(text)
        statements = _parsed(text[begin:end])
        if statements is None and end < len(text):
            size *= 4  # perhaps the cut was in a string
            continue
        yield statements
        if statements is None:
            return
        begin, size = end, _PIECE


def _parsed(text: str) -> list[ast.stmt] | None:
    # Parsing warns of odd escapes in other people's strings. Filters of warnings are the process's, so one at a time.
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # all that broken or hostile text causes
            return None


class _Reader:
    """Collects what the statements of one module define."""

    def __init__(self, name: str, is_package: bool, is_stub: bool, is_dynamic: bool):
        self.name = name
        self.is_package = is_package
        self.is_stub = is_stub
        self.is_dynamic = is_dynamic
        self.entries: dict[str, Entry] = {}
        self.classes: dict[str, ClassBody] = {}
        self.stars: dict[str, None] = {}
        self.public: list[str] | None = None
        self.public_is_known = True
        self.hidden: set[str] = set()

    def module(self) -> Module:
        public = tuple(self.public) if self.public is not None and self.public_is_known else None
        for name in public or ():
            # Named but not defined: made by ``__getattr__`` when it is asked for.
            self.entries.setdefault(name, Entry(kind_of(name)))
        return Module(
            self.name, self.is_package, self.entries, self.classes, tuple(self.stars), public, frozenset(self.hidden),
            self.is_dynamic or "__getattr__" in self.entries,
        )  # fmt: skip

    def read(self, statements: Iterable[ast.stmt]) -> None:
        for statement in _flat(statements):
            if len(self.entries) >= MOST_NAMES:
                return
            match statement:
                case ast.Import() | ast.ImportFrom():
                    self._import(statement)
                case ast.AugAssign(target=ast.Name(id="__all__"), value=value):
                    self._extend_public(value)
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__all__")) as method, args=args)):
                    for argument in args:
                        self._extend_public(argument, single=method.attr == "append")
                case ast.FunctionDef(name="__getattr__"):
                    # What is imported when it is first asked for.
                    self.read(node for node in _flat(statement.body) if isinstance(node, ast.ImportFrom))
                    self.entries["__getattr__"] = Entry(FUNCTION)
                case ast.ClassDef():
                    self.entries[intern(statement.name)] = Entry(CLASS)
                    self._class(statement, statement.name)
                case _:
                    for name, entry in _defined(statement, in_class=False):
                        if name == "__all__":
                            self.public, self.public_is_known = [], True
                            self._extend_public(getattr(statement, "value", None))
                        _add(self.entries, name, entry, _implements(statement))
                    self._named_tuple(statement)

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for bound, source, is_explicit in _imported(statement, self.name, self.is_package):
            if bound == "*":
                self.stars[source] = None
                continue
            if self.is_stub and not is_explicit:
                self.hidden.add(bound)
            self.entries[bound] = Entry(MODULE if ":" not in source else kind_of(bound), source)

    def _extend_public(self, value: ast.expr | None, single: bool = False) -> None:
        """Add what an expression that is added to ``__all__`` holds; what isn't literal makes all of it unknown."""
        parts = [value]
        while parts:
            match parts.pop():
                case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                    for item in items:
                        self._add_public(item)
                case ast.BinOp(left=left, op=ast.Add(), right=right):
                    parts += [right, left]
                case ast.Constant() as item if single:
                    self._add_public(item)
                case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted"), args=[only], keywords=[]):
                    parts.append(only)
                case _:
                    self.public_is_known = False

    def _add_public(self, item: ast.expr) -> None:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            if self.public is None:
                self.public = []
            if is_name(item.value) and len(self.public) < MOST_NAMES:
                self.public.append(intern(item.value))
        else:
            self.public_is_known = False

    def _class(self, statement: ast.ClassDef, qualified: str) -> None:
        """Read a class and the classes in it."""
        todo = [(statement, qualified)]
        while todo:
            node, name = todo.pop()
            members: dict[str, Entry] = {}
            methods: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
            for inner in _flat(node.body):
                if isinstance(inner, ast.ClassDef):
                    members[intern(inner.name)] = Entry(CLASS)
                    todo.append((inner, f"{name}.{inner.name}"))
                    continue
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    for bound, source, _ in _imported(inner, self.name, self.is_package):
                        members[bound] = Entry(kind_of(bound), source)
                    continue
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    methods.append(inner)
                for defined, entry in _defined(inner, in_class=True):
                    if defined == "__slots__":
                        for slot in _strings(getattr(inner, "value", None)):
                            members.setdefault(slot, Entry(FIELD))
                    _add(members, defined, entry, _implements(inner))
            for method in methods:
                for attribute, type_ in _assigned_to_self(method):
                    old = members.get(attribute)
                    if old is None or (old.kind is FIELD and not old.type and type_):
                        members[attribute] = Entry(FIELD, type=type_)
                if len(members) >= MOST_NAMES:
                    break
            bases = []
            for base in node.bases:
                fields = _fields_of_named_tuple(base)
                for field in fields:
                    members.setdefault(field, Entry(FIELD))
                bases.append("typing.NamedTuple" if fields else expression_of(base))
            self.classes[intern(name)] = ClassBody(tuple(base for base in bases if base), members)

    def _named_tuple(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if fields := _fields_of_named_tuple(value):
                self.entries[intern(name)] = Entry(CLASS)
                self.classes[intern(name)] = ClassBody(("tuple",), {field: Entry(FIELD) for field in fields})


def _flat(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements in order, those in the branches of ``if``, ``try``, ``with`` and loops too.

    A chain of ``elif`` is nested in the tree as deep as it is long, so this keeps a stack of its own.
    """
    stack = list(statements)[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        stack += _inside(statement)[::-1]


def _inside(statement: ast.stmt) -> list[ast.stmt]:
    inside: list[ast.stmt] = []
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        for inner in getattr(statement, field, ()):
            if isinstance(inner, ast.ExceptHandler | ast.match_case):
                inside += inner.body
            else:
                inside.append(inner)
    return inside


def _defined(statement: ast.stmt, *, in_class: bool) -> Iterator[tuple[str, Entry]]:
    """Yield the names that a statement defines, but for imports and classes."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name, _function(statement, in_class)
        case ast.Assign(targets=targets, value=value):
            type_ = type_of_value(value)
            for target in targets:
                for name in _names(target):
                    yield name, Entry(_kind_of_value(name, in_class, value), type=type_ if target_is(target) else "")
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            type_ = type_of_annotation(annotation)
            if type_ in ("Final", "typing.Final") and value is not None:
                type_ = type_of_value(value)
            elif type_.endswith("TypeAlias") and value is not None:
                same = type_of_annotation(value)
                type_ = f"={same}" if same else ""
            yield name, Entry(_kind_of_value(name, in_class, value), type=type_)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name, Entry(_kind_of_value(name, in_class, None))
        case ast.For(target=target) | ast.AsyncFor(target=target):
            for name in _names(target):
                yield name, Entry(_kind_of_value(name, in_class, None))
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    for name in _names(item.optional_vars):
                        yield name, Entry(_kind_of_value(name, in_class, None), type=type_of_value(item.context_expr))
        case _:
            # ``type X = ...``, which Python 3.11 has no class for.
            if type(statement).__name__ == "TypeAlias" and isinstance(
                alias := getattr(statement, "name", None), ast.Name
            ):
                yield alias.id, Entry(CLASS)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, in_class: bool) -> Entry:
    decorators = {expression_of(decorator).removesuffix("()").rpartition(".")[2] for decorator in node.decorator_list}
    returns = type_of_annotation(node.returns)
    if in_class and (decorators & _PROPERTIES or any(name.endswith("property") for name in decorators)):
        return Entry(FIELD, type=returns)
    if decorators & {"setter", "deleter"}:
        return Entry(FIELD)
    if decorators & {"contextmanager", "asynccontextmanager"}:
        returns = ""
    return Entry(METHOD if in_class else FUNCTION, type=returns)


_PROPERTIES = frozenset(["property", "getter", "cached_property"])


def _implements(statement: ast.stmt) -> bool:
    """Return whether a statement is a function itself: it says more than the overloads before it."""
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not any(
        expression_of(decorator).rpartition(".")[2] in ("overload", "setter", "deleter")
        for decorator in statement.decorator_list
    )


def _add(names: dict[str, Entry], name: str, entry: Entry, implements: bool = False) -> None:
    """Add a name; what says nothing new of it (a setter, ``x += 1``, ``x = None``) leaves it as it is."""
    if not is_name(name):
        return
    old = names.get(name)
    if implements and entry.type:
        old = None
    if old is None or (entry.type and not old.type) or (entry.kind is not old.kind and old.kind is not CLASS):
        if old is not None and (old.source or old.type) and not entry.type and entry.kind not in (FUNCTION, METHOD):
            return
        names[intern(name)] = entry


def _imported(statement: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> Iterator[tuple[str, str, bool]]:
    """Yield the names that an import binds, their sources, and whether ``as`` says the name; ``*`` for all of them."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            bound = alias.asname or alias.name.partition(".")[0]
            source = alias.name if alias.asname else bound
        else:
            origin = absolute(statement.module or "", statement.level, module, is_package)
            if origin is None:
                continue
            bound = alias.asname or alias.name
            source = origin if alias.name == "*" else f"{origin}:{alias.name}"
        if bound == "*" or is_name(bound):
            yield intern(bound), intern(source), alias.asname is not None


def absolute(target: str, level: int, module: str, is_package: bool) -> str | None:
    """Return the full name of the module that ``from ..target`` (``level`` dots) means in ``module``.

    None when there are more dots than packages.

    >>> absolute("words", 1, "codelm.lexer", False)
    'codelm.words'
    """
    if level == 0:
        return target
    package = module.split(".")
    drop = level - 1 if is_package else level
    if drop > len(package):
        return None
    return ".".join([*package[: len(package) - drop], *([target] if target else [])])


def _names(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment to ``target`` binds."""
    for part in _parts(target):
        if isinstance(part, ast.Name):
            yield part.id


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    """Yield what a target takes apart: of ``a, (b.c, *d)`` it is ``a``, ``b.c`` and ``d``."""
    todo = [target]
    while todo:
        match todo.pop():
            case ast.Tuple(elts=items) | ast.List(elts=items):
                todo += items[::-1]
            case ast.Starred(value=value):
                todo.append(value)
            case part:
                yield part


def target_is(target: ast.expr) -> bool:
    """Return whether a target takes the whole value, not a part of it."""
    return isinstance(target, ast.Name | ast.Attribute)


def _assigned_to_self(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a method assigns to its first argument, and their types."""
    arguments = [*method.args.posonlyargs, *method.args.args]
    if not arguments or any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list):
        return
    self = arguments[0].arg
    local = {
        argument.arg: type_of_annotation(argument.annotation) for argument in [*arguments, *method.args.kwonlyargs]
    }
    stack: list[ast.stmt] = method.body[::-1]
    while stack:
        statement = stack.pop()
        stack += _inside(statement)[::-1]
        targets: Sequence[ast.expr] = ()
        type_ = ""
        match statement:
            case ast.Assign(targets=targets, value=value):
                type_ = _local_type(value, local)
            case ast.AnnAssign(target=target, annotation=annotation):
                targets = [target]
                type_ = type_of_annotation(annotation)
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
                targets = [target]
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    if item.optional_vars is not None:
                        yield from _attributes(item.optional_vars, self, type_of_value(item.context_expr))
        for target in targets:
            if isinstance(target, ast.Name):
                local[target.id] = type_
            else:
                yield from _attributes(target, self, type_ if target_is(target) else "")


def _local_type(value: ast.expr, local: Mapping[str, str]) -> str:
    if isinstance(value, ast.BoolOp):  # x or Foo()
        types = [_local_type(part, local) for part in value.values]
        return next((type_ for type_ in types if type_), "")
    if isinstance(value, ast.Name) and value.id in local:
        return local[value.id]
    type_ = type_of_value(value)
    # ``=x`` is in terms of the module: a local name is none of its.
    return "" if type_.lstrip("=").partition(".")[0].removesuffix("()") in local else type_


def _attributes(target: ast.expr, self: str, type_: str) -> Iterator[tuple[str, str]]:
    for part in _parts(target):
        match part:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == self and is_name(name):
                yield intern(name), type_
            case _:
                pass


# --- expressions ---------------------------------------------------------------------------------------------


def is_name(text: str) -> bool:
    """Return whether a text can be a candidate."""
    return len(text) <= LONGEST_NAME and text.isidentifier() and not iskeyword(text)


def kind_of(name: str) -> CompletionKind:
    """Return what an imported name probably is, from how it is written."""
    if name.isupper() and len(name) > 1:
        return CONSTANT
    if name.lstrip("_")[:1].isupper():
        return CLASS
    return VARIABLE


def _kind_of_value(name: str, in_class: bool, value: ast.expr | None) -> CompletionKind:
    if name.isupper() and len(name) > 1:
        return CONSTANT
    if isinstance(value, ast.Lambda):
        return METHOD if in_class else FUNCTION
    return FIELD if in_class else VARIABLE


def expression_of(node: ast.expr) -> str:
    """Return a dotted name, with ``()`` behind what is called, as text; "" for anything else."""
    parts: list[str] = []
    while True:
        match node:
            case ast.Attribute(value=value, attr=name):
                parts.append(name)
                node = value
            case ast.Call(func=function):
                # ``a.b()()`` and ``a.b().c`` alike: the calls stand behind what is called.
                parts.append("()")
                node = function
            case ast.Subscript(value=value):
                node = value
            case ast.Name(id=name):
                parts.append(name)
                break
            case _:
                return ""
        if len(parts) > 20:
            return ""
    text = ".".join(reversed(parts)).replace(".()", "()")
    return intern(text) if len(text) <= _LONGEST_TYPE else ""


_LITERALS: Mapping[type[ast.expr], str] = {
    ast.JoinedStr: "str", ast.List: "list", ast.ListComp: "list", ast.Dict: "dict", ast.DictComp: "dict",
    ast.Set: "set", ast.SetComp: "set", ast.Tuple: "tuple",
}  # fmt: skip


def type_of_value(node: ast.expr) -> str:
    """Return the type of a value, as an entry's ``type`` writes it."""
    match node:
        case ast.Constant(value=value):
            return type(value).__name__ if isinstance(value, str | bytes | int | float | complex) else ""
        case ast.Call():
            return expression_of(node)
        case ast.Name() | ast.Attribute():
            text = expression_of(node)
            return intern(f"={text}") if text else ""
        case ast.Await(value=value):
            return type_of_value(value)
        case ast.IfExp(body=body, orelse=other):
            return type_of_value(body) or type_of_value(other)
        case _:
            return _LITERALS.get(type(node), "")


_TRANSPARENT = frozenset(
    ["Optional", "Final", "ClassVar", "Annotated", "Required", "NotRequired", "ReadOnly", "InitVar"]
)


def type_of_annotation(node: ast.expr | None) -> str:
    """Return the class that an annotation names: of ``Foo | None``, ``Optional[Foo]`` and ``"Foo"`` it is Foo."""
    for _ in range(10):
        match node:
            case ast.Subscript(value=value, slice=inner):
                base = expression_of(value).rpartition(".")[2]
                if base in _TRANSPARENT:
                    node = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner
                elif base == "Union" and isinstance(inner, ast.Tuple):
                    node = next((item for item in inner.elts if not _is_none(item)), None)
                else:
                    node = value
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                node = right if _is_none(left) else left
            case ast.Constant(value=str() as text):
                return type_of_text(text)
            case ast.Name() | ast.Attribute():
                return expression_of(node)
            case _:
                return ""
    return ""


_OPTIONAL = re.compile(r"(?:[\w.]*\.)?(?:Optional|Final|ClassVar|Annotated|Required|NotRequired)\[(.*)\]\s*$")
_DOTTED = re.compile(r"\s*(?:None\s*\|\s*)?([^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def type_of_text(annotation: str) -> str:
    """Return what ``type_of_annotation`` does, of an annotation's text."""
    text = annotation[:_LONGEST_TYPE].strip().strip("\"'")
    while optional := _OPTIONAL.match(text):
        text = optional[1].strip().strip("\"'")
    found = _DOTTED.match(text)
    return intern(found[1]) if found and found[1] != "None" else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _strings(node: ast.expr | None) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            items: Sequence[ast.expr | None] = [node]
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            items = elements
        case ast.Dict(keys=keys):
            items = keys
        case _:
            return
    for item in items:
        match item:
            case ast.Constant(value=str() as text) if is_name(text):
                yield intern(text)
            case _:
                pass


def _fields_of_named_tuple(node: ast.expr) -> list[str]:
    """Return the fields that ``namedtuple("P", "x y")`` or ``NamedTuple("P", [("x", int)])`` names; else none."""
    match node:
        case ast.Call(func=function, args=[ast.Constant(value=str()), fields, *_]):
            called = expression_of(function).rpartition(".")[2]
        case _:
            return []
    if called not in ("namedtuple", "NamedTuple"):
        return []
    match fields:
        case ast.Constant(value=str() as text):
            return [intern(field) for field in text.replace(",", " ").split() if is_name(field)]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            pairs = [item.elts[0] if isinstance(item, ast.Tuple) and item.elts else item for item in items]
            return [field for pair in pairs for field in _strings(pair)]
        case _:
            return []
