"""What a module exports, from its source; and that a document's names are the same, read from its tokens."""

import sysconfig
from pathlib import Path

import pytest
from hypothesis import example, given
from sources import FILLER, SOURCES

from codelm import exports
from codelm.buffer import scan
from codelm.completion import CompletionKind
from codelm.exports import Entry, Module, absolute

STDLIB = Path(sysconfig.get_path("stdlib"))
KINDS = {kind.value: kind for kind in CompletionKind}


def read(source: str, name: str = "pkg.mod", **options) -> Module:
    module = exports.read(source.encode(), name, **options)
    assert module is not None
    return module


def entry(kind: str, source: str = "", type_: str = "") -> Entry:
    return Entry(KINDS[kind], source, type_)


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("def f(): ...", "f", entry("function")),
        ("async def f() -> int: ...", "f", entry("function", type_="int")),
        ("class A: ...", "A", entry("class")),
        ("LIMIT = 3", "LIMIT", entry("constant", type_="int")),
        ("limit: int = 3", "limit", entry("variable", type_="int")),
        ("a = b = Foo()", "b", entry("variable", type_="Foo()")),
        ("a = other.Foo(1)(2)", "a", entry("variable", type_="other.Foo()()")),
        ("a, (b, *c) = x", "c", entry("variable")),
        ("key = lambda x: x", "key", entry("function")),
        ("join = path.join", "join", entry("variable", type_="=path.join")),
        ("import os", "os", entry("module", "os")),
        ("import os.path", "os", entry("module", "os")),
        ("import os.path as p", "p", entry("module", "os.path")),
        ("from os import path as p", "p", entry("variable", "os:path")),
        ("from .beside import Thing", "Thing", entry("class", "pkg.beside:Thing")),
        ("from . import beside", "beside", entry("variable", "pkg:beside")),
        ("if TYPE_CHECKING:\n    from a import B", "B", entry("class", "a:B")),
        ("try:\n    import a\nexcept ImportError:\n    a = None", "a", entry("module", "a")),
        ("try:\n    pass\nfinally:\n    x = 1", "x", entry("variable", type_="int")),
        ("with open('f') as f:\n    x = f", "f", entry("variable", type_="open()")),
        ("for x in y: pass", "x", entry("variable")),
        ("match x:\n    case 1:\n        y = 1", "y", entry("variable", type_="int")),
        ("x: 'Foo'", "x", entry("variable", type_="Foo")),
        ("x: Optional[a.Foo]", "x", entry("variable", type_="a.Foo")),
        ("x: None | Foo", "x", entry("variable", type_="Foo")),
        ("x: Union[None, Foo, Bar]", "x", entry("variable", type_="Foo")),
        ("x: list[Foo]", "x", entry("variable", type_="list")),
        ("x: Final = Foo()", "x", entry("variable", type_="Foo()")),
        ("@overload\ndef f(x) -> A: ...\ndef f(x) -> B: ...", "f", entry("function", type_="B")),
        ("@contextmanager\ndef f() -> Iterator[A]: ...", "f", entry("function")),
    ],
)
def test_the_names_of_a_module(source, name, expected):
    assert read(source).entries[name] == expected


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("x = 1", None),
        ("__all__ = []", ()),
        ("__all__ = ['a', 'b']", ("a", "b")),
        ("__all__ = ('a',) + ('b',)", ("a", "b")),
        ("__all__: list[str] = ['a']", ("a",)),
        ("__all__ = ['a']\n__all__ += ['b']", ("a", "b")),
        ("__all__ = ['a']\n__all__.extend(['b'])\n__all__.append('c')", ("a", "b", "c")),
        ("__all__ = ['a']\nif x:\n    __all__ += ['b']", ("a", "b")),
        ("__all__ = list(names)", None),
        ("__all__ = ['a'] + other.__all__", None),
        ("__all__ = ['a', 1, 'no name']", None),
    ],
)
def test_what_a_module_says_is_public(source, public):
    assert read(source).public == public


CLASS = """
class A(base.B, Generic[T], metaclass=M):
    __slots__ = ("slot",)
    one: int
    two = three = 0
    if x:
        four = 1
    class Inner:
        deep = 1
    def method(self, given: Given, other=None) -> Result:
        self.five = given
        self.six, (self.seven, *self.eight) = x
        self.nine: Annotated[Foo, 1] = y
        self.ten += 1
        if x:
            with open("f") as self.eleven:
                for self.twelve in x: pass
        local = Foo()
        self.thirteen = local
        self.fourteen = other or Foo()
        other.no = 1
    @property
    def fifteen(self) -> Foo: ...
    @fifteen.setter
    def fifteen(self, value): ...
    @functools.cached_property
    def sixteen(self): ...
    @classmethod
    def make(cls): cls.seventeen = 1
    @staticmethod
    def alone(x): x.no = 1
P = namedtuple("P", "x y")
class Q(NamedTuple("Q", [("z", int)])): ...
"""
MEMBERS = {
    "slot": "", "one": "int", "two": "int", "three": "int", "four": "int", "five": "Given", "six": "", "seven": "",
    "eight": "", "nine": "Foo", "ten": "", "eleven": "open()", "twelve": "", "thirteen": "Foo()", "fourteen": "Foo()",
    "fifteen": "Foo", "sixteen": "", "seventeen": "int",
}  # fmt: skip


