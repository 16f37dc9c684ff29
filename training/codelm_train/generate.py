"""A trained model writes on: from a prompt to text, greedily, by beam search or by sampling.

What comes out is no completion for an editor: nothing checks that it is Python. The model alone is asked, from its
beginning of a sequence, and the prompt is all that it knows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from codelm import sampling
from codelm.beam import Hypothesis
from codelm.errors import UsageError
from codelm.layout import pieces_of
from codelm.lexer import Kind, Token, lex
from codelm.model import LanguageModel
from codelm.sampling import Sampling
from codelm.vocabulary import EOS, PAD, UNK, Vocabulary
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE, STRUCTURE_WORDS, words_of
from codelm_train.encode import read_words

ENDS, NEVER = frozenset([EOS]), frozenset([PAD, UNK])
LONGEST = 50
BEAMS = 4
INDENTATION = "    "

_STRUCTURE = frozenset(STRUCTURE_WORDS.values())
_STRING, _NUMBER = "'…'", "0"
_WRITTEN = {LONG_STRING: _STRING, LONG_NUMBER: _NUMBER}
_BLANK_LAST_LINE = re.compile(r"(?:(?<=[\r\n])|\A)[ \t]+\Z")


@dataclass(frozen=True, slots=True)
class Greedy:
    """The most probable word, again and again."""


@dataclass(frozen=True, slots=True)
class Beam:
    """The ``count`` most probable continuations that so many beams find, each different. Raises UsageError."""

    beams: int = BEAMS
    count: int = 1

    def __post_init__(self) -> None:
        _at_least_one(beams=self.beams, count=self.count)
        if self.count > self.beams:
            raise UsageError(f"count {self.count} is more than the {self.beams} beams")


@dataclass(frozen=True, slots=True)
class Sample:
    """``count`` continuations that are drawn, the same ones for the same seed. Raises UsageError."""

    sampling: Sampling = field(default_factory=Sampling)
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least_one(count=self.count)
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is not 0 or more")


Strategy = Greedy | Beam | Sample


@dataclass(frozen=True, slots=True)
class Generated:
    """A continuation: the prompt with it as text, its words, and the log probability of those and their end."""

    text: str
    words: tuple[str, ...]
    log_prob: float
    ended: bool
    """Whether the model ended the sequence there, rather than being cut at the greatest length."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model and a layout know of a prompt: ``text`` is what they write behind.

    ``words``: what it is to a model. ``indents``: the white space at the beginning of the lines of each open block.
    """

    text: str
    words: tuple[str, ...]
    indents: tuple[str, ...]


def generate(
    model: LanguageModel[Any],
    vocabulary: Vocabulary,
    stream: str,
    prompt: str,
    strategy: Strategy,
    longest: int = LONGEST,
) -> list[Generated]:
    """Continue a prompt by at most ``longest`` words of a ``stream``: the best one first, or in the order drawn.

    ``[UNK]`` is never generated, and ``[EOS]`` ends. Raises UsageError.
    """
    _at_least_one(length=longest)
    read = read_prompt(prompt) if stream == "code" else _without_structure(read_prompt(prompt))
    model, state = read_words(model, vocabulary, read.words)
    found = []
    for hypothesis in _hypotheses(model, state, len(vocabulary), strategy, longest):
        words = tuple(vocabulary.words[number] for number in hypothesis.ids)
        text = joined(read.text, render(words, read.words, read.indents) if stream == "code" else _with_blanks(words))
        found.append(Generated(text, words, hypothesis.log_prob, hypothesis.ended))
    return found


def _hypotheses(model: LanguageModel[Any], state: Any, size: int, strategy: Strategy, longest: int) -> list[Hypothesis]:
    if isinstance(strategy, Greedy):
        return [sampling.greedy(model, state, longest, ENDS, NEVER)]
    if isinstance(strategy, Beam):
        return sampling.search(model, state, strategy.beams, longest, ENDS, NEVER)[: strategy.count]
    rng = np.random.default_rng(strategy.seed)
    return [
        sampling.sample(model, state, size, strategy.sampling, rng, longest, ENDS, NEVER) for _ in range(strategy.count)
    ]


def _at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UsageError(f"{name} {number} is not 1 or more")


# --- prompts -----------------------------------------------------------------------------------------------------


def read_prompt(prompt: str) -> Prompt:
    """Read a prompt of code. A last line without an end goes on; white space as a last line opens or closes blocks.

    Behind the end of a line it is open which blocks end there: that is for the model to say.
    """
    tokens = _closed_by_nothing(lex(prompt))
    if any(token.kind is Kind.COMMENT for token in tokens[-1:]):
        return read_prompt(prompt + "\n")  # whatever followed on its line would be of the comment
    # A letter at the cursor makes its line one, and the white space before it the line's indentation.
    marked = lex(prompt + "x") if _BLANK_LAST_LINE.search(prompt) else []
    while marked and not marked[-1].text:
        marked.pop()
    if marked and marked[-1].start == len(prompt):  # and no part of a string
        tokens = marked[:-1]
    words = tuple(words_of(tokens))
    indents: list[str] = []
    for token in tokens:
        if token.kind is Kind.INDENT:
            indents.append(token.text)
        elif token.kind is Kind.DEDENT:
            indents.pop()
    # A line that begins is written with its indentation.
    text = prompt if _unfinished(words) else _BLANK_LAST_LINE.sub("", prompt)
    return Prompt(text, words, tuple(indents))


def _closed_by_nothing(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens of a text without what the lexer closes it with: a NEWLINE and DEDENTs that have no text."""
    end = len(tokens)
    while end and not tokens[end - 1].text:
        end -= 1
    return list(tokens[:end])


