"""Settings as an editor sends them: decoded JSON, with whatever mistakes a user makes in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codelm.settings import (
    CompletionSettings,
    InlineSettings,
    Settings,
    StatisticsSettings,
    WorkspaceSettings,
    merge,
    parse,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(
    [
        *"enabled model device completion inline maxItems deadline multiToken confidence midLine".split(),
        *("workspace", "trace", "x\n"),
    ]
)


@pytest.mark.parametrize("nothing", [None, {}, {"completion": None}, {"completion": {"maxItems": None}}])
def test_what_is_not_set_has_its_default(nothing):
    assert parse(nothing) == (Settings(), [])


def test_every_setting_can_be_set():
    raw = {
        "enabled": False,
        "model": "~/models/mine",
        "interpreter": "~/envs/mine/bin/python",
        "workspace": {"enabled": False},
        "statistics": {"enabled": True},
        "device": "cuda",
        "completion": {
            "enabled": False,
            "maxItems": 7,
            "deadline": 300,
            "multiToken": False,
            "prose": False,
            "ranking": "last",
        },
        "inline": {
            "enabled": False,
            "maxItems": 1,
            "deadline": 80,
            "delay": 200,
            "confidence": 60,
            "midLine": False,
            "newLine": False,
            "prose": False,
        },
    }
    completion = CompletionSettings(
        enabled=False, max_items=7, deadline=300, multi_token=False, prose=False, ranking="last"
    )
    inline = InlineSettings(
        enabled=False, max_items=1, deadline=80, delay=200, confidence=60, mid_line=False, new_line=False, prose=False
    )
    expected = Settings(
        enabled=False,
        model="~/models/mine",
        interpreter="~/envs/mine/bin/python",
        device="cuda",
        completion=completion,
        inline=inline,
        workspace=WorkspaceSettings(enabled=False),
        statistics=StatisticsSettings(enabled=True),
    )
    assert parse(raw) == (expected, [])


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"enabled": "yes"}, 'codelm.enabled is "yes"; expected true or false, so true is used'),
        ({"enabled": 1}, "codelm.enabled is 1; expected true or false, so true is used"),
        ({"model": ["a", "b"]}, 'codelm.model is a list of 2; expected a string, so "" is used'),
        ({"model": {}}, 'codelm.model is an object; expected a string, so "" is used'),
        (
            {"completion": {"maxItems": 0}},
            "codelm.completion.maxItems is 0; expected a whole number from 1 to 200, so 20 is used",
        ),
        (
            {"completion": {"maxItems": True}},
            "codelm.completion.maxItems is true; expected a whole number from 1 to 200, so 20 is used",
        ),
        (
            {"completion": {"deadline": "1" * 99}},
            "codelm.completion.deadline is a string of 99 characters; "
            "expected a whole number from 10 to 10000, so 150 is used",
        ),
        (
            {"completion": {"deadline": 20.5}},
            "codelm.completion.deadline is 20.5; expected a whole number from 10 to 10000, so 150 is used",
        ),
        ({"completion": False}, "codelm.completion is false; expected an object of settings"),
        (
            {"completion": {"maxitems": 5}},
            "codelm.completion.maxitems is no setting of codelm; did you mean codelm.completion.maxItems?",
        ),
        ({"workspace": {"enabled": 1}}, "codelm.workspace.enabled is 1; expected true or false, so true is used"),
        ({"interpreter": 3}, 'codelm.interpreter is 3; expected a string, so "" is used'),
        ({"workspace": "off"}, 'codelm.workspace is "off"; expected an object of settings'),
        (
            {"device": "gpu"},
            'codelm.device is "gpu"; expected one of "auto", "cpu", "cuda", "mps", so "auto" is used',
        ),
        ({"device": 0}, 'codelm.device is 0; expected one of "auto", "cpu", "cuda", "mps", so "auto" is used'),
        (
            {"inline": {"confidence": 101}},
            "codelm.inline.confidence is 101; expected a whole number from 0 to 100, so 20 is used",
        ),
        (
            {"inline": {"midline": True}},
            "codelm.inline.midline is no setting of codelm; did you mean codelm.inline.midLine?",
        ),
        ({"zzz": 1}, "codelm.zzz is no setting of codelm"),
        ("on", 'codelm is "on"; expected an object of settings'),
    ],
)
def test_a_bad_value_falls_back_to_its_default_and_is_reported(raw, problem):
    assert parse(raw) == (Settings(), [problem])


def test_a_bad_value_leaves_the_good_ones_alone():
    settings, problems = parse({"completion": {"maxItems": "many", "deadline": 80}, "model": "m"})
    assert settings == Settings(model="m", completion=CompletionSettings(deadline=80))
    assert len(problems) == 1


def test_a_whole_number_may_be_written_as_a_float():
    assert parse({"completion": {"maxItems": 5.0}}) == (
        Settings(completion=CompletionSettings(max_items=5)),
        [],
    )


def test_what_clients_keep_in_the_section_is_not_reported():
    assert parse({"trace": {"server": "verbose"}}) == (Settings(), [])


@given(JSON | st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON)))
def test_no_json_raises_and_each_problem_is_one_short_line(raw):
    settings, problems = parse(raw)
    assert isinstance(settings, Settings)
    for problem in problems:
        assert problem.startswith("codelm")
        assert len(problem) < 250
        assert len(problem.splitlines()) == 1
    assert parse(json.loads(json.dumps(raw))) == (settings, problems)


def test_merging_lays_one_object_over_another():
    base = {"model": "a", "completion": {"maxItems": 5, "deadline": 80}}
    over = {"model": "b", "completion": {"deadline": 90, "maxItems": None}}
    assert merge(base, over) == {"model": "b", "completion": {"maxItems": 5, "deadline": 90}}
    assert merge(base, None) == base
    assert merge(None, over) == over
    assert merge(base, 3) == 3
