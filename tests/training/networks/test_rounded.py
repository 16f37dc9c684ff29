"""A trained network's weights, to go on from, where only the rounded ones are left."""

import models
import networks
import numpy as np
import pytest
import torch

from codelm import checkpoint
from codelm.errors import CheckpointError, UsageError
from codelm.neural.files import CORE, TAIL_SHARES, WEIGHTS
from codelm.neural.modules import Network
from codelm.vocabulary import PAD
from codelm_train.networks.export import save
from codelm_train.networks.rounded import weights_of


@pytest.mark.parametrize("name", networks.SHAPES)
def test_the_rounded_weights_are_those_of_the_graphs(name, tmp_path):
    folder = networks.write(tmp_path / "model", name)
    (folder / WEIGHTS).unlink()
    found = weights_of(checkpoint.load(folder))
    trained = {key: value.clone() for key, value in networks.network(name).state_dict().items()}
    assert found.keys() == trained.keys()
    trained["bias"][PAD] = 0  # it is never predicted
    rounded = {key: value for key, value in trained.items() if len(value) and "bias_" not in key}
    for key, value in rounded.items():
        rows = value.reshape(len(value), -1)
        step = rows.abs().amax(dim=1, keepdim=True) / 127
        exact = step * 0 if key.endswith("bias") else step
        assert bool(((found[key].reshape(len(value), -1) - rows).abs() <= exact * 0.51 + 1e-7).all()), key
    for key in (key for key in trained if "bias_ih" in key):  # the graph has their sum
        other = key.replace("ih", "hh")
        torch.testing.assert_close(found[key] + found[other], trained[key] + trained[other])


def test_the_bundled_network_predicts_the_same_by_them(tmp_path):
    bundled = checkpoint.load(checkpoint.BUNDLED)
    assert bundled.shape is not None
    network = Network(bundled.shape)
    network.load_state_dict(weights_of(bundled))
    shares = np.load(checkpoint.BUNDLED / TAIL_SHARES)
    save(tmp_path / "again", network, bundled.vocabulary, shares, name="again", stream="code", facts={})
    again = checkpoint.load(tmp_path / "again", network=True)
    ids = bundled.vocabulary.ids(["import", "os", "\n", "with", "open", "("])
    rows = []
    for model in (bundled.trained.network, again.trained.network):
        assert model is not None
        rows.append(model.score(model.read(model.start(), ids), np.arange(3, 2000)[None, :]))
    np.testing.assert_allclose(*rows, atol=1e-3)


def test_the_weights_for_torch_are_taken_where_they_are(tmp_path):
    name = "lstm, tied"
    folder = networks.write(tmp_path / "model", name)
    found = weights_of(checkpoint.load(folder))
    for key, value in networks.network(name).state_dict().items():
        assert torch.equal(found[key], value), key


def test_an_ngram_model_has_no_network(tmp_path):
    with pytest.raises(UsageError, match="nowhere has no network"):
        weights_of(models.checkpoint())


def test_graphs_that_are_not_in_8_bits_are_refused(tmp_path):
    folder = networks.write(tmp_path / "model", "lstm, tied", int8=False)
    (folder / WEIGHTS).unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=r"has no weights in 8 bits to go on from"):
        weights_of(checkpoint.load(folder))


def test_a_graph_of_another_network_is_refused(tmp_path):
    folder = networks.write(tmp_path / "model", "lstm, tied")
    other = networks.write(tmp_path / "other", "lstm with few outputs")
    opened = checkpoint.load(folder)
    (folder / WEIGHTS).unlink()
    (folder / CORE).write_bytes((other / CORE).read_bytes())
    with pytest.raises(CheckpointError, match=r"core.onnx is not of the network that the manifest names"):
        weights_of(opened)
    (folder / CORE).write_bytes(np.random.default_rng(0).bytes(500))
    with pytest.raises(CheckpointError, match=r"core.onnx cannot be read"):
        weights_of(opened)
