"""What can be said of a network and its training, and what cannot."""

from dataclasses import asdict, fields

import pytest

from codelm.errors import UsageError
from codelm_train.networks.settings import NetworkSettings, explanations, settings_from


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"colour": 1}, "a network has no setting colour"),
        ({"kind": "rnn"}, "kind = 'rnn' is none of lstm, cnn"),
        ({"kind": ["lstm"]}, "kind = ['lstm'] is no str"),
        ({"lanes": 0}, "lanes = 0 is less than 1"),
        ({"lanes": 1.5}, "lanes = 1.5 is no int"),
        ({"lanes": True}, "lanes = True is no int"),
        ({"length": 1}, "length = 1 is less than 2"),
        ({"budget": 0}, "budget = 0"),
        ({"batches": "words"}, "batches = 'words' is none of streams, sequences"),
        ({"device": "tpu"}, "device = 'tpu' is none of auto, cpu, cuda, mps"),
        ({"precision": "fp16"}, "precision = 'fp16' is none of auto, fp32, bf16"),
        ({"tied": 1}, "tied = 1 is no bool"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0 is less than"),
        ({"learning_rate": float("nan")}, "learning_rate = nan"),
        ({"learning_rate": float("inf")}, "learning_rate = inf is no number"),
        ({"epochs": float("inf")}, "epochs = inf is no number"),
        ({"minutes": -1.0}, "minutes = -1.0 is less than 0"),
        ({"clip": -1.0}, "clip = -1.0"),
        ({"dropout": 1.0}, "dropout = 1.0 is no share"),
        ({"warm_up": 1.5}, "warm_up = 1.5 is no share"),
        ({"full_share": -0.1}, "full_share = -0.1 is no share"),
        ({"keep": 0}, "keep = 0"),
        ({"seed": 1 << 63}, "seed = 9223372036854775808 is too large"),
        ({"seed": -1}, "seed = -1"),
        ({"validations": 0}, "validations = 0"),
    ],
)
def test_what_cannot_be_is_named(said, told):
    with pytest.raises(UsageError) as error:
        settings_from(said)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"embedding": 0, "tied": False}, "embedding = 0"),
        ({"embedding": 100}, "a projection as wide as its embedding: 256 is not 100"),
        ({"hidden": -5}, "hidden = -5"),
        ({"layers": 0}, "layers = 0"),
        ({"outputs": 2}, "outputs = 2"),
        ({"pieces": -1}, "pieces = -1"),
        ({"kind": "cnn", "kernel": 0}, "kernel = 0"),
        ({"kind": "cnn", "dilation": 0}, "dilation = 0"),
        ({"kind": "cnn", "dilation": 1000, "layers": 60}, "dilation = 1000"),
    ],
)
def test_what_no_network_can_have_is_named(said, told):
    with pytest.raises(UsageError) as error:
        settings_from(said).shape(1000)
    assert told in str(error.value)


def test_a_whole_number_is_a_number():
    assert settings_from({"epochs": 2}).epochs == 2.0


def test_the_kinds_have_defaults_of_their_own():
    assert settings_from({}) == NetworkSettings() == settings_from({"kind": "lstm"})
    cnn = settings_from({"kind": "cnn"})
    assert (cnn.layers, cnn.hidden) != (NetworkSettings().layers, NetworkSettings().hidden)
    assert settings_from({"kind": "cnn", "layers": 2}).layers == 2
    for made in (settings_from({}), cnn):
        assert made.shape(40_000).words == 40_000


def test_settings_survive_being_written_down():
    made = settings_from({"kind": "cnn", "dropout": 0.5, "name": "wide"})
    assert settings_from(asdict(made)) == made


def test_outputs_are_at_most_the_vocabulary():
    assert settings_from({"outputs": 0}).shape(500).outputs == 500
    assert settings_from({"outputs": 9000}).shape(500).outputs == 500
    assert settings_from({"outputs": 100}).shape(500).outputs == 100


def test_a_network_is_called_by_its_name_or_kind():
    assert settings_from({}).called == "lstm"
    assert settings_from({"name": "large"}).called == "large"


def test_every_setting_is_explained():
    told = explanations()
    assert list(told) == [field.name for field in fields(NetworkSettings)]
    assert all(text.endswith(".") and "\n" not in text for text in told.values())
