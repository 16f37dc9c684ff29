"""Importable names as a user meets them: files of a workspace, source text with the cursor drawn as a bar."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import SOURCES

from codelm import exports, modules
from codelm.buffer import scan
from codelm.candidates import Candidates, Finder
from codelm.completion import CompletionKind
from codelm.environment import Environment, find_environment
from codelm.grammar import line_of
from codelm.importable import Importable
from codelm.lexer import lex
from codelm.scope import Place, place_of
from codelm.words import words_of
from codelm.workspace_files import path_key

STDLIB = find_environment([], variables={}).stdlib
SHAPES = """
import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Shape", "area"]
UNIT = "m"
_cache = {}

class Shape:
    sides = 0

    def __init__(self, name: str):
        self.name, self._hidden = name, None

    def area(self) -> float: ...

    @property
    def parent(self) -> "Shape": ...

class Square(Shape):
    def __init__(self):
        super().__init__("square")
        self.width = 1

@dataclass
class Point:
    x: int
    y: int = 0

class Colour(enum.Enum):
    RED = 1

class Pair(NamedTuple):
    left: int

def area(shape): ...
def square() -> Square: ...
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def words_before(text: str) -> list[str]:
    """The words before the cursor, what is being typed at it left out, as the completer has them."""
    tokens = lex(text + "x")
    while not tokens[-1].text:
        tokens.pop()
    return list(words_of(tokens[:-1]))


