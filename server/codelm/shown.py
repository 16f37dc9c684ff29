"""What was suggested last in a document: typing along a suggestion keeps it, and so does taking that back."""

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
        probability of what is left is given what was typed.
        """
        typed = text[self.offset : offset]
        same = text[: self.offset] == self.text[: self.offset] and text[offset:] == self.text[self.offset :]
        if not same or offset < self.offset or selected != self.selected:
            return []
        kept = []
        for chosen in self.found:
            suggestion = chosen.suggestion
            behind = suggestion.text[self.offset - suggestion.start :]
            if behind.startswith(typed) and behind != typed:
                right = min((p for end, p in chosen.marks if end <= offset - suggestion.start), default=1.0)
                probability = min(1.0, suggestion.probability / right)
                kept.append(replace(suggestion, end=suggestion.end + len(typed), probability=probability))
        return kept
