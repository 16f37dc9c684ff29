"""Checkpoints: what is saved is what is loaded, and whatever is wrong with one is said by name."""

import json
import mmap
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import networks
import numpy as np
import pytest

from codelm import checkpoint
from codelm.checkpoint import Checkpoint, joined, load, save, save_mixed, with_network
from codelm.errors import CheckpointError, StorageError, UsageError
from codelm.manifest import MIXTURE
from codelm.mixture import Mixture
from codelm.model import log_probs
from codelm.neural.torch_network import TorchNetwork
from codelm.weights import BASE, NETWORK, unfitted


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    save(
        folder, models.ngram(3, quantised=True), models.vocabulary(),
        name="small", stream="code", facts={"training": {"tokens": 9}}, card="# Small\n",
    )  # fmt: skip
    return folder


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "copy")


@pytest.mark.parametrize("quantised", [True, False])
def test_what_is_saved_is_what_is_loaded(tmp_path, quantised):
    model = models.ngram(4, quantised=quantised)
    save(tmp_path / "m", model, models.vocabulary(), name="m", stream="code_tokens", facts={"quality": {"top1": 0.5}})
    loaded = load(tmp_path / "m")
    assert (loaded.name, loaded.stream, loaded.facts) == ("m", "code_tokens", {"quality": {"top1": 0.5}})
    assert loaded.vocabulary.words == models.vocabulary().words
    context = models.vocabulary().ids(["def", "__init__", "("])
    size = model.size
    np.testing.assert_array_equal(
        log_probs(loaded.model, loaded.model.read(loaded.model.start(), context), 1, size),
        log_probs(model, model.read(model.start(), context), 1, size),
    )


def test_arrays_are_mapped_not_read(saved):
    model = load(saved).model
    assert isinstance(model.levels[-1].words.base, mmap.mmap)
    assert isinstance(model.lists[0].ids.base, mmap.mmap)


def test_lists_are_saved(saved):
    model, loaded = models.ngram(3, quantised=True), load(saved).model
    assert len(model.lists[0].contexts) > 1
    for made, kept in zip(model.lists, loaded.lists, strict=True):
        for part in ("contexts", "ids", "rests", "scales"):
            np.testing.assert_array_equal(getattr(kept, part), getattr(made, part))


def test_saving_replaces_a_checkpoint_and_nothing_else(tmp_path):
    model, words = models.ngram(2), models.vocabulary()
    save(tmp_path / "m", model, words, name="first", stream="code", facts={})
    save(tmp_path / "m", model, words, name="second", stream="code", facts={})
    assert load(tmp_path / "m").name == "second"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(StorageError, match="photos exists and is not a codelm checkpoint"):
        save(tmp_path / "photos", model, words, name="x", stream="code", facts={})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.suffix == ".jpg") == ["cat.jpg"]


def test_no_checkpoint_at_all(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere is not a model: it has no manifest\.json"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x80\x04pickle", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not the manifest of a codelm checkpoint"),
        (b'{"format": "codelm checkpoint", "version": 99, "kind": "ngram"}', "version 99"),
        (b'{"format": "codelm checkpoint", "version": 3, "kind": "rnn"}', "'rnn'"),
        (b'{"format": "codelm checkpoint", "version": 2, "kind": "ngram"}', "version 2"),
        (b'{"format": "codelm checkpoint", "version": 3, "kind": "ngram"}', "'vocabulary' is missing"),
    ],
)
def test_broken_manifests(copy, content, problem):
    (copy / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=problem):
        load(copy)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ngram", "order"), 99),
        (("ngram", "order"), True),
        (("ngram", "root_backoff"), 7.0),
        (("ngram", "levels"), []),
        (("ngram", "levels"), [1, 2, 3]),
        (("ngram", "levels", 0, "listed"), -1),
        (("ngram", "levels", 0, "listed"), None),
        (("mixture",), [0.5]),
        (("stream",), "morse"),
        (("name",), 5),
    ],
)
def test_manifests_that_say_nonsense(copy, path, value):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    part = manifest
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"manifest\.json|best_contexts\.npy"):
        load(copy)


