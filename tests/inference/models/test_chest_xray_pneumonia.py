"""The committed model itself, on a drawn chest and on real DICOM from pydicom-data."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from inference.engines import Engine, EngineName, choose_engine
from inference.models.chest_xray_pneumonia import (
    ChestXrayPneumonia,
    beside_scale,
    displayed,
    evidence_in_image,
    layers,
    map_picture,
)
from inference.models.chest_xray_pneumonia.predict import preprocessing_of, sigmoid
from inference.models.chest_xray_pneumonia.preprocess import standardise
from inference.models.registry import installed_model
from tests.inference.models.radiographs import drawn_chest

INSTALLED = installed_model("chest-xray-pneumonia")
MANIFEST = INSTALLED.manifest
SCALE = MANIFEST.explanation.full_scale_logit


def engine(name: EngineName) -> Engine:
    if name is EngineName.TORCH and not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed (extra: gpu)")
    return choose_engine(INSTALLED.weights(), engine=name, threads=1)


@pytest.fixture(scope="module")
def model() -> Iterator[ChestXrayPneumonia]:
    with ChestXrayPneumonia(MANIFEST, engine(EngineName.ONNX)) as opened:
        yield opened


def pydicom_data(name: str) -> np.ndarray:
    """A radiograph of pydicom-data, displayed as MONOCHROME2."""
    data_store = pytest.importorskip("data_store")
    (path,) = Path(data_store.__file__).parent.rglob(name)
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.astype(np.float32)
    return pixels.max() - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def inputs() -> np.ndarray:
    """Drawn chests and an adult's radiograph, prepared: (n, 1, side, side)."""
    images = [drawn_chest(), drawn_chest(300, 420), pydicom_data("RG1_UNCR.dcm")]
    prepared = [standardise(image, preprocessing_of(MANIFEST)).pixels for image in images]
    noise = np.random.default_rng(0).normal(size=prepared[0].shape).astype(np.float32)
    return np.stack([*prepared, noise])[:, np.newaxis]


@pytest.mark.parametrize("name", list(EngineName))
def test_the_mean_of_the_map_and_the_bias_are_the_logit(name: EngineName) -> None:
    """Zhou et al., CVPR 2016: with pooling and one linear layer the map is exact."""
    outputs = engine(name).run(inputs())
    bias = outputs["logit"] - outputs["cam"].mean(axis=(1, 2))
    np.testing.assert_allclose(bias, bias[0], atol=1e-4)


def test_both_engines_answer_alike_within_a_thousandth() -> None:
    onnx, torch = (engine(name).run(inputs()) for name in EngineName)
    for name, values in onnx.items():
        np.testing.assert_allclose(torch[name], values, atol=1e-3)


def test_the_mean_of_the_evidence_is_the_calibrated_log_odds(model: ChestXrayPneumonia) -> None:
    prediction = model.predict(drawn_chest())
    assert prediction.evidence.mean() == pytest.approx(
        prediction.logit / MANIFEST.calibration.temperature, abs=1e-4
    )
    assert prediction.probability == pytest.approx(sigmoid(prediction.evidence.mean()), abs=1e-5)
    assert prediction.present == (prediction.probability >= MANIFEST.decision.threshold)


def test_an_adults_chest_radiograph_is_within_the_limit(model: ChestXrayPneumonia) -> None:
    assert model.predict(pydicom_data("RG1_UNCR.dcm")).within_limit


@pytest.mark.parametrize("name", ["RG3_UNCR.dcm", "MR2_UNCR.dcm", "693_UNCR.dcm"])
def test_a_knee_a_shoulder_mr_and_a_ct_are_beyond_the_limit(
    model: ChestXrayPneumonia, name: str
) -> None:
    assert not model.predict(pydicom_data(name)).within_limit


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_beyond_the_limit(model: ChestXrayPneumonia, seed: int) -> None:
    noise = np.random.default_rng(seed).random((256, 256), dtype=np.float32)
    assert not model.predict(noise).within_limit


def test_the_same_picture_gets_the_same_answer_alone_and_among_others(
    model: ChestXrayPneumonia,
) -> None:
    images = [drawn_chest(), drawn_chest(300, 420), pydicom_data("RG1_UNCR.dcm")]
    alone = [model.predict(image) for image in images]
    waiting = [model.submit(image, stat=index == 2) for index, image in enumerate(images)]
    for one, other in zip(alone, waiting, strict=True):
        assert other.result().probability == pytest.approx(one.probability, abs=1e-4)


@pytest.mark.parametrize("shape", [(224, 224), (700, 300), (1200, 1600)])
def test_evidence_lies_on_the_original_grid_and_only_where_the_model_looked(
    model: ChestXrayPneumonia, shape: tuple[int, int]
) -> None:
    framed = np.zeros(shape, dtype=np.uint8)
    rows, columns = shape
    inner = drawn_chest(rows - rows // 5, columns)
    framed[rows // 10 : rows // 10 + len(inner)] = inner
    prediction = model.predict(framed)
    evidence = evidence_in_image(prediction)
    assert evidence.shape == shape
    box = prediction.standardised.box
    assert not evidence[: round(box.top)].any()
    assert not evidence[round(box.bottom) :].any()
    within = evidence[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
    assert within.mean() == pytest.approx(prediction.evidence.mean(), abs=0.15)


def test_the_map_is_a_grey_png_with_its_scale(model: ChestXrayPneumonia) -> None:
    image = drawn_chest(1000, 800)
    prediction = model.predict(image)
    picture = map_picture(layers(displayed(image), prediction, SCALE), image.shape, SCALE)
    opened = Image.open(io.BytesIO(picture.png))
    assert (opened.mode, opened.size) == ("L", (picture.columns, picture.rows))
    assert max(opened.size) <= 512
    assert opened.size[1] / opened.size[0] == pytest.approx(1000 / 800, rel=0.01)
    assert float(opened.text["full_scale_logit"]) == SCALE
    assert (opened.text["original_rows"], opened.text["original_columns"]) == ("1000", "800")


def test_the_overlay_shows_the_radiograph_twice_and_colours_only_one(
    model: ChestXrayPneumonia,
) -> None:
    image = drawn_chest(400, 400)
    prediction = model.predict(image)
    drawn = layers(displayed(image), prediction, full_scale_logit=0.01)
    picture = beside_scale((drawn.plain, drawn.coloured), full_scale_logit=0.01)
    panels = np.asarray(Image.open(io.BytesIO(picture.png))).astype(int)
    assert panels.shape == (picture.rows, picture.columns, 3)
    plain, coloured = panels[:, :400], panels[:, 406:806]
    assert np.ptp(plain, axis=2).max() == 0
    lit = evidence_in_image(prediction, (400, 400)) > 0.01
    unlit = evidence_in_image(prediction, (400, 400)) <= 0
    np.testing.assert_array_equal(coloured[unlit], plain[unlit])
    assert lit.any()
    assert np.ptp(coloured[lit], axis=1).mean() > 20


def test_explaining_and_predicting_need_no_torch() -> None:
    """The light installation has no torch, sklearn, scipy or matplotlib."""
    import subprocess
    import sys

    program = (
        "import sys\n"
        "import inference.models.chest_xray_pneumonia, inference.models.registry, inference.engines\n"
        "from inference.engines import choose_engine, EngineName\n"
        "from inference.models.registry import installed_model\n"
        "choose_engine(installed_model('chest-xray-pneumonia').weights(), engine=EngineName.ONNX)\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'matplotlib', 'onnx'} & sys.modules.keys()\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
