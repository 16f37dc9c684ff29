"""An open document as its tokens and its words, kept up to date at the cost of what changed.

The words above the cursor are learned line by line, and unlearned from the first changed line on. What has been learned
depends on the text and the cursor alone, never on the edits that led there.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from codelm.file_words import FileWords, Places
from codelm.lexer import Lexed, Token, common_prefix, lex, lex_from_scratch, relex
from codelm.model import Ids
from codelm.secrecy import without_secrets
from codelm.session import SessionVocabulary
from codelm.words import words_of

BELOW = 10_000
"""Characters below the cursor's line that are learned, whole lines: they are lexed when the cursor leaves its line."""


def words_of_code(tokens: Iterable[Token]) -> Sequence[str]:
    """Return the words of code as they may be learned."""
    return without_secrets(words_of(tokens))


class OpenFile:
    """One open document. Not thread-safe."""

    def __init__(
        self, session: SessionVocabulary, words: Callable[[Iterable[Token]], Iterable[str]] = words_of_code
    ) -> None:
        """Take the session's vocabulary, and what makes words of the tokens of whole lines."""
        self._session = session
        self._words_of = words
        self._lexed: Lexed | None = None
        self._words = FileWords()
        self._learned_text = ""
        # Beginnings of lines above the cursor: their offsets, and how many words stood before them.
        self._offsets: list[int] = []
        self._counts: list[int] = []
        self._below = ""

    def lex(self, text: str) -> Lexed:
        """Return the tokens of a text that is most often nearly the last one."""
        if self._lexed is None:
            self._lexed = lex_from_scratch(text)
        elif self._lexed.text != text:
            self._lexed = relex(self._lexed, text)
        return self._lexed

    def above(self) -> Ids:
        """Return the ids of the words above the cursor, as they were last learned: (T,)."""
        return self._words.above()

    def learn(self, lexed: Lexed, at: int, text: str, offset: int, then: Iterable[str] = ()) -> Places:
        """Learn the words of the tokens before number ``at``, and of the lines of ``text`` behind that of ``offset``.

        Return the words as places, those that come ``then`` behind the ones above; these are not kept.
        """
        self._learn_above(lexed, at)
        self._learn_below(_lines_behind(text, offset))
        ids = self._session.learn(then)
        self._words.learn(ids)
        places = self._words.snapshot()
        self._words.unlearn(len(ids))
        return places

    def _learn_above(self, lexed: Lexed, at: int) -> None:
        # As in relex: a line counts as unchanged only when the character behind its beginning is.
        del self._offsets[bisect_left(self._offsets, common_prefix(self._learned_text, lexed.text)) :]
        first = 0
        while self._offsets:
            first = bisect_left(lexed.marks, self._offsets[-1], key=attrgetter("offset"))
            mark = lexed.marks[first] if first < len(lexed.marks) else None
            if mark is not None and mark.offset == self._offsets[-1] and mark.place <= at:
                break
            self._offsets.pop()
            first = 0
        del self._counts[len(self._offsets) :]
        self._words.unlearn(len(self._words) - (self._counts[-1] if self._counts else 0))
        lines = [mark for mark in lexed.marks[first:] if mark.place <= at]
        ends = [*(mark.place for mark in lines[1:]), at]
        words: list[str] = []
        learned = len(self._words)
        for mark, end in zip(lines, ends, strict=True):
            if not self._offsets or mark.offset > self._offsets[-1]:
                self._offsets.append(mark.offset)
                self._counts.append(learned + len(words))
            words += self._words_of(lexed.tokens[mark.place : end])
        self._words.learn(self._session.learn(words))
        self._learned_text = lexed.text

    def _learn_below(self, text: str) -> None:
        if text != self._below:
            self._below = text
            self._words.learn_below(self._session.learn(self._words_of(lex(text))))


def _lines_behind(text: str, offset: int) -> str:
    """Return the whole lines behind that of an offset, as many as are learned."""
    begin = text.find("\n", offset) + 1
    if not begin:
        return ""
    end = len(text)
    if end - begin > BELOW:
        end = text.rfind("\n", begin, begin + BELOW) + 1
    return text[begin:end]
