"""Which engine runs a model: what the machine has, unless the caller says."""

from __future__ import annotations

import importlib.util
import os
import sys
from enum import StrEnum
from pathlib import Path

from inference.engines.engine import Engine
from inference.engines.errors import EngineUnavailable

MOST_THREADS = 8


class EngineName(StrEnum):
    """The engines there are."""

    ONNX = "onnx"
    TORCH = "torch"


def choose_engine(
    weights: bytes, *, engine: EngineName | None = None, threads: int | None = None
) -> Engine:
    """Load weights (an ONNX file's content) into an engine.

    Without `engine`: torch where an NVIDIA device, torch and onnx are all there, else onnx.
    `threads` defaults to `default_threads()`.

    Raises:
        EngineUnavailable: the engine asked for is not installed.
        WeightsUnreadable: the weights cannot be loaded.
    """
    name = engine or (EngineName.TORCH if _torch_with_cuda() else EngineName.ONNX)
    threads = threads or default_threads()
    if name is EngineName.ONNX:
        from inference.engines.onnx_runtime import OnnxEngine

        return OnnxEngine(weights, threads=threads)
    try:
        from inference.engines.pytorch import TorchEngine
    except ImportError as error:
        raise EngineUnavailable("the torch engine needs the extra: healthvision[gpu]") from error
    return TorchEngine(weights, threads=threads)


def default_threads() -> int:
    """All cores that this process may use but one, which is left to the API; from 1 to 8."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(MOST_THREADS, cores - 1))


def _torch_with_cuda() -> bool:
    """Look for the parts before importing torch, which costs seconds and memory where it is no use."""
    if not Path("/dev/nvidiactl").exists() and sys.platform != "win32":
        return False
    if not all(importlib.util.find_spec(name) for name in ("torch", "onnx")):
        return False
    from inference.engines.pytorch import cuda_is_present

    return cuda_is_present()
