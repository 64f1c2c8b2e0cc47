"""From a trained network to one ONNX file that answers everything the server asks.

The graph is written node by node, in the few operators both engines know, with batch
normalisation folded into the convolutions:

    pixels (n, 1, side, side)
      → the network, and again mirrored           EfficientNet-lite0: stem, blocks, top
          → two maps (n, side/32, side/32)        weights · feature map, one extra 1x1 convolution
      → cam      = mean of the two
      → logit    (n,) = mean(cam) + bias          the identity that makes the explanation exact
      → distance (n,)                             Mahalanobis distance of the unmirrored one's features

A network with mirrored kernels sees the mirror image and gives its map the right way round, so the
average over both sides needs no operator of its own. Convolutions are kept in float16, which halves
the file, and are cast to float32 when it is loaded; what both sides share is stored once.
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

    mirrored: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    names: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def constant(self, value: NDArray[Any]) -> str:
        """Store a constant in float32, once however often it occurs."""
        return self._stored(np.asarray(value, np.float32))

    def half_constant(self, value: Array) -> str:
        """Store a large constant in float16; both engines fold the cast away when they load it."""
        return self.apply("Cast", self._stored(value.astype(np.float16)), to=TensorProto.FLOAT)

    def _stored(self, value: NDArray[Any]) -> str:
        content = value.shape, value.dtype.str, value.tobytes()
        if content not in self.names:
            self.names[content] = f"c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(value, self.names[content]))
        return self.names[content]

    def apply(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def convolution(self, source: str, convolution: Any, norm: Any, pads: Sequence[int]) -> str:
        """Append a convolution with its batch normalisation folded in."""
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = convolution.weight * scale.reshape(-1, 1, 1, 1)
        bias = norm.bias - norm.running_mean * scale
        top, left, bottom, right = pads
        if self.mirrored:
            weight, left, right = weight.flip(3), right, left
        return self.apply(
            "Conv",
            source,
            self.half_constant(weight.detach().numpy()),
            self.constant(bias.detach().numpy()),
            kernel_shape=list(convolution.kernel_size),
            strides=list(convolution.stride),
            group=convolution.groups,
            pads=[top, left, bottom, right],
        )

    def relu6(self, source: str) -> str:
        return self.apply("Clip", source, "zero", "six")

    def pooled(self, source: str) -> str:
        return self.apply("ReduceMean", source, axes=[2, 3], keepdims=0)


def onnx_model(network: RadiographNetwork, novelty: Novelty, side_px: int) -> onnx.ModelProto:
    """Return the checked model, its weights in float32."""
    graph = _Graph()
    for name, value in (("zero", 0), ("six", 6)):
        graph.constants.append(numpy_helper.from_array(np.array(value, np.float32), name))
    cam, features = _network(graph, network)
    graph.mirrored = True
    mirrored, _ = _network(graph, network)

    together = graph.apply("Concat", cam, mirrored, axis=1)
    graph.apply("ReduceMean", together, axes=[1], keepdims=0, output="cam")
    mean = graph.apply("ReduceMean", "cam", axes=[1, 2], keepdims=0)
    bias = network.bias.detach().numpy().reshape(1)
    graph.apply("Add", mean, graph.constant(bias), output="logit")

    centred = graph.apply("Sub", features, graph.constant(novelty.mean))
    whitened = graph.apply("MatMul", centred, graph.constant(novelty.whitening))
    graph.apply("ReduceL2", whitened, axes=[1], keepdims=0, output="distance")

    cells = side_px // 32
    shapes: dict[str, list[str | int]] = {
        "logit": ["n"],
        "cam": ["n", cells, cells],
        "distance": ["n"],
    }
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "chest_xray_pneumonia",
            [_tensor("pixels", ["n", 1, side_px, side_px])],
            [_tensor(name, shape) for name, shape in shapes.items()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="healthvision",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _tensor(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _network(graph: _Graph, network: RadiographNetwork) -> tuple[str, str]:
    """Append one network; return its class activation map (n, 1, …) and its distance features."""
    pooled = []
    x = graph.relu6(graph.convolution("pixels", network.stem[1], network.stem[2], [0, 0, 1, 1]))
    for index, block in enumerate(network.blocks):
        x = _block(graph, x, block)
        if index in DISTANCE_BLOCKS:
            pooled.append(graph.pooled(x))
    x = graph.relu6(graph.convolution(x, network.top[0], network.top[1], [0, 0, 0, 0]))
    weight = graph.constant(network.weight.detach().numpy().reshape(1, -1, 1, 1))
    cam = graph.apply("Conv", x, weight, kernel_shape=[1, 1])
    return cam, graph.apply("Concat", *pooled, axis=1)


def _block(graph: _Graph, source: str, block: Any) -> str:
    """Append an inverted residual block: expand, depthwise, project, add.

    Sandler et al., "MobileNetV2", CVPR 2018; lite variants have no squeeze-and-excitation.
    """
    x = source
    if hasattr(block, "_expand_conv"):
        x = graph.relu6(graph.convolution(x, block._expand_conv, block._bn0, [0, 0, 0, 0]))
    depthwise = block._depthwise_conv
    x = graph.relu6(graph.convolution(x, depthwise, block._bn1, _static_padding(depthwise)))
    x = graph.convolution(x, block._project_conv, block._bn2, [0, 0, 0, 0])
    arguments = block._block_args
    same_channels = arguments.input_filters == arguments.output_filters
    adds = same_channels and max(depthwise.stride) == 1
    return graph.apply("Add", x, source) if adds else x


def _static_padding(convolution: Any) -> Sequence[int]:
    """Return top, left, bottom, right of the 'same' padding that the package computed once."""
    padding = convolution.static_padding
    if not isinstance(padding, nn.ZeroPad2d):
        return (0, 0, 0, 0)
    left, right, top, bottom = padding.padding
    return (top, left, bottom, right)
