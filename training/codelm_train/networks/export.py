"""A trained network as a checkpoint: tables in 8 bits, graphs for ONNX Runtime, weights for torch."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save as safetensors_of
from torch import Tensor

from codelm.checkpoint import save_words, stated
from codelm.folder import replaced_folder
from codelm.manifest import FORMAT, write_manifest
from codelm.neural.files import (
    CORE,
    HEAD,
    PIECE_SCALES,
    PIECES,
    TAIL_SHARES,
    WEIGHTS,
    WORD_SCALES,
    WORDS,
)
from codelm.neural.modules import Network
from codelm.vocabulary import Vocabulary
from codelm_train.networks.graphs import export_graphs, int8_rows
from codelm_train.networks.metrics import CURVES


def save(
    folder: Path,
    network: Network,
    vocabulary: Vocabulary,
    tail_shares: NDArray[np.float32],
    *,
    name: str,
    stream: str,
    facts: Mapping[str, Any],
    card: str = "",
    curves: Path | None = None,
) -> None:
    """Write a checkpoint of a network, replacing one of that name. Raises StorageError.

    ``tail_shares`` (V - outputs + 1,): see ``codelm.neural.outputs``. ``card`` is its model card, ``curves`` the file
    of those of its training.
    """
    core, head = export_graphs(network)
    with replaced_folder(folder, FORMAT) as new:
        save_words(new, vocabulary, card)
        np.save(new / TAIL_SHARES, tail_shares.astype(np.float32), allow_pickle=False)
        _save_table(new / WORDS, new / WORD_SCALES, network.reader.own)
        if network.shape.pieces:
            _save_table(new / PIECES, new / PIECE_SCALES, network.reader.pieces)
        (new / CORE).write_bytes(core)
        (new / HEAD).write_bytes(head)
        weights = {key: value.detach().float().cpu().contiguous() for key, value in network.state_dict().items()}
        (new / WEIGHTS).write_bytes(safetensors_of(weights))  # readable like the others: save_file's is private
        if curves is not None:
            shutil.copyfile(curves, new / CURVES)
        write_manifest(new, network.shape.kind, {
            "name": name,
            "stream": stream,
            "vocabulary": stated(vocabulary),
            "network": network.shape.as_json(),
            **facts,
        })  # fmt: skip


def _save_table(rows_file: Path, scales_file: Path, vectors: Tensor) -> None:
    rows, scales = int8_rows(vectors.detach().float().cpu().numpy())
    np.save(rows_file, rows, allow_pickle=False)
    np.save(scales_file, scales, allow_pickle=False)