class Workspace:
    """A workspace, and what is proposed in a file of it."""

    def __init__(self, folder: Path, site: Path | None = None, **options):
        self.folder = folder
        environment = Environment(STDLIB, (site,) if site else (), "")
        self.index = Importable([folder], environment, **options)
        self.finder = Finder(self.index)

    def found(self, source: str, file: str = "main.py", **options) -> Candidates | None:
        text, bar, rest = source.rpartition("|")
        assert bar, "no cursor in the source"
        place = place_of(line_of(words_before(text)))
        if place is None:
            return None
        name, is_package = self.index.module_name(self.folder / file)
        return self.finder.find(place, scan(text + rest, name, is_package), len(text), **options)

    def names(self, source: str, file: str = "main.py", **options) -> list[str]:
        found = self.found(source, file, **options)
        return [item.name for item in found.items] if found else []


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    write(
        tmp_path / "work",
        {
            "main.py": "",
            "shapes.py": SHAPES,
            "src/engine/__init__.py": "from .core import *\nfrom .core import _start as start\nfrom . import parts\n",
            "src/engine/core.py": "class Engine:\n    def run(self): ...\ndef _start(): ...\ndef stop(): ...\n",
            "src/engine/parts/__init__.py": "",
            "src/engine/parts/wheel.py": "SPOKES = 32\n",
            "scripts/tool.py": "def helper(): ...\n",
            "data/readme.txt": "",
        },
    )
    write(
        tmp_path / "site",
        {
            "web/__init__.py": "from web.app import App\napp = App()\n",
            "web/app.py": "class App:\n    def route(self): ...\n",
            "fast.cpython-311-x86_64-linux-gnu.so": "",
            "typed/__init__.py": "def source(): ...\n",
            "typed/__init__.pyi": "import sys\nfrom os import path as path\ndef stub() -> int: ...\n",
            "half/__init__.py": "from .inner import x\n",
            "half/inner.py": "",
            "half-stubs/__init__.pyi": "def from_the_stubs(): ...\n",
            "space/one/__init__.py": "",
            "web-1.0.dist-info/METADATA": "",
        },
    )
    return Workspace(tmp_path / "work", tmp_path / "site")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import |", {"shapes", "engine", "web", "typed", "fast", "space", "json", "math", "sys", "_thread"}),
        ("import json, |", {"shapes", "web"}),
        ("from |", {"shapes", "engine", "web", "json"}),
        ("import en|", {"engine"}),
        ("import engine.|", {"core", "parts"}),
        ("import engine.parts.|", {"wheel"}),
        ("from engine.|", {"core", "parts"}),
        ("import space.|", {"one"}),
        ("import xml.|", {"dom", "etree"}),
        ("import os.|", {"path"}),
        ("from shapes import |", {"Shape", "Square", "area", "UNIT", "_cache", "enum", "dataclass"}),
        ("from shapes import (\n    Shape,\n    |", {"Square", "area"}),
        ("from shapes import Shape as S, |", {"Square", "area"}),
        ("if x: from shapes import |", {"Square"}),
        ("x = 1; import |", {"shapes"}),
        ("from engine import |", {"Engine", "stop", "start", "core", "parts"}),
        ("from engine.parts import |", {"wheel"}),
        ("from half import |", {"from_the_stubs", "inner"}),
        ("from os.path import |", {"join", "splitext"}),
        ("from math import |", {"sqrt", "pi"}),
        ("from multiprocessing import |", {"Pool", "Process"}),
        ("import shapes\nshapes.|", {"Shape", "area", "__name__"}),
        ("import shapes as s\nprint(s.|", {"Shape", "area"}),
        ("import engine.parts.wheel\nengine.parts.wheel.|", {"SPOKES"}),
        ("import engine.parts.wheel\nengine.parts.|", {"wheel"}),
        ("from engine import parts\nparts.|", {"wheel"}),
        ("from engine import parts as p\np.wheel.|", {"SPOKES"}),
        ("import os\nos.path.|", {"join"}),
        ("import sys\nsys.|", {"argv", "stdout"}),
        ("import os\n@os.|", {"fspath"}),
    ],
)
def test_modules_and_their_names(workspace, source, expected):
    assert expected <= set(workspace.names(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from shapes import Shape\nShape.|", {"sides", "area", "name", "mro", "__name__"}),
        ("from shapes import Square\nSquare.|", {"width", "area", "name", "sides"}),
        ("from shapes import Square\nSquare().|", {"width", "area"}),
        ("import shapes\nshapes.Square.|", {"width", "area"}),
        ("from shapes import Point\nPoint(1).|", {"x", "y"}),
        ("from shapes import Colour\nColour.|", {"RED"}),
        ("from shapes import Pair\nPair(1).|", {"left", "_replace", "count"}),
        ("from engine import Engine\nEngine().|", {"run"}),
        ("from web import app\napp.|", {"route"}),
        ("from shapes import square\nsquare().|", {"width"}),
        ("from shapes import square\ns = square()\ns.|", {"width"}),
        ("from shapes import Square\ns = Square()\ns.parent.|", {"sides"}),
        ("from shapes import Square\ns: Square\ns.|", {"width"}),
        ("from shapes import Square\nwith Square() as s:\n    s.|", {"width"}),
        ("from shapes import Square\ndef f(s: Square):\n    s.|", {"width"}),
        ("from shapes import Square\ndef f(s: 'Square | None' = None, *, t):\n    s.|", {"width"}),
        ("from shapes import Square\nfrom typing import Optional\ndef f(s: Optional[Square]):\n    s.|", {"width"}),
        ("from shapes import Square\ndef f():\n    s = Square()\n    t = s\n    t.|", {"width"}),
        ("from pathlib import Path\ndef f(p: Path):\n    q = p.parent\n    q.|", {"exists", "name"}),
        ("import re\nre.compile('x').|", {"fullmatch"}),
        ("import logging\nlog = logging.getLogger()\nlog.|", {"warning", "handlers"}),
        ("'-'.|", {"join", "split"}),
        ("' '.join(x).|", {"upper"}),
        ("open('f').|", {"read", "close"}),
    ],
)
def test_attributes_of_classes_and_instances(workspace, source, expected):
    assert expected <= set(workspace.names(source))


