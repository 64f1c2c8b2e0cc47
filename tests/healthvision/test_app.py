"""The API process: what it loads, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys

MODELS = {"torch", "onnxruntime", "openvino", "onnx", "monai", "inference"}


def test_the_api_process_loads_no_model_and_no_engine() -> None:
    """docs/architecture.md: the API process never imports torch, monai or a model."""
    code = "import sys, healthvision.api_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not MODELS & {name.partition(".")[0] for name in done.stdout.split()}
