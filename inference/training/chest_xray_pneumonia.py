"""Train the chest radiograph model and write its folder: weights, manifest, metrics, plots, card.

    python -m inference.training.chest_xray_pneumonia --data DIR --out inference/models/chest_xray_pneumonia

DIR holds `cxr/kermany_train_224px.tar` (labelled radiographs), `cxr/rsna_cxr_sample.dcm`, and, for
the pictures that must be refused, `mr/` and `ct/`. Trained networks are kept in --work, so that an
interrupted run goes on where it was and the later stages can be repeated alone.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from inference.engines import Engine
from inference.engines.onnx_runtime import OnnxEngine
from inference.models.chest_xray_pneumonia.preprocess import Preprocessing, standardise
from inference.models.chest_xray_pneumonia.suitability import StudyFacts, screen, unfit
from inference.models.manifest import Manifest, Weights, manifest_json
from inference.training.card import model_card
from inference.training.description import describe
from inference.training.evaluation import (
    conditions,
    faithfulness,
    measure,
    pooled_shifts,
    refusals,
    run,
    settings_of,
    tune,
)
from inference.training.export import onnx_model
from inference.training.figures import faithfulness_figure, reliability_figure, roc_figure
from inference.training.fit import Recipe, fit
from inference.training.foreign import adult_radiographs, foreign_pictures
from inference.training.measures import auc
from inference.training.network import RadiographNetwork
from inference.training.novelty import Novelty, fit_novelty
from inference.training.radiographs import (
    Radiographs,
    halve_by_patient,
    load_radiographs,
    split_by_patient,
)
from inference.training.shifts import SHIFTS, combined, shifted

VERSION = "1.0.0"
WEIGHTS = "chest_xray_pneumonia.onnx"
VALIDATION_SHARE = 0.15
PREPROCESSING = Preprocessing()
RECIPE = Recipe(seed=7, stopped_after=11)
JUDGING_SEED = 1
NOVELTY_SEED = 2
THREADS = 2


def main() -> None:
    """Run every stage that has not been run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with cxr/, mr/ and ct/")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument(
        "--work", type=Path, default=Path(".cache/training"), help="trained networks"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    arguments.work.mkdir(parents=True, exist_ok=True)
    arguments.out.mkdir(parents=True, exist_ok=True)

    training, validation = split_by_patient(
        load_radiographs(arguments.data / "cxr/kermany_train_224px.tar"), VALIDATION_SHARE
    )
    tuning, reporting = halve_by_patient(validation)
    network, history = trained(training, tuning, arguments.work)
    weights = exported(network, training)
    (arguments.out / WEIGHTS).write_bytes(weights)
    print(f"exported {len(weights) / 1e6:.1f} MB", flush=True)

    engine = OnnxEngine(weights, threads=THREADS)
    foreign = foreign_pictures(arguments.data)
    refused = [picture for pictures in foreign.values() for picture in pictures[::2]]
    settings = tune(
        conditions(engine, tuning, PREPROCESSING),
        nearest_foreign=float(run(engine, refused, PREPROCESSING).distance.min()),
    )
    manifest = describe(_pinned(weights), PREPROCESSING, settings, VERSION)
    (arguments.out / "model.json").write_bytes(manifest_json(manifest))
    others = {kind: pictures[1::2] for kind, pictures in foreign.items()}
    metrics = evaluated(engine, manifest, reporting, others, arguments)
    metrics["settings"] = settings
    metrics["data"] = {
        name: _counted(part)
        for name, part in (("training", training), ("tuning", tuning), ("reporting", reporting))
    }
    metrics["training"] = {
        "recipe": asdict(RECIPE),
        **history,
        "machine": machine(),
    }
    (arguments.out / "metrics.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(metrics), indent=1) + b"\n"
    )
    plain = msgspec.json.decode(msgspec.json.encode(metrics))
    (arguments.out / manifest.card).write_text(model_card(manifest, plain), encoding="utf-8")


