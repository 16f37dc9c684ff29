"""Functions cut out of sources, as rows in the form of CodeSearchNet."""

import ast
import gzip
import io
import json
import sys
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterable
from hashlib import sha1
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from codelm.errors import CodelmError
from codelm_train import function_rows
from codelm_train.cli import main
from codelm_train.corpus import Corpus, open_corpus
from codelm_train.function_rows import Counts, Options
from codelm_train.functions import Function, docstring_tokens, functions
from codelm_train.lexing import decoded
from codelm_train.split import assign_projects

FIELDS = [
    "repo", "path", "func_name", "original_string", "language", "code", "code_tokens", "docstring",
    "docstring_tokens", "sha", "url", "partition",
]  # fmt: skip
STDLIB = Path(sysconfig.get_path("stdlib"))


def only(text: str) -> Function:
    """Return the one function of a text, as it is written there or below a triple quote."""
    [function] = functions(dedent(text).lstrip("\n") if text.startswith("\n") else text)
    return function


def names(text: str) -> list[str]:
    return [function.name for function in functions(dedent(text))]


class TestWhichFunctions:
    def test_functions_methods_and_those_of_nested_classes(self) -> None:
        text = """
            def plain(): pass
            async def later(): pass
            class Outer:
                def method(self): pass
                class Inner:
                    async def deep(self): pass
            """
        assert names(text) == ["plain", "later", "Outer.method", "Outer.Inner.deep"]

    def test_wherever_they_stand_in_their_order(self) -> None:
        text = """
            if one:
                def a(): pass
            elif two:
                def b(): pass
            else:
                def c(): pass
            try:
                def d(): pass
            except Error:
                def e(): pass
            finally:
                def f(): pass
            with x:
                def g(): pass
            match y:
                case 1:
                    def h(): pass
            """
        assert names(text) == list("abcdefgh")

    def test_a_function_in_a_function_is_a_part_of_it_and_no_row(self) -> None:
        outer = only("def outer():\n    def inner():\n        return 1\n    return inner\n")
        assert outer.name == "outer"
        assert "inner" in outer.code_tokens

    def test_a_long_chain_of_elifs_is_no_deep_recursion(self) -> None:
        text = "if x == 0:\n    pass\n" + "".join(f"elif x == {i}:\n    def f{i}(): pass\n" for i in range(150))
        assert len(names(text)) == 150

    def test_a_scope_that_the_text_was_cut_out_of(self) -> None:
        assert functions("def get(self): return 1\n", scope="Cache")[0].name == "Cache.get"

    def test_what_is_not_python(self) -> None:
        with pytest.raises(SyntaxError):
            functions("print 'two'\n")


class TestTheText:
    def test_decorators_are_left_out(self) -> None:
        function = only("@cache\n@other(1,\n   2)\ndef f(x):\n    return x\n")
        assert function.original == function.code == "def f(x):\n    return x"
        assert function.code_tokens[:2] == ("def", "f")

    def test_lines_keep_the_indentation_of_the_file_but_the_first_has_none(self) -> None:
        function = only("class A:\n    def f(self):\n        return 1\n")
        assert function.original == "def f(self):\n        return 1"

    def test_an_async_function_begins_with_async(self) -> None:
        function = only("@app.get\nasync def f(x):\n    return await x\n")
        assert function.code_tokens == ("async", "def", "f", "(", "x", ")", ":", "return", "await", "x")

    def test_comments_are_in_the_code_but_are_no_tokens(self) -> None:
        function = only("def f(x):  # why\n    # how\n    return x  # done\n")
        assert function.code == "def f(x):  # why\n    # how\n    return x"
        assert function.code_tokens == ("def", "f", "(", "x", ")", ":", "return", "x")

    def test_an_fstring_is_one_token(self) -> None:
        function = only("def f(x):\n    return f'{x!r:>{width}} and {x[\"a\"]}'\n")
        assert function.code_tokens[-1] == "f'{x!r:>{width}} and {x[\"a\"]}'"

    def test_a_continued_line_is_a_blank(self) -> None:
        function = only("def f(x):\n    return x + \\\n        1\n")
        assert function.code_tokens[-4:] == ("return", "x", "+", "1")

    def test_columns_are_found_behind_characters_of_several_bytes(self) -> None:
        first, second = functions(
            "é = '😀'; ü = 1\nclass Ä:\n    def ö(self): return 'ß😀'; x = 'é'\ndef b(): return 'é'\n"
        )
        assert first.name == "Ä.ö"
        assert first.original == "def ö(self): return 'ß😀'; x = 'é'"
        assert second.original == "def b(): return 'é'"

    def test_tabs(self) -> None:
        function = only("class A:\n\tdef f(self):\n\t\tif self:\n\t\t\treturn 1\n\t\treturn 2\n")
        assert function.code == "def f(self):\n\t\tif self:\n\t\t\treturn 1\n\t\treturn 2"
        ast.parse(function.code)

    def test_a_form_feed_ends_no_line(self) -> None:
        first, second = functions("x = 1\n\f\ndef f():\n    return '\f'\n\f\ndef g():\n    return 2\n")
        assert first.original == "def f():\n    return '\f'"
        assert second.original == "def g():\n    return 2"

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends_of_other_systems_are_pythons(self, end: str) -> None:
        text = 'def f():\n    """One.\n    Two."""\n    return """a\nb"""\n'
        assert functions(text.replace("\n", end)) == functions(text)

    def test_a_byte_order_mark_is_no_character(self) -> None:
        assert only("\ufeffdef f():\n    return 1\n").original == "def f():\n    return 1"


