"""The files of a network in a checkpoint's folder, checked when opened.

::

    tail_shares.npy                     what [UNK] is shared by: see codelm.neural.outputs
    words.npy, word_scales.npy          the vectors of words, int8: see codelm.neural.table
    pieces.npy, piece_scales.npy        those of their pieces; not there where words have none
    core.onnx, head.onnx                what ONNX Runtime runs, int8
    weights.safetensors                 what torch runs, float32: see codelm.neural.torch_network

Whatever is wrong with one is a ``CheckpointError`` that names it. ONNX Runtime is given the bytes of a graph, and none
that refers to other files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codelm.arrays import mapped_array
from codelm.errors import CheckpointError
from codelm.neural.network import (
    BEST,
    BEST_IDS,
    LOG_PROBS,
    PROJECTED,
    VECTORS,
    Network,
    core_names,
    open_session,
)
from codelm.neural.outputs import Outputs, listed
from codelm.neural.readings import Readings
from codelm.neural.shape import Shape
from codelm.neural.table import Table, Tables
from codelm.vocabulary import PAD

TAIL_SHARES = "tail_shares.npy"
WORDS, WORD_SCALES = "words.npy", "word_scales.npy"
PIECES, PIECE_SCALES = "pieces.npy", "piece_scales.npy"
CORE, HEAD, WEIGHTS = "core.onnx", "head.onnx", "weights.safetensors"
READ_WITH = (WORDS, WORD_SCALES, PIECES, PIECE_SCALES, CORE)
"""The files that decide what states a network has."""

_CLOSE = 1e-3  # how far sums of probabilities may be from one
# Every tensor of ONNX that lies in another file, or anywhere in memory, has an entry with this key.
_ELSEWHERE = b"location"

# Names of inputs or outputs, their types, and their sizes; None for those that vary.
_Signature = dict[str, tuple[str, tuple[int | None, ...]]]


def open_network(folder: Path, shape: Shape, words: Sequence[str], threads: int = 1) -> Network:
    """Open a network over the words of a vocabulary, run by ONNX Runtime on so many threads.

    Raises CheckpointError, naming the file that is wrong.
    """
    tables = Tables(
        _table(folder, WORDS, WORD_SCALES, shape.rows, shape.embedding),
        _table(folder, PIECES, PIECE_SCALES, shape.pieces, shape.embedding) if shape.pieces else None,
    )
    outputs, readings = open_outputs(folder, shape), Readings(shape, words)
    core = _session(folder / CORE, *_core_signature(shape), threads)
    head = _session(folder / HEAD, *_head_signature(shape), threads)
    network = Network(shape, outputs, readings, tables, core, head)
    _try(folder, network)
    return network


def open_outputs(folder: Path, shape: Shape) -> Outputs:
    """Open what the probability of ``[UNK]`` is shared by. Raises CheckpointError."""
    path = folder / TAIL_SHARES
    shares: NDArray[np.float32] = mapped_array(path, [np.float32], (shape.words - shape.outputs + 1,))
    with np.errstate(over="ignore", invalid="ignore"):
        sums_to_one = abs(np.exp(shares, dtype=np.float64).sum() - 1) < _CLOSE
    _check(path, bool(np.isfinite(shares).all() and sums_to_one), "its values are no shares")
    return Outputs(shape, shares)


def _table(folder: Path, rows: str, scales: str, count: int, width: int) -> Table:
    table = Table(
        mapped_array(folder / rows, [np.int8], (count, width)), mapped_array(folder / scales, [np.float32], (count,))
    )
    _check(folder / scales, bool(np.all((table.scales > 0) & np.isfinite(table.scales))), "a value is no scale")
    return table


def _check(path: Path, good: bool, problem: str) -> None:
    if not good:
        raise CheckpointError(f"{path} is broken: {problem}")


# --- the graphs ---------------------------------------------------------------------------------------------------


def _core_signature(shape: Shape) -> tuple[_Signature, _Signature]:
    (_, *states), (_, *nexts) = core_names(shape)
    sizes = [(length, None, width) for length, width in shape.states()]
    return (
        {VECTORS: ("float", (None, None, shape.embedding))} | _floats(states, sizes),
        {PROJECTED: ("float", (None, None, shape.width))} | _floats(nexts, sizes),
    )


def _floats(names: Sequence[str], sizes: Sequence[tuple[int | None, ...]]) -> _Signature:
    return {name: ("float", size) for name, size in zip(names, sizes, strict=True)}


def _head_signature(shape: Shape) -> tuple[_Signature, _Signature]:
    best = None, listed(shape)
    return (
        {PROJECTED: ("float", (None, shape.width))},
        {LOG_PROBS: ("float", (None, shape.outputs)), BEST: ("float", best), BEST_IDS: ("int64", best)},
    )


def _session(path: Path, inputs: _Signature, outputs: _Signature, threads: int) -> Any:
    try:
        graph = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    _check(path, _ELSEWHERE not in graph, "it refers to other files")
    try:
        session = open_session(graph, threads)
    except ImportError as error:
        raise CheckpointError(f"{path} needs onnxruntime, which cannot be imported: {error}") from error
    except Exception as error:  # those of ONNX Runtime have no base of their own
        raise CheckpointError(f"{path} is no graph that ONNX Runtime runs: {error}") from error
    _check_signature(path, "inputs", inputs, session.get_inputs())
    _check_signature(path, "outputs", outputs, session.get_outputs())
    return session


def _check_signature(path: Path, which: str, expected: _Signature, found: Sequence[Any]) -> None:
    names = [argument.name for argument in found]
    _check(path, names == list(expected), f"its {which} are {', '.join(names)}, not {', '.join(expected)}")
    for argument in found:
        kind, sizes = expected[argument.name]
        # A size that varies has a name, or none.
        stated = tuple(size if isinstance(size, int) else None for size in argument.shape)
        fits = argument.type == f"tensor({kind})" and stated == sizes
        _check(path, fits, f"{argument.name!r} is a {argument.type} of {argument.shape}")


def _try(folder: Path, network: Network) -> None:
    """Read the beginning of a sequence, and see whether what comes out is what the shape says."""
    shape = network.shape
    try:
        state = network.start()
    except Exception as error:  # as above
        raise CheckpointError(f"{folder / CORE} cannot be run: {error}") from error
    sizes = tuple((length, 1, width) for length, width in shape.states())
    fits = state.projected.shape == (1, shape.width) and tuple(array.shape for array in state.core) == sizes
    _check(folder / CORE, fits and all(np.isfinite(array).all() for array in (state.projected, *state.core)),
           "it gives something else than it says")  # fmt: skip
    try:
        row = network.score(state, np.arange(shape.words)[None, :])[0].astype(np.float64)
        best = network.propose(state, 1)[0, 0]
    except Exception as error:  # as above
        raise CheckpointError(f"{folder / HEAD} cannot be run: {error}") from error
    normal = bool(np.isneginf(row[PAD]) and np.isfinite(row[PAD + 1 :]).all() and abs(np.exp(row).sum() - 1) < _CLOSE)
    _check(folder / HEAD, normal and bool(row[best] == row.max()), "what it gives are no probabilities")