OWN_CLASS = """
import shapes

class Mine(shapes.Square):
    limit = 3

    @classmethod
    def make(cls, size):
        cls.|CLS

    def before(self):
        self.first = shapes.Square()

    def here(self, other: "Mine"):
        for x in y:
            self.|SELF

    def after(this, *, x: int = 0) -> None:
        this.second, this.third = x, []
        this.|THIS
        def inner():
            this.|INNER

    def through(self, other: "Mine"):
        self.first.|FIRST
        other.|OTHER
        super().|SUPER

    @staticmethod
    def alone(self):
        self.|STATIC

def outside(self):
    self.|OUTSIDE
"""
ATTRIBUTES = {
    "limit",
    "make",
    "before",
    "first",
    "here",
    "after",
    "second",
    "third",
    "width",
    "area",
    "name",
    "__class__",
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("SELF", ATTRIBUTES),
        ("CLS", ATTRIBUTES),
        ("THIS", ATTRIBUTES),
        ("INNER", ATTRIBUTES),
        ("OTHER", ATTRIBUTES),
        ("FIRST", {"width", "area"}),
        ("SUPER", {"width", "area", "__init__"}),
        ("STATIC", set()),
        ("OUTSIDE", set()),
    ],
)
def test_self_is_the_class_as_the_document_stands(workspace, where, expected):
    """Above and below the cursor, whatever is unfinished there, and what it inherits through imports."""
    source = OWN_CLASS.replace(f"|{where}", "\0")
    for other in ("SELF", "CLS", "THIS", "INNER", "OTHER", "FIRST", "SUPER", "STATIC", "OUTSIDE"):
        source = source.replace(f"|{other}", "")
    names = set(workspace.names(source.replace("\0", "|")))
    assert expected <= names
    assert bool(expected) == bool(names)


@pytest.mark.parametrize(
    ("source", "file", "expected"),
    [
        ("from . import |", "src/engine/parts/wheel.py", {"wheel"}),
        ("from .. import |", "src/engine/parts/wheel.py", {"Engine", "core", "parts"}),
        ("from ..core import |", "src/engine/parts/wheel.py", {"Engine", "stop", "_start"}),
        ("from .|", "src/engine/core.py", {"parts", "core"}),
        ("from .parts import |", "src/engine/__init__.py", {"wheel"}),
        ("from .core import Engine\nEngine.|", "src/engine/other.py", {"run"}),
        ("import |", "scripts/main.py", {"tool", "shapes"}),
        ("import tool\ntool.|", "scripts/main.py", {"helper"}),
    ],
)
def test_where_a_file_is_says_what_it_can_import(workspace, source, file, expected):
    assert expected <= set(workspace.names(source, file))


@pytest.mark.parametrize(
    "source",
    ["|", "x = |", "import json as |", "from json |", "from json import loads as |", "1 .|",
     "import .|", "unknown.|", "from nowhere import |", "import nowhere\nnowhere.|", "x[0].|", "(a + b).|",
     "def f(x):\n    x.|", "from ........ import |", "from json import (loads) |", "for.|"],
)  # fmt: skip
def test_elsewhere_nothing_is_known(workspace, source):
    assert not workspace.names(source)


def test_what_is_imported_already_is_not_proposed_again(workspace):
    names = workspace.names("from shapes import Shape, area as a, |")
    assert "Shape" not in names
    assert "area" not in names
    assert "Square" in names


def test_public_names_come_first(workspace):
    names = workspace.names("from shapes import |")
    assert names[:2] == ["Shape", "area"]  # as in __all__
    order = [names.index(name) for name in ("UNIT", "enum", "_cache", "__name__")]
    assert order == sorted(order)


