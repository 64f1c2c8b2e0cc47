"""From the trained network to one ONNX file that answers everything the server asks.

The graph is written node by node, in the few operators both engines know, with batch
normalisation folded into the convolutions:

    pixels (n, 1, side, side)
      → stem, blocks, top                         EfficientNet-lite0
      → cam      (n, side/32, side/32)            weights · feature map, one extra 1x1 convolution
      → logit    (n,) = mean(cam) + bias
      → distance (n,)                             Mahalanobis distance of pooled features
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from inference.training.network import DISTANCE_BLOCKS, RadiographNetwork
from inference.training.novelty import Novelty

OPSET = 17
IR_VERSION = 8
Array = NDArray[np.float32]


@dataclass(slots=True)
class _Graph:
    """A graph in the making: every operation appends one node and returns its output's name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def apply(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def convolution(
        self, source: str, convolution: Any, norm: Any, pads: Sequence[int] | None = None
    ) -> str:
        """Append a convolution with its batch normalisation folded in."""
        weight, bias = _folded(convolution, norm)
        return self.apply(
            "Conv",
            source,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=list(convolution.kernel_size),
            strides=list(convolution.stride),
            group=convolution.groups,
            pads=pads or _padding(convolution),
        )

    def relu6(self, source: str) -> str:
        zero, six = np.float32(0), np.float32(6)
        return self.apply("Clip", source, self.constant(np.array(zero)), self.constant(np.array(six)))


def onnx_model(network: RadiographNetwork, novelty: Novelty, side_px: int) -> onnx.ModelProto:
    """Return the checked model; its weights are float32."""
    graph = _Graph()
    pooled: list[str] = []
    x = graph.relu6(graph.convolution("pixels", network.stem[1], network.stem[2], pads=[0, 0, 1, 1]))
    for index, block in enumerate(network.blocks):
        x = _block(graph, x, block)
        if index in DISTANCE_BLOCKS:
            pooled.append(_pooled(graph, x))
    x = graph.relu6(graph.convolution(x, network.top[0], network.top[1]))

    weight = network.weight.detach().numpy().reshape(1, -1, 1, 1)
    cam = graph.apply("Conv", x, graph.constant(weight), kernel_shape=[1, 1])
    graph.apply("ReduceMean", cam, axes=[1], keepdims=0, output="cam")
    mean = graph.apply("ReduceMean", "cam", axes=[1, 2], keepdims=0)
    graph.apply("Add", mean, graph.constant(network.bias.detach().numpy().reshape(1)), output="logit")

    features = graph.apply("Concat", *pooled, axis=1)
    centred = graph.apply("Sub", features, graph.constant(novelty.mean))
    whitened = graph.apply("MatMul", centred, graph.constant(novelty.whitening))
    graph.apply("ReduceL2", whitened, axes=[1], keepdims=0, output="distance")

    cells = side_px // 32
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "chest_xray_pneumonia",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, side_px, side_px])],
            [
                helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"]),
                helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["n", cells, cells]),
                helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n"]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="healthvision",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _block(graph: _Graph, source: str, block: Any) -> str:
    """An inverted residual block: expand, depthwise, project, add.

    Sandler et al., "MobileNetV2", CVPR 2018; lite variants have no squeeze-and-excitation.
    """
    x = source
    if hasattr(block, "_expand_conv"):
        x = graph.relu6(graph.convolution(x, block._expand_conv, block._bn0))
    x = graph.relu6(graph.convolution(x, block._depthwise_conv, block._bn1))
    x = graph.convolution(x, block._project_conv, block._bn2)
    return graph.apply("Add", x, source) if network_adds(block) else x


def network_adds(block: Any) -> bool:
    """Whether a block adds its input to its output: same shape on both sides."""
    depthwise = block._depthwise_conv.stride
    same_channels = block._block_args.input_filters == block._block_args.output_filters
    return bool(same_channels and max(depthwise) == 1)


def _pooled(graph: _Graph, source: str) -> str:
    return graph.apply("ReduceMean", source, axes=[2, 3], keepdims=0)


def _folded(convolution: nn.Conv2d, norm: Any) -> tuple[Array, Array]:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale.reshape(-1, 1, 1, 1)
    bias = norm.bias - norm.running_mean * scale
    return weight.detach().numpy(), bias.detach().numpy()


def _padding(convolution: Any) -> Sequence[int]:
    """ONNX order top, left, bottom, right of the static 'same' padding."""
    padding = getattr(convolution, "static_padding", None)
    if isinstance(padding, nn.ZeroPad2d):
        left, right, top, bottom = padding.padding
        return [top, left, bottom, right]
    return [0, 0, 0, 0]
