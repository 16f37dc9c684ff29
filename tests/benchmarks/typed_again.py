"""Lines in the middle of a text that are typed again: what a completer is asked about at each key."""

from dataclasses import dataclass

from texts import middle_of

from codelm.completion import Snapshot
from codelm.lexer import Kind, lex

URI = "file:///open.py"
LINES = 60


@dataclass(frozen=True)
class Typing:
    """A text in which everything between two places is typed again."""

    above: str
    typed: str
    below: str

    @classmethod
    def in_middle_of(cls, text: str) -> "Typing":
        """Return the typing of some lines in the middle of a text."""
        begin = middle_of(text)
        end = begin
        for _ in range(LINES):
            end = text.index("\n", end) + 1
        return cls(text[:begin], text[begin:end], text[end:])

    def snapshot(self, count: int) -> Snapshot:
        """Return the document when so many characters were typed."""
        return Snapshot(URI, count, self.above + self.typed[:count] + "\n" + self.below)

    def offset(self, count: int) -> int:
        """Return the cursor's offset then."""
        return len(self.above) + count

    def names(self) -> list[int]:
        """Return how much was typed when each name begins."""
        return [token.start for token in lex(self.typed) if token.kind is Kind.NAME]
