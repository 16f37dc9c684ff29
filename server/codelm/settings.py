"""What a user can set, as frozen dataclasses, and how to read it from whatever an editor sends.

To add a setting, add a field with its default and a docstring; to add a section, write another dataclass
and give ``Settings`` one field of its type. In JSON names are in camelCase: ``max_items`` is ``maxItems``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

Section = TypeVar("Section")


class Between(NamedTuple):
    """The range of a number, both ends included."""

    least: int
    most: int

    def allows(self, value: int) -> bool:
        """Whether a number is in the range."""
        return self.least <= value <= self.most

    def __str__(self) -> str:
        return f"a whole number from {self.least} to {self.most}"


class OneOf(NamedTuple):
    """The values that a string may have."""

    choices: tuple[str, ...]

    def allows(self, value: str) -> bool:
        """Whether a string is among them."""
        return value in self.choices

    def __str__(self) -> str:
        return "one of " + ", ".join(map(json.dumps, self.choices))


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """The list of completions that opens while a user types (``codelm.completion``)."""

    enabled: bool = True
    """Whether there is a list at all."""

    max_items: Annotated[int, Between(1, 200)] = 20
    """How many items the list holds at most."""

    deadline: Annotated[int, Between(10, 10_000)] = 150
    """Milliseconds after which a list is sent with what has been found so far."""

    multi_token: bool = True
    """Whether the list also holds items of several tokens, such as ``self.name = name``, where no ghost text shows how
    the line may go on.
    """

    prose: bool = True
    """Whether it opens in comments, docstrings and strings of several words too, with words that go on as typed."""

    ranking: Annotated[str, OneOf(("beside", "first", "last"))] = "beside"
    """How codelm's items stand among those of other language servers: "beside", the few that it is sure of before them
    and the rest behind; all of them "first"; or all of them "last".
    """


@dataclass(frozen=True, slots=True)
class InlineSettings:
    """Ghost text: how the line at the cursor may go on, shown in grey (``codelm.inline``)."""

    enabled: bool = True
    """Whether there is ghost text at all."""

    max_items: Annotated[int, Between(1, 10)] = 3
    """How many suggestions there are to choose from at most."""

    deadline: Annotated[int, Between(10, 10_000)] = 300
    """Milliseconds after which an answer is sent with what has been found so far."""

    delay: Annotated[int, Between(0, 2_000)] = 0
    """Milliseconds without a key before anything is suggested unasked."""

    confidence: Annotated[int, Between(0, 100)] = 20
    """The least probability, in percent, of a suggestion that is shown unasked."""

    mid_line: bool = True
    """Whether something is suggested unasked where more than closing brackets and quotes follows on the line."""

    new_line: bool = True
    """Whether a whole statement is suggested unasked on an empty line."""

    prose: bool = True
    """Whether words are suggested in comments, docstrings and strings of several words."""


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """Learning from the files of the workspace (``codelm.workspace``)."""

    enabled: bool = True
    """Whether codelm learns from them; without, it knows the open file alone."""

    neural: bool = True
    """Whether the network reads them too, while nothing else is to be done: it then knows again what it saw there."""


@dataclass(frozen=True, slots=True)
class StatisticsSettings:
    """Counting what is accepted (``codelm.statistics``)."""

    enabled: bool = False
    """Whether it is counted, on this machine: how often and how many characters, by day; never what."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of codelm (``codelm`` in an editor's configuration)."""

    enabled: bool = True
    """Whether codelm proposes anything."""

    model: str = ""
    """Folder of the checkpoint to complete with; empty means the bundled one."""

    interpreter: str = ""
    """The Python that the workspace runs with, or its environment's folder; empty: the workspace's own environment."""

    device: Annotated[str, OneOf(("auto", "cpu", "cuda", "mps"))] = "auto"
    """What the network runs on; "auto" is the processor."""

    completion: CompletionSettings = CompletionSettings()
    """The list of completions."""

    inline: InlineSettings = InlineSettings()
    """Ghost text."""

    workspace: WorkspaceSettings = WorkspaceSettings()
    """What is learned."""

    statistics: StatisticsSettings = StatisticsSettings()
    """What is counted."""


CLIENTS_OWN = frozenset({"trace"})
"""Names directly under ``codelm`` that editors' clients keep for themselves, so nobody is warned of them."""


def parse(raw: object) -> tuple[Settings, list[str]]:
    """Read settings from decoded JSON.

    Nothing is raised: what is wrong falls back to its default and adds one line to the problems, which names
    the setting, what stands there and what belongs there. ``None`` means "not set", here and at each setting.
    """
    problems: list[str] = []
    if isinstance(raw, Mapping):
        raw = {name: value for name, value in raw.items() if name not in CLIENTS_OWN}
    return _section(Settings, raw, "codelm", problems), problems


def merge(base: object, over: object) -> object:
    """Lay decoded JSON settings over others: objects are merged; of other values ``over``'s win.

    ``None`` never wins: it means "not set".
    """
    if over is None:
        return base
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {**base, **{name: merge(base.get(name), value) for name, value in over.items()}}


def _section(section: type[Section], raw: object, path: str, problems: list[str]) -> Section:
    """Read one section: a dataclass whose fields all have defaults. ``path`` is its name in full."""
    if not isinstance(raw, Mapping):
        if raw is not None:
            problems.append(f"{path} is {_shown(raw)}; expected an object of settings")
        return section()
    defaults = section()
    types = get_type_hints(section, include_extras=True)
    names = {_camel(name): name for name in types}
    problems += [_unknown(str(given), names, path) for given in raw if given not in names]
    return section(
        **{
            name: _value(types[name], raw.get(given), getattr(defaults, name), f"{path}.{given}", problems)
            for given, name in names.items()
        }
    )


def _value(expected: Any, raw: object, default: Any, path: str, problems: list[str]) -> Any:
    """Read one setting, or the section that stands there."""
    if is_dataclass(expected) and isinstance(expected, type):
        return _section(expected, raw, path, problems)
    if raw is None:
        return default
    if get_origin(expected) is Annotated:
        kind, limits = get_args(expected)
    else:
        kind, limits = expected, None
    # Lua and Lisp clients may write a whole number as 20.0.
    value = int(raw) if kind is int and isinstance(raw, float) and raw.is_integer() else raw
    # True is an int in Python, but nobody means a number by it.
    if type(value) is kind and (limits is None or limits.allows(value)):
        return value
    wanted = _wanted(kind, limits)
    problems.append(f"{path} is {_shown(raw)}; expected {wanted}, so {_shown(default)} is used")
    return default


def _wanted(kind: type, limits: Between | OneOf | None) -> str:
    if limits is not None:
        return str(limits)
    return {bool: "true or false", str: "a string", int: "a whole number"}[kind]


def _shown(value: object) -> str:
    """Describe a JSON value on one short line: as JSON where that is short, else by its kind and size."""
    match value:
        case Mapping():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)}"
    written = json.dumps(value)
    if len(written) <= 40:
        return written
    return f"a string of {len(value)} characters" if isinstance(value, str) else "a very long number"


def _unknown(given: str, names: Iterable[str], path: str) -> str:
    near = get_close_matches(given, names, n=1)
    hint = f"; did you mean {path}.{near[0]}?" if near else ""
    written = json.dumps(given)[1:-1]
    return f"{path}.{written if len(written) <= 40 else written[:37] + '...'} is no setting of codelm{hint}"


def _camel(name: str) -> str:
    """Return the JSON name of a field: ``max_items`` is ``maxItems``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
