"""Which licence a project has: as its metadata says, or as its licence file's text shows.

Answers are SPDX identifiers where the project's own words allow it, else those words, else ``unknown``.
"""

import re
import tomllib
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

from codelm.errors import CorpusError

UNKNOWN = "unknown"

# "License :: OSI Approved :: MIT License". BSD alone does not say which of the BSD licences, so it stays a
# name.
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
# Licences that begin with their title. Only the head is looked at: the GPL's text names the LGPL, and so on.
_TITLES = (
    (r"apache license,? version 2\.0", "Apache-2.0"),
    (r"gnu affero general public license,? version 3", "AGPL-3.0"),
    (r"gnu lesser general public license,? version 3", "LGPL-3.0"),
    (r"gnu lesser general public license,? version 2\.1", "LGPL-2.1"),
    (r"gnu general public license,? version 3", "GPL-3.0"),
    (r"gnu general public license,? version 2", "GPL-2.0"),
    (r"mozilla public license,? (version )?2\.0", "MPL-2.0"),
    (r"python software foundation license", "PSF-2.0"),
)
# Licences that are known by a sentence, since a copyright line of any length stands before it.
_SENTENCES = (
    ("permission is hereby granted, free of charge, to any person", "MIT"),
    ("permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"),
    ("this is free and unencumbered software", "Unlicense"),
    ("python software foundation license version 2", "PSF-2.0"),
)
_HEAD = 400  # characters: room for a title and the line of its version
_LONGEST_NAME = 60  # a License field may hold a whole licence text; a name is shorter


def recognise(text: str) -> str:
    """Return the licence that a licence file's ``text`` is, ``A AND B`` where it holds several, or ``unknown``."""
    # A machine-readable list of files and their licences, as Debian has it.
    if listed := _distinct(re.findall(r"(?m)^\s*License: *([\w.+-]+)\s*$", text)):
        return " AND ".join(listed)
    flat = re.sub(r"[\s*#]+", " ", text).strip().lower()
    for title, licence in _TITLES:
        if re.search(title, flat[:_HEAD]):
            return licence
    found = [licence for sentence, licence in _SENTENCES if sentence in flat]
    if "redistribution and use in source and binary forms" in flat:
        endorsing = re.search(r"neither the names? of|may not be used to endorse", flat)
        found.insert(0, "BSD-3-Clause" if endorsing else "BSD-2-Clause")
    return " AND ".join(_distinct(found)) or UNKNOWN


def of_metadata(metadata: str, licence_texts: Iterable[str] = ()) -> str:
    """Return the licence of a distribution from its METADATA and the texts of its licence files."""
    headers = HeaderParser().parsestr(metadata)
    for field in ("License-Expression", "License"):
        name = str(headers.get(field, "")).strip()
        if name and name.lower() != UNKNOWN and len(name) <= _LONGEST_NAME and "\n" not in name:
            return name
    texts = [*licence_texts, str(headers.get("License", ""))]
    if recognised := _distinct(licence for text in texts if (licence := recognise(text)) != UNKNOWN):
        return " AND ".join(recognised)
    names = [
        str(line).rpartition(" :: ")[2]
        for line in headers.get_all("Classifier", [])
        if str(line).startswith("License :: ")
    ]
    return " OR ".join(_distinct(_CLASSIFIERS.get(name, name) for name in names)) or UNKNOWN


def of_folder(folder: Path) -> str:
    """Return the licence of the project in ``folder``, from its pyproject.toml, else its licence file.

    Raises CorpusError where pyproject.toml cannot be read.
    """
    named = _of_pyproject(folder / "pyproject.toml")
    if named is not None:
        return named
    for file in sorted(folder.iterdir()):
        if re.match(r"(?i)(licen[cs]e|copying)", file.name) and file.is_file():
            licence = recognise(file.read_text(encoding="utf-8", errors="replace"))
            if licence != UNKNOWN:
                return licence
    return UNKNOWN


def _of_pyproject(file: Path) -> str | None:
    """Return what ``[project] license`` names, None where it names nothing (or only a file)."""
    if not file.is_file():
        return None
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CorpusError(f"{file}: cannot be read as TOML ({error})") from error
    named = project.get("license") if isinstance(project, dict) else None
    text = named.get("text") if isinstance(named, dict) else named
    if not isinstance(text, str) or not text.strip():
        return None
    return text.strip() if len(text.strip()) <= _LONGEST_NAME else recognise(text)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
