"""What a file is for, as its path tells: people write tests, scripts and libraries each in a style of its own."""

import re
from pathlib import PurePosixPath

from codelm_train.notebooks import SUFFIX

TESTS, SCRIPTS, NOTEBOOKS, LIBRARY = STYLES = ("tests", "scripts", "notebooks", "library")

_TEST_FOLDERS = frozenset(("test", "tests", "testing", "unit_tests", "integration_tests"))
_SCRIPT_FOLDERS = frozenset("bin benchmark benchmarks docs example examples script scripts tools".split())
_TEST_FILE = re.compile(r"test_.*|.*_tests?|tests?|conftest")
_SCRIPT_FILES = frozenset(("__main__", "setup", "manage", "noxfile", "conf"))


def style_of(path: str) -> str:
    """Return the style of the file at ``path`` (with ``/``, inside its project): one of ``STYLES``."""
    file = PurePosixPath(path)
    if file.suffix == SUFFIX:
        return NOTEBOOKS
    folders = frozenset(file.parts[:-1])
    if _TEST_FILE.fullmatch(file.stem) or folders & _TEST_FOLDERS:
        return TESTS
    return SCRIPTS if file.stem in _SCRIPT_FILES or folders & _SCRIPT_FOLDERS else LIBRARY
