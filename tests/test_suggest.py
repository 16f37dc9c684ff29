"""What is suggested for a line: source text with the cursor drawn as a bar, and a model that is told what to say."""

import ast
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scripted import Script, ScriptedModel, sure_of

from codelm import beam, suggest
from codelm.completion import Suggestion
from codelm.layout import preferred_quote
from codelm.lexer import lex
from codelm.possible import is_possible
from codelm.suggest import Chosen, Line
from codelm.surroundings import CLOSES, Surroundings, surroundings
from codelm.words import word_of


def searched(source: str, script: Script, least: float = 0.3, limit: int = 1) -> tuple[Surroundings | None, list[Line]]:
    """How the line goes on, by a model whose script begins at the cursor, where no letter of a word is typed."""
    text, bar, rest = source.partition("|")
    assert bar, "no cursor in the source"
    tokens = [token for token in lex(text) if token.text]
    around = surroundings(tokens, len(text), text + rest, len(text))
    if around is None:
        return None, []
    model = ScriptedModel(script)
    beginnings = suggest.untyped(*beam.best_next(model, model.start(), 20), around, model.word)
    quote = preferred_quote(tokens)
    found = suggest.search(model, model.start(), beginnings, around, model.word, quote, least=least, limit=limit)
    return around, found


def chosen(source: str, script: Script, least: float = 0.3, limit: int = 1, *, asked: bool = False) -> list[Chosen]:
    around, lines = searched(source, script, least, limit)
    return suggest.choose(lines, around, least=least, limit=limit, asked=asked) if around is not None else []


def accepted(source: str, suggestion: Suggestion) -> str:
    text = source.replace("|", "")
    return text[: suggestion.start] + suggestion.text + "|" + text[suggestion.end :]


def suggested(source: str, script: Script, **options) -> list[str]:
    """The source after accepting each suggestion, with the cursor behind it."""
    return [accepted(source, found.suggestion) for found in chosen(source, script, **options)]


# --- how much is shown -------------------------------------------------------------------------------------------


def test_a_line_is_suggested_to_its_end():
    found = chosen("x = |", sure_of("f", "(", "a", ",", "b", ")", probability=0.95))
    assert [one.suggestion.text for one in found] == ["f(a, b)"]
    assert found[0].suggestion.probability == pytest.approx(0.95**7, rel=1e-4)


def test_a_line_that_is_not_probable_enough_is_shown_up_to_where_it_is():
    script = sure_of("self", ".", "name", "=", "value") | {"self . name =": {"value": 0.1, "other": 0.1}}
    assert suggested("|", script) == ["self.name|"]
    assert suggested("|", script, least=0.5) == []


def test_a_part_of_a_line_must_be_surer_than_a_whole_line():
    whole = sure_of("f", "(", "a", ")", probability=0.8)
    part = whole | {"f ( a": {")": 0.1, ",": 0.1, "+": 0.1}}
    assert suggested("x = |", whole, least=0.3) == ["x = f(a)|"]
    assert suggested("x = |", part, least=0.3) == ["x = f(|"]
    assert suggested("x = |", part, least=0.4) == []


def test_a_part_ends_where_an_expression_can_or_a_call_begins():
    script = sure_of("a", "+", "b", "*", "c") | {"a + b *": {"c": 0.2, "d": 0.2}}
    assert suggested("x = |", script) == ["x = a + b|"]
    script = sure_of("a", ".", "f", "(", "c") | {"a . f (": {"c": 0.2, "d": 0.2}}
    assert suggested("x = |", script) == ["x = a.f(|"]


def test_a_single_word_of_a_line_is_left_to_the_list_of_completions():
    script = sure_of("self", ".", "name") | {"self .": {"name": 0.2, "value": 0.2}}
    assert suggested("x = |", script) == []
    assert suggested("x = |", sure_of("self")) == ["x = self|"]  # but this is the whole line


@pytest.mark.parametrize("word", ["<STR>", "<NUM>", "[UNK]"])
def test_what_cannot_be_written_is_not_and_nothing_behind_it(word):
    script = sure_of("f", "(", "a", ",", word, ")")
    assert suggested("x = |", script) == ["x = f(a|"]
    assert suggested("x = |", sure_of(word)) == []


