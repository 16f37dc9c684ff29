"""Typing along a suggestion keeps it; the cursor is drawn as a bar."""

import pytest

from codelm.completion import Selected, Suggestion
from codelm.shown import Shown
from codelm.suggest import Chosen


def shown(source: str, *texts: str, selected: Selected | None = None, whole: bool = True) -> Shown:
    """What was suggested at the cursor: each word of the texts is right with a probability of 0.8 after the last."""
    text, _, rest = source.partition("|")
    start = selected.start if selected is not None else len(text)
    found = []
    for line in texts:
        ends = [place for place in range(1, len(line) + 1) if place == len(line) or line[place] == " "]
        marks = tuple((end, 0.8**count) for count, end in enumerate(ends, 1))
        found.append(Chosen(Suggestion(line, start, len(text), marks[-1][1]), marks, whole))
    return Shown(text + rest, len(text), selected, found)


def still(before: Shown, source: str, selected: Selected | None = None) -> list[str]:
    """What is still suggested, as the source after accepting it."""
    text, _, rest = source.partition("|")
    kept = before.still(text + rest, len(text), selected)
    return [(text + rest)[: one.start] + one.text + "|" + (text + rest)[one.end :] for one in kept]


def test_what_is_left_of_a_suggestion_is_kept_while_it_is_typed():
    before = shown("x = |\ny", "a + b")
    for typed in ("", "a", "a ", "a +", "a + "):
        assert still(before, f"x = {typed}|\ny") == ["x = a + b|\ny"]


def test_nothing_is_left_once_all_is_typed():
    assert still(shown("x = |", "a + b"), "x = a + b|") == []


def test_a_part_of_a_line_is_kept_to_the_end_of_the_word_that_is_typed():
    before = shown("x = |", "alpha + b", whole=False)
    assert still(before, "x = alph|") == ["x = alpha + b|"]
    assert still(before, "x = alpha|") == still(before, "x = alpha +|") == []


@pytest.mark.parametrize("source", ["x = b|", "x = a |+", "x =|", "y = a|", "x = a|\nz", "x = a|b", "|", "x = a+|"])
def test_nothing_is_kept_in_any_other_text(source):
    assert still(shown("x = |", "a + b"), source) == []


def test_taking_back_what_was_typed_along_keeps_it_too():
    before = shown("x = |", "a + b")
    assert still(before, "x = a +|") == still(before, "x = a|") == still(before, "x = |") == ["x = a + b|"]
    assert still(before, "x =|") == []


def test_of_several_those_are_kept_that_what_is_typed_begins():
    before = shown("x = |", "a + b", "a - b", "c")
    assert still(before, "x = a|") == ["x = a + b|", "x = a - b|"]
    assert still(before, "x = a -|") == ["x = a - b|"]


def test_the_probability_is_that_of_what_is_left():
    before = shown("x = |", "a + b")
    probabilities = [
        before.still(text, len(text), None)[0].probability for text in ("x = ", "x = a", "x = a ", "x = a +")
    ]
    assert probabilities == pytest.approx([0.8**3, 0.8**2, 0.8**2, 0.8])


def test_it_is_kept_for_the_item_that_was_selected():
    selected = Selected(4, "ab")
    before = shown("x = a|", "ab + c", selected=selected)
    assert still(before, "x = ab|", selected) == ["x = ab + c|"]
    assert still(before, "x = ab|") == []
    assert still(before, "x = ab|", Selected(4, "abc")) == []
