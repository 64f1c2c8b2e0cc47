"""A model as small as one can be: real weights, a real engine, and an answer that a test can foresee."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference.models.chest_xray_pneumonia.preprocess import Preprocessing
from inference.models.manifest import (
    Calibration,
    Capability,
    Code,
    Decision,
    Explanation,
    Manifest,
    Novelty,
    Population,
    Weights,
    manifest_json,
)
from inference.models.registry import InstalledModel, installed_models

SIDE = 32


def install_small_model(
    folder: Path, *, logit: float = 3.0, distance: float = 0.5, **changes: Any
) -> InstalledModel:
    """Writes and reads it. Every image gets this logit and this distance (limit 2)."""
    weights = _graph(logit, distance)
    manifest = Manifest(
        name="chest-xray-pneumonia",
        version="0.0.1",
        title="Small test model",
        analysis="chest-xray-pneumonia",
        licence="Apache-2.0",
        card="MODEL_CARD.md",
        weights=Weights("weights.onnx", hashlib.sha256(weights).hexdigest(), len(weights), "cells"),
        finding=Code("http://snomed.info/sct", "233604007", "Pneumonia"),
        body_site=Code("http://snomed.info/sct", "39607008", "Lung structure"),
        report=Code("http://loinc.org", "36554-4", "XR Chest Single view"),
        capability=Capability(("CR", "DX", "RG"), ("CHEST", "THORAX"), ("PA", "AP")),
        population=Population(1, 5, "nobody"),
        preprocessing=asdict(Preprocessing(input_px=SIDE)),
        calibration=Calibration(1.0),
        decision=Decision(0.5, "a test's"),
        novelty=Novelty(2.0, "a test's"),
        explanation=Explanation(6.0),
    )
    home = folder / "chest_xray_pneumonia"
    home.mkdir(parents=True)
    (home / "weights.onnx").write_bytes(weights)
    (home / "MODEL_CARD.md").write_text("# Small test model\n")
    (home / "model.json").write_bytes(manifest_json(replace(manifest, **changes)))
    [installed] = installed_models(folder)
    return installed


def _graph(logit: float, distance: float) -> bytes:
    """The map is the cells of the image, moved so that their mean is ``logit``."""

    def number(name: str, *values: float) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, dtype=np.float32), name)

    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["cells"], ["flat"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["flat"], ["level"], axes=[1, 2], keepdims=1),
        helper.make_node("Sub", ["flat", "level"], ["centred"]),
        helper.make_node("Add", ["centred", "wanted"], ["cam"]),
        helper.make_node("ReduceMean", ["cam"], ["logit"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["logit", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "far"], ["distance"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [info("pixels", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [
            info("logit", TensorProto.FLOAT, ["n"]),
            info("cam", TensorProto.FLOAT, ["n", 4, 4]),
            info("distance", TensorProto.FLOAT, ["n"]),
        ],
        [number("wanted", logit), number("nothing", 0.0), number("far", distance)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content
