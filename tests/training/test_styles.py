"""What a file is for."""

import pytest

from codelm_train.styles import style_of


@pytest.mark.parametrize(
    ("path", "style"),
    [
        ("app/tests/helpers.py", "tests"),
        ("app/test_views.py", "tests"),
        ("app/views_test.py", "tests"),
        ("conftest.py", "tests"),
        ("examples/tests/run.py", "tests"),
        ("examples/run.py", "scripts"),
        ("setup.py", "scripts"),
        ("app/__main__.py", "scripts"),
        ("app/views.py", "library"),
        ("app/testimony.py", "library"),
        ("app/latest.py", "library"),
    ],
)
def test_it_is_told_by_the_path(path, style):
    assert style_of(path) == style
