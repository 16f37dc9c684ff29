"""Where an f-string that is being typed has an open replacement field."""

import pytest

from codelm.fstring import open_field


@pytest.mark.parametrize(
    "drawn",
    [
        'f"{|x',
        "f'{|x.y",
        'f"{|',
        'rf"a {|x',
        'F"""line\n{x} {|y',
        'f"{x} and {|y',
        'f"{{ {|x',
        "f\"{d['key}']} {|x",
        'f"{|f(x, [1: y',
        "f\"{|x['a'",
        'f"{|x != y',
        'f"{|f(a, lambda: b)',
        'f"{|x[1:',
    ],
)
def test_the_field_that_the_string_ends_in_begins_at_the_bar(drawn):
    assert open_field(drawn.replace("|", "")) == drawn.index("|")


@pytest.mark.parametrize(
    "string",
    ['"{x', 'b"{x', 'f"', 'f"text', 'f"{{x', 'f"{x}', 'f"{x} more', 'f"{x:', 'f"{x:>{w}', 'f"{x!', 'f"{x!r', 'f"{x}}'],
)
def test_elsewhere_there_is_none(string):
    assert open_field(string) is None
