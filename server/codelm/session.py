"""The words of one session: a model's vocabulary, and what was first seen in the open files and the workspace.

A word of the session gets the next id behind the vocabulary's, so that caches can count and propose it. Ids never
change while the session lasts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import count
from keyword import iskeyword
from threading import Lock
from typing import overload

import numpy as np
from numpy.typing import NDArray

from codelm.model import Ids
from codelm.vocabulary import SPECIAL_WORDS, UNK, Vocabulary
from codelm.words import COMMON_FORMS, form_of

LARGEST = 1 << 20
"""The most words that a session can tell apart; what it meets behind them is ``[UNK]``."""

_SPECIAL = frozenset(SPECIAL_WORDS)
_FEW = 100  # words up to which each is put where it belongs
_MOST_FORMS = 2**15 - 1  # characters that are no Python may be many; those behind share a form


class SessionVocabulary:
    """A vocabulary that grows. Any thread may add words, and read while others do.

    What kinds of words there are is found out when it is asked for, of the words that were added since.
    """

    def __init__(self, base: Vocabulary, largest: int = LARGEST):
        """Take the vocabulary to extend and how many words there may be in all."""
        self.base = base
        self._largest = largest
        self._lock = Lock()
        self._words: list[str] = list(base.words)
        self._ids: dict[str, int] = {
            word: number for number, word in enumerate(base.words) if number >= len(SPECIAL_WORDS)
        }
        # The session's own words, lower case and sorted, and their ids.
        self._folded: tuple[list[str], Ids] = [], np.zeros(0, np.int64)
        self._form_numbers: dict[str, int] = {form: number for number, form in enumerate(COMMON_FORMS)}
        self._forms = np.array([self._form(word) for word in base.words], np.int16)  # with room to grow
        self._names = self._strings = np.zeros(0, np.int64)
        self._kinds_known = len(base.words)  # of so many words the forms, names and strings are there

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    @property
    def own_words(self) -> Sequence[str]:
        """The words behind the vocabulary's, by their ids: a view, which has those that are added later too."""
        return _Behind(self._words, len(self.base))

    def id(self, word: str) -> int:
        """Return the word's id, that of ``[UNK]`` when nobody has seen it."""
        return self._ids.get(word, UNK)

    def ids(self, words: Iterable[str]) -> Ids:
        """Return the ids of words, (T,), without learning any."""
        known = self._ids
        return np.array([known.get(word, UNK) for word in words], np.int64)

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
        new = [word for word in dict.fromkeys(words) if word not in known and word not in _SPECIAL]
        if new:
            with self._lock:
                self._add(new)
        return self.ids(words)

    def forms(self) -> NDArray[np.int16]:
        """Return the forms of all words, by number: (size,). What was returned before stays as it is.

        ``codelm.words.COMMON_FORMS`` have the first numbers, in their order.
        """
        size = self._know_kinds()
        return self._forms[:size]

    def names(self) -> Ids:
        """Return the sorted ids of the session's own words that are identifiers and no keywords."""
        self._know_kinds()
        return self._names

    def strings(self) -> Ids:
        """Return the sorted ids of the session's own words that are strings."""
        self._know_kinds()
        return self._strings

    def beginning_with(self, prefix: str) -> Ids:
        """Return the sorted ids of all words that begin with ``prefix``, upper and lower case alike."""
        wanted = prefix.casefold()
        folded, numbers = self._all_folded()
        low = bisect_left(folded, wanted)
        high = bisect_right(folded, wanted, low, key=lambda word: word[: len(wanted)])
        return np.concatenate([self.base.beginning_with(prefix), np.sort(numbers[low:high])])

    def _add(self, words: list[str]) -> None:
        first = len(self._words)
        # Asked again: another thread may have been here between the first look and the lock.
        added = [word for word in words if word not in self._ids][: max(0, self._largest - first)]
        self._words += added
        self._ids.update(zip(added, count(first)))  # behind the list: whoever sees the id finds the word

    def _know_kinds(self) -> int:
        """Find out the forms, names and strings of all words that there are by now; return how many these are."""
        size = len(self._words)
        if self._kinds_known < size:
            with self._lock:
                self._learn_kinds(self._kinds_known, size)
        return size

    def _learn_kinds(self, known: int, size: int) -> None:
        if known >= size:  # another thread was here
            return
        words = self._words[known:size]
        forms = self._forms
        if size > len(forms):
            forms = np.concatenate([forms[:known], np.empty(size - known + max(1024, size // 4), np.int16)])
        forms[known:size] = [self._form(word) for word in words]
        names = [number for number, word in enumerate(words, known) if word.isidentifier() and not iskeyword(word)]
        strings = [number for number, word in enumerate(words, known) if word[-1:] in ("'", '"')]
        self._forms = forms
        self._names = np.concatenate([self._names, np.array(names, np.int64)])
        self._strings = np.concatenate([self._strings, np.array(strings, np.int64)])
        self._kinds_known = size  # behind all of them: whoever sees it finds them

    def _all_folded(self) -> tuple[list[str], Ids]:
        """Return all of the session's own words, lower case and sorted, and their ids."""
        size = len(self._words)
        if len(self.base) + len(self._folded[0]) < size:
            with self._lock:
                self._fold()
        return self._folded

    def _fold(self) -> None:
        folded, numbers = self._folded
        known = len(self.base) + len(folded)
        added = [word.casefold() for word in self._words[known:]]
        if len(added) <= _FEW:
            folded = folded.copy()
            for number, word in enumerate(added, known):
                place = bisect_right(folded, word)
                folded.insert(place, word)
                numbers = np.insert(numbers, place, number)
        else:
            every = folded + added
            order = sorted(range(len(every)), key=every.__getitem__)
            folded = [every[place] for place in order]
            numbers = np.concatenate([numbers, np.arange(known, known + len(added))])[order]
        self._folded = folded, numbers

    def _form(self, word: str) -> int:
        return self._form_numbers.setdefault(form_of(word), min(len(self._form_numbers), _MOST_FORMS))


class _Behind(Sequence[str]):
    """What stands behind the first ``begin`` words of a list that only grows."""

    def __init__(self, words: Sequence[str], begin: int):
        self._words, self._begin = words, begin

    def __len__(self) -> int:
        return len(self._words) - self._begin

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return self._words[self._begin :][index]
        if not -len(self) <= index < len(self):
            raise IndexError(f"no word has the place {index}")
        return self._words[index + (self._begin if index >= 0 else 0)]
