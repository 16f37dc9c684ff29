"""The files of a network: what is saved is what is loaded, and whatever is wrong with one is said by its name."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import models
import networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import load_file, save_file

from codelm.checkpoint import Checkpoint, load
from codelm.errors import CheckpointError, UsageError
from codelm.model import log_probs
from codelm.neural.network import Network
from codelm.neural.torch_network import TorchNetwork

LSTM, CNN = "lstm, tied", "cnn, dilated, gated, residual"
TORCH_CPU = "cpu:0"  # any name but "cpu" is for torch


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return networks.write(tmp_path_factory.mktemp("models") / "small", LSTM)


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "copy")


# --- what is saved is what is loaded -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.SHAPES)
@pytest.mark.parametrize(("device", "kind"), [("cpu", Network), (TORCH_CPU, TorchNetwork)])
def test_what_is_saved_is_what_is_loaded(tmp_path, name, device, kind):
    made = load(networks.write(tmp_path / "m", name), device)
    assert isinstance(made.model, kind)
    assert (made.name, made.stream, made.facts) == ("small", "code", {"training": {"steps": 5}})
    assert made.shape == networks.SHAPES[name]
    assert made.vocabulary.words == models.vocabulary(networks.SIZE).words
    same = networks.opened(name, "torch" if kind is TorchNetwork else "onnx, int8")
    ids = np.array([9, 8, 7])
    found, expected = (
        log_probs(model, model.read(model.start(), ids), 1, networks.SIZE) for model in (made.model, same)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # torch rounds by where in memory it computes


def test_a_network_is_no_ngram_model(saved):
    with pytest.raises(UsageError, match="small has no n-gram model"):
        _ = load(saved).ngram


def test_an_ngram_model_runs_on_the_cpu_whatever_the_device(tmp_path):
    from codelm.checkpoint import save

    save(tmp_path / "m", models.ngram(2), models.vocabulary(), name="m", stream="code", facts={})
    assert load(tmp_path / "m", "cuda").ngram.order == 2
    assert load(tmp_path / "m").shape is None


def test_torch_is_not_imported_to_run_a_network_nor_anything_for_an_ngram_model(saved):
    code = f"""