def test_words_that_only_repeat_themselves_end_the_line():
    script: Mapping[str, Mapping[str, float]] = {
        " ".join(["a", "+"] * times + ["a"] * odd): {"+" if odd else "a": 1.0} for times in range(20) for odd in (0, 1)
    }
    assert suggested("x = |", script) == ["x = a + a + a|"]


def test_several_are_the_best_and_none_is_how_another_begins():
    script = {
        "": {"f": 0.55, "g": 0.4},
        "f": {"(": 1.0},
        "f (": {")": 0.6, "a": 0.3},
        "f ( a": {")": 1.0},
        "g": {"(": 1.0},
        "g (": {")": 0.9},
    }
    assert suggested("x = |", script, least=0.15, limit=3) == ["x = g()|", "x = f()|", "x = f(a)|"]
    assert suggested("x = |", script, least=0.15, limit=1) == ["x = g()|"]


# --- what is right of the cursor ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = f(|)", "x = f(a)|"),
        ("x = f(|", "x = f(a)|"),
        ("x = [f(|]", "x = [f(a)|]"),
        ("x = f(|)  # why", "x = f(a)|  # why"),
        ("if f(|):\n    pass", "if f(a|):\n    pass"),
        ("x = f(\n    |\n)", "x = f(\n    a|\n)"),
        ("x = f(\n    b,\n    |\n)", "x = f(\n    b,\n    a|\n)"),
    ],
)
def test_a_bracket_is_closed_once(source, expected):
    assert suggested(source, sure_of("a", ")")) == [expected]


@pytest.mark.parametrize("source", ["f(|, b)", "x = | + 1", "|x = 1", "f(|\n    a,\n)", "x = f(| y"])
def test_nothing_is_suggested_in_the_middle_of_code(source):
    assert suggested(source, sure_of("a", ".", "b")) == []


@pytest.mark.parametrize("source", ["if |:", "if |:\n    pass", "x = {'a': |,", "for x in |: # each"])
def test_a_line_ends_before_the_colon_or_comma_that_is_there(source):
    sign = source.partition("|")[2][0]
    assert suggested(source, sure_of("a", "(", ")", sign)) == [source.replace("|", "a()|")]


@pytest.mark.parametrize(
    ("source", "script", "expected"),
    [
        ("with f(|)", sure_of("a", ")", "as", "b", ":"), "with f(a) as b:|"),
        ("with f(|", sure_of("a", ")", "as", "b", ":"), "with f(a) as b:|"),
        ("x = g(f(|)", sure_of("a", ")", ")"), "x = g(f(a))|"),
        ("x = g(f(|))", sure_of("a", ")", ",", "b", ")"), "x = g(f(a), b)|"),
        ("x = [\n    f(|)\n]", sure_of("a", ")", "]"), "x = [\n    f(a)|\n]"),
    ],
)
def test_what_follows_a_bracket_that_the_editor_closed_is_suggested_with_it(source, script, expected):
    assert suggested(source, script) == [expected]


def test_a_part_leaves_the_brackets_that_it_does_not_close():
    script = sure_of("a", ".", "b") | {"a . b": {")": 0.1, "+": 0.1}}
    assert suggested("x = f(|)", script) == ["x = f(a.b|)"]


def test_a_name_in_brackets_is_no_part_for_it_adds_but_a_word():
    script = sure_of("a", ")") | {"a )": {".": 0.3, "+": 0.3}}
    assert suggested("x = f(|)", script, least=0.4) == []


def test_a_bracket_that_is_not_open_is_not_closed():
    assert suggested("x = |", sure_of("a", "(", "b", ")", ")")) == ["x = a(b)|"]


def test_brackets_are_closed_by_their_own_kind():
    assert suggested("x = f[|", sure_of("a", "(", "b", "]")) == ["x = f[a(b|"]


def test_in_a_bracket_no_line_ends():
    script = {"": {"a": 1.0}, "a": {"<NEWLINE>": 0.9, ")": 0.1}}
    assert suggested("f(|", script) == ["f(a)|"]


def test_where_elements_have_lines_of_their_own_a_line_ends_behind_its_comma():
    script = sure_of("a", ":", "b", ",", "c", ":", "d", "}")
    assert suggested("x = {\n    z: y,\n    |", script) == ["x = {\n    z: y,\n    a: b,|"]
    assert suggested("x = {\n    z: y,\n    |\n}\n", script) == ["x = {\n    z: y,\n    a: b,|\n}\n"]
    assert suggested("x = {z: y,\n     |", script, least=0.2)[0].count("c: d}") == 1


