"""Several processes that train one network: started by ``torchrun``, alike but for their rank.

Each takes its share of the rows of every batch, and DistributedDataParallel adds up their gradients (Li et al. 2020),
so that together they do what one process does. Rank 0 alone writes, prints and measures.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from codelm.errors import UsageError

_PATIENCE = timedelta(minutes=30)  # for the others, while rank 0 measures or saves


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among ``world`` ones."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Its number on this machine, and so its GPU's."""

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def share(self, rows: int) -> NDArray[np.int64]:
        """Return which of so many rows are this process's: as ``datasets`` shards a data set by rank."""
        return np.arange(rows) if self.world == 1 else _share(self.rank, self.world, rows)

    def total(self, *numbers: float, device: torch.device) -> list[float]:
        """Return the sums of numbers over all processes."""
        if self.world == 1:
            return list(numbers)
        added = torch.tensor(numbers, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        distributed.all_reduce(added)
        return [float(number) for number in added.tolist()]

    def meet(self, device: torch.device) -> None:
        """Wait until all processes are here."""
        self.total(0.0, device=device)

    def gathered(self, rows: Tensor) -> Tensor:
        """Return the rows (dimension 1) of all processes, in their order."""
        if self.world == 1:
            return rows
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.world)]
        distributed.all_gather(counts, torch.tensor([rows.shape[1]], device=rows.device))
        widest = max(int(count) for count in counts)
        padded = torch.cat([rows, rows.new_zeros(rows.shape[0], widest - rows.shape[1], *rows.shape[2:])], 1)
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded.contiguous())
        return torch.cat([part[:, : int(count)] for part, count in zip(parts, counts, strict=True)], 1)


@lru_cache(maxsize=4096)  # milliseconds each, and a training's batches have few different numbers of rows
def _share(rank: int, world: int, rows: int) -> NDArray[np.int64]:
    from datasets import Dataset
    from datasets.distributed import split_dataset_by_node

    if rows < world:  # which datasets refuses: one each, and for the last processes none
        return np.arange(rows)[rank : rank + 1]
    every = Dataset.from_dict({"row": np.arange(rows)})
    return np.array(split_dataset_by_node(every, rank, world)["row"], np.int64)


@contextmanager
def ranks(device: str) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` has started, if it has. Raises UsageError where they can't meet."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    mine = Ranks(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    on_gpus = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpus:
        torch.cuda.set_device(mine.local)
    try:
        distributed.init_process_group("nccl" if on_gpus else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"the processes of torchrun can't meet: {str(error).splitlines()[0]}") from error
    try:
        yield mine
    finally:
        distributed.destroy_process_group()