import sys
from pathlib import Path
from codelm import checkpoint
checkpoint.load(checkpoint.BUNDLED, network=False)
assert not {{"onnxruntime", "torch"}} & set(sys.modules)
checkpoint.load(Path({str(saved)!r}))
assert "onnxruntime" in sys.modules
assert not {{"torch", "onnx", "safetensors"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_torch_another_device_names_what_to_install(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "codelm.neural.torch_network", None)
    with pytest.raises(UsageError, match=r"the device 'cuda' needs torch: pip install 'codelm\[gpu\]'"):
        load(saved, "cuda")


def test_without_onnx_runtime_it_is_named(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CheckpointError, match=r"core\.onnx needs onnxruntime"):
        load(saved)


# --- files that are missing, cut, or of something else ---------------------------------------------------------------

OF_ONNX = (
    "core.onnx",
    "head.onnx",
    "words.npy",
    "word_scales.npy",
    "pieces.npy",
    "piece_scales.npy",
    "tail_shares.npy",
)
OF_TORCH = ("weights.safetensors", "tail_shares.npy")
each_file = pytest.mark.parametrize(
    ("device", "file"), [*(("cpu", file) for file in OF_ONNX), *((TORCH_CPU, file) for file in OF_TORCH)]
)


def refused(folder: Path, file: str, problem: str = "", device: str = "cpu") -> None:
    with pytest.raises(CheckpointError, match=f"{file}.*{problem}") as error:
        load(folder, device)
    assert "\n" not in str(error.value).strip()


@each_file
def test_a_missing_file_is_named(copy, device, file):
    (copy / file).unlink()
    refused(copy, file, "is missing", device)


@each_file
def test_a_file_that_is_cut_or_lengthened_is_named(copy, device, file):
    content = (copy / file).read_bytes()
    for broken in (content[: len(content) // 2], content[:9], b"", b"\x80\x04pickle" + content, content + b"\0"):
        (copy / file).write_bytes(broken)
        refused(copy, file, device=device)


@each_file
def test_a_file_of_another_network_is_named(copy, tmp_path, device, file):
    """Of one with as many layers, but as wide as none of its own."""
    other = networks.write(tmp_path / "other", "lstm with few outputs")
    if file in ("pieces.npy", "piece_scales.npy"):
        np.save(copy / file, np.load(other / file)[:-1])
    else:
        shutil.copy(other / file, copy / file)
    refused(copy, file, device=device)


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("words.npy", lambda a: a.astype(np.int16), "holds <i2"),
        ("words.npy", lambda a: a[:-1], "holds"),
        ("words.npy", lambda a: a[:, :-1], "holds"),
        ("word_scales.npy", lambda a: a.astype(np.float64), "holds <f8"),
        ("word_scales.npy", lambda a: a * 0, "no scale"),
        ("word_scales.npy", lambda a: -a, "no scale"),
        ("word_scales.npy", lambda a: a * np.float32(np.nan), "no scale"),
        ("piece_scales.npy", lambda a: np.full_like(a, np.inf), "no scale"),
        ("tail_shares.npy", lambda a: a + np.float32(0.01), "no shares"),
        ("tail_shares.npy", lambda a: a * np.float32(np.nan), "no shares"),
        ("tail_shares.npy", lambda a: np.where(np.arange(len(a)) == 3, -np.inf, a).astype(np.float32), "no shares"),
        ("tail_shares.npy", lambda a: np.where(np.arange(len(a)) == 3, 1e30, a).astype(np.float32), "no shares"),
        ("tail_shares.npy", lambda a: a[1:], "holds"),
    ],
)
def test_arrays_that_would_lead_astray_are_refused(copy, file, change, problem):
    np.save(copy / file, change(np.load(copy / file)))
    refused(copy, file, problem)


def test_a_pickle_is_never_opened(copy):
    class Hostile:
        def __reduce__(self):
            return (pytest.fail, ("a checkpoint was unpickled",))

    np.save(copy / "words.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    refused(copy, "words.npy")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hidden": 25}, r"core\.onnx"),
        ({"outputs": 119, "rows": 119}, r"words\.npy"),
        ({"words": 299}, r"manifest\.json.*'network' is not"),
        ({"kind": "cnn", "kernel": 2}, r"manifest\.json.*'network' is not"),
        ({"kind": "gru"}, r"manifest\.json.*'network'"),
        ({"hidden": "24"}, r"manifest\.json.*'network': hidden is not of the type int"),
        ({"hidden": 1 << 60}, r"manifest\.json.*'network'"),
        ({"layers": 64}, r"core\.onnx"),
        ({"more": 1}, r"manifest\.json.*'network': unknown: more"),
    ],
)
def test_manifests_that_say_nonsense(copy, change, problem):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["network"] |= change
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(CheckpointError, match=problem):
        load(copy)


def test_a_manifest_without_a_network(copy):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    del manifest["network"]
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    refused(copy, "manifest.json", "'network' is missing")


# --- graphs that want something else ------------------------------------------------------------------------------


def head_of(copy: Path) -> onnx.ModelProto:
    return onnx.load_model_from_string((copy / "head.onnx").read_bytes())


def rewritten(copy: Path, model: onnx.ModelProto) -> None:
    (copy / "head.onnx").write_bytes(model.SerializeToString())


def test_a_graph_that_refers_to_other_files_is_refused(copy):
    """Not even a file of the checkpoint itself may be: ONNX Runtime would follow ``..`` and links."""
    model = head_of(copy)
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (copy / "data").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="data")
    rewritten(copy, model)
    refused(copy, "head.onnx", "it refers to other files")


def test_so_is_one_whose_inner_graph_does(copy):
    model = onnx.load_model_from_string((copy / "core.onnx").read_bytes())
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    (body,) = (attribute.g for attribute in scan.attribute if attribute.name == "body")
    body.initializer[0].data_location = TensorProto.EXTERNAL
    body.initializer[0].external_data.add(key="location", value="/etc/hostname")
    (copy / "core.onnx").write_bytes(model.SerializeToString())
    refused(copy, "core.onnx", "it refers to other files")