def trained(
    training: Radiographs, tuning: Radiographs, work: Path
) -> tuple[RadiographNetwork, dict[str, Any]]:
    """Fit the network, or take it from an earlier run; with what its epochs came to."""
    path, record = work / f"network-{RECIPE.seed}.pt", work / f"network-{RECIPE.seed}.json"
    if not path.exists():
        under_shift = _pixels(shifted(tuning, combined, JUDGING_SEED))
        fitted = fit(
            training,
            PREPROCESSING,
            RECIPE,
            lambda average: auc(tuning.pneumonia, logits(average, under_shift)),
        )
        torch.save(fitted.weights, path)
        history = {"seconds": round(fitted.seconds), "epochs": fitted.epochs}
        record.write_bytes(msgspec.json.encode(history))
    network = RadiographNetwork(RECIPE.frozen_blocks)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval(), msgspec.json.decode(record.read_bytes())


def _pixels(images: Sequence[np.ndarray[Any, Any]]) -> torch.Tensor:
    planes = np.stack([standardise(image, PREPROCESSING).pixels for image in images])
    return torch.from_numpy(planes)[:, None].contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def logits(
    network: RadiographNetwork, pixels: torch.Tensor
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Run a network on standardised images."""
    parts = [network(batch) for batch in torch.split(pixels, 32)]
    return torch.cat(parts).double().numpy()


def exported(network: RadiographNetwork, training: Radiographs) -> bytes:
    """Fit the distance to training images, clean and shifted, and write the graph."""
    model = onnx_model(network, fitted_novelty(network, training), PREPROCESSING.input_px)
    content: bytes = model.SerializeToString()
    return content


def fitted_novelty(network: RadiographNetwork, training: Radiographs) -> Novelty:
    """Every third training image as it is, and the others each under one of the shifts."""
    order = np.random.default_rng(NOVELTY_SEED).permutation(len(training))
    parts = np.array_split(order, len(SHIFTS) + len(SHIFTS) // 2)
    clean = np.concatenate(parts[len(SHIFTS) :])
    images = list(training.images[clean])
    for shift, part in zip(SHIFTS, parts, strict=False):
        chosen = np.zeros(len(training), dtype=bool)
        chosen[part] = True
        images.extend(shifted(training.take(chosen), shift, NOVELTY_SEED))
    pixels = _pixels(images)
    features = [network.distance_features(batch) for batch in torch.split(pixels, 32)]
    return fit_novelty(torch.cat(features).numpy())


def _pinned(weights: bytes) -> Weights:
    return Weights(
        file=WEIGHTS,
        sha256=hashlib.sha256(weights).hexdigest(),
        size_bytes=len(weights),
        target_layer="last feature map before pooling (1280 x 6 x 6), mean over image and mirror image",
    )


def evaluated(
    engine: Engine,
    manifest: Manifest,
    reporting: Radiographs,
    foreign: dict[str, list[np.ndarray[Any, np.dtype[np.float32]]]],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Measure everything on the reporting half and draw the plots."""
    settings = settings_of(manifest)
    reported = conditions(engine, reporting, PREPROCESSING)
    clean, shifts = reported[0], reported[1:]
    pooled = pooled_shifts(shifts)
    explained = faithfulness(engine, clean, settings)
    roc_figure(reported, arguments.out / "roc.png")
    reliability_figure((clean, pooled), settings, arguments.out / "reliability.png")
    faithfulness_figure(explained["curves"], arguments.out / "faithfulness.png")
    facts = StudyFacts(patient_age_years=3, view_position="PA")
    adults = adult_radiographs(arguments.data)
    adult = run(engine, list(adults.values()), PREPROCESSING)
    return {
        "conditions": [measure(one, settings) for one in (clean, pooled, *shifts)],
        "foreign": refusals(
            engine,
            foreign,
            PREPROCESSING,
            settings,
            lambda plane: screen(facts, manifest, unfit(plane)).rejection is not None,
        ),
        "adults": [
            {"name": name, "distance": round(float(distance), 3), "logit": round(float(logit), 3)}
            for name, distance, logit in zip(adults, adult.distance, adult.logit, strict=True)
        ],
        "faithfulness": explained,
    }


def _counted(part: Radiographs) -> dict[str, int]:
    return {
        "images": len(part),
        "pneumonia_images": int(part.pneumonia.sum()),
        "normal_images": int((~part.pneumonia).sum()),
        "patients": len(np.unique(part.patients)),
    }


def machine() -> str:
    """Describe the hardware in words: processor and cores, never a host's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    return f"CPU only: {processor}, {len(names) or 1} virtual cores, {THREADS} threads, torch {torch.__version__}"


if __name__ == "__main__":
    begun = time.perf_counter()
    main()
    print(f"{time.perf_counter() - begun:.0f} s")