def _without_structure(prompt: Prompt) -> Prompt:
    words = tuple(word for word in prompt.words if word not in _STRUCTURE)
    return Prompt(prompt.text, words, ())


# --- text --------------------------------------------------------------------------------------------------------


def render(words: Sequence[str], before: Sequence[str] = (), indents: Sequence[str] = ()) -> str:
    """Return words of the stream ``code`` as the text that follows the words ``before``.

    ``indents`` is the white space of each open block; blocks that the words open are indented by as much as the first
    of those, or four blanks. A logical line becomes one line. Long strings are written ``'…'`` and long numbers 0, as
    no model knows them; and a block without any line, as docstrings leave it, is a ``'…'``.

    >>> print(render(["def", "f", "(", ")", ":", NEWLINE, INDENT, "return", LONG_NUMBER, NEWLINE, DEDENT]))
    def f():
        return 0
    <BLANKLINE>
    """
    unit = indents[0] if indents else INDENTATION
    blocks = list(indents)
    pieces: list[str] = []
    begun, current = [_WRITTEN.get(word, word) for word in _unfinished(before)], list[str]()

    def write() -> None:
        if current:
            pieces.append("" if begun else "".join(blocks[-1:]))
            pieces.extend(pieces_of(current, begun))
            begun.extend(current)
            current.clear()

    last = before[-1] if before else ""
    for word in words:
        if word not in _STRUCTURE:
            current.append(_WRITTEN.get(word, word))
        else:
            write()
        if word == NEWLINE:
            pieces.append("\n")
            begun.clear()
        elif word == INDENT:
            blocks.append("".join(blocks[-1:]) + unit)
        elif word == DEDENT and blocks:
            if last == INDENT:
                pieces.append(f"{blocks[-1]}{_STRING}\n")
            blocks.pop()
        last = word
    write()
    return "".join(pieces)


def joined(prompt: str, text: str) -> str:
    """Return a prompt and the text behind it; where both have a blank there, one is enough."""
    return prompt + (text.lstrip(" ") if prompt[-1:] in (" ", "\t") else text)


def _unfinished(words: Sequence[str]) -> Sequence[str]:
    """Return those of the words that stand on the last logical line."""
    return words[max((place for place, word in enumerate(words, 1) if word in _STRUCTURE), default=0) :]


def _with_blanks(words: Sequence[str]) -> str:
    return "".join(f" {_WRITTEN.get(word, word)}" for word in words)