def test_the_members_of_a_class():
    module = read(CLASS)
    body = module.classes["A"]
    assert body.bases == ("base.B", "Generic")
    fields = {name: e.type for name, e in body.members.items() if e.kind is CompletionKind.FIELD and name[0] != "_"}
    assert fields == MEMBERS
    assert body.members["method"] == entry("method", type_="Result")
    assert body.members["Inner"].kind is CompletionKind.CLASS
    assert "no" not in body.members
    assert set(module.classes["A.Inner"].members) == {"deep"}
    assert set(module.classes["P"].members) == {"x", "y"}
    assert set(module.classes["Q"].members) == {"z"}


@pytest.mark.parametrize(
    ("target", "level", "module", "is_package", "expected"),
    [("os", 0, "a.b", False, "os"), ("", 1, "a.b", False, "a"), ("c", 1, "a.b", False, "a.c"),
     ("c", 1, "a", True, "a.c"), ("c", 2, "a.b", True, "a.c"), ("c", 1, "a", False, "c"), ("c", 3, "a.b", False, None)],
)  # fmt: skip
def test_relative_imports(target, level, module, is_package, expected):
    assert absolute(target, level, module, is_package) == expected


def test_a_broken_source_exports_nothing():
    assert exports.read(b"x = (", "m") is None
    assert exports.read(b"x = 1\0", "m") is None


@given(SOURCES)
@example("if x:\n" * 120 + "y")
@example("-" * 10_000 + "x")
def test_any_source_is_read_or_not(source):
    exports.read(source.encode("utf-8", "surrogatepass"), "m")


# --- documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["argparse", "ast", "dataclasses", "enum", "json/encoder", "tarfile", "typing", "uuid"]
)
def test_a_document_has_the_names_of_its_source(name):
    """What is read from tokens is what ``ast`` finds."""
    source = (STDLIB / f"{name}.py").read_text(encoding="utf-8")
    read_, scanned = read(source, "m"), scan(source, "m").module
    made_when_asked_for = set(read_.public or ())
    defined = {n for n, e in read_.entries.items() if e.kind in (exports.CLASS, exports.FUNCTION)}
    assert set(scanned.entries) >= defined - made_when_asked_for
    for class_name, body in read_.classes.items():
        missing = set(body.members) - set(scanned.classes[class_name].members)
        assert not missing, class_name
        assert scanned.classes[class_name].bases == body.bases


def test_a_document_says_what_its_members_are():
    body = scan(CLASS).module.classes["A"]
    assert body.bases == ("base.B", "Generic")
    fields = {name: e.type for name, e in body.members.items() if e.kind is CompletionKind.FIELD and name[0] != "_"}
    rare = {"ten", "twelve", "fourteen"}
    assert {n: t for n, t in fields.items() if n not in rare} == {n: t for n, t in MEMBERS.items() if n not in rare}


@pytest.mark.parametrize(
    "unfinished",
    ["x = (", "foo(self.", "x = [1,", "if x", "def", "class", "def g(", "class X(", "return self.", "'", "@", "x: ",
     "self.", "for x in", "import", "from x import (", "lambda", "with open(", "x = {", "f'{self.'"],
)  # fmt: skip
def test_an_unfinished_line_hides_nothing_below_it(unfinished):
    above = f"class A:\n    def f(self):\n        self.x = 1\n        {unfinished}\n"
    module = scan(above + "    def g(self):\n        self.y = 2\n\ndef h(): ...\n").module
    assert {"f", "x", "g", "y"} <= set(module.classes["A"].members)
    assert "h" in module.entries


def test_strings_hide_what_is_in_them():
    source = 'class A:\n    def f(self):\n        """\nclass B:\n    def g(self): self.x = 1\n"""\n        self.y = 1\n'
    module = scan(source).module
    assert set(module.classes) == {"A"}
    assert set(module.classes["A"].members) == {"f", "y"}
    assert set(scan('x = """\nclass A: ...\n').module.entries) == {"x"}


def test_a_statement_at_the_margin_ends_a_function():
    source = "class A:\n    def f(self):\n        pass\n    x = 1\nprint()\n"
    buffer = scan(source)
    assert [function.owner for function in buffer.around(source.index("pass"))] == ["A"]
    assert not list(buffer.around(source.index("x = 1") + 1))
    assert not list(buffer.around(source.index("print") + 1))


@given(SOURCES)
@example("class A:\n" + FILLER + "    def f(self): self.x = 1")
@example("x = '''\n" + FILLER * 10 + "def f(): ...\n" + FILLER * 10 + "'''; y = 1\n")
def test_any_document_has_names(source):
    buffer = scan(source)
    for offset in range(0, len(source) + 1, 1 + len(source) // 20):
        for function in buffer.around(offset):
            assert 0 <= function.start < offset <= function.end <= len(source)
