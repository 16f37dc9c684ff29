"""Which documents a model learns from, and which are kept to measure it.

The split is by project wherever there are projects enough: files of one project share names and habits, and a
model that has seen half of a project looks better on the other half than it is on code that it never saw
(Allamanis, "The adverse effects of code duplication in machine learning models of code", 2019).
"""

from collections.abc import Mapping, Sequence
from hashlib import sha1

from codelm.errors import CorpusError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
FEWEST_PROJECTS = 5  # with fewer, one is too large a part to give away, or too odd to measure on; and so with files

_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}


def split_named(name: str) -> str:
    """Return the split that a source calls ``name``: train, val, valid, validation or test."""
    if name.strip().lower() not in _NAMES:
        raise CorpusError(f"{name!r} is no split: use one of {', '.join(_NAMES)}")
    return _NAMES[name.strip().lower()]


def assign(
    documents: Sequence[tuple[str, str, str | None]], validation_share: float, test_share: float = 0.0
) -> list[str]:
    """Return the split of each document, given as (project, path, the split that its source says or None).

    What a source says is kept. If some source says validation or test, all the rest is for training.
    Otherwise about such shares of the rest are for validation and for the test: whole projects where there are at
    least five, else files, of five at least one each.
    """
    undecided = [(project, path) for project, path, split in documents if split is None]
    if any(split in (VALIDATION, TEST) for _, _, split in documents):
        held_out = {}
    elif len({project for project, _ in undecided}) >= FEWEST_PROJECTS:
        said = dict.fromkeys((project for project, _ in undecided), None)
        projects = assign_projects(said, validation_share, test_share)
        held_out = {document: projects[document[0]] for document in undecided}
    else:
        held_out = _files(undecided, validation_share, test_share)
    return [split or held_out.get((project, path), TRAIN) for project, path, split in documents]


def _files(
    documents: Sequence[tuple[str, str]], validation_share: float, test_share: float
) -> dict[tuple[str, str], str]:
    """Return the files that are held out, and their splits, by hashes of their paths; each split has its own hash."""
    held_out: dict[tuple[str, str], str] = {}
    for split, share, salt in ((TEST, test_share, f"{TEST} "), (VALIDATION, validation_share, "")):
        left = {document for document in documents if document not in held_out}
        if share <= 0:
            continue
        drawn = {document for document in left if file_is_held_out(salt + document[1], share)}
        if not drawn and len(left) >= FEWEST_PROJECTS:
            drawn = {min(left, key=lambda document: sha1(_bytes(salt + document[1])).digest())}
        if len(drawn) < len(left):  # one or two files: a model needs them more than a measurement
            held_out |= dict.fromkeys(drawn, split)
    return held_out


def assign_projects(said: Mapping[str, str | None], validation_share: float, test_share: float) -> dict[str, str]:
    """Return the split of each project, given the one that its source says, or None; no project is divided.

    What a source says is kept, and a split that some source says takes nothing of the rest. Of the rest each other
    one takes about its share, at least one project, where there are at least five; what is left is for training.
    """
    undecided = {project for project, split in said.items() if split is None}
    decided = {project: split for project, split in said.items() if split is not None}
    if len(undecided) >= FEWEST_PROJECTS:
        for split, share in ((TEST, test_share), (VALIDATION, validation_share)):
            if share > 0 and split not in said.values():
                left = undecided - decided.keys()
                decided |= dict.fromkeys(held_out_projects(left, share * len(undecided) / len(left)), split)
    return {project: decided.get(project, TRAIN) for project in said}


def held_out_projects(projects: set[str], share: float) -> set[str]:
    """Return about ``share`` of ``projects``, at least one and never all: the first by the SHA-1 of their
    names.

    The rank of a name does not change when other projects come or go.
    """
    ranked = sorted(projects, key=lambda name: sha1(_bytes(name)).digest())
    return set(ranked[: min(max(1, round(share * len(ranked))), len(ranked) - 1)])


def file_is_held_out(path: str, share: float) -> bool:
    """Say whether the file at ``path`` (relative to its project) belongs to the ``share`` for validation."""
    return int(sha1(_bytes(path)).hexdigest()[:8], 16) % round(1 / share) == 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a file name may hold bytes that are no UTF-8
