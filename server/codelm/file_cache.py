"""What the open file teaches: every place in it that looks like the cursor's, and the word that followed there.

A place matches at length d when the d words before it are the d last words of the context. How the words at these
places share the probability depends on the length ℓ of the longest match; the *experts* that share it are:

- for each d = 0 … ℓ, the relative frequencies of the words at the places that match at d (d = 0: at all places);
- the one word at the nearest of the places that match at ℓ;
- for d = 0 … 3, the frequencies at the places that match at d, each weighed by how near it is to the cursor
  (a decaying cache: Clarkson and Robinson, *Language model adaptation using mixtures and an exponentially decaying
  cache*, 1997).

Their weights are fitted by EM (Jelinek and Mercer 1980) in ``codelm_train.mix``, a row of them for each ℓ.
"""

from functools import cached_property

import numpy as np

from codelm.model import Ids
from codelm.places_model import Floats, PlacesModel, Row, Symbols, at_least, match_lengths, signals_of

LONGEST = 10
"""The longest context that is told from longer ones, in words."""
NEAR_DEPTHS = 4
NEAREST = LONGEST + 1  # the experts' places: 0 … LONGEST the frequencies, then the nearest, then the weighed ones
EXPERTS = NEAREST + 1 + NEAR_DEPTHS
SIGNALS = signals_of(LONGEST)

_HORIZON = 2000  # places on either side of the cursor that are weighed by nearness when all match
_MOST_PLACES = 4096  # places that match at length 1, the nearest ones: enough, and quick in any file


class FileModel(PlacesModel):
    """A file at one moment: its places that have the same words before them."""

    longest, experts_count = LONGEST, EXPERTS

    def symbols(self, ids: list[int]) -> list[int]:
        """Return the words' numbers."""
        return self.places.numbers_of(ids)

    def counts_from(self, first: int) -> Floats:
        """Return how often the ids from ``first`` on occur: (size - first,)."""
        found = np.zeros(self.size - first)
        words = self.places.words
        later = words >= first
        found[words[later] - first] = self.places.counts[later]
        return found

    def _look_up(self, context: Symbols) -> Row:
        places = self._places(context)
        frequencies, near = self._everywhere
        if not len(places):
            weights = self._weights[0]
            return Row(0, weights[0] * frequencies + weights[NEAREST + 1] * near)
        sequence = self.places.sequence
        lengths = match_lengths(sequence, places, context)
        longest = int(lengths.max())
        weights = self._weights[longest]
        # What a place weighs that matches at a length: its share at every depth up to there.
        by_depth = weights[1 : longest + 1] / at_least(lengths, longest)[1:]
        shares = np.concatenate([[0.0], by_depth]).cumsum()[lengths]
        shallow, deepest = np.minimum(lengths, NEAR_DEPTHS - 1), min(longest, NEAR_DEPTHS - 1)
        nearness = self.nearness(places)
        by_depth = weights[NEAREST + 2 : NEAREST + 2 + deepest] / at_least(shallow, deepest, nearness)[1:]
        shares += nearness * np.concatenate([[0.0], by_depth]).cumsum()[shallow]
        masses = np.bincount(sequence[places], shares, minlength=len(frequencies)).astype(np.float64, copy=False)
        masses += weights[0] * frequencies
        masses += weights[NEAREST + 1] * near
        masses[sequence[self.places.nearest(places[lengths == longest])]] += weights[NEAREST]
        return Row(longest, masses)

    def _said(self, context: Symbols, number: int) -> Floats:
        said = np.zeros(EXPERTS)
        said[0], said[NEAREST + 1] = (share[number] for share in self._everywhere)
        places = self._places(context)
        if not len(places):
            return said
        lengths = match_lengths(self.places.sequence, places, context)
        here = self.places.sequence[places] == number
        nearness = self.nearness(places)
        for depth in range(1, int(lengths.max()) + 1):
            matching = lengths >= depth
            said[depth] = here[matching].mean()
            if depth < NEAR_DEPTHS:
                said[NEAREST + 1 + depth] = nearness[here & matching].sum() / nearness[matching].sum()
        nearest = self.places.nearest(places[lengths == lengths.max()])
        said[NEAREST] = self.places.sequence[nearest] == number
        return said

    def _places(self, context: Symbols) -> Ids:
        """Return the places that match at one word, the nearest ones where they are very many."""
        sequence, gap = self.places.sequence, self.places.gap
        places: Ids = (sequence[:-1] == context[-1]).nonzero()[0] + 1
        places = places[sequence[places] >= 0]  # not the cursor itself
        if len(places) > _MOST_PLACES:
            middle = int(places.searchsorted(gap))
            begin = min(max(0, middle - _MOST_PLACES * 3 // 4), len(places) - _MOST_PLACES)
            return places[begin : begin + _MOST_PLACES]
        return places

    @cached_property
    def _everywhere(self) -> tuple[Floats, Floats]:
        """The words' frequencies at all places, and weighed by nearness: (U,) each."""
        counts, gap = self.places.counts, self.places.gap
        begin = max(0, gap - _HORIZON)
        around = self.places.sequence[begin : gap + 1 + _HORIZON]
        places = (around >= 0).nonzero()[0]
        nearness = self.nearness(places + begin)
        near = np.bincount(around[places], nearness, minlength=len(counts))
        # Not near.sum(): how that is rounded depends on the words' numbers, which depend on earlier edits.
        return counts / counts.sum(), near / nearness.sum()