def test_names_have_kinds_and_origins(workspace):
    found = workspace.found("from engine import |")
    what = {item.name: (item.kind, item.origin) for item in found.items}
    assert what["Engine"] == (CompletionKind.CLASS, "engine.core")
    assert what["stop"] == (CompletionKind.FUNCTION, "engine.core")
    assert what["parts"] == (CompletionKind.MODULE, "engine")
    members = {item.name: (item.kind, item.origin) for item in workspace.found("from shapes import *\nSquare.|").items}
    assert members["area"] == (CompletionKind.METHOD, "shapes.Shape")
    assert members["width"] == (CompletionKind.FIELD, "shapes.Square")
    assert members["parent"][0] is CompletionKind.FIELD


@pytest.mark.parametrize(
    ("source", "exhaustive"),
    [("from shapes import |", True), ("import shapes\nshapes.|", True), ("import engine.|", True), ("import |", True),
     ("from fast import |", False), ("import shapes\nshapes.Shape.|", False),
     ("from lazy import |", False), ("from dynamic import |", False), ("from star import |", False)],
)  # fmt: skip
def test_an_answer_says_whether_other_names_would_be_wrong(workspace, source, exhaustive):
    write(
        workspace.folder,
        {
            "lazy.py": "def __getattr__(name):\n    from shapes import area\n",
            "dynamic.py": "globals().update(x=1)\n",
            "star.py": "from dynamic import *\n",
        },
    )
    assert workspace.found(source).exhaustive is exhaustive


def test_a_stub_says_what_is_public(workspace):
    names = workspace.names("from typed import |")
    assert {"stub", "path"} <= set(names)
    assert "sys" not in names
    assert "source" not in names


# --- what changes ------------------------------------------------------------------------------------------------


def test_a_changed_file_is_read_again(workspace, monkeypatch):
    monkeypatch.setattr(modules, "FRESH", 0)
    monkeypatch.setattr("codelm.importable.FRESH", 0)
    monkeypatch.setattr("codelm.candidates.FRESH", 0)
    assert "new" not in workspace.names("from shapes import |")
    write(workspace.folder, {"shapes.py": "new = 1\n"})
    assert "new" in workspace.names("from shapes import |")
    (workspace.folder / "shapes.py").unlink()
    assert workspace.names("from shapes import |") == []


def test_a_file_that_is_known_to_have_changed_is_read_again_at_once(workspace):
    assert "new" not in workspace.names("from shapes import |")
    write(workspace.folder, {"shapes.py": "new = 1\n", "fresh.py": ""})
    assert "new" not in workspace.names("from shapes import |")
    workspace.index.look_again(workspace.folder / "shapes.py")
    assert "new" in workspace.names("from shapes import |")
    assert "fresh" in workspace.names("import |")


def test_the_document_itself_counts_not_its_file(workspace):
    names = workspace.names("import shapes\nclass New:\n    x = 1\nshapes.New.|", "shapes.py")
    assert "x" in names


# --- what is left out --------------------------------------------------------------------------------------------


def test_a_forgotten_file_is_a_module_without_names(workspace):
    source = "from shapes import |"
    derived = "import shapes\nclass Mine(shapes.Shape):\n    def f(self):\n        self.|"
    assert "Shape" in workspace.names(source)
    assert "sides" in workspace.names(derived)
    workspace.index.set_forgotten({path_key(workspace.folder / "shapes.py")})
    found = workspace.found(source)
    assert all(item.name.startswith("__") for item in found.items)
    assert not found.exhaustive
    assert found.complete
    assert "sides" not in workspace.names(derived)
    assert workspace.index.in_memory("shapes") is None
    assert "shapes" in workspace.names("import |")
    assert "Engine" in workspace.names("from engine import |")
    workspace.index.set_forgotten(())
    assert "Shape" in workspace.names(source)


def test_what_was_forgotten_before_is_not_read(workspace):
    package = path_key(workspace.folder / "src/engine/__init__.py")
    again = Workspace(workspace.folder, forgotten={package})
    found = again.found("from engine import |")
    names = [item.name for item in found.items]
    assert {"core", "parts"} <= set(names)
    assert not {"Engine", "start", "stop"} & set(names)
    assert not found.exhaustive