def test_a_lone_comma_is_not_suggested_nor_what_would_be_on_the_next_line():
    assert suggested("x = {\n    a: b|", sure_of(",", "c", ":", "d", ",")) == []


def test_where_elements_have_lines_of_their_own_so_has_the_bracket_that_closes_them():
    assert suggested("x = f(\n    |", sure_of("a", "(", "b", ")", ")")) == ["x = f(\n    a(b)|"]


# --- what Python is not ------------------------------------------------------------------------------------------


def test_a_line_does_not_end_where_python_does_not():
    script = {"": {"f": 1.0}, "f": {"(": 1.0}, "f (": {")": 1.0}, "f ( )": {"<NEWLINE>": 0.7, ":": 0.3}}
    assert suggested("def |", script) == ["def f():|"]
    assert suggested("x = |", script) == ["x = f()|"]


def test_what_cannot_be_python_with_the_rest_of_the_line_is_not_shown_whole():
    assert suggested("x = [|]", sure_of("a", "+", "b", "]", probability=0.8)) == ["x = [a + b]|"]
    assert suggested("x = [|]", sure_of("a", "+", "]", probability=0.8)) == []


# --- what is shown to who asks ---------------------------------------------------------------------------------------


def test_a_closing_bracket_answers_who_asks():
    assert suggested("x = f(a|", sure_of(")")) == []
    assert suggested("x = f(a|", sure_of(")"), asked=True) == ["x = f(a)|"]


def test_where_nothing_better_is_the_next_word_answers_who_asks():
    script = {"": {"+": 0.4, ".": 0.3, ")": 0.3}, "+": {"a": 0.1, "b": 0.1}, ".": {"a": 0.1, "b": 0.1}}
    assert suggested("x = f(a|", script, least=0.05) == []
    assert suggested("x = f(a|", script, least=0.05, asked=True) == ["x = f(a +|"]


def test_what_is_better_goes_before_it():
    script = sure_of("f", "(", "a", ")")
    assert suggested("x = |", script, asked=True, limit=3) == suggested("x = |", script, limit=3) == ["x = f(a)|"]


# --- what is a nuisance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "script"),
    [
        ("f(a|", sure_of(")")),
        ("f(g(a|", sure_of(")", ")")),
        ("f(a, b|", sure_of(",")),
        ("def f()|", sure_of(":")),
    ],
)
def test_brackets_and_lone_operators_are_not_suggested(source, script):
    assert suggested(source, script) == []


def test_nothing_is_suggested_where_the_line_is_more_likely_to_end():
    script = {"": {"<NEWLINE>": 0.6, "+": 0.4}, "+": {"b": 1.0}}
    assert suggested("x = a|", script, least=0.5) == []
    assert suggested("x = a |", script, least=0.5) == ["x = a + b|"]  # a blank was typed: it goes on


def test_a_line_is_not_suggested_that_stands_above_or_below():
    script = sure_of("f", "(", "a", ")")
    assert suggested("f(a)\n|", script) == []
    assert suggested("|\nf(a)\n", script) == []
    assert suggested("f(b)\n|", script) == ["f(b)\nf(a)|"]


# --- layout ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x =|", "x = -a|"),
        ("x = |", "x = -a|"),
        ("return|", "return -a|"),
        ("f(|)", "f(-a|)"),
        ("f(b,|)", "f(b, -a|)"),
        ("x = [\n    |", "x = [\n    -a|"),
    ],
)
def test_a_blank_comes_before_it_where_there_is_none(source, expected):
    assert suggested(source, sure_of("-", "a")) == [expected]


def test_behind_a_blank_comes_a_word_that_bears_one():
    script = {"": {"(": 0.8, "=": 0.1}, "=": {"b": 1.0}, "(": {")": 1.0}}
    assert suggested("a |", script) == ["a = b|"]
    assert suggested("a|", script, least=0.5) == ["a()|"]


def test_strings_have_the_quotes_of_those_around():
    script = sure_of("d", "[", '"key"', "]")
    assert suggested("y = 'a'\nx = |", script) == ["y = 'a'\nx = d['key']|"]
    assert suggested('y = "a"\nx = |', script) == ['y = "a"\nx = d["key"]|']


# --- laws --------------------------------------------------------------------------------------------------------