class TestDocstrings:
    def test_it_is_kept_apart_from_code_and_tokens(self) -> None:
        function = only('def f(x):\n    """Return x.\n\n    Always.\n    """\n    return x\n')
        assert function.original == 'def f(x):\n    """Return x.\n\n    Always.\n    """\n    return x'
        assert function.code == "def f(x):\n    return x"
        assert function.code_tokens == ("def", "f", "(", "x", ")", ":", "return", "x")
        assert function.docstring == "Return x.\n\n    Always."

    def test_none(self) -> None:
        assert only("def f(x):\n    return x\n").docstring == ""

    def test_a_body_that_is_nothing_else_leaves_no_code(self) -> None:
        for text in ('def f(x): "Doc."\n', 'def f(x):\n    """Doc."""\n', 'def f(x): "Doc.";\n'):
            function = only(text)
            assert (function.code, function.code_tokens, function.docstring) == ("", (), "Doc.")

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ('def f(x): "Doc."; return x\n', "def f(x): return x"),
            ('def f(x): "Doc."; \\\n  return x\n', "def f(x): return x"),
            ('def f(x):\n    "Doc."; return x\n', "def f(x):\n    return x"),
            ('def f(x):\n    "Doc.";\n    return x\n', "def f(x):\n    return x"),
            ('def f(x):\n    "Doc."  # noqa: D; or so\n    return x\n', "def f(x):\n    return x"),
            ('def f(x):\n    "Do" \'c.\'\n    return x\n', "def f(x):\n    return x"),
            ('def f(x):\n    ("Do"\n     "c.")\n    return x\n', "def f(x):\n    return x"),
            ('def f(x):\n    # before\n    "Doc."\n    # behind\n    return x\n',
             "def f(x):\n    # before\n    # behind\n    return x"),
            ('def f(x):\n    "Doc."\n    @y\n    def g(): ...\n    return g\n',
             "def f(x):\n    @y\n    def g(): ...\n    return g"),
            ('def f(x):\n    \\\n    "Doc."\n    return x\n', "def f(x):\n    \\\n    return x"),
            ('def f(x):\n\f    "Doc."\n    return x\n', "def f(x):\n    return x"),
            ('async def f(x):\n\t"""Do\n\tc."""\n\treturn x\n', "async def f(x):\n\treturn x"),
            ('def f(é="ü"): "Döc."; return "ß"\n', 'def f(é="ü"): return "ß"'),
        ],
    )  # fmt: skip
    def test_however_it_is_written(self, text: str, code: str) -> None:
        assert only(text).code == code
        assert "Doc." not in only(text).code_tokens
        ast.parse(code)

    def test_that_of_a_function_inside_stays(self) -> None:
        function = only('def f():\n    "Outer."\n    def g():\n        "Inner."\n        return 1\n    return g\n')
        assert function.docstring == "Outer."
        assert '"Inner."' in function.code_tokens
        assert '"Outer."' not in function.code_tokens

    @pytest.mark.parametrize("text", ["def f():\n    b'no'\n    return 1\n", "def f():\n    f'no'\n    return 1\n"])
    def test_bytes_and_fstrings_are_none(self, text: str) -> None:
        function = only(text)
        assert function.docstring == ""
        assert function.code == function.original

    def test_its_words_and_runs_of_one_mark(self) -> None:
        assert docstring_tokens("str->list... `Größe`(s)\n\n  >>> a_b") == [
            "str", "-", ">", "list", "...", "`", "Größe", "`", "(", "s", ")", ">>>", "a_b",
        ]  # fmt: skip


