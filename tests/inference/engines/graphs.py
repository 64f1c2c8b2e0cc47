"""A small graph with every operator the models of this house use."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8


def small_graph() -> bytes:
    """Random weights; input (n, 1, 8, 8); outputs logit (n,), cam (n, 4, 4), distance (n,)."""
    rng = np.random.default_rng(5)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(0, 0.5, shape).astype(np.float32), name)

    half = rng.normal(0, 0.5, (6, 1, 3, 3)).astype(np.float16)
    constants = [
        numpy_helper.from_array(half, "stem_half"),
        constant("stem_bias", 6),
        constant("depth_weight", 6, 1, 3, 3),
        constant("depth_bias", 6),
        constant("cam_weight", 1, 6, 1, 1),
        constant("bias", 1),
        constant("mean", 12),
        constant("whitening", 12, 5),
        numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
        numpy_helper.from_array(np.array(6, dtype=np.float32), "six"),
    ]
    nodes = [
        helper.make_node("Cast", ["stem_half"], ["stem_weight"], to=TensorProto.FLOAT),
        helper.make_node(
            "Conv", ["pixels", "stem_weight", "stem_bias"], ["a"], strides=[2, 2], pads=[0, 0, 1, 1]
        ),
        helper.make_node("Clip", ["a", "zero", "six"], ["b"]),
        helper.make_node(
            "Conv", ["b", "depth_weight", "depth_bias"], ["c"], group=6, pads=[1, 1, 1, 1]
        ),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Conv", ["d", "cam_weight"], ["e"]),
        helper.make_node("ReduceMean", ["e"], ["cam"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["cam"], ["f"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["f", "bias"], ["logit"]),
        helper.make_node("ReduceMean", ["b"], ["g"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["d"], ["h"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["g", "h"], ["i"], axis=1),
        helper.make_node("Sub", ["i", "mean"], ["j"]),
        helper.make_node("MatMul", ["j", "whitening"], ["k"]),
        helper.make_node("ReduceL2", ["k"], ["distance"], axes=[1], keepdims=0),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
            [
                helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"]),
                helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["n", 4, 4]),
                helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n"]),
            ],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def random_batch(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 1, SIDE, SIDE)).astype(np.float32)
