"""The shapes of networks: what is possible, and that a manifest can't ask for anything else."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.neural.shape import Shape

LSTM = Shape("lstm", words=300, outputs=100, rows=100, pieces=64, embedding=16, hidden=24, projection=16, tied=True)
CNN = Shape(
    "cnn",
    words=300,
    outputs=100,
    rows=300,
    pieces=0,
    embedding=16,
    hidden=24,
    layers=3,
    kernel=3,
    dilation=2,
    gated=True,
)


@pytest.mark.parametrize("shape", [LSTM, CNN])
def test_a_shape_survives_json(shape):
    assert Shape.from_json(json.loads(json.dumps(shape.as_json()))) == shape


def test_what_the_core_of_an_lstm_remembers():
    assert LSTM.states() == ((1, 24), (1, 24))
    assert replace(LSTM, layers=2).states() == ((2, 24), (2, 24))
    assert LSTM.receptive_field is None


def test_what_the_core_of_a_cnn_remembers_is_what_its_kernels_still_need():
    assert CNN.dilations() == (1, 2, 4)
    assert CNN.states() == ((2, 16), (4, 24), (8, 24))
    assert CNN.receptive_field == 15


def test_the_head_reads_the_projection_where_there_is_one():
    assert (LSTM.width, CNN.width) == (16, 24)


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        (LSTM, {"kind": "transformer"}),
        (LSTM, {"words": 3}),
        (LSTM, {"outputs": 301}),
        (LSTM, {"outputs": 2}),
        (LSTM, {"rows": 301}),
        (LSTM, {"rows": 0}),
        (LSTM, {"pieces": -1}),
        (CNN, {"embedding": 0}),
        (LSTM, {"hidden": 0}),
        (LSTM, {"hidden": 1 << 40}),
        (LSTM, {"layers": 0}),
        (LSTM, {"layers": 65}),
        (CNN, {"projection": -1}),
        (LSTM, {"rows": 99}),  # tied
        (LSTM, {"kernel": 3}),
        (LSTM, {"dilation": 2}),
        (LSTM, {"gated": True}),
        (LSTM, {"residual": True}),
        (CNN, {"kernel": 0}),
        (CNN, {"dilation": 0}),
        (CNN, {"dilation": 1000}),  # 10 ** 9 words back
    ],
)
def test_what_cannot_be_is_refused_by_name(shape, change):
    with pytest.raises(ValueError, match="can't have") as refused:
        replace(shape, **change)
    named = str(refused.value).partition("can't have ")[2].partition(" =")[0]
    assert named in {*change, "tied"}


def test_tied_weights_need_a_projection_as_wide_as_the_words_vectors():
    with pytest.raises(ValueError, match="8 is not 16"):
        replace(LSTM, projection=8)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"words": "300"}, "words is not of the type int"),
        ({"words": True}, "words is not of the type int"),
        ({"words": 300.0}, "words is not of the type int"),
        ({"words": None}, "words is not of the type int"),
        ({"tied": 1}, "tied is not of the type bool"),
        ({"kind": ["lstm"]}, "kind is not of the type str"),
        ({"__class__": "Shape"}, "unknown: __class__"),
        ({"hidden": float("nan")}, "hidden is not of the type int"),
        ({"dilation": 10**400}, "can't have dilation"),
    ],
)
def test_hostile_manifests(change, problem):
    with pytest.raises(ValueError, match=problem):
        Shape.from_json(CNN.as_json() | change)


@pytest.mark.parametrize("name", ["kind", "words", "hidden"])
def test_what_has_no_default_must_be_there(name):
    raw = CNN.as_json()
    del raw[name]
    with pytest.raises(ValueError, match=name):
        Shape.from_json(raw)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@given(raw=st.dictionaries(st.sampled_from(sorted(CNN.as_json())), VALUES))
def test_whatever_a_manifest_says_it_is_a_shape_or_an_error(raw):
    try:
        shape = Shape.from_json(CNN.as_json() | raw)
    except ValueError:
        return
    assert Shape.from_json(shape.as_json()) == shape
