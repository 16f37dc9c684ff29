"""A model writes on: prompts → words, words → text, and ``codelm-train generate`` as it is typed."""

import json
from pathlib import Path

import models
import pytest
from hypothesis import given
from hypothesis import strategies as st

import codelm
from codelm import checkpoint
from codelm.errors import UsageError
from codelm.lexer import Kind, lex
from codelm.sampling import Sampling
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE, words
from codelm_train.cli import main
from codelm_train.generate import Beam, Greedy, Sample, generate, joined, read_prompt, render

SOURCES = [(Path(codelm.__file__).parent / name).read_text("utf-8") for name in ("layout.py", "beam.py", "errors.py")]
STRATEGIES = [Greedy(), Beam(), Sample(), Sample(Sampling(temperature=0.5, top_k=20, top_p=0.9), count=2, seed=1)]


def as_written(some: list[str]) -> list[str]:
    """What words are once they were written and read again: strings and numbers that no one knows are some."""
    return [{LONG_STRING: '"…"', LONG_NUMBER: "0"}.get(word, word) for word in some]


# --- prompts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("def train (", ["def", "train", "("]),
        ("def train", ["def", "train"]),
        ("x = 1", ["x", "=", "1"]),
        ("x = 1\n", ["x", "=", "1", NEWLINE]),
        ("x = ", ["x", "="]),
        ("if x:\n", ["if", "x", ":", NEWLINE]),
        ("if x:\n    ", ["if", "x", ":", NEWLINE, INDENT]),
        ("if x:\n    y", ["if", "x", ":", NEWLINE, INDENT, "y"]),
        ("if x:\n    y\n", ["if", "x", ":", NEWLINE, INDENT, "y", NEWLINE]),
        ("if x:\n    if y:\n        z\n    ", [*words("if x:\n    if y:\n        z\n")[:-1]]),
        ("f(x,\n  ", ["f", "(", "x", ","]),
        ('x = """a\n  ', ["x", "=", LONG_STRING]),
        ("x  # why", ["x", NEWLINE]),
        ('"""What this is."""\n', []),
    ],
)
def test_what_a_prompt_says_is_read_and_nothing_more(prompt, expected):
    """The lexer closes a text; a model that read those words would believe that the line, and its block, is over."""
    assert list(read_prompt(prompt).words) == expected


@given(st.lists(st.sampled_from([*"ax \t\n\r()[]:=\"'#\\1.", "if x:\n "])).map("".join))
def test_any_text_is_a_prompt(text):
    prompt = read_prompt(text)
    assert f"{text}\n".startswith(prompt.text)
    assert all(white.isspace() for white in prompt.indents)


def test_the_blocks_that_a_prompt_leaves_open_are_known_by_their_white_space():
    assert read_prompt("if x:\n  if y:\n\t    z\n").indents == ("  ", "\t    ")
    assert read_prompt("if x:\n  if y:\n    z\n  w = ").indents == ("  ",)
    assert read_prompt("if x:\n  y\nz").indents == ()


# --- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_the_words_of_a_file_are_written_as_a_file_of_those_words(source):
    assert words(render(words(source))) == as_written(words(source))


@given(st.data())
def test_wherever_a_file_is_cut_the_rest_is_written_behind_it(data):
    source = data.draw(st.sampled_from(SOURCES))
    kinds = (Kind.NAME, Kind.KEYWORD, Kind.OPERATOR, Kind.NUMBER, Kind.INDENT, Kind.NEWLINE)
    cuts = [token.end for token in lex(source) if token.kind in kinds and token.text]
    prompt = read_prompt(source[: data.draw(st.sampled_from(cuts))])
    every = words(source)
    rest = every[len(prompt.words) :]
    assert list(prompt.words) == every[: len(prompt.words)]
    text = joined(prompt.text, render(rest, prompt.words, prompt.indents))
    assert words(text) == [*prompt.words, *as_written(rest)]


@given(st.lists(st.sampled_from([NEWLINE, INDENT, DEDENT, LONG_STRING, LONG_NUMBER, "if", "x", ":", "(", ")", "="])))
def test_any_words_can_be_written(some):
    text = render(some)
    assert not {NEWLINE, INDENT, DEDENT, LONG_STRING, LONG_NUMBER}.intersection(text.split())
    assert text.count("\n") >= some.count(NEWLINE)