def test_what_is_forgotten_while_it_is_read_is_not_remembered(workspace, monkeypatch):
    def read(*arguments, **options):
        workspace.index.set_forgotten({path_key(workspace.folder / "shapes.py")})
        return exports.read(*arguments, **options)

    monkeypatch.setattr("codelm.importable.exports", SimpleNamespace(read=read, nothing=exports.nothing))
    assert "Shape" not in workspace.names("from shapes import |")
    assert workspace.index.in_memory("shapes") is None


def test_a_link_to_a_forgotten_file_is_left_out_too(workspace):
    try:
        (workspace.folder / "linked.py").symlink_to(workspace.folder / "shapes.py")
    except OSError:
        pytest.skip("no links")
    assert "Shape" in workspace.names("from linked import |")
    workspace.index.set_forgotten({path_key((workspace.folder / "shapes.py").resolve())})
    assert "Shape" not in workspace.names("from linked import |")


def test_files_of_the_workspace_that_hold_secrets_are_not_read(tmp_path):
    installed = ".venv/lib/python3.11/site-packages"
    write(
        tmp_path,
        {
            "credentials.py": "SWORDFISH = 1\n",
            "app/__init__.py": "",
            "app/secrets.py": "SWORDFISH = 1\n",
            "password_reset.py": "def send(): ...\n",
            f"{installed}/auth/__init__.py": "",
            f"{installed}/auth/credentials.py": "class Credentials: ...\n",
        },
    )
    workspace = Workspace(tmp_path, tmp_path / installed)
    assert "credentials" in workspace.names("import |")
    assert "secrets" in workspace.names("from app import |")
    assert "SWORDFISH" not in workspace.names("from credentials import |")
    assert "SWORDFISH" not in workspace.names("from app.secrets import |")
    assert "send" in workspace.names("from password_reset import |")
    assert "Credentials" in workspace.names("from auth.credentials import |")
    assert "token_hex" in Workspace(tmp_path / "elsewhere").names("from secrets import |")


# --- what is too much to read while someone waits ----------------------------------------------------------------


def test_what_is_too_large_is_read_by_another_thread(workspace):
    source = "from shapes import |"
    found = workspace.found(source, budget=100)
    assert not found.complete
    assert not found.exhaustive
    assert workspace.index.has_pending
    reader = threading.Thread(target=workspace.index.read_pending)
    reader.start()
    reader.join()
    assert not workspace.index.has_pending
    found = workspace.found(source, budget=100)
    assert found.complete
    assert "Shape" in [item.name for item in found.items]


def test_two_threads_may_use_it(workspace):
    """One asks while another reads; what is known never changes."""
    write(workspace.folder, {f"m{n}.py": f"class C{n}:\n    x{n} = 1\n" for n in range(100)})
    imports = [f"m{n}" for n in range(100)]
    errors = []

    def read() -> None:
        try:
            for _ in range(20):
                workspace.index.want(imports)
                workspace.index.read_pending()
                workspace.index.look_again()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(100):
        assert f"x{n}" in workspace.names(f"import m{n}\nm{n}.C{n}.|")
    reader.join()
    assert not errors


def test_what_is_likely_to_be_imported_can_be_read_ahead(workspace):
    workspace.index.want(["shapes", "web.app", "nowhere"])
    assert workspace.index.read_pending() == 2
    assert "route" in workspace.names("from web.app import App\nApp.|", budget=0)


def test_reading_ahead_can_be_stopped(workspace):
    workspace.index.want(["shapes", "web"])
    assert workspace.index.read_pending(stop=lambda: True) == 0
    assert workspace.index.has_pending


# --- hostile files -----------------------------------------------------------------------------------------------

