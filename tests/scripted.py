"""A language model whose next words are written down in a test."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from codelm.model import Ids, Scores
from codelm.vocabulary import SPECIAL_WORDS

Script = Mapping[str, Mapping[str, float]]
_TINY = 1e-6


class ScriptedModel:
    """A model that has read some words, joined by blanks, and says what a script says for them: words with their
    probabilities. Where the script has nothing, the line ends. A state: what each row has read.
    """

    def __init__(self, script: Script):
        self.script = script
        found = {word for after in script.values() for word in after}
        self.words = [*SPECIAL_WORDS, "<NEWLINE>", *sorted(found - {"<NEWLINE>", *SPECIAL_WORDS})]
        self.steps = 0

    def word(self, number: int) -> str:
        return self.words[number]

    def start(self) -> tuple[str, ...]:
        return ("",)

    def read(self, state: tuple[str, ...], ids: Ids) -> tuple[str, ...]:
        return (" ".join([*state, *map(self.word, ids)]).strip(),)

    def step(self, state: tuple[str, ...], rows: Ids, ids: Ids) -> tuple[str, ...]:
        self.steps += 1
        return tuple(f"{state[row]} {self.word(number)}".strip() for row, number in zip(rows, ids, strict=True))

    def propose(self, state: tuple[str, ...], k: int, allowed: Ids | None = None) -> Ids:
        best = np.full((len(state), k), -1, np.int64)
        for row, read in enumerate(state):
            after = self._after(read)
            ranked = sorted(after, key=lambda word: (-after[word], word))
            ids = [self.words.index(word) for word in ranked if allowed is None or self.words.index(word) in allowed][
                :k
            ]
            best[row, : len(ids)] = ids
        return best

    def score(self, state: tuple[str, ...], ids: Ids) -> Scores:
        return np.array([self._scores(read, row) for read, row in zip(state, ids.tolist(), strict=True)], np.float32)

    def _scores(self, read: str, ids: Sequence[int]) -> list[float]:
        after = self._after(read)
        return [math.log(after.get(self.word(number), _TINY)) for number in ids]

    def _after(self, read: str) -> Mapping[str, float]:
        return self.script.get(read, {"<NEWLINE>": 1.0})


def sure_of(*words: str, probability: float = 0.9) -> dict[str, dict[str, float]]:
    """Return the script of a model that is so sure of each of some words, one after the other, and of their end."""
    script = {" ".join(words[:count]): {words[count]: probability} for count in range(len(words))}
    return {**script, " ".join(words): {"<NEWLINE>": probability}}
