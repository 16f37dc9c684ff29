"""What is left out of a corpus, and what only looks like it."""

import pytest

from codelm.words import words
from codelm_train import filters


@pytest.mark.parametrize(
    "path", ["pkg/_vendor/six.py", "vendor/x.py", "a/third_party/b/c.py", "setuptools/extern/__init__.py"]
)
def test_other_projects_code_is_vendored(path: str) -> None:
    assert filters.vendored(path) == "vendored"


@pytest.mark.parametrize("path", ["pkg/vendor.py", "shop/vendors/models.py", "_vendor.py", "external/qt.py"])
def test_a_name_that_only_resembles_a_vendors_folder_is_kept(path: str) -> None:
    assert filters.vendored(path) is None


@pytest.mark.parametrize("text", ["print 'two'\n", "x = \0\n", "{{ cookiecutter.name }} = 1\n", "(" * 300])
def test_what_this_python_cannot_parse_is_dropped(text: str) -> None:
    assert filters.not_python(text) == "not Python 3"


@pytest.mark.parametrize("text", ["match x:\n    case 1: pass\n", "x = '\\d'\n", "assert (1, 2)\n", ""])
def test_what_it_parses_is_kept_even_where_it_would_warn(text: str) -> None:
    assert filters.not_python(text) is None


def test_nothing_but_comments_is_empty() -> None:
    assert filters.empty(words("# soon\n")) == "empty"
    assert filters.empty(words('"""Docstring."""\n')) == "empty"
    assert filters.empty(words("pass\n")) is None