def test_every_function_of_the_standard_librarys_core_is_what_it_was() -> None:
    """Its code parses to the same tree without docstring, and has the tokens that Python's own tokenizer finds."""
    seen = 0
    for file in [*sorted(STDLIB.glob("*.py"))[::4], *STDLIB.glob("test/test_grammar.py"), *STDLIB.glob("email/*.py")]:
        text = decoded(file.read_bytes())
        assert isinstance(text, str)
        for function in functions(text):
            if function.code:
                check(function)
                seen += 1
    assert seen > 2000


def check(function: Function) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code, original = ast.parse(function.code), ast.parse(function.original)
    if function.code != function.original:
        [definition] = original.body
        assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
        del definition.body[0]
    assert ast.dump(code) == ast.dump(original)
    if sys.version_info < (3, 12):  # from then on its f-strings are several tokens
        structure = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        found = tokenize.generate_tokens(io.StringIO(function.code).readline)
        strings = [token.string for token in found if token.type not in (*structure, tokenize.ENDMARKER)]
        assert tuple(strings) == function.code_tokens


# --- rows ----------------------------------------------------------------------------------------------------


def body(number: int) -> str:
    """Return a function whose tokens are unlike those of other numbers."""
    return f'def work_{number}(value):\n    """Do {number}."""\n    return run_{number}(value, step_{number}=1)\n'


def projects(folder: Path, **files: Iterable[int]) -> Path:
    """Make a folder of projects, each with a file that has the functions of these numbers."""
    for name, numbers in files.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "pyproject.toml").touch()
        (folder / name / "code.py").write_text("".join(map(body, numbers)), encoding="utf-8")
    return folder


def ten_projects(folder: Path) -> Path:
    return projects(folder, **{f"p{i}": range(10 * i, 10 * i + 10) for i in range(10)})


def write(source: Path, out: Path, **options: Any) -> tuple[list[dict[str, Any]], Counts]:
    counts = function_rows.write([source], out, Options(**options), workers=1)
    return lines(out), counts