def test_a_graph_of_another_format_is_refused(copy):
    """ONNX Runtime has one of its own, which says in other words where its data is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(copy / "head.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(copy / "head.onnx"), options, providers=["CPUExecutionProvider"])
    shutil.move(copy / "head.ort", copy / "head.onnx")
    refused(copy, "head.onnx", "is no graph that ONNX Runtime runs")


def test_inputs_and_outputs_are_as_expected(copy):
    def renamed(model):
        for node in model.graph.node:
            node.output[:] = ["other" if name == "best" else name for name in node.output]
        model.graph.output[1].name = "other"

    def retyped(model):
        model.graph.output[2].CopyFrom(model.graph.output[1])
        model.graph.output[2].name = "best_ids"
        (node,) = (node for node in model.graph.node if "best_ids" in node.output)
        node.op_type = "Cast"
        node.attribute.append(helper.make_attribute("to", TensorProto.FLOAT))

    def reshaped(model):
        model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=1)

    def widened(model):
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 17

    for change, problem in (
        (renamed, "its outputs are log_probs, other, best_ids"), (retyped, "best_ids"), (reshaped, ""), (widened, ""),
    ):  # fmt: skip
        model = head_of(copy)
        good = model.SerializeToString()
        change(model)
        rewritten(copy, model)
        refused(copy, "head.onnx", problem)
        (copy / "head.onnx").write_bytes(good)


def replaced_constant(model: onnx.ModelProto, change) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.dims == [120])  # one of scales, or the bias
    values = np.frombuffer(tensor.raw_data, np.float32)
    tensor.raw_data = change(values).astype(np.float32).tobytes()


def test_a_head_that_says_no_probabilities(copy):
    model = head_of(copy)
    replaced_constant(model, lambda values: values * np.nan)
    rewritten(copy, model)
    refused(copy, "head.onnx", "no probabilities")


def test_a_head_that_could_predict_the_beginning_of_a_sequence(copy):
    model = head_of(copy)
    for tensor in model.graph.initializer:
        if b"\x00\x00\x80\xff" in tensor.raw_data:  # -inf
            tensor.raw_data = tensor.raw_data.replace(b"\x00\x00\x80\xff", b"\x00\x00\x00\x00")
    rewritten(copy, model)
    refused(copy, "head.onnx", "no probabilities")


def test_a_graph_that_cannot_be_run(copy):
    """It looks as it should until it is asked: then it divides its input among too many."""
    inputs = [helper.make_tensor_value_info("projected", TensorProto.FLOAT, ("B", 16))]
    outputs = [
        helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ("B", 120)),
        helper.make_tensor_value_info("best", TensorProto.FLOAT, ("B", 64)),
        helper.make_tensor_value_info("best_ids", TensorProto.INT64, ("B", 64)),
    ]
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [-1, 120])
    count = helper.make_tensor("count", TensorProto.INT64, [1], [64])
    nodes = [
        helper.make_node("Reshape", ["projected", "sizes"], ["log_probs"]),
        helper.make_node("TopK", ["log_probs", "count"], ["best", "best_ids"]),
    ]
    graph = helper.make_graph(nodes, "head", inputs, outputs, [sizes, count])
    rewritten(copy, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    refused(copy, "head.onnx", "cannot be run")


# --- weights for torch ------------------------------------------------------------------------------------------------


def with_header(header: bytes, content: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + content


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 62),
        struct.pack("<Q", 100) + b"{}",
        with_header(b"[" * 100_000),
        with_header(b'{"bias": {"dtype": "F32", "shape": [120], "data_offsets": [0, 9999999999]}}'),
        with_header(b'{"bias": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}'),
        with_header(b'{"bias": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', b"\0" * 4),
        with_header(b"{}"),
        with_header(b"\xff\xfe"),
    ],
)
def test_hostile_safetensors(copy, content):
    (copy / "weights.safetensors").write_bytes(content)
    refused(copy, "weights.safetensors", device=TORCH_CPU)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda arrays: arrays | {"more": np.zeros(1, np.float32)}, "it holds"),
        (lambda arrays: {name: array for name, array in arrays.items() if name != "bias"}, "it holds"),
        (lambda arrays: arrays | {"bias": arrays["bias"].astype(np.float64)}, "bias is F64"),
        (lambda arrays: arrays | {"bias": arrays["bias"][:-1]}, r"bias is F32 \[119\], not F32 \[120\]"),
        (lambda arrays: arrays | {"bias": arrays["bias"] * np.float32(np.inf)}, "a value of bias is no number"),
    ],
)
def test_weights_of_something_else(copy, change, problem):
    file = copy / "weights.safetensors"
    save_file(change(load_file(file)), file)
    refused(copy, "weights.safetensors", problem, TORCH_CPU)


def test_every_kind_of_network_can_be_told_from_the_others(tmp_path):
    """A CNN whose manifest says that it is an LSTM is neither."""
    folder = networks.write(tmp_path / "m", CNN)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"kind": "lstm"}), encoding="utf-8")
    refused(folder, "manifest.json", "'network' is not of the kind")
    assert isinstance(load(networks.write(tmp_path / "m", CNN)), Checkpoint)
