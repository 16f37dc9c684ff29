"""How states are kept: what is lost of them, which list they are in, and what of a manifest is not believed."""

import json
from dataclasses import replace

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.neural.reduction import Reduction, kept
from codelm.neural.table import unit

SEEDS = st.integers(0, 2**32 - 1)


def reduction(seed: int = 0, **sizes: int) -> Reduction:
    return models.random_reduction(np.random.default_rng(seed), **sizes)


def vectors(seed: int, rows: int, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


@given(seed=SEEDS, rows=st.integers(0, 9))
def test_a_reduced_vector_is_its_product_with_the_basis_of_length_one(seed, rows):
    made, given_vectors = reduction(seed), vectors(seed, rows)
    expected = given_vectors.astype(np.float64) @ made.basis.astype(np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(made.reduced(given_vectors), expected, atol=1e-4)


@given(seed=SEEDS, dimensions=st.integers(16, 64))
def test_cosines_with_kept_vectors_are_nearly_those_with_the_vectors(seed, dimensions):
    made = reduction(seed, dimensions=dimensions)
    some, [query] = unit(vectors(seed, 50, dimensions)), unit(vectors(seed + 1, 1, dimensions))
    np.testing.assert_allclose(made.cosines(kept(some), query), some @ query, atol=0.03)


@given(seed=SEEDS, rows=st.integers(0, 20))
def test_a_vector_is_in_the_list_whose_centre_is_most_like_it(seed, rows):
    made = reduction(seed)
    reduced = made.reduced(vectors(seed, rows))
    centres = made.centres / np.linalg.norm(made.centres.astype(np.float64), axis=1, keepdims=True)
    alike = reduced @ centres.T
    np.testing.assert_allclose(made.alike(reduced), alike, atol=1e-5)
    np.testing.assert_allclose(alike[np.arange(rows), made.lists(reduced)], alike.max(axis=1, initial=-2), atol=1e-5)


@given(seed=SEEDS)
def test_it_survives_json(seed):
    made = reduction(seed)
    again = Reduction.from_json(json.loads(json.dumps(made.as_json())))
    np.testing.assert_array_equal(again.basis, made.basis)
    np.testing.assert_array_equal(again.centres, made.centres)
    assert again.key == made.key


def test_what_is_kept_in_another_way_has_another_key():
    made = reduction()
    assert made.key not in (replace(made, basis=-made.basis).key, replace(made, centres=made.centres[::-1]).key)


@pytest.mark.parametrize("raw", [None, [], "states", 1])
def test_something_else_is_none(raw):
    with pytest.raises(ValueError, match="'states' is no reduction"):
        Reduction.from_json(raw)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"width": 0}, "'states.width'"),
        ({"width": 16.0}, "'states.width'"),
        ({"width": 17}, "'states.basis' is no table of 17 x 6"),
        ({"dimensions": None}, "'states.dimensions'"),
        ({"dimensions": 7}, "'states.basis' is no table of 16 x 7"),
        ({"basis": 5}, "'states.basis' is not in base64"),
        ({"basis": "%"}, "'states.basis' is not in base64"),
        ({"basis": "AAAA"}, "'states.basis' is cut short"),
        ({"centres": ""}, "'states.centres' are no vectors of 6"),
        ({"centres": "AAAA"}, "'states.centres' are no vectors of 6"),
    ],
)
def test_what_is_wrong_is_named(change, problem):
    with pytest.raises(ValueError, match=problem):
        Reduction.from_json(reduction().as_json() | change)


def test_a_basis_of_no_numbers_is_none():
    made = reduction()
    with pytest.raises(ValueError, match=r"'states\.basis' is no table"):
        Reduction.from_json(replace(made, basis=np.full_like(made.basis, np.inf)).as_json())
