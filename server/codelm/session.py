"""The words of one session: a model's vocabulary, and what was first seen in the open files and the workspace.

A word of the session gets the next id behind the vocabulary's, so that caches can count and propose it. Ids never
change while the session lasts.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from keyword import iskeyword
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.vocabulary import SPECIAL_WORDS, UNK, Vocabulary
from codelm.words import form_of

LARGEST = 1 << 20
"""The most words that a session can tell apart; what it meets behind them is ``[UNK]``."""

_MOST_FORMS = 2**15 - 1  # characters that are no Python may be many; those behind share a form


class SessionVocabulary:
    """A vocabulary that grows. Any thread may add words, and read while others do."""

    def __init__(self, base: Vocabulary, largest: int = LARGEST):
        """Take the vocabulary to extend and how many words there may be in all."""
        self.base = base
        self._largest = largest
        self._lock = Lock()
        self._words: list[str] = list(base.words)
        self._ids: dict[str, int] = {
            word: number for number, word in enumerate(base.words) if number >= len(SPECIAL_WORDS)
        }
        self._folded: list[tuple[str, int]] = []  # the session's own words, lower case and sorted, with their ids
        self._names: list[int] = []
        self._strings: list[int] = []
        self._form_numbers: dict[str, int] = {}
        self._forms = np.array([self._form(word) for word in base.words], np.int16)  # with room to grow

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def id(self, word: str) -> int:
        """Return the word's id, that of ``[UNK]`` when nobody has seen it."""
        return self._ids.get(word, UNK)

    def ids(self, words: Iterable[str]) -> Ids:
        """Return the ids of words, (T,), without learning any."""
        known = self._ids
        return np.fromiter((known.get(word, UNK) for word in words), np.int64)

    def word(self, number: int) -> str:
        """Return the word of an id. Raises IndexError when no word has it."""
        if number < 0:
            raise IndexError(f"no word has the id {number}")
        return self._words[number]

    def learn(self, words: Iterable[str]) -> Ids:
        """Return the ids of words, (T,), adding those that are new.

        A word that is written like ``[PAD]`` or ``[EOS]`` is ``[UNK]``: those stand for what no text holds.
        """
        words = list(words)
        known = self._ids
        new = [word for word in dict.fromkeys(words) if word not in known and word not in SPECIAL_WORDS]
        if new:
            with self._lock:
                self._add(new)
        return self.ids(words)

    def forms(self) -> NDArray[np.int16]:
        """Return the forms of all words, by number: (size,). What was returned before stays as it is."""
        return self._forms[: len(self._words)]

    def names(self) -> Ids:
        """Return the sorted ids of the session's own words that are identifiers and no keywords."""
        return np.array(self._names, np.int64)

    def strings(self) -> Ids:
        """Return the sorted ids of the session's own words that are strings."""
        return np.array(self._strings, np.int64)

    def beginning_with(self, prefix: str) -> Ids:
        """Return the sorted ids of all words that begin with ``prefix``, upper and lower case alike."""
        wanted = prefix.casefold()
        found = []
        folded = self._folded
        place = bisect_left(folded, (wanted, 0))
        while place < len(folded) and folded[place][0].startswith(wanted):
            found.append(folded[place][1])
            place += 1
        return np.concatenate([self.base.beginning_with(prefix), np.array(sorted(found), np.int64)])

    def _add(self, words: list[str]) -> None:
        added = []
        for word in words:
            # Asked again: another thread may have been here between the first look and the lock.
            if word in self._ids or len(self._words) >= self._largest:
                continue
            number = len(self._words)
            if number == len(self._forms):
                self._forms = np.concatenate([self._forms, np.empty(max(1024, number // 4), np.int16)])
            self._forms[number] = self._form(word)
            self._words.append(word)
            self._ids[word] = number  # behind the list: whoever sees the id finds the word
            added.append((word.casefold(), number))
            if word.isidentifier() and not iskeyword(word):
                self._names.append(number)
            elif word[-1:] in ("'", '"'):
                self._strings.append(number)
        if len(added) > 100:
            self._folded = sorted([*self._folded, *added])
        else:
            folded = self._folded.copy()
            for entry in added:
                insort(folded, entry)
            self._folded = folded

    def _form(self, word: str) -> int:
        return self._form_numbers.setdefault(form_of(word), min(len(self._form_numbers), _MOST_FORMS))
