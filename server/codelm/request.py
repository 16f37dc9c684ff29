"""A request for completions: what stands at the cursor, and all that is known there."""

from dataclasses import dataclass

from codelm.cursor import Cursor
from codelm.knowledge import Context
from codelm.mixture import Mixture, MixtureState
from codelm.session import SessionVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request: the cursor, the models as they are now, and their state behind the words before the cursor."""

    cursor: Cursor
    context: Context
    session: SessionVocabulary

    @property
    def mixture(self) -> Mixture:
        """The models as they are now."""
        return self.context.mixture

    @property
    def state(self) -> MixtureState:
        """Their state behind the words before the cursor."""
        return self.context.state