@pytest.mark.parametrize(
    "file", ["vocabulary.txt", "ngram.1.words.npy", "ngram.2.first.npy", "ngram.3.weights.npy", "ngram.1.best_ids.npy"]
)
def test_a_missing_file_is_named(copy, file):
    (copy / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load(copy)


@pytest.mark.parametrize(
    "file", ["ngram.1.words.npy", "ngram.2.first.npy", "ngram.3.weight_table.npy", "ngram.1.best_ids.npy"]
)
def test_a_file_that_is_cut_short_is_named(copy, file):
    content = (copy / file).read_bytes()
    for broken in (content[:-1], content + b"\0", content[:100], content[:9], b""):
        (copy / file).write_bytes(broken)
        with pytest.raises(CheckpointError, match=file):
            load(copy)


def test_another_vocabulary_is_noticed(copy):
    text = (copy / "vocabulary.txt").read_text(encoding="utf-8")
    (copy / "vocabulary.txt").write_text(text.replace("\tself\n", "\tflesh\n"), encoding="utf-8")
    with pytest.raises(CheckpointError, match="not the vocabulary that the manifest names"):
        load(copy)


def replaced(file: Path, change) -> None:
    array = np.load(file)
    np.save(file, change(array))


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("ngram.1.words.npy", lambda a: a + np.uint16(60_000), "outside the vocabulary"),
        ("ngram.1.first.npy", lambda a: a[::-1], "out of order"),
        ("ngram.2.first.npy", lambda a: a + np.uint16(5), "out of order"),
        ("ngram.1.first.npy", lambda a: a.astype(np.uint32)[::-1], "out of order"),
        ("ngram.1.first.npy", lambda a: np.append(a[:1], np.append(a[2:].astype(np.uint32), a[1])), "out of order"),
        ("ngram.1.first.npy", lambda a: np.where(np.arange(len(a)) == 9, 60_000, a).astype(np.uint16), "out of order"),
        ("ngram.1.first.npy", lambda a: np.where(np.arange(len(a)) == 9, 60_000, a).astype(np.uint32), "out of order"),
        ("ngram.2.words.npy", lambda a: a * np.uint16(0), r"\[PAD\] stands behind"),
        ("ngram.1.best_contexts.npy", lambda a: a[::-1], "out of order"),
        ("ngram.1.best_contexts.npy", lambda a: a + np.uint32(60_000), "out of order"),
        ("ngram.1.best_ids.npy", lambda a: a + np.uint16(60_000), "outside the vocabulary"),
        ("ngram.1.best_ids.npy", lambda a: a * np.uint16(0), "outside the vocabulary"),
        ("ngram.1.best_ids.npy", lambda a: a.ravel(), "holds <u2"),
        ("ngram.1.best_ids.npy", lambda a: np.asfortranarray(a), "is no array"),
        ("ngram.1.best_rests.npy", lambda a: a * np.float32(np.nan), "between 0 and 1"),
        ("ngram.1.best_scales.npy", lambda a: a * np.float32(np.nan), "no factor"),
        ("ngram.1.best_scales.npy", lambda a: np.full_like(a, np.inf), "no factor"),
        ("ngram.1.best_scales.npy", lambda a: -a, "no factor"),
        ("ngram.1.first.npy", lambda a: np.concatenate([a, a]), r"holds <u2"),
        ("ngram.2.weights.npy", lambda a: a.astype(np.float64), r"holds <f8"),
        ("ngram.2.weight_table.npy", lambda a: a * np.float32(np.nan), "between 0 and 1"),
        ("ngram.1.backoff_table.npy", lambda a: a - np.float32(2), "between 0 and 1"),
    ],
)
def test_arrays_that_would_lead_astray_are_refused(copy, file, change, problem):
    replaced(copy / file, change)
    with pytest.raises(CheckpointError, match=f"{file}.*{problem}"):
        load(copy)