_WORDS = ["a", "b", "f", ".", "(", ")", "[", "]", "=", ",", "1", '"k"', ":", "+", "if", "else", "for", "in", "not"]
_SOURCES = [
    "|",
    "x = |",
    "f(|",
    "f(|)",
    "x = [f(|)]",
    "if |:",
    "x = {\n    |\n}",
    "f(a,\n  |",
    "for x in |",
    "a|",
    "(|\n",
    "f(a|):",
]


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, dict[str, float]]:
    """Draw a script: some sentences, the first ones probable."""
    script: dict[str, dict[str, float]] = {}
    for sentence in draw(st.lists(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=8), min_size=1, max_size=3)):
        for place, word in enumerate([*sentence, "<NEWLINE>"]):
            script.setdefault(" ".join(sentence[:place]), {}).setdefault(word, draw(st.floats(0.2, 1)))
    return {
        read: {word: share / sum(after.values()) for word, share in after.items()} for read, after in script.items()
    }


@given(st.sampled_from(_SOURCES), scripts())
def test_accepted_it_leaves_the_text_around_as_it_is_and_closes_what_is_open(source, script):
    text, _, rest = source.partition("|")
    for found in chosen(source, script, least=0.05, limit=3):
        suggestion = found.suggestion
        after = accepted(source, suggestion).replace("|", "")
        assert after.startswith(text)
        replaced = rest[: suggestion.end - len(text)]
        assert after.endswith(rest.removeprefix(replaced))
        added = iter(suggestion.text)
        assert all(bracket in added for bracket in replaced), "what was there stays, with more between"
        assert suggestion.text.strip()
        assert "\n" not in suggestion.text
        assert 0.05 <= suggestion.probability <= 1
        for closing, opening in CLOSES.items():
            assert after.count(closing) - after.count(opening) <= max(0, source.count(closing) - source.count(opening))
        if rest.partition("\n")[0]:
            for closing, opening in CLOSES.items():
                assert after.count(opening) - after.count(closing) <= max(
                    0, source.count(opening) - source.count(closing)
                )


@given(st.sampled_from(_SOURCES), scripts())
@example("|", sure_of("(", "+", "="))
@example("|", sure_of("(", ".", "1"))
def test_accepted_it_is_the_words_that_were_searched(source, script):
    text = source.partition("|")[0]
    before = [word_of(token.kind, token.text) for token in lex(text) if token.text.strip()]
    around, lines = searched(source, script, 0.05, 3)
    for line in lines:
        after = text + line.text(len(line.words))
        if is_possible(around, line.words) and not around.open:
            assert [word_of(token.kind, token.text) for token in lex(after) if token.text.strip()] == [
                *before,
                *line.words,
            ]


@given(scripts())
def test_a_whole_line_is_python(script):
    for found in chosen("x = |", script, least=0.05, limit=3):
        try:
            ast.parse("x = " + found.suggestion.text)
        except SyntaxError:
            assert not found.is_whole


@given(scripts())
def test_the_marks_lead_to_the_probability_of_the_whole(script):
    for found in chosen("x = |", script, least=0.05, limit=3):
        ends, probabilities = zip(*found.marks, strict=True)
        assert ends[-1] == len(found.suggestion.text)
        assert list(ends) == sorted(ends)
        assert list(probabilities) == sorted(probabilities, reverse=True)
        assert found.suggestion.probability <= probabilities[-1] + 1e-6


# --- what is typed -----------------------------------------------------------------------------------------------


def test_what_letters_become_is_as_probable_as_among_all_words_that_begin_so():
    log_probs = np.log(np.array([0.2, 0.1, 0.1], np.float32))
    begun = suggest.typed(np.array([5, 6, 7]), log_probs, ("named", "names", "Name"), "na", 0.0)
    assert begun.texts == ("named", "names")
    np.testing.assert_allclose(np.exp(begun.log_probs), [0.5, 0.25], rtol=1e-5)


def test_the_letters_may_be_a_word_that_nobody_has_seen():
    begun = suggest.typed(np.array([5]), np.log(np.array([0.1], np.float32)), ("named",), "na", 0.2, unknown=1)
    assert begun.texts == ("named", "na")
    assert begun.ids.tolist() == [5, 1]
    assert 0 < np.exp(begun.log_probs[1]) < np.exp(begun.log_probs[0]) < 1
    known = suggest.typed(np.array([5]), np.log(np.array([0.1], np.float32)), ("na",), "na", 0.2, unknown=1)
    assert known.texts == ("na",)
