"""Licences: by what a project says of itself, else by the text of its licence file."""

from pathlib import Path

import pytest

from codelm_train import licences

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (MIT, "MIT"),
        ("Copyright (c) 2007 X\n\n" + MIT.partition("\n\n")[2], "MIT"),
        ("          Apache License\n    Version 2.0, January 2004\n", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007\n", "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n  Version 2.1, February 1999\n", "LGPL-2.1"),
        ("Mozilla Public License Version 2.0\n", "MPL-2.0"),
        ("Redistribution and use in source and binary forms\n * Neither the name of X nor", "BSD-3-Clause"),
        ("Redistribution and use in source and binary\n# forms, with or without", "BSD-2-Clause"),
        ("Redistribution and use in source and binary forms\n\nA bundled part:\n\n" + MIT, "BSD-2-Clause AND MIT"),
        ("Files: *\nLicense: BSD-3-Clause\n\nFiles: a.py\nLicense: MIT\n" + MIT, "BSD-3-Clause AND MIT"),
        ("All rights reserved.", "unknown"),
    ],
)
def test_a_licence_is_recognised_by_its_text(text: str, licence: str) -> None:
    assert licences.recognise(text) == licence


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", "MIT OR Apache-2.0"),
        ("License: BSD-3-Clause\nClassifier: License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License", "BSD"),
        ("License: " + MIT.replace("\n", "\n        "), "MIT"),
        ("Name: x", "unknown"),
    ],
)
def test_a_wheels_metadata_says_it(metadata: str, licence: str) -> None:
    assert licences.of_metadata(metadata + "\n\nDescription") == licence


def test_a_licence_file_says_more_than_a_classifier() -> None:
    bsd = "Redistribution and use in source and binary forms"
    classifier = "Classifier: License :: OSI Approved :: BSD License\n\n"
    assert licences.of_metadata(classifier, [bsd]) == "BSD-2-Clause"


@pytest.mark.parametrize(
    ("pyproject", "licence"),
    [
        ('[project]\nlicense = "Apache-2.0"', "Apache-2.0"),
        ('[project]\nlicense = {text = "BSD"}', "BSD"),
        ('[project]\nlicense = {file = "LICENSE"}', "MIT"),
        ("[tool.ruff]", "MIT"),
    ],
)
def test_a_folders_pyproject_says_it_or_its_licence_file(tmp_path: Path, pyproject: str, licence: str) -> None:
    (tmp_path / "pyproject.toml").write_text(pyproject)
    (tmp_path / "LICENSE.txt").write_text(MIT)
    assert licences.of_folder(tmp_path) == licence