def lines(file: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(file.read_bytes()) if file.name.endswith(".gz") else file.read_bytes()
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def test_a_row_has_the_fields_of_the_published_files(tmp_path: Path) -> None:
    text = 'class Shop:\n    def sell(self, thing):\n        "Sell it."\n        return self.till.take(thing)\n'
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.py").write_text(text, encoding="utf-8")
    [row], _ = write(tmp_path / "shop", tmp_path / "rows.jsonl")
    assert list(row) == FIELDS
    assert row == {
        "repo": "shop",
        "path": "shop.py",
        "func_name": "Shop.sell",
        "original_string": 'def sell(self, thing):\n        "Sell it."\n        return self.till.take(thing)',
        "language": "python",
        "code": "def sell(self, thing):\n        return self.till.take(thing)",
        "code_tokens": "def sell ( self , thing ) : return self . till . take ( thing )".split(),
        "docstring": "Sell it.",
        "docstring_tokens": ["Sell", "it", "."],
        "sha": sha1(text.encode()).hexdigest(),
        "url": "",
        "partition": "train",
    }


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    shop = projects(tmp_path / "all", shop=[1, 1, 2]) / "shop"
    (shop / "old.py").write_text("print 'two'\n")
    (shop / "made_pb2.py").write_text(body(3))
    (shop / "made.py").write_text("# Generated by a tool\n" + body(4))
    (shop / "little.py").write_text('def a(): pass\ndef b():\n    "Only this."\n')
    (shop / "vendor").mkdir()
    (shop / "vendor" / "six.py").write_text(body(5))
    (shop / "blob.py").write_bytes(b"\0")
    rows, counts = write(shop, tmp_path / "rows.jsonl")
    assert [row["func_name"] for row in rows] == ["work_1", "work_2"]
    assert counts.left_out == {"duplicate": 1, "short": 1, "only a docstring": 1}
    assert counts.files == {"not Python 3": 1, "generated": 2, "vendored": 1, "binary": 1}
    assert counts.functions == {"train": 2}


def test_no_warning_about_the_sources_comes_out(tmp_path: Path) -> None:
    """Pytest makes an error of any."""
    projects(tmp_path, shop=[1])
    (tmp_path / "shop" / "odd.py").write_text("def f(x):\n    return x is 1, '\\d', 1if x else 2\n")
    rows, _ = write(tmp_path / "shop", tmp_path / "rows.jsonl")
    assert [row["func_name"] for row in rows] == ["work_1", "f"]


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text('def f(x):\n    "Like \\ud800."\n    return "\\ud800", x\n')
    [row], _ = write(tmp_path / "odd.py", tmp_path / "rows.jsonl")
    assert row["docstring"] == "Like ?."
    assert row["code"].endswith('return "\\ud800", x')


class TestDrawing:
    def test_so_many_of_all_projects_in_their_order(self, tmp_path: Path) -> None:
        source = ten_projects(tmp_path / "all")
        rows, counts = write(source, tmp_path / "rows.jsonl", limit=40)
        every, _ = write(source, tmp_path / "every.jsonl")
        assert len(rows) == 40
        assert counts.left_out == {"not drawn": 60}
        assert rows == [row for row in every if row in rows]
        assert len({row["repo"] for row in rows}) >= 8, "40 of 100 functions miss none of ten projects, but by chance"

    def test_a_seed_draws_the_same_and_another_one_others(self, tmp_path: Path) -> None:
        source = ten_projects(tmp_path / "all")
        first, _ = write(source, tmp_path / "a.jsonl", limit=40, seed=1)
        again, _ = write(source, tmp_path / "b.jsonl", limit=40, seed=1)
        other, _ = write(source, tmp_path / "c.jsonl", limit=40, seed=2)
        assert first == again
        assert 5 < sum(row in first for row in other) < 30

    def test_a_limit_beyond_all_takes_all(self, tmp_path: Path) -> None:
        source = ten_projects(tmp_path / "all")
        assert len(write(source, tmp_path / "rows.jsonl", limit=1000)[0]) == 100

    def test_duplicates_are_out_before_it(self, tmp_path: Path) -> None:
        source = projects(tmp_path / "all", a=[1] * 50, b=[1, 2, 3])
        rows, counts = write(source, tmp_path / "rows.jsonl", limit=3)
        assert [(row["repo"], row["func_name"]) for row in rows] == [("a", "work_1"), ("b", "work_2"), ("b", "work_3")]
        assert counts.left_out == {"duplicate": 50}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_the_same_sources_make_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path, name: str) -> None:
    made = []
    for workers in (1, 2):
        out = tmp_path / str(workers) / name
        function_rows.write([STDLIB / "json", STDLIB / "asyncio"], out, Options(limit=200), workers=workers)
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert len(lines(out)) == 200
    if name.endswith(".gz"):
        assert made[0][3:8] == bytes(5), "neither a name nor a time is in the header (RFC 1952)"


class TestPartitions:
    def test_each_project_is_in_one_and_about_a_share_of_them_is_kept_apart(self, tmp_path: Path) -> None:
        source = ten_projects(tmp_path / "all")
        rows, counts = write(source, tmp_path / "rows.jsonl", test_share=0.2, validation_share=0.1)
        assert counts.projects == {"train": 7, "test": 2, "validation": 1}
        assert counts.functions == {"train": 70, "test": 20, "validation": 10}
        assert len({(row["repo"], row["partition"]) for row in rows}) == 10
        assert {row["partition"] for row in rows} == {"train", "test", "valid"}

    def test_shares_are_of_all_projects_and_not_of_what_the_other_one_left(self) -> None:
        splits = assign_projects(dict.fromkeys(map(str, range(20))), validation_share=0.3, test_share=0.4)
        assert Counter(splits.values()) == {"test": 8, "validation": 6, "train": 6}

    def test_with_fewer_than_five_all_is_for_training(self, tmp_path: Path) -> None:
        source = projects(tmp_path / "all", a=[1], b=[2], c=[3], d=[4])
        _, counts = write(source, tmp_path / "rows.jsonl", test_share=0.5)
        assert counts.functions == {"train": 4}

    def test_a_split_that_the_source_names_wins_and_takes_none_of_the_rest(self, tmp_path: Path) -> None:
        """As with a package list that names its validation packages: of the others only the test is drawn."""
        file = tmp_path / "list.jsonl"
        file.write_text("".join(published(f"o/p{i}", i, "valid" if i == 0 else "") for i in range(11)))
        rows, _ = write(file, tmp_path / "rows.jsonl", test_share=0.2, validation_share=0.5)
        found = {row["repo"]: row["partition"] for row in rows}
        assert found["o/p0"] == "valid"
        assert sorted(found.values()) == ["test"] * 2 + ["train"] * 8 + ["valid"]

    def test_a_project_in_two_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "list.jsonl"
        file.write_text(published("o/p", 1, "train") + published("o/p", 2, "test"))
        with pytest.raises(CodelmError, match=r"list\.jsonl: o/p is for train and for test"):
            write(file, tmp_path / "rows.jsonl")