def test_blocks_are_indented_as_those_of_the_prompt():
    body = ["if", "x", ":", NEWLINE, INDENT, "y", NEWLINE, DEDENT, "z"]
    assert render(body) == "if x:\n    y\nz"
    assert render(body, (), ["\t"]) == "\tif x:\n\t\ty\n\tz"
    assert render([DEDENT, "else", ":"], (), ["  ", "      "]) == "  else:"


@pytest.mark.parametrize("white", ["    ", "\t"])
def test_a_line_that_only_has_its_indentation_is_written_anew(white):
    prompt = read_prompt(f"if x:\n{white}y\n{white}")
    assert joined(prompt.text, render(["z"], prompt.words, prompt.indents)) == f"if x:\n{white}y\n{white}z"
    assert joined(prompt.text, render([DEDENT, "z"], prompt.words, prompt.indents)) == f"if x:\n{white}y\nz"


def test_a_line_goes_on_with_the_blanks_that_belong_there():
    assert render(["=", "1"], ["x"]) == " = 1"
    assert render(["(", ")"], ["f"]) == "()"
    assert joined("x = ", render(["1"], ["x", "="])) == "x = 1"
    assert joined("x =", render(["1"], ["x", "="])) == "x = 1"


def test_a_block_whose_docstring_no_model_saw_is_still_a_block():
    text = render(words('class A(B):\n    """Why."""\n\nx = 1\n'))
    assert text == "class A(B):\n    '…'\nx = 1\n"
    compile(text, "text", "exec")


def test_strings_and_numbers_that_no_model_knows_are_some():
    assert render(["x", "=", LONG_STRING, "%", LONG_NUMBER]) == "x = '…' % 0"


# --- generating --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_every_strategy_writes_known_words_behind_the_prompt(strategy):
    vocabulary = models.vocabulary(300)
    for found in generate(models.ngram(size=300), vocabulary, "code", "def _get (", strategy, 30):
        assert found.text.startswith("def _get (")
        assert 0 < len(found.words) <= 30
        assert all(word in vocabulary for word in found.words)
        assert not {"[PAD]", "[UNK]", "[EOS]"}.intersection(found.words)
        assert found.ended == (len(found.words) < 30)
        assert found.log_prob < 0


def test_greedy_knows_what_it_has_seen_most_often():
    (found,) = generate(models.ngram(), models.vocabulary(), "code", "if not isinstance", Greedy(), 8)
    assert found.text.startswith("if not isinstance(")


def test_a_beam_finds_what_is_at_least_as_probable_as_what_greed_finds():
    model, vocabulary = models.ngram(), models.vocabulary()
    for prompt in ("def ", "x = ", "import os\n", "for x in"):
        (greedy,) = generate(model, vocabulary, "code", prompt, Greedy(), 6)
        every = generate(model, vocabulary, "code", prompt, Beam(beams=5, count=5), 6)
        assert every[0].log_prob >= greedy.log_prob
        assert [one.log_prob for one in every] == sorted((one.log_prob for one in every), reverse=True)
        assert len({one.words for one in every}) == len(every) == 5


def test_a_seed_draws_the_same_words_again_and_each_continuation_is_drawn_anew():
    model, vocabulary = models.ngram(), models.vocabulary()

    def drawn(seed: int) -> list[tuple[str, ...]]:
        return [one.words for one in generate(model, vocabulary, "code", "def ", Sample(count=3, seed=seed), 20)]

    assert drawn(1) == drawn(1)
    assert len({*drawn(1), *drawn(2)}) == 6


