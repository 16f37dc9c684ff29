"""Calibration: a model that is right as often as it is sure has an error of zero, and one that boasts has not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from codelm_train.calibration import BINS, Bin, Calibration, calibration

PREDICTIONS = st.integers(0, 60).flatmap(
    lambda count: st.tuples(
        arrays.arrays(np.float64, count, elements=st.floats(0, 1)),
        arrays.arrays(np.bool_, count),
    )
)


def of(*pairs: tuple[float, bool]) -> Calibration:
    return calibration(np.array([sure for sure, _ in pairs]), np.array([right for _, right in pairs], bool))


def test_by_hand():
    """Two predictions of about 0.25, one of them right, and a certain one that is wrong."""
    found = of((0.22, True), (0.28, False), (1.0, False))
    assert found.bins[2] == Bin(pytest.approx(0.25), 0.5, 2)
    assert found.bins[9] == Bin(1.0, 0.0, 1)
    assert found.error == pytest.approx((2 * 0.25 + 1 * 1.0) / 3)


def test_as_sure_as_right_is_calibrated():
    assert of(*[(0.75, True)] * 3, (0.75, False)).error == 0


def test_one_that_boasts_is_off_by_as_much_as_it_boasts():
    assert of(*[(0.9, False)] * 5).error == pytest.approx(0.9)
    assert of(*[(0.1, True)] * 5).error == pytest.approx(0.9)


@pytest.mark.parametrize(("confidence", "number"), [(0, 0), (0.05, 0), (0.1, 0), (0.1001, 1), (0.5, 4), (1, 9)])
def test_a_bin_ends_with_its_upper_bound(confidence, number):
    assert [part.count for part in of((confidence, True)).bins].index(1) == number


def test_no_predictions_are_no_error():
    found = of()
    assert found.error == 0
    assert found.bins == (Bin(0.0, 0.0, 0),) * BINS


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        of((wrong, True))


@given(PREDICTIONS)
def test_every_prediction_is_in_the_bin_of_its_tenth(predictions):
    confidence, right = predictions
    found = calibration(confidence, right)
    assert sum(part.count for part in found.bins) == len(confidence)
    assert sum(part.count * part.accuracy for part in found.bins) == pytest.approx(right.sum())
    assert sum(part.count * part.confidence for part in found.bins) == pytest.approx(confidence.sum())
    for number, part in enumerate(found.bins):
        if part.count:
            assert number / BINS - 1e-9 <= part.confidence <= (number + 1) / BINS + 1e-9


@given(PREDICTIONS)
def test_the_error_is_a_mean_of_distances(predictions):
    """So it lies between the distance of the overall means, which bins can only add to, and the greatest one."""
    found = calibration(*predictions)
    distances = [abs(part.confidence - part.accuracy) for part in found.bins if part.count]
    confidence, right = predictions
    overall = abs(confidence.mean() - right.mean()) if len(right) else 0
    assert overall - 1e-9 <= found.error <= max(distances, default=0) + 1e-9


@given(PREDICTIONS, st.randoms())
def test_the_order_of_predictions_does_not_matter(predictions, random):
    confidence, right = predictions
    order = list(range(len(right)))
    random.shuffle(order)
    shuffled = calibration(confidence[order], right[order])
    assert shuffled.error == pytest.approx(calibration(confidence, right).error)


@given(PREDICTIONS)
def test_it_survives_json(predictions):
    found = calibration(*predictions)
    assert Calibration.from_json(json.loads(json.dumps(found.as_json()))) == found
