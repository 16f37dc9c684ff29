"""What was suggested last in a document: typing along a suggestion keeps it, and so does taking that back.

A part of a line is kept to the end of the word that is typed: behind that more of the line may be sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from codelm.completion import Selected, Suggestion
from codelm.suggest import Chosen


@dataclass(frozen=True, slots=True)
class Shown:
    """What was suggested at an offset into a text, and the item that was selected then."""

    text: str
    offset: int
    selected: Selected | None
    found: Sequence[Chosen]

    def still(self, text: str, offset: int, selected: Selected | None) -> list[Suggestion]:
        """Return what is still right in a text that may be newer, at another offset.

        That is nothing, unless the text is this one with the beginning of a suggestion typed at its cursor. The
        probability of what is left is that given what was typed.
        """
        typed = text[self.offset : offset]
        same = text[: self.offset] == self.text[: self.offset] and text[offset:] == self.text[self.offset :]
        if not same or offset < self.offset or selected != self.selected:
            return []
        kept = []
        for chosen in self.found:
            suggestion = chosen.suggestion
            first, now = self.offset - suggestion.start, offset - suggestion.start
            if not (suggestion.text.startswith(typed, first) and now < len(suggestion.text)):
                continue
            if chosen.is_whole or not any(first < end <= now for end, _ in chosen.marks):
                right = min((p for end, p in chosen.marks if end <= now), default=1.0)
                probability = min(1.0, suggestion.probability / right)
                kept.append(replace(suggestion, end=suggestion.end + len(typed), probability=probability))
        return kept