def test_the_end_of_a_sequence_ends_what_is_generated(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a b c\n" * 20, encoding="utf-8")
    assert main(["ngram", "--tokenised", str(text), "--order", "3", "--out", str(tmp_path / "model")]) == 0
    trained = checkpoint.load(tmp_path / "model")
    for strategy in (Greedy(), Beam(), Sample(Sampling(temperature=0.1))):
        (found,) = generate(trained.model, trained.vocabulary, "code_tokens", "a", strategy)
        assert (found.text, found.words, found.ended) == ("a b c", ("b", "c"), True)


def test_tokens_without_lines_are_read_and_written_without_lines():
    model, vocabulary = models.ngram(), models.vocabulary()
    (found,) = generate(model, vocabulary, "code_tokens", "if x:\n    return", Greedy(), 5)
    assert found.text == "if x:\n    return " + " ".join(found.words)
    (on_one_line,) = generate(model, vocabulary, "code_tokens", "if x: return", Greedy(), 5)
    assert (found.words, found.log_prob) == (on_one_line.words, on_one_line.log_prob)
    assert found.log_prob != generate(model, vocabulary, "code", "if x:\n    return", Greedy(), 5)[0].log_prob


@pytest.mark.parametrize(
    ("problem", "make"),
    [
        ("beams 0 ", lambda: Beam(beams=0)),
        ("count 0 ", lambda: Beam(count=0)),
        ("count 5 is more than the 4 beams", lambda: Beam(count=5)),
        ("count -1 ", lambda: Sample(count=-1)),
        ("seed -1 ", lambda: Sample(seed=-1)),
        ("length 0 ", lambda: generate(models.ngram(), models.vocabulary(), "code", "", Greedy(), 0)),
    ],
)
def test_what_cannot_be_is_told(problem, make):
    with pytest.raises(UsageError, match=problem):
        make()


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("models") / "model"
    checkpoint.save(folder, models.ngram(), models.vocabulary(), name="model", stream="code", facts={})
    return str(folder)


@pytest.mark.parametrize("strategy", ["greedy", "beam", "sample"])
def test_the_prompt_is_printed_with_what_follows_it(model, capsys, strategy):
    command = ["generate", model, "--prompt", "def train (", "--strategy", strategy, "--length", "12"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith("def train (")
    assert len(text) > len("def train (\n")
    assert main(command) == 0
    assert capsys.readouterr().out == text, "the same command prints the same"


def test_several_are_printed_behind_comments(model, capsys):
    assert main(["generate", model, "--prompt", "x =", "--strategy", "beam", "--count", "2", "--length", "3"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.startswith("# 1 of 2, log probability -")
    assert second.startswith("# 2 of 2, log probability -")
    assert "\nx = " in first


def test_json_is_an_object_a_line(model, capsys):
    options = "--strategy sample --temperature 0.7 --top-k 50 --top-p 0.9 --count 3 --seed 5 --length 9 --json"
    assert main(["generate", model, "--prompt", "import ", *options.split()]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == 3
    for one in found:
        assert set(one) == {"text", "words", "log_prob", "ended"}
        assert one["text"].startswith("import ")
        assert len(one["words"]) == 9


def test_a_temperature_near_0_prints_what_greedy_does(model, capsys):
    texts = []
    for options in (["--strategy", "greedy"], ["--strategy", "sample", "--temperature", "1e-9"]):
        assert main(["generate", model, "--prompt", "for x in", "--length", "6", *options]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--temperature 0.5", "--temperature is for --strategy sample, not greedy"),
        ("--strategy beam --top-k 5", "--top-k is for --strategy sample, not beam"),
        ("--strategy beam --seed 0", "--seed is for --strategy sample, not beam"),
        ("--strategy sample --beams 4", "--beams is for --strategy beam, not sample"),
        ("--count 2", "--count is for --strategy beam or sample, not greedy"),
        ("--strategy sample --temperature 0", "temperature 0.0 is not"),
        ("--strategy sample --top-p 1.5", "top_p 1.5 is not"),
        ("--length 0", "length 0 is not"),
        ("--prompt \udcff", "--prompt is not UTF-8"),
    ],
)
def test_what_the_options_get_wrong_is_one_line_and_status_2(model, capsys, options, problem):
    assert main(["generate", model, *options.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"codelm-train: {problem}")
    assert captured.err.count("\n") == 1


def test_a_folder_that_is_no_model_is_named(tmp_path, capsys):
    assert main(["generate", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a model" in capsys.readouterr().err
