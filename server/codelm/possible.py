"""How a line can go on: its brackets, what nobody can write, what only repeats itself, and what surely isn't Python."""

import ast
from collections.abc import Callable, Sequence

from codelm.beam import Judge, Next
from codelm.lexer import OPERATORS
from codelm.surroundings import CLOSES, OPENING, Surroundings
from codelm.vocabulary import SPECIAL_WORDS
from codelm.words import DEDENT, INDENT, LONG_NUMBER, LONG_STRING, NEWLINE

UNWRITABLE = frozenset([*SPECIAL_WORDS, LONG_STRING, LONG_NUMBER])
"""Words that stand for many texts."""
_LONGEST_RUN = 6  # words whose third repetition in a row is too much


def judge_of(around: Surroundings, word: Callable[[int], str]) -> Judge:
    """Return the judge of lines at a place; ``word`` says what the word of an id is.

    A line opens what it closes, unless it is open left of the cursor and nothing right of it closes it. It ends where
    what is right of the cursor begins; inside of brackets that each have lines of their own for their elements, it
    ends behind the comma or before the bracket.
    """

    def after(ids: Sequence[int]) -> Callable[[int], Next]:
        words = [word(number) for number in ids]
        return lambda number: following(around, words, word(number))

    return after


def following(around: Surroundings, words: Sequence[str], word: str) -> Next:
    """Return what ``word`` does behind the words of a hypothesis."""
    if word in UNWRITABLE:
        return Next.CUTS
    own, closed = open_behind(words)
    left = len(around.open) - closed
    if word == NEWLINE:
        return Next.CANNOT if own or left > 0 or around.rest or not _is_line(around, words) else Next.ENDS
    last = [*around.line[-1:], *words][-1:]
    if word in (INDENT, DEDENT) or _repeats(words, word) or _becomes_another(last, word):
        return Next.CANNOT
    if own:
        return Next.GOES_ON if CLOSES.get(word, own[-1]) == own[-1] else Next.CANNOT
    if word in CLOSES:
        return _closing(around, words, word, closed)
    if word == around.rest[:1]:
        return Next.ENDS
    if word == "," and around.hanging and not closed:
        return Next.ENDS_BEHIND
    return Next.GOES_ON


def _becomes_another(last: Sequence[str], word: str) -> bool:
    """Return whether a word, written behind the last one, makes one with it: ``+=``, or numbers: ``1.``, ``.1``."""
    return any(
        before + word in OPERATORS or (word == "." and before.isdecimal()) or (before == "." and word[0].isdecimal())
        for before in last
    )


def _is_line(around: Surroundings, words: Sequence[str]) -> bool:
    """Return whether a line can end behind words that leave no bracket open, as far as that can be told."""
    return not around.is_whole or is_python([*around.line, *words])


def _closing(around: Surroundings, words: Sequence[str], word: str, closed: int) -> Next:
    """Return what a bracket does that closes one left of the cursor, behind so many others."""
    if closed >= len(around.open) or around.open[-1 - closed] != CLOSES[word]:
        return Next.CANNOT
    if closed >= around.may_close:
        return Next.ENDS
    begun = bool(words) or not around.is_first
    return Next.ENDS if around.hanging and begun and not closed else Next.GOES_ON


def open_behind(words: Sequence[str]) -> tuple[list[str], int]:
    """Return the brackets that words leave open, and how many they close without having opened them."""
    own: list[str] = []
    closed = 0
    for word in words:
        if word in OPENING:
            own.append(word)
        elif word in CLOSES:
            if own:
                own.pop()
            else:
                closed += 1
    return own, closed


def opens_nothing(words: Sequence[str]) -> bool:
    """Return whether words close every bracket that they open."""
    return not open_behind(words)[0]


def is_possible(around: Surroundings, words: Sequence[str]) -> bool:
    """Return whether a line can be Python with these words and what is right of the cursor."""
    every = [*around.line, *words, *around.rest]
    own, closed = open_behind(every)
    return bool(own or closed or not around.is_whole) or is_python(every)


def _repeats(words: Sequence[str], word: str) -> bool:
    """Return whether a run of words would come for the third time in a row; brackets may."""
    if word in OPENING or word in CLOSES:
        return False
    every = [*words[1 - 3 * _LONGEST_RUN :], word]
    for length in range(1, _LONGEST_RUN + 1):
        run = every[-length:]
        if every[-2 * length : -length] == run and every[-3 * length : -2 * length] == run:
            return True
    return False


def is_python(line: Sequence[str]) -> bool:
    """Return whether the words of a whole logical line can be a statement, or the header of a block.

    >>> is_python(["else", ":"]), is_python(["x", "=", "=", "1"])
    (True, False)
    """
    header = line[0] if line else ""
    text = " ".join(map(_plain, line))
    begin, end = _BLOCKS.get(header, ("", ""))
    if header == "@":
        end = "\ndef f(): pass"
    elif header == "match" and line[-1] == ":":
        end = "\n case _: pass"
    elif header == "case" and line[-1] == ":":
        begin, text = "match x:\n", f" {text} pass"
    elif line[-1:] == [":"]:
        text += " pass"
    try:
        ast.parse(f"{begin}{text}{end}")
    except SyntaxError:
        return False
    except (ValueError, RecursionError, MemoryError):  # odd characters, or too much of it: who knows
        return True
    return True


# What has to stand around the headers that are no statement by themselves.
_BLOCKS = {
    "elif": ("if x: pass\n", ""),
    "else": ("if x: pass\n", ""),
    "except": ("try: pass\n", ""),
    "finally": ("try: pass\n", ""),
    "try": ("", "\nfinally: pass"),
}


def _plain(word: str) -> str:
    """Return a word as text that is read without a warning: what is in a string doesn't matter."""
    if word[-1:] in ("'", '"') or word == LONG_STRING:
        return 'b""' if "b" in word.partition(word[-1])[0] else '""'
    return "0" if word == LONG_NUMBER else word
