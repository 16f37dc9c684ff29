"""A recipe: everything that makes a checkpoint, as one TOML file, and running it.

Each step leaves a folder or a file, and a stamp that says what it was made from. A step whose stamp still fits is
skipped, so an interrupted run goes on where it was, and a changed recipe redoes only what depends on the change.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cattrs
from cattrs.v import format_exception

from codelm import __version__
from codelm.errors import UsageError
from codelm.folder import replace_file
from codelm.manifest import FORMAT as CHECKPOINT_FORMAT
from codelm.vocabulary import DEFAULT_SIZE
from codelm_train.networks.settings import NetworkSettings, settings_from

RECIPES = Path(__file__).parent / "recipes"
_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class CorpusRecipe:
    """Where the code comes from (``[corpus]``)."""

    sources: tuple[str, ...] = ()
    """Folders, ``stdlib``, package lists and CodeSearchNet rows; relative to the recipe's folder. Empty: whoever
    runs the recipe names them."""
    validation_share: float = 0.05
    """About how much to keep for validation where the sources don't say."""
    test_share: float = 0.0
    """About how much to keep for a test, in the same way."""
    code_tokens: bool = False
    """Take the words of CodeSearchNet rows as they are."""
    notebooks: bool = False
    """Read the code cells of notebooks in folders and packages, too."""
    longest: int = 0
    """Cut each sequence to its first words, so many; 0: no cut."""


@dataclass(frozen=True)
class VocabularyRecipe:
    """Which words have an id (``[vocabulary]``)."""

    size: int = DEFAULT_SIZE
    """How many, the special ones included; 0: all."""
    min_count: int = 1
    """How often a word must have been seen."""


@dataclass(frozen=True)
class NGramRecipe:
    """The n-gram model (``[ngram]``)."""

    order: int = 5
    """The length of the longest n-grams."""
    smoothing: str = "kneser-ney"
    """How mass is given to what was never seen: ``kneser-ney``, ``witten-bell`` or ``jelinek-mercer``."""
    prune: tuple[int, ...] = ()
    """Drop n-grams with at most so many occurrences, a number for each length; the last serves all longer ones."""
    size: str = ""
    """The greatest size of its checkpoint, such as "10MB"; empty: nothing is dropped and nothing is rounded."""


@dataclass(frozen=True)
class MixtureRecipe:
    """How the models are mixed with what files teach (``[mixture]``)."""

    network: str = ""
    """The network, by its name, that the n-gram model is mixed with; empty: none."""

    split: str = ""
    """The split to fit the weights to, one that nothing else is measured on; empty: the default weights."""
    samples: int = 200_000
    """How many words to look at."""


@dataclass(frozen=True)
class ProseRecipe:
    """The model of comments, docstrings and strings of several words (``[prose]``)."""

    vocabulary: int = 20_000
    """How many words have an id."""
    order: int = 5
    """The length of the longest n-grams."""
    size: str = ""
    """The greatest size of its n-grams, such as "4MB"; empty: nothing is dropped and nothing is rounded."""
    samples: int = 60_000
    """How many words to look at for the weights, where the mixture's are fitted."""


@dataclass(frozen=True)
class EvaluateRecipe:
    """The measurement (``[evaluate]``)."""

    split: str = "validation"
    """The split to measure on."""
    every: int = 1
    """Rank each n-th token only."""
    workspace_every: int = 20
    """With files learned, look at each n-th token only."""


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    name: str
    """What the checkpoint is called."""
    corpus: CorpusRecipe
    base: str = ""
    """A checkpoint to begin with, ``bundled`` or a folder, relative to the recipe's: words are added to its vocabulary,
    n-grams merged with its own, its network is trained on, its weights are fitted anew. Empty: all is made anew."""
    vocabulary: VocabularyRecipe = field(default_factory=VocabularyRecipe)
    ngram: NGramRecipe = field(default_factory=NGramRecipe)
    network: tuple[NetworkSettings, ...] = ()
    """Neural networks to train beside it, one for each ``[[network]]``."""
    prose: ProseRecipe | None = None
    """The model of prose that comes with it; None: the base's, if that has one."""
    mixture: MixtureRecipe = field(default_factory=MixtureRecipe)
    evaluate: EvaluateRecipe = field(default_factory=EvaluateRecipe)


def read_recipe(file: Path) -> Recipe:
    """Read a recipe. Raises UsageError, naming the file and what is wrong in it."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(NetworkSettings, lambda said, _: settings_from(said))
    try:
        recipe = converter.structure(raw, Recipe)
    except cattrs.BaseValidationError as error:
        told = cattrs.transform_error(error, format_exception=_told)
        raise UsageError(f"{file}: {'; '.join(told)}") from error
    names = [network.called for network in recipe.network]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{file}: two networks are called {name}: give each a name of its own")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{file}: a network can't be called {name!r}: letters, digits, '-', '_' and '.' only")
    if recipe.mixture.network and recipe.mixture.network not in names:
        raise UsageError(f"{file}: there is no network {recipe.mixture.network} to mix with")
    return recipe


def _told(error: BaseException, kind: type | None) -> str:
    return str(error) if isinstance(error, UsageError) else format_exception(error, kind)


class Steps:
    """The steps of one run, in one folder, with their stamps."""

    def __init__(self, folder: Path):
        """Take the folder that the run is in. Raises UsageError when its stamps can't be read."""
        self._file = folder / "steps.json"
        self._made: dict[str, str] = {}
        if self._file.exists():
            try:
                made = json.loads(self._file.read_text(encoding="utf-8"))
                self._made = {str(step): str(stamp) for step, stamp in made.items()}
            except (ValueError, AttributeError) as error:
                raise UsageError(f"{self._file} is broken ({error}); remove it to run every step again") from error

    def run(self, step: str, output: Path, made_from: Mapping[str, Any], make: Callable[[], None]) -> None:
        """Make ``output`` by ``make()`` unless it is there and was made from the same."""
        stamp = _stamp(made_from)
        if output.exists() and self._made.get(step) == stamp:
            return
        # A stamp is written only behind its step: a run that is killed in between does the step again.
        self._made.pop(step, None)
        make()
        self._made[step] = stamp
        replace_file(self._file, json.dumps(self._made, indent=1) + "\n")

    def stamp(self, step: str) -> str:
        """Return the stamp of a step that was run."""
        return self._made[step]


Part = CorpusRecipe | VocabularyRecipe | NGramRecipe | NetworkSettings | ProseRecipe | MixtureRecipe | EvaluateRecipe


def made_from(part: Part, *inputs: str) -> dict[str, Any]:
    """Return what a step was made from: its part of the recipe, the stamps of its inputs, and this version."""
    return {"recipe": asdict(part), "inputs": inputs, "codelm": __version__, "format": CHECKPOINT_FORMAT}


def fingerprint(sources: list[Path | str]) -> str:
    """Return a hash that changes when a file of the sources does (its size or time of change; a list's content)."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(str(source).encode())
        if isinstance(source, str):
            continue
        files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
        for file in files:
            if file.is_file():
                status = file.stat()
                digest.update(f"\0{file}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _stamp(made_from: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
