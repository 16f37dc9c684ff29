"""Which lines are suggested at the cursor, and how much of each: what is probable enough, fits in and is no nuisance.

A whole line is worth more to who reads it than a part, so the most probable whole line comes first. Where none is
probable enough, it is the longest part that is, up to where an expression can end or a call opens its bracket, which
stays open for who goes on typing. A part has to be surer, and longer than a word: words are what the list of
completions is for. Lines compete by their plain probability: to divide its logarithm by a power of the length (Wu et
al. 2016, "Google's Neural Machine Translation System", equation 14) changed nothing for any power from 0 to 1, because
so few whole lines are probable at one place.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import numpy as np

from codelm import beam, layout
from codelm.beam import Hypothesis, Next, never
from codelm.completion import Selected, Snapshot, Source, Suggestion
from codelm.grammar import expected, fits
from codelm.model import Ids, LanguageModel, Scores
from codelm.possible import following, is_possible, judge_of, open_behind, opens_nothing
from codelm.surroundings import CLOSES, Surroundings
from codelm.words import LONG_STRING

S = TypeVar("S")
Words = Callable[[int], str]
"""What the word of an id is."""

LEAST = 0.05
"""The least probability of a suggestion that somebody has asked for: what is less probable is seldom even alike."""

_BEAMS, _LONGEST = 5, 24
# By how much a part of a line must be surer than a whole one, and how sure at least and at most.
_PART_SURER, _PART_LEAST, _PART_SURE = 2.0, 0.2, 0.9
_SHORTEST_PART = 2  # words
# Of the words that begin with the letters typed and that nobody has seen, what share is left by each letter.
_A_LETTER = 0.2
_ALL_TYPED = 0.25  # and of how many of the rest those letters are all
_TINY = 1e-30


@dataclass(frozen=True, eq=False, slots=True)
class Beginnings:
    """The words that may come next, (F,), their log probabilities given what is typed, and how each is written.

    ``sources``: what proposed each; empty where nobody has asked.
    """

    ids: Ids
    log_probs: Scores
    texts: tuple[str, ...]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """How a line may go on: its words, and how they are written, with the blank before each."""

    words: tuple[str, ...]
    pieces: tuple[str, ...]
    probabilities: tuple[float, ...]
    """How probable it is that all up to each word is right."""
    whole: float
    """How probable the line is with its end; 0 where it was cut."""
    source: Source = Source.BASE
    """What proposed its first word."""

    def text(self, count: int) -> str:
        """Return the text of the first words."""
        return "".join(self.pieces[:count])


@dataclass(frozen=True, slots=True)
class Chosen:
    """A suggestion, and how probable it is that all up to some places in its text is right, the first place first."""

    suggestion: Suggestion
    marks: tuple[tuple[int, float], ...]
    is_whole: bool
    """Whether it is all of the line that comes."""


# --- the first word ----------------------------------------------------------------------------------------------


def untyped(ids: Ids, log_probs: Scores, around: Surroundings, word: Words) -> Beginnings:
    """Return what a line may go on with where no letter of it is typed, of the best next words of a model, (K,).

    What can't stand there takes no part. Where a blank was typed, the line goes on, with a word that bears one; so it
    does where it has not begun. The probability that the K words leave counts as that of words that may come.
    """
    words = [word(number) for number in ids.tolist()]
    wanted, forbidden = expected(around.line)
    spaced = around.is_spaced and not around.is_first
    impossible = (Next.CANNOT, Next.ENDS) if around.is_spaced else (Next.CANNOT,)

    def does(text: str) -> Next:
        if not fits(text, wanted, forbidden):
            return Next.CANNOT
        if spaced and text != LONG_STRING and not layout.blank_before([text], around.line):
            return Next.CANNOT
        return following(around, (), text)

    done = [does(text) for text in words]
    rest = max(0.0, 1 - float(np.exp(log_probs).sum()))
    total = rest + float(np.exp(log_probs[[what not in impossible for what in done]]).sum())
    begins = [place for place, what in enumerate(done) if what is Next.GOES_ON]
    return Beginnings(ids[begins], log_probs[begins] - _log(total), tuple(words[place] for place in begins))


def typed(
    ids: Ids, log_probs: Scores, texts: Sequence[str], letters: str, unseen: float, unknown: int | None = None
) -> Beginnings:
    """Return what letters may become, of the best words that begin with them, upper and lower case alike.

    ``texts`` says how these are written. ``unseen``: how probable words are that are not among them, whatever they
    begin with, of the same measure as ``log_probs``. With ``unknown``, the id of such words, the letters may be one
    of them already.
    """
    unseen *= _A_LETTER ** len(letters)
    total = float(np.exp(log_probs).sum()) + unseen
    exact = [place for place, text in enumerate(texts) if text.startswith(letters)]
    ids, log_probs, texts = ids[exact], log_probs[exact], tuple(texts[place] for place in exact)
    if unknown is not None and letters not in texts:
        ids, texts = np.append(ids, unknown), (*texts, letters)
        log_probs = np.append(log_probs, np.float32(_log(unseen * _ALL_TYPED)))
    return Beginnings(ids, log_probs - np.float32(_log(total)), texts)


def _log(probability: float) -> float:
    return math.log(max(probability, _TINY))


# --- the search --------------------------------------------------------------------------------------------------


def search(
    model: LanguageModel[S],
    state: S,
    beginnings: Beginnings,
    around: Surroundings,
    word: Words,
    quote: str,
    *,
    least: float,
    limit: int,
    deadline: float = math.inf,
    cancelled: Callable[[], bool] = never,
) -> list[Line]:
    """Return how the line may go on: what is more probable than ``least`` up to some word, the most probable first.

    ``state`` is the model's behind the words before the cursor's token. Strings are written in the quotes ``quote``.
    Raises Cancelled.
    """
    good = np.flatnonzero(beginnings.log_probs >= _log(least))
    good = good[np.argsort(-beginnings.log_probs[good], kind="stable")][:_BEAMS]
    found = beam.lines(
        model, state, beginnings.ids[good], beginnings.log_probs[good], judge_of(around, word),
        beams=_BEAMS, longest=_LONGEST, least_of_all=_log(least), wanted=limit, deadline=deadline, cancelled=cancelled,
    )  # fmt: skip
    written = dict(zip(beginnings.ids.tolist(), beginnings.texts, strict=True))
    sources = dict(zip(beginnings.ids.tolist(), beginnings.sources, strict=False))
    lines = []
    for hypothesis in found:
        words = [written[hypothesis.ids[0]], *(word(number) for number in hypothesis.ids[1:])]
        lines.append(replace(
            _line(hypothesis, words, around, quote), source=sources.get(hypothesis.ids[0], Source.BASE)
        ))  # fmt: skip
    return lines


def _line(hypothesis: Hypothesis, words: Sequence[str], around: Surroundings, quote: str) -> Line:
    # What is typed keeps its quotes.
    texts = [text if around.typed and not place else layout.in_quotes(text, quote) for place, text in enumerate(words)]
    pieces = layout.pieces_of(texts, around.line)
    if around.typed or around.is_spaced or around.is_first:
        pieces[0] = pieces[0].removeprefix(" ")
    # Rounding makes some logarithms more than 0.
    totals = accumulate(min(0.0, log_prob) for log_prob in (*hypothesis.log_probs, hypothesis.end_log_prob))
    *probabilities, end = map(math.exp, totals)
    return Line(tuple(words), tuple(pieces), tuple(probabilities), end if hypothesis.ended else 0.0)


# --- behind a selected item --------------------------------------------------------------------------------------


def with_selected(snapshot: Snapshot, offset: int, selected: Selected) -> tuple[Snapshot, int]:
    """Return a snapshot as if the selected item had been accepted at ``offset``, and the offset behind it."""
    text = snapshot.text[: selected.start] + selected.text
    return replace(snapshot, text=text + snapshot.text[offset:]), len(text)


def extending(selected: Selected, chosen: Chosen, text: str, longer: int) -> Chosen:
    """Return what was found behind a selected item, in the text with it, as it extends the item where that is not.

    ``longer``: by how many characters the text became longer.
    """
    found = chosen.suggestion
    before = text[selected.start : found.start]
    suggestion = replace(found, text=before + found.text, start=selected.start, end=found.end - longer)
    marks = tuple((end + len(before), probability) for end, probability in chosen.marks)
    return replace(chosen, suggestion=suggestion, marks=marks)


# --- what is shown -----------------------------------------------------------------------------------------------


def choose(
    lines: Sequence[Line], around: Surroundings, *, least: float, limit: int, asked: bool = False
) -> list[Chosen]:
    """Return the best suggestions, at most ``limit``: whole lines that are at least so probable, then parts of lines.

    None of them is how another begins, and none comes of a line that stands above or below already. Where somebody has
    ``asked`` and nothing better is, the word that comes most probably is an answer too, be it a bracket.
    """
    lines = [line for line in lines if not _stands_beside(line.text(len(line.words)), around)]
    whole = [(line, len(line.words), line.whole, True) for line in lines if _is_shown_whole(line, around, least)]
    surer = min(max(least * _PART_SURER, _PART_LEAST), max(least, _PART_SURE))
    parts = [
        (line, count, line.probabilities[count - 1], False)
        for line in lines
        if (count := _sure_part(line, around, surer))
    ]
    parts.sort(key=lambda part: -len(part[0].text(part[1])))
    if asked and not whole and not parts:
        parts = _next_words(lines, around, least)
    found: list[Chosen] = []
    for line, count, probability, is_whole in [*whole, *parts]:
        text = line.text(count)
        if len(found) < limit and not any(other.suggestion.text.startswith(text) for other in found):
            ends = accumulate(len(piece) for piece in line.pieces[:count])
            marks = tuple(zip(ends, line.probabilities, strict=False))
            # Brackets that a part doesn't close stay where they are.
            end = around.end - len(around.closers) + _replaced(line.words[:count], around)
            found.append(Chosen(Suggestion(text, around.start, end, probability, line.source), marks, is_whole))
    return found


def _replaced(words: Sequence[str], around: Surroundings) -> int:
    """Return how many of the brackets right of the cursor words close themselves."""
    _, closed = open_behind(words)
    return min(closed, len(around.closers))


def _is_shown_whole(line: Line, around: Surroundings, least: float) -> bool:
    """Return whether a line is shown as it is."""
    text = line.text(len(line.words))
    return line.whole >= least and _is_worth_it(text, around) and is_possible(around, line.words)


def _next_words(lines: Sequence[Line], around: Surroundings, least: float) -> list[tuple[Line, int, float, bool]]:
    """Return the beginnings of lines up to the first word that is not typed, the most probable first.

    Those of which most go on to the line's end, such as brackets that close, are whole lines.
    """
    found = []
    for line in lines:
        count = 1 + (line.words[0] == around.typed)
        if count > len(line.words):
            continue
        probability = line.probabilities[count - 1]
        ends = line.whole >= max(least, probability / 2) and is_possible(around, line.words)
        found.append((line, len(line.words) if ends else count, probability, ends))
    return sorted(found, key=lambda part: -part[2])


def _sure_part(line: Line, around: Surroundings, least: float) -> int:
    """Return how many words of a line are shown that is not shown whole: the most that are sensible, 0 for none."""
    every = [*around.line, *line.words]
    shortest = _SHORTEST_PART + (line.words[0] == around.typed)
    for count in range(len(line.words), shortest - 1, -1):
        if count - _replaced(line.words[:count], around) < shortest:
            break
        last = every[count - 1 - len(line.words)]
        calls = last == "(" and layout.is_value(every[count - 2 - len(line.words)])
        right = around.rest or around.closers
        ends = (calls or layout.is_value(last)) and (not right or opens_nothing(line.words[:count]))
        if ends and line.probabilities[count - 1] >= least and _is_worth_it(line.text(count), around):
            return count
    return 0


def _is_worth_it(text: str, around: Surroundings) -> bool:
    """Return whether a text adds more than one operator, or closing brackets alone."""
    added = text.removeprefix(around.typed).strip()
    names_something = any(character.isalnum() or character in "_'\"" for character in added)
    return names_something or (len(added) > 1 and not all(character in CLOSES for character in added))


def _stands_beside(text: str, around: Surroundings) -> bool:
    """Return whether a text makes the statement of the line above or below."""
    return not around.open and (around.head + text + around.rest).strip() in around.neighbours
