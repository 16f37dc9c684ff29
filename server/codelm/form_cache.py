"""What the form of the open file teaches: places whose surroundings are written alike, though with other names.

To this model a name is only a name, a string a string, a number a number; keywords, operators and what a line begins
and ends with are themselves (``codelm.words.form_of``). After ::

    self.assertEqual(area(square), 4)
    self.assertEqual(length(|

it finds ``square)`` although ``length`` is new. A place matches at length d when the d words before it have the forms
of the d last words of the context. The experts that share the probability are, for some d ≤ ℓ, the words at the places
that match at d, each weighed by how near it is to the cursor; the same unweighed for ℓ, the length of the longest
match; and the word at the nearest place that matches at ℓ.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import FILLER, Places
from codelm.places_model import Floats, Found, Matches, PlacesModel, Symbols, shares, signals_of

LONGEST = 16
"""The longest context that is told from longer ones, in words."""
DEPTHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
EVEN, NEAREST = len(DEPTHS), len(DEPTHS) + 1
EXPERTS = len(DEPTHS) + 2
SIGNALS = signals_of(LONGEST)

_DEPTHS = np.array(DEPTHS)

# Places on either side of the cursor that are looked at: nearness counts, and places of one form are many.
_ABOVE, _BELOW = 2000, 700


class FormModel(PlacesModel):
    """A file at one moment: its places that have words of the same forms before them."""

    longest, experts_count = LONGEST, EXPERTS

    def __init__(self, places: Places, size: int, weights: Floats, forms: NDArray[np.int16]):
        """Take what every model of places takes, and the ``forms`` (size,) of all ids, as numbers."""
        super().__init__(places, size, weights)
        self._forms = forms

    def symbols(self, ids: list[int]) -> list[int]:
        """Return the words' forms."""
        forms: list[int] = self._forms[ids].tolist()
        return forms

    def _look_up(self, contexts: Symbols) -> Found:
        matches = self._matches(contexts)
        weights = self._weights[matches.longest]
        window = self._window
        by_depth = np.zeros((len(contexts), LONGEST + 1))
        by_depth[:, _DEPTHS] = weights[:, : len(DEPTHS)]
        nearness = self.nearness(matches.places)
        each = nearness * matches.of_each(shares(by_depth[:, 1:], matches.at_least(nearness)))
        last = matches.rows[matches.last]
        each[matches.last] += (weights[:, EVEN] / np.maximum(np.bincount(last, minlength=len(weights)), 1))[last]
        sequence = self.places.sequence
        masses = matches.summed(each, sequence[matches.places], len(window.near))
        masses += weights[:, :1] * window.near
        rows, nearest = matches.nearest(self.places.gap)
        masses[rows, sequence[nearest]] += weights[rows, NEAREST]
        alone = (matches.longest == 0).nonzero()[0]  # all places match at no word
        masses[alone] += weights[alone, EVEN, None] * window.even
        masses[alone, window.nearest] += weights[alone, NEAREST]
        return Found(matches.longest, masses)

    def _said(self, context: Symbols, number: int) -> Floats:
        said = np.zeros(EXPERTS)
        matches, window = self._matches(context[None, :]), self._window
        here = self.places.sequence[matches.places] == number
        nearness = self.nearness(matches.places)
        said[0] = window.near[number]
        for expert, depth in enumerate(DEPTHS[1:], 1):
            matching = matches.lengths >= depth
            if matching.any():
                said[expert] = nearness[here & matching].sum() / nearness[matching].sum()
        if len(here):
            said[EVEN] = here[matches.last].mean()
            said[NEAREST] = self.places.sequence[matches.nearest(self.places.gap)[1][0]] == number
        else:
            said[EVEN], said[NEAREST] = window.even[number], window.nearest == number
        return said

    def _matches(self, contexts: Symbols) -> Matches:
        return self.matches(self._window.forms, self._window.begin, contexts)

    @cached_property
    def _window(self) -> "_Window":
        """What is looked at."""
        gap = self.places.gap
        begin = max(0, gap - _ABOVE - FILLER - 1)
        sequence = self.places.sequence[begin : gap + 1 + _BELOW]
        forms = np.where(sequence >= 0, self._forms[self.places.words].take(sequence, mode="clip"), sequence)
        places = (sequence[FILLER + 1 :] >= 0).nonzero()[0] + FILLER + 1
        words, count = sequence[places], len(self.places.words)
        places += begin
        nearness = self.nearness(places)
        return _Window(
            begin, forms.astype(np.int32),
            near=np.bincount(words, nearness, count) / nearness.sum(),
            even=np.bincount(words, minlength=count) / len(places),
            nearest=int(self.places.sequence[self.places.nearest(places)]),
        )  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class _Window:
    """What stands around the cursor, and what all of its places say together.

    ``forms``: those of the sequence from ``begin`` on; what is no word keeps its sign. ``near``, ``even`` (U,): the
    frequencies of the file's words, weighed by nearness and not; ``nearest``: the number of the nearest word.
    """

    begin: int
    forms: Symbols
    near: Floats
    even: Floats
    nearest: int