class TestFailures:
    def test_the_file_is_there_whole_or_not_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = ten_projects(tmp_path / "all")
        write(source, tmp_path / "rows.jsonl.gz", limit=5)
        before = (tmp_path / "rows.jsonl.gz").read_bytes()

        def full(*_args: object, **_options: object) -> str:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(function_rows.json, "dumps", full)
        with pytest.raises(CodelmError, match=r"rows\.jsonl\.gz: No space left on device; nothing was changed"):
            write(source, tmp_path / "rows.jsonl.gz")
        assert (tmp_path / "rows.jsonl.gz").read_bytes() == before
        assert sorted(file.name for file in tmp_path.iterdir()) == ["all", "rows.jsonl.gz"]

    @pytest.mark.parametrize(
        ("command", "problem"),
        [
            ("functions nowhere --out r.jsonl", "nowhere: no such file or folder"),
            ("functions empty.py --out r.jsonl", "empty.py: no function is left (1 short)"),
            ("functions empty.py --out r.json", "r.json: rows are written to a .jsonl or a .jsonl.gz file"),
            ("functions empty.py --out r.jsonl --limit -1", "the limit -1 is not"),
            ("functions empty.py --out r.jsonl --test-share 2", "the test share 2.0 is not between 0 and 0.5"),
        ],
    )
    def test_are_one_line_and_leave_nothing(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        command: str,
        problem: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty.py").write_text("def f(): pass\n")
        assert main(command.split()) == 2
        assert f"codelm-train: {problem}" in capsys.readouterr().err.splitlines()[-1]
        assert [file.name for file in tmp_path.iterdir()] == ["empty.py"]


# --- the published form, by hand -----------------------------------------------------------------------------

PUBLISHED = [
    r"""{"repo": "someone/tube", "path": "src/tube/extract.py", "func_name": "Tube.vid_from_url", """
    r""""original_string": "def vid_from_url(url):\n        \"\"\"Extracts video ID from URL.\n        \"\"\"\n """
    r"""       return match1(url, r'youtu\\.be/([^?/]+)') or \\\n          match1(url, r'/v/([^/?]+)')", """
    r""""language": "python", "code": "def vid_from_url(url):\n        \"\"\"Extracts video ID from URL.\n        """
    r"""\"\"\"\n        return match1(url, r'youtu\\.be/([^?/]+)') or \\\n          match1(url, r'/v/([^/?]+)')", """
    r""""code_tokens": ["def", "vid_from_url", "(", "url", ")", ":", "return", "match1", "(", "url", ",", """
    r""""r'youtu\\.be/([^?/]+)'", ")", "or", "match1", "(", "url", ",", "r'/v/([^/?]+)'", ")"], """
    r""""docstring": "Extracts video ID from URL.", "docstring_tokens": ["Extracts", "video", "ID", "from", "URL", """
    r""""."], "sha": "b746ac01c9f39de94cac2d56f665285b0523b974", "url": "https://github.com/someone/tube/blob/"""
    r"""b746ac01c9f39de94cac2d56f665285b0523b974/src/tube/extract.py#L135-L143", "partition": "test"}""",
    r"""{"repo": "other/text", "path": "text/sina.py", "func_name": "to_list", "original_string": """
    r""""def to_list(xml):\n    \"\"\"str->list\n    Größe 📏 to list.\"\"\"\n    rawurl = []\n    return rawurl", """
    r""""language": "python", "code": "def to_list(xml):\n    \"\"\"str->list\n    Größe 📏 to list.\"\"\"\n    """
    r"""rawurl = []\n    return rawurl", "code_tokens": ["def", "to_list", "(", "xml", ")", ":", "rawurl", "=", "[", """
    r""""]", "return", "rawurl"], "docstring": "str->list\n    Größe 📏 to list.", "docstring_tokens": ["str", "-", """
    r"""">", "list", "Größe", "📏", "to", "list", "."], "sha": "0123456789abcdef0123456789abcdef01234567", """
    r""""url": "https://github.com/other/text/blob/0123456789abcdef0123456789abcdef01234567/text/sina.py#L2-L6", """
    r""""partition": "train"}""",
    r"""{"repo": "third/shop", "path": "shop.py", "func_name": "total", "original_string": "def total(cart):\n    """
    r"""'''Sum it up.'''\n    return sum(item.price for item in cart)", "language": "python", "code": """
    r""""def total(cart):\n    '''Sum it up.'''\n    return sum(item.price for item in cart)", "code_tokens": """
    r"""["def", "total", "(", "cart", ")", ":", "return", "sum", "(", "item", ".", "price", "for", "item", "in", """
    r""""cart", ")"], "docstring": "Sum it up.", "docstring_tokens": ["Sum", "it", "up", "."], "sha": """
    r""""89abcdef0123456789abcdef0123456789abcdef", "url": "https://github.com/third/shop/blob/"""
    r"""89abcdef0123456789abcdef0123456789abcdef/shop.py#L9-L11", "partition": "valid"}""",
]


def published_file(folder: Path, name: str) -> Path:
    content = "".join(row + "\n" for row in PUBLISHED).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def published(repo: str, number: int, partition: str) -> str:
    row = {**json.loads(PUBLISHED[2]), "repo": repo, "code": body(number), "partition": partition}
    return json.dumps(row) + "\n"


def sequences(corpus: Corpus, split: str) -> dict[str, list[str]]:
    """Return the words of each sequence by project and path."""
    part = corpus.split(split)
    places = [f"{project}/{path}" for project, path in zip(part.projects, part.paths, strict=True)]
    return {place: [corpus.lexicon.words[i] for i in ids] for place, ids in zip(places, part, strict=True)}


def made(argv: list[str]) -> None:
    assert main(argv) == 0


@pytest.mark.parametrize("name", ["python_train_0.jsonl", "python_train_0.jsonl.gz"])
def test_published_rows_become_a_corpus_of_their_tokens_in_their_partitions(tmp_path: Path, name: str) -> None:
    file = published_file(tmp_path, name)
    made(["corpus", str(file), "--code-tokens", "--longest", "15", "--out", str(tmp_path / "corpus")])
    corpus = open_corpus(tmp_path / "corpus")
    tokens = [json.loads(row)["code_tokens"] for row in PUBLISHED]
    assert corpus.stream == "code_tokens"
    assert sequences(corpus, "test") == {"someone/tube/src/tube/extract.py:Tube.vid_from_url": tokens[0][:15]}
    assert sequences(corpus, "train") == {"other/text/text/sina.py:to_list": tokens[1]}
    assert sequences(corpus, "validation") == {"third/shop/shop.py:total": tokens[2][:15]}


@pytest.mark.parametrize("name", ["python_train_0.jsonl", "python_train_0.jsonl.gz"])
def test_published_rows_made_anew_have_the_published_tokens(tmp_path: Path, name: str) -> None:
    rows, _ = write(published_file(tmp_path, name), tmp_path / "rows.jsonl")
    same = ["repo", "path", "func_name", "original_string", "language", "code_tokens", "docstring", "partition"]
    before = [json.loads(row) for row in PUBLISHED]
    assert [[row[field] for field in same] for row in rows] == [[row[field] for field in same] for row in before]
    assert [row["docstring_tokens"] for row in rows] == [row["docstring_tokens"] for row in before]


# --- end to end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["functions.jsonl", "functions.jsonl.gz"])
def test_from_sources_through_rows_to_datasets_and_to_a_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = ten_projects(tmp_path / "all")
    long = "".join(f"    total = total + part_{i}\n" for i in range(60))
    for project in source.iterdir():
        (project / "long.py").write_text(f"def add_{project.name}(total):\n{long}    return total\n")
    file = tmp_path / name
    made(["functions", str(source), "--out", str(file), "--test-share", "0.2", "--workers", "1"])

    loaded = load(file, tmp_path / "cache", monkeypatch)
    assert loaded == lines(file)
    assert set(loaded[0]) == set(FIELDS)

    corpus_of = ["corpus", str(file), "--code-tokens", "--longest", "127", "--similarity", "1", "--workers", "1"]
    made([*corpus_of, "--out", str(tmp_path / "corpus")])
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.stream == "code_tokens"
    for split, partition in (("train", "train"), ("validation", "valid"), ("test", "test")):
        rows = [row for row in loaded if row["partition"] == partition]
        expected = {f"{row['repo']}/{row['path']}:{row['func_name']}": row["code_tokens"][:127] for row in rows}
        assert sequences(corpus, split) == expected
        assert max(map(len, expected.values())) == 127
    assert corpus.manifest["cut"] == 10


def load(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Load rows as a user of ``datasets`` does, without the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    return list(datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(cache)))
