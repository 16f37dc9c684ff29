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

from codelm.places_model import Floats, Found, Matches, PlacesModel, Symbols, shares, signals_of

LONGEST = 10
"""The longest context that is told from longer ones, in words."""
NEAR_DEPTHS = 4
NEAREST = LONGEST + 1  # the experts' places: 0 … LONGEST the frequencies, then the nearest, then the weighed ones
EXPERTS = NEAREST + 1 + NEAR_DEPTHS
SIGNALS = signals_of(LONGEST)

_HORIZON = 2000  # places on either side of the cursor that are weighed by nearness when all match


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

    def _look_up(self, contexts: Symbols) -> Found:
        matches = self._matches(contexts)
        weights = self._weights[matches.longest]
        frequencies, near = self._everywhere
        nearness = self.nearness(matches.places)
        even = shares(weights[:, 1:NEAREST], matches.at_least())
        by_nearness = np.zeros((len(contexts), LONGEST))
        by_nearness[:, : NEAR_DEPTHS - 1] = weights[:, NEAREST + 2 :]
        weighed = shares(by_nearness, matches.at_least(nearness))
        each = matches.of_each(even) + nearness * matches.of_each(weighed)
        sequence = self.places.sequence
        masses = matches.summed(each, sequence[matches.places], len(frequencies))
        masses += weights[:, :1] * frequencies
        masses += weights[:, NEAREST + 1, None] * near
        rows, nearest = matches.nearest(self.places.gap)
        masses[rows, sequence[nearest]] += weights[rows, NEAREST]
        return Found(matches.longest, masses)

    def _said(self, context: Symbols, number: int) -> Floats:
        said = np.zeros(EXPERTS)
        said[0], said[NEAREST + 1] = (share[number] for share in self._everywhere)
        matches = self._matches(context[None, :])
        here = self.places.sequence[matches.places] == number
        nearness = self.nearness(matches.places)
        for depth in range(1, int(matches.longest[0]) + 1):
            matching = matches.lengths >= depth
            said[depth] = here[matching].mean()
            if depth < NEAR_DEPTHS:
                said[NEAREST + 1 + depth] = nearness[here & matching].sum() / nearness[matching].sum()
        for nearest in matches.nearest(self.places.gap)[1]:
            said[NEAREST] = self.places.sequence[nearest] == number
        return said

    def _matches(self, contexts: Symbols) -> Matches:
        return self.matches(self.places.sequence, 0, contexts)

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
