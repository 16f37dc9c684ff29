"""Checkpoints: what is saved is what is loaded, and whatever is wrong with one is said by name."""

import json
import mmap
import shutil
from pathlib import Path

import models
import numpy as np
import pytest

from codelm import checkpoint
from codelm.checkpoint import load, save
from codelm.errors import CheckpointError, StorageError
from codelm.model import log_probs


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


def test_the_bundled_checkpoint_is_small_and_says_what_it_is():
    bundled = load(checkpoint.BUNDLED)
    assert sum(file.stat().st_size for file in checkpoint.BUNDLED.iterdir()) <= 10_000_000
    assert bundled.stream == "code"
    assert len(bundled.vocabulary) == 40_000
    card = (checkpoint.BUNDLED / "MODEL_CARD.md").read_text(encoding="utf-8")
    for source in bundled.facts["training"]["sources"]:
        if source["split"] == "train":
            assert source["licence"] not in ("", "unknown")
            assert f"| {source['name']} | {source['version']} | {source['licence']} |" in card
    assert bundled.facts["quality"]["top1"] > 0.3
