"""Where a network is trained, and in which numbers."""

from pathlib import Path

import torch

from codelm.errors import TrainingError


def device_of(name: str, local: int = 0) -> torch.device:
    """Return the device that a setting names. Raises TrainingError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, usable in there.items() if usable)
    if not there[name]:
        raise TrainingError(f"torch {torch.__version__} finds no {name} device here: --device cpu, or auto")
    return torch.device("cuda", local) if name == "cuda" else torch.device(name)


def in_bf16(precision: str, device: torch.device) -> bool:
    """Return whether to compute in bfloat16: where that was asked for, or the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _has_bf16_instructions()


def _has_bf16_instructions() -> bool:
    """Return whether the processor multiplies in bfloat16, rather than only load it; unknown is no."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return False
    flags = file.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in flags or "amx_bf16" in flags
