"""The `onnx` engine: ONNX Runtime, on CUDA where its provider and a device are present, else CPU.

OpenVINO 2026.4 was measured beside it with the chest radiograph model on two virtual Xeon cores (median of
60 runs, float32, batch 1 and 8): one thread 13.2 to 15.8 and 125 ms against 10.9 and 100 ms here; two threads
8.5 and 67 ms against 6.0 and 49 ms. It also loads four times slower, is more than twice the size, and has no CUDA.
"""

from __future__ import annotations

import numpy as np
import onnxruntime

from inference.engines.engine import Batch, InputShape, Outputs
from inference.engines.errors import EngineFailure, WeightsUnreadable

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
FATAL_ONLY = 4


class OnnxEngine:
    """One session; the weights stay resident."""

    def __init__(self, weights: bytes, *, threads: int) -> None:
        """Load a graph.

        Args:
            weights: an ONNX file's content.
            threads: CPU threads of one run. They spin only while one runs: an API process on the
                same cores is not starved in between.

        Raises:
            WeightsUnreadable: not an ONNX graph with one (n, channels, rows, columns) input.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = FATAL_ONLY
        available = onnxruntime.get_available_providers()
        providers = [provider for provider in (CUDA, CPU) if provider in available]
        try:
            self._session = onnxruntime.InferenceSession(weights, options, providers=providers)
        except Exception as error:
            raise WeightsUnreadable("ONNX Runtime cannot load these weights") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise WeightsUnreadable("the graph must have one input (n, channels, rows, columns)")
        self._input = inputs[0].name
        self._shape = InputShape(*inputs[0].shape[1:])
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def name(self) -> str:
        return "onnx"

    @property
    def device(self) -> str:
        return "cuda:0" if CUDA in self._session.get_providers() else "cpu"

    @property
    def input_shape(self) -> InputShape:
        return self._shape

    def run(self, batch: Batch) -> Outputs:
        self._shape.check(batch)
        try:
            values = self._session.run(self._outputs, {self._input: np.ascontiguousarray(batch)})
        except Exception as error:
            raise EngineFailure("ONNX Runtime failed on a batch") from error
        return dict(zip(self._outputs, values, strict=True))
