"""The `torch` engine: the same ONNX file, run by PyTorch.

The graph's weights and operators are read from the pinned file itself, so there is no second copy
of the weights that could differ. On CUDA: channels-last, convolutions in float16, one CUDA graph a
batch size, pinned memory for both copies. On CPU: channels-last, float32.

This is the only module of the serving side that imports torch. Its CUDA branch was written on a
machine without such a device: the contract test runs it wherever there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from inference.engines.engine import Batch, InputShape, Outputs
from inference.engines.errors import EngineFailure, EngineUnavailable, WeightsUnreadable

Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Tensor]
CAPTURED_BATCHES = (1, 2, 4, 8, 16, 32)


def _conv(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    source, weight = inputs[0], inputs[1]
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    padding = (top, left)
    if (top, left) != (bottom, right):
        source = functional.pad(source, (left, right, top, bottom))
        padding = (0, 0)
    convolved: Tensor = functional.conv2d(
        source,
        weight,
        inputs[2] if len(inputs) > 2 else None,
        stride=tuple(attributes.get("strides", (1, 1))),
        padding=padding,
        groups=attributes.get("group", 1),
    )
    return convolved


def _cast(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    if attributes["to"] != onnx.TensorProto.FLOAT:
        raise WeightsUnreadable("the torch engine casts to float32 only")
    source: Tensor = inputs[0]
    return source.float()


def _reduce_mean(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    source: Tensor = inputs[0]
    return source.mean(tuple(attributes["axes"]), keepdim=bool(attributes["keepdims"]))


def _reduce_l2(inputs: Sequence[Any], attributes: Attributes) -> Tensor:
    axes = tuple(attributes["axes"])
    norm: Tensor = torch.linalg.vector_norm(
        inputs[0], dim=axes, keepdim=bool(attributes["keepdims"])
    )
    return norm


OPERATORS: Mapping[str, Operator] = {
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "Cast": _cast,
    "Clip": lambda inputs, _: torch.clamp(inputs[0], inputs[1], inputs[2]),
    "Concat": lambda inputs, attributes: torch.cat(list(inputs), attributes["axis"]),
    "Conv": _conv,
    "MatMul": lambda inputs, _: inputs[0] @ inputs[1],
    "ReduceL2": _reduce_l2,
    "ReduceMean": _reduce_mean,
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
}
"""The operators of opset 17 that the models of this house use (https://onnx.ai/onnx/operators/)."""


@dataclass(frozen=True, slots=True)
class _Step:
    operator: Operator
    inputs: tuple[str, ...]
    output: str
    attributes: Attributes


class _Graph(torch.nn.Module):
    """An ONNX graph as a module: tensors are its buffers, scalars stay Python numbers.

    What depends on constants alone is computed once, here.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        self.input = model.graph.input[0].name
        self.outputs = tuple(output.name for output in model.graph.output)
        constants: dict[str, Any] = {}
        for constant in model.graph.initializer:
            value = numpy_helper.to_array(constant)
            constants[constant.name] = (
                float(value) if value.ndim == 0 else torch.from_numpy(value.copy())
            )
        steps = [_step(node) for node in model.graph.node]
        for step in steps:
            if constants.keys() >= set(step.inputs):
                inputs = [constants[name] for name in step.inputs]
                constants[step.output] = step.operator(inputs, step.attributes)
        self.steps = tuple(step for step in steps if step.output not in constants)
        needed = {name for step in self.steps for name in step.inputs} & constants.keys()
        self.scalars = {
            name: constants[name] for name in needed if isinstance(constants[name], float)
        }
        for name in needed - self.scalars.keys():
            self.register_buffer(name, constants[name], persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        values: dict[str, Any] = {self.input: pixels, **self.scalars, **dict(self.named_buffers())}
        for step in self.steps:
            inputs = [values[name] for name in step.inputs]
            values[step.output] = step.operator(inputs, step.attributes)
        return tuple(values[name] for name in self.outputs)


def _step(node: onnx.NodeProto) -> _Step:
    operator = OPERATORS.get(node.op_type)
    if operator is None:
        raise WeightsUnreadable(f"the torch engine has no operator {node.op_type}")
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    return _Step(operator, tuple(node.input), node.output[0], attributes)


def cuda_is_present() -> bool:
    """Whether torch sees a CUDA device."""
    return torch.cuda.is_available()


class TorchEngine:
    """One module on one device; the weights stay resident."""

    def __init__(self, weights: bytes, *, threads: int, device: str | None = None) -> None:
        """Load a graph.

        Args:
            weights: an ONNX file's content.
            threads: CPU threads of one run; torch has one such number a process.
            device: `cpu`, `cuda`, `cuda:1`, …; by default CUDA where there is any.

        Raises:
            EngineUnavailable: CUDA was asked for and is not there.
            WeightsUnreadable: not a graph of the known operators with one 4-D input.
        """
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self._device.type == "cuda" and not torch.cuda.is_available():
            raise EngineUnavailable("torch sees no CUDA device here")
        torch.set_num_threads(threads)
        try:
            model = onnx.load_model_from_string(weights)
        except Exception as error:
            raise WeightsUnreadable("these weights are no ONNX graph") from error
        dimensions = [item.dim_value for item in model.graph.input[0].type.tensor_type.shape.dim]
        if len(model.graph.input) != 1 or len(dimensions) != 4:
            raise WeightsUnreadable("the graph must have one input (n, channels, rows, columns)")
        self._shape = InputShape(*dimensions[1:])
        graph = _Graph(model).eval().to(self._device)
        self._graph = graph.to(memory_format=torch.channels_last)
        self._captured: dict[int, _Captured] = {}

    @property
    def name(self) -> str:
        return "torch"

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def input_shape(self) -> InputShape:
        return self._shape

    @torch.inference_mode()
    def run(self, batch: Batch) -> Outputs:
        self._shape.check(batch)
        try:
            if self._device.type == "cuda":
                values = self._run_captured(batch)
            else:
                pixels = torch.tensor(batch).contiguous(memory_format=torch.channels_last)
                values = [value.numpy() for value in self._graph(pixels)]
        except RuntimeError as error:
            raise EngineFailure("torch failed on a batch") from error
        return dict(zip(self._graph.outputs, values, strict=True))

    def _run_captured(self, batch: Batch) -> list[Any]:
        """Run slices of the batch through the CUDA graph of the next larger captured size."""
        largest = CAPTURED_BATCHES[-1]
        parts = []
        for start in range(0, len(batch), largest):
            part = batch[start : start + largest]
            size = next(size for size in CAPTURED_BATCHES if size >= len(part))
            if size not in self._captured:
                self._captured[size] = _Captured(self._graph, size, self._shape, self._device)
            parts.append(self._captured[size].run(part))
        return [np.concatenate(values) for values in zip(*parts, strict=True)]


class _Captured:
    """A CUDA graph of one batch size with its fixed buffers on device and (pinned) on host."""

    def __init__(self, graph: _Graph, size: int, shape: InputShape, device: torch.device) -> None:
        self._host_input = torch.zeros(
            (size, shape.channels, shape.rows, shape.columns), pin_memory=True
        )
        self._input = self._host_input.to(device).contiguous(memory_format=torch.channels_last)
        self._replay = torch.cuda.CUDAGraph()
        with torch.cuda.device(device), torch.autocast("cuda", torch.float16):
            warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            warm_up.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(warm_up):
                for _ in range(3):
                    graph(self._input)
            torch.cuda.current_stream().wait_stream(warm_up)
            with torch.cuda.graph(self._replay):
                self._outputs = [value.float() for value in graph(self._input)]
        self._host_outputs = [
            torch.empty(value.shape, dtype=torch.float32, pin_memory=True)
            for value in self._outputs
        ]

    def run(self, part: Batch) -> list[Any]:
        self._host_input[: len(part)].copy_(torch.tensor(part))
        self._input.copy_(self._host_input, non_blocking=True)
        self._replay.replay()
        for host, value in zip(self._host_outputs, self._outputs, strict=True):
            host.copy_(value, non_blocking=True)
        torch.cuda.synchronize(self._input.device)
        return [host[: len(part)].numpy().copy() for host in self._host_outputs]