def test_a_pickle_is_never_opened(copy):
    class Hostile:
        def __reduce__(self):
            return (pytest.fail, ("a checkpoint was unpickled",))

    np.save(copy / "ngram.1.words.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match=r"ngram\.1\.words\.npy"):
        load(copy)


# --- models that are mixed -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[Checkpoint]:
    """An n-gram model and a network of the same words."""
    folder = tmp_path_factory.mktemp("parts")
    save(
        folder / "ngram", models.ngram(3, networks.SIZE), models.vocabulary(networks.SIZE),
        name="ngram", stream="code", facts={"training": {"tokens": 9}, "quality": {"top1": 0.5}}, card="# N-grams\n",
        weights=models.random_weights(1),
    )  # fmt: skip
    return [load(folder / "ngram"), load(networks.write(folder / "network", "lstm, tied"))]


@pytest.fixture
def mixed(parts, tmp_path) -> Path:
    save_mixed(tmp_path / "mixed", parts, models.random_weights(2))
    return tmp_path / "mixed"


def test_an_n_gram_model_and_a_network_are_joined_as_one(parts):
    ngram, network = parts
    for both in (joined(parts), joined(parts[::-1])):
        assert (both.kind, both.stream, both.vocabulary) == (MIXTURE, "code", both.vocabulary)
        assert (both.trained.ngram, both.trained.network) == (ngram.trained.ngram, network.trained.network)
        assert both.shape == network.shape
        assert both.facts["training"] == {"tokens": 9}
        assert both.facts["network_training"] == {"steps": 5}
        assert without_caches_parts(both) == (BASE, NETWORK)


def without_caches_parts(both: Checkpoint) -> tuple[str, ...]:
    """The parts of what a checkpoint is as one model."""
    assert isinstance(both.model, Mixture)
    return both.model.parts


def test_one_model_alone_is_joined_as_itself(parts):
    for part in parts:
        alone = joined([part])
        assert alone.kind == part.kind
        assert alone.model is part.model
        assert alone.facts == part.facts


def test_what_is_mixed_is_loaded_as_it_was_with_its_weights(parts, mixed):
    loaded = load(mixed)
    assert (loaded.kind, loaded.name) == (MIXTURE, "mixed")
    assert "network_training" in loaded.facts
    assert not {"network", "ngram", "mixture", "kind"} & loaded.facts.keys()
    assert loaded.weights.gate.as_json() == models.random_weights(2).gate.as_json()
    context = loaded.vocabulary.ids(["def", "__init__", "("])
    for found, part in ((loaded.trained.ngram, parts[0].model), (loaded.trained.network, parts[1].model)):
        np.testing.assert_array_equal(
            log_probs(found, found.read(found.start(), context), 1, networks.SIZE),
            log_probs(part, part.read(part.start(), context), 1, networks.SIZE),
        )


def test_name_facts_and_card_take_the_place_of_theirs(parts, tmp_path):
    save_mixed(tmp_path / "m", parts, unfitted(), name="both", facts={"quality": 1}, card="# Both\n")
    loaded = load(tmp_path / "m")
    assert (loaded.name, loaded.facts) == ("both", {"quality": 1})
    assert (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8") == "# Both\n"


def test_no_card_is_better_than_that_of_a_part(mixed):
    assert not (mixed / "MODEL_CARD.md").exists()


def test_weights_for_torch_are_left_out_unless_they_are_wanted(parts, mixed, tmp_path):
    assert not list(mixed.glob("*.safetensors"))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is missing"):
        load(mixed, "cpu:0")
    save_mixed(tmp_path / "m", parts, unfitted(), torch=True)
    assert isinstance(load(tmp_path / "m", "cpu:0").trained.network, TorchNetwork)


@pytest.fixture
def of_prose(tmp_path) -> Path:
    made = models.prose()
    save(
        tmp_path / "prose", made.ngram, made.vocabulary, name="prose", stream="prose", facts={"training": {"tokens": 5}}
    )
    return tmp_path / "prose"


def test_a_model_of_prose_comes_with_one_of_code(parts, of_prose, tmp_path):
    save_mixed(tmp_path / "m", parts, unfitted(), prose=of_prose)
    loaded = load(tmp_path / "m")
    assert loaded.prose is not None
    assert (loaded.prose.stream, loaded.prose.vocabulary) == ("prose", loaded.prose.vocabulary)
    assert loaded.prose.facts == {"training": {"tokens": 5}}
    assert (
        checkpoint.bytes_in(tmp_path / "m")
        > checkpoint.bytes_in(of_prose)
        + sum(file.stat().st_size for file in (tmp_path / "m").iterdir() if file.is_file())
        - 10_000
    )


def test_without_one_it_has_none(mixed):
    assert load(mixed).prose is None


def test_what_is_no_model_of_prose_is_refused_in_its_place(parts, mixed, of_prose):
    shutil.copytree(parts[0].folder, mixed / "prose")
    with pytest.raises(CheckpointError, match=r"prose is no n-gram model of prose"):
        load(mixed)
    shutil.rmtree(mixed / "prose")
    shutil.copytree(of_prose, mixed / "prose")
    (mixed / "prose" / "ngram.1.words.npy").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"prose/ngram\.1\.words\.npy"):
        load(mixed)


def test_a_model_of_prose_has_none_of_its_own(of_prose):
    shutil.copytree(of_prose, of_prose / "prose")
    assert load(of_prose).prose is None


@pytest.mark.parametrize("name", ["ngram", "network"])
def test_a_model_alone_is_saved_with_weights(parts, tmp_path, name):
    part = parts[name == "network"]
    save_mixed(tmp_path / "m", [part], models.random_weights(3))
    loaded = load(tmp_path / "m")
    assert loaded.kind == part.kind
    assert loaded.weights.gate.as_json() == models.random_weights(3).gate.as_json()
    assert loaded.facts == part.facts


def test_the_network_of_a_mixture_can_be_opened_later(mixed):
    early = load(mixed, network=False)
    assert (early.kind, early.trained.network, early.shape) == (MIXTURE, None, networks.SHAPES["lstm, tied"])
    assert early.model is early.trained.ngram
    whole = with_network(early)
    assert early.trained.network is None
    assert whole.trained.ngram is early.trained.ngram
    assert without_caches_parts(whole) == (BASE, NETWORK)


def test_a_network_alone_is_opened_at_once(parts):
    assert load(parts[1].folder, network=False).trained.network is not None


def test_a_network_has_no_n_gram_model(parts):
    with pytest.raises(UsageError, match="has no n-gram model"):
        _ = parts[1].ngram
    assert joined(parts).ngram is parts[0].trained.ngram


def test_two_of_a_kind_are_not_mixed(parts, tmp_path):
    ngram, network = parts
    for models_ in ([ngram, ngram], [network, network], [ngram, network, network]):
        with pytest.raises(UsageError, match="one n-gram model and one network at most"):
            save_mixed(tmp_path / "m", models_, unfitted())
    assert not (tmp_path / "m").exists()


def test_models_of_other_words_or_another_stream_are_not_mixed(saved, parts, tmp_path):
    with pytest.raises(UsageError, match="is of another vocabulary or stream of words than"):
        joined([load(saved), parts[1]])
    with pytest.raises(UsageError, match="is of another vocabulary or stream of words than"):
        joined([parts[0], replace(parts[1], stream="code_tokens")])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"network": None}, "'network' is missing or of the wrong type"),
        ({"network": []}, "'network' is missing or of the wrong type"),
        ({"ngram": None}, "'ngram' is missing or of the wrong type"),
        ({"network": {"kind": "lstm"}}, "'network': "),
        ({"network": {"kind": "rnn"}}, "'network': "),
        ({"kind": "cnn"}, "'network' is not of the kind, or for the vocabulary, that it names"),
        ({"mixture": {"gate": {}}}, "'mixture': "),
    ],
)
def test_a_manifest_of_a_mixture_that_says_nonsense_is_refused_though_the_network_is_not_opened(mixed, change, problem):
    changed_manifest(mixed, change)
    for options in ({}, {"network": False}):
        with pytest.raises(CheckpointError, match=problem) as caught:
            load(mixed, **options)
        assert "manifest.json" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"words": 299}, "'network' is not of the kind, or for the vocabulary, that it names"),
        ({"outputs": 119, "rows": 119}, r"words\.npy"),
        ({"rows": 100}, "'network': |words.npy"),
        ({"hidden": 25}, r"core\.onnx"),
        ({"pieces": 65}, r"pieces\.npy"),
        ({"words": 10**9}, "'network'"),
    ],
)
def test_a_network_of_other_shapes_than_a_mixture_says_is_refused(mixed, change, problem):
    manifest = json.loads((mixed / "manifest.json").read_text(encoding="utf-8"))
    changed_manifest(mixed, {"network": manifest["network"] | change})
    with pytest.raises(CheckpointError, match=problem):
        load(mixed)


