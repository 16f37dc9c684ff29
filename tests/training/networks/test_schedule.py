"""The learning rate over a training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm_train.networks.schedule import rate

SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SHARES)
def test_it_is_a_share(progress, warm_up, floor):
    assert 0 <= rate(progress, warm_up=warm_up, floor=floor) <= 1 + 1e-12


@given(SHARES, SHARES, SHARES, SHARES)
def test_it_rises_and_then_falls(one, other, warm_up, floor):
    one, other = sorted((one, other))
    before, after = rate(one, warm_up=warm_up, floor=floor), rate(other, warm_up=warm_up, floor=floor)
    if other < warm_up:
        assert before <= after
    elif one >= warm_up:
        assert before >= after - 1e-12


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.55), (1.0, 0.1), (1.5, 0.1), (-1.0, 0.0)],
)
def test_its_course(progress, expected):
    """Half way down the cosine it is half way to the floor; behind the end it stays there."""
    assert rate(progress, warm_up=0.1, floor=0.1) == pytest.approx(expected)


def test_without_warm_up_it_begins_at_the_highest():
    assert rate(0.0, warm_up=0.0, floor=0.0) == 1.0


def test_with_nothing_but_warm_up_it_only_rises():
    assert rate(0.99, warm_up=1.0, floor=0.0) == pytest.approx(0.99)