HOSTILE = {
    "a NUL": b"x = 1\0",
    "no encoding": b"# coding: nothing-at-all\nx = 1\n",
    "not of its encoding": b"# coding: utf-8\nx = '\xff'\n",
    "another encoding": "# coding: utf-16\nx = 1\n".encode("utf-16"),
    "no text codec": b"# coding: hex\nx = 1\n",
    "deep brackets": b"x = " + b"(" * 100_000,
    "deep operators": b"x = " + b"-" * 100_000 + b"1",
    "deep attributes": b"x = a" + b".b" * 100_000,
    "long elif": b"if a: x = 1\n" + b"elif a: x = 1\n" * 3_000,
    "deep blocks": b"".join(b" " * depth + b"if a:\n" for depth in range(300)),
    "an odd escape": b"x = '\\d'\n",
    "empty": b"",
    "a lone bracket": b"x = [\n",
    "circular": b"from hostile import *\nfrom hostile import x\nclass A(A): ...\nx = x\ny = y()\n__all__ = ['x']\n",
    "a long name": b"x" * 100_000 + b" = 1\n",
    "a huge number": b"x = " + b"1" * 10_000 + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_harms_no_one(workspace, content):
    (workspace.folder / "hostile.py").write_bytes(content)
    workspace.names("from hostile import |")
    workspace.names("import hostile\nhostile.A.|")
    workspace.names("import hostile\nhostile.x.y().|")
    assert "Shape" in workspace.names("from shapes import |")
    for path, reason in workspace.index.skipped().items():
        assert path.endswith("hostile.py")
        assert reason
    assert workspace.index.skipped() == {}  # told once


def test_a_file_with_a_syntax_error_still_has_names(workspace):
    """Someone is writing it, or it is written for a newer Python than codelm's own."""
    write(workspace.folder, {"broken.py": "class A:\n    def f(self):\n        self.x = (\n\nclass B(A):\n    y = 1\n"})
    assert {"A", "B"} <= set(workspace.names("from broken import |"))
    assert {"f", "y"} <= set(workspace.names("from broken import B\nB.|"))


def test_a_large_file_is_read_in_pieces(workspace):
    body = "".join(f'def f{n}():\n    """\nclass Not{n}: ...\n    """\n' for n in range(3_000))
    write(workspace.folder, {"large.py": body + "class Last:\n    x = 1\n"})
    names = set(workspace.names("from large import |"))
    assert {"f0", "f1500", "f2999", "Last"} <= names
    assert not any(name.startswith("Not") for name in names)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(workspace):
    os.mkfifo(workspace.folder / "pipe.py")
    workspace.names("from pipe import |")
    assert "plain file" in next(iter(workspace.index.skipped().values()))


def test_links_in_a_circle_end(workspace):
    try:
        (workspace.folder / "src" / "engine" / "again").symlink_to(workspace.folder / "src" / "engine")
    except OSError:
        pytest.skip("no links")
    assert "again" in workspace.names("import engine.again.again.|")
    assert workspace.names("import engine" + ".again" * 50 + ".|") == []


def test_nothing_is_run(workspace):
    write(workspace.folder, {"evil.py": f"open({str(workspace.folder / 'ran')!r}, 'w')\nx = 1\n"})
    assert "x" in workspace.names("from evil import |")
    assert not (workspace.folder / "ran").exists()


@given(SOURCES, st.data())
def test_any_document_at_any_place_has_an_answer(source, data):
    offset = data.draw(st.integers(0, len(source)))
    finder = Finder(Importable([], Environment((), (), "")))
    place = place_of(line_of(words_before(source[:offset])))
    if place is not None:
        finder.find(place, scan(source), offset)


@given(
    st.lists(st.sampled_from(["import", "from", ".", "...", ",", "(", ")", "a", "as", "*", '"x"', "<STR>", ":", "in"]))
)
def test_any_line_has_a_place_or_none(line):
    place = place_of(line)
    assert place is None or isinstance(place, Place)