def changed_manifest(folder: Path, change: dict[str, Any]) -> None:
    """Change some of what a manifest says; None: leave it out."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8")) | change
    kept = {name: value for name, value in manifest.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept), encoding="utf-8")


def test_a_mixture_said_to_be_an_n_gram_model_is_one(mixed):
    """What its manifest says besides is not looked at."""
    changed_manifest(mixed, {"kind": "ngram"})
    loaded = load(mixed)
    assert (loaded.kind, loaded.trained.network) == ("ngram", None)


@pytest.mark.parametrize("file", ["core.onnx", "head.onnx", "words.npy", "tail_shares.npy", "ngram.2.words.npy"])
def test_a_file_that_a_mixture_lacks_is_named(mixed, file):
    early = load(mixed, network=False)
    (mixed / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load(mixed)
    if not file.startswith("ngram"):
        with pytest.raises(CheckpointError, match=file):
            with_network(early)


# --- what comes along ----------------------------------------------------------------------------------------


def test_the_bundled_checkpoint_is_small_and_says_what_it_is():
    bundled = load(checkpoint.BUNDLED)
    assert checkpoint.bytes_in(checkpoint.BUNDLED) <= 30_000_000
    assert bundled.stream == "code"
    assert len(bundled.vocabulary) == 40_000
    card = (checkpoint.BUNDLED / "MODEL_CARD.md").read_text(encoding="utf-8")
    for source in bundled.facts["training"]["sources"]:
        if source["split"] == "train":
            assert source["licence"] not in ("", "unknown")
            assert f"| {source['name']} | {source['version']} | {source['licence']} |" in card
    assert bundled.facts["quality"]["top1"] > 0.3
