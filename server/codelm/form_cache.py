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

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codelm.file_words import Places
from codelm.model import Ids
from codelm.places_model import Floats, PlacesModel, Row, Symbols, at_least, match_lengths, signals_of

LONGEST = 16
"""The longest context that is told from longer ones, in words."""
DEPTHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
EVEN, NEAREST = len(DEPTHS), len(DEPTHS) + 1
EXPERTS = len(DEPTHS) + 2
SIGNALS = signals_of(LONGEST)

_DEPTHS = np.array(DEPTHS)
_DEPTHS_UP_TO = [int((length >= _DEPTHS).sum()) for length in range(LONGEST + 1)]

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

    def _look_up(self, context: Symbols) -> Row:
        places, words, nearness, forms = self._everywhere
        lengths = self._lengths(forms, places, context)
        longest = int(lengths.max())
        weights = self._weights[longest]
        count = _DEPTHS_UP_TO[longest]
        # What a place weighs that matches at a length: its share at every depth up to there.
        by_depth = np.zeros(longest + 1)
        by_depth[_DEPTHS[:count]] = weights[:count] / at_least(lengths, longest, nearness)[_DEPTHS[:count]]
        masses = np.bincount(words, nearness * by_depth.cumsum()[lengths], minlength=len(self.places.words)).astype(
            np.float64, copy=False
        )
        last = (lengths == longest).nonzero()[0]
        np.add.at(masses, words[last], weights[EVEN] / len(last))
        masses[self.places.sequence[self.places.nearest(places[last])]] += weights[NEAREST]
        return Row(longest, masses)

    def _said(self, context: Symbols, number: int) -> Floats:
        said = np.zeros(EXPERTS)
        places, words, nearness, forms = self._everywhere
        lengths = self._lengths(forms, places, context)
        here = words == number
        for expert, depth in enumerate(DEPTHS):
            matching = lengths >= depth
            if matching.any():
                said[expert] = nearness[here & matching].sum() / nearness[matching].sum()
        last = lengths == lengths.max()
        said[EVEN] = here[last].mean()
        said[NEAREST] = self.places.sequence[self.places.nearest(places[last])] == number
        return said

    def _lengths(self, forms: Symbols, places: Ids, context: Symbols) -> Ids:
        """Return how many words before each place have the forms of the last of the context."""
        lengths = np.zeros(len(places), np.int64)
        matching = (forms[places - 1] == context[-1]).nonzero()[0]
        if len(matching):
            lengths[matching] = match_lengths(forms, places[matching], context)
        return lengths

    @cached_property
    def _everywhere(self) -> tuple[Ids, Symbols, Floats, Symbols]:
        """All places that are looked at, the numbers of their words, how near they are, and the whole sequence's forms.

        What is no word keeps its sign in place of a form.
        """
        sequence = self.places.sequence
        forms = np.where(sequence >= 0, self._forms[self.places.words].take(sequence, mode="clip"), sequence)
        begin = max(0, self.places.gap - _ABOVE)
        places = (sequence[begin : self.places.gap + 1 + _BELOW] >= 0).nonzero()[0] + begin
        return places, sequence[places], self.nearness(places), forms.astype(np.int32)
