"""Pictures that the model must refuse: other modalities, other body parts, photographs, patterns.

Some come from the data folder, some with Python packages, some are drawn here. Adults' chest
radiographs are listed beside them: those must not be refused.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

Plane = NDArray[np.float32]
CROPS = 20
DRAWN = 40
SIDE_PX = 256


def foreign_pictures(data: Path) -> dict[str, list[Plane]]:
    """Return pictures by kind. `data` holds `mr/` and `ct/`."""
    rng = np.random.default_rng(0)
    return {
        "brain MR, JPEG slices": jpegs(data / "mr/brain_tumor_nickparvar_train_224px.tar", 200),
        "chest CT, JPEG slices": jpegs(data / "ct/iq_othnccd_slices.tar", 200),
        "chest CT, one DICOM series, lung window": ct_series(
            data / "ct/cptac-lscc_C3N-00247_chest_ct_99dcm.tar.gz"
        ),
        "DICOM of other modalities and body parts (pydicom, pydicom-data)": other_dicom(),
        "photographs (3 and crops of them)": photographs(rng),
        "white noise": [rng.random((SIDE_PX, SIDE_PX), dtype=np.float32) for _ in range(DRAWN)],
        "smooth noise": [smooth_noise(rng) for _ in range(DRAWN)],
        "gradients": [gradient(angle) for angle in np.linspace(0, 6, DRAWN)],
        "pages of text": [page(rng) for _ in range(DRAWN)],
        "drawings": [drawing(rng) for _ in range(DRAWN)],
    }


def adult_radiographs(data: Path) -> dict[str, Plane]:
    """Return the two adults' chest radiographs that are at hand."""
    return {
        "RSNA sample (CR)": _displayed(pydicom.dcmread(data / "cxr/rsna_cxr_sample.dcm")),
        "pydicom-data RG1 (CR)": _displayed(pydicom.dcmread(_named("RG1_UNCR.dcm"))),
    }


def jpegs(archive: Path, n: int) -> list[Plane]:
    """Decode `n` pictures of a tar archive, spread evenly over it."""
    with tarfile.open(archive) as tar:
        members = sorted(
            (m for m in tar if m.isfile() and m.name.lower().endswith((".jpg", ".jpeg", ".png"))),
            key=lambda m: m.name,
        )
        chosen = np.linspace(0, len(members) - 1, n).astype(int)
        contents = [_content(tar, members[index]) for index in chosen]
    return [_grey(Image.open(io.BytesIO(content))) for content in contents]


def ct_series(archive: Path) -> list[Plane]:
    """Every slice in a window of centre -600 HU and width 1500 HU."""
    with tarfile.open(archive) as tar:
        contents = [_content(tar, member) for member in tar if member.isfile()]
    planes = []
    for content in contents:
        slice_ = pydicom.dcmread(io.BytesIO(content), force=True)
        if "PixelData" in slice_:
            hounsfield = slice_.pixel_array * float(slice_.RescaleSlope) + float(
                slice_.RescaleIntercept
            )
            planes.append(np.clip((hounsfield + 1350) / 1500, 0, 1).astype(np.float32))
    return planes


def other_dicom() -> list[Plane]:
    """One picture of each distinct DICOM file of the two packages that is not a chest radiograph."""
    seen: dict[tuple[object, ...], Plane] = {}
    for path in _dicom_files():
        try:
            dataset = pydicom.dcmread(path)
            if (
                str(dataset.get("BodyPartExamined", "")) == "CHEST"
                or min(dataset.Rows, dataset.Columns) < 96
            ):
                continue
            plane = _displayed(dataset)
        except Exception:  # noqa: BLE001, S112 - many of these files are broken on purpose
            continue
        seen.setdefault((dataset.get("Modality"), plane.shape, round(float(plane.mean()))), plane)
    return list(seen.values())


def photographs(rng: np.random.Generator) -> list[Plane]:
    """Scikit-learn's two and matplotlib's one, and random crops of each."""
    hopper = Path(mpl.get_data_path()) / "sample_data/grace_hopper.jpg"
    whole = [
        np.asarray(image).mean(axis=2).astype(np.float32) for image in load_sample_images().images
    ]
    whole.append(_grey(Image.open(hopper)))
    crops = []
    for picture in whole:
        for _ in range(CROPS):
            side = int(min(picture.shape) * rng.uniform(0.4, 0.95))
            top, left = (int(rng.integers(0, extent - side + 1)) for extent in picture.shape)
            crops.append(picture[top : top + side, left : left + side])
    return whole + crops


def smooth_noise(rng: np.random.Generator) -> Plane:
    cells = int(rng.integers(3, 40))
    coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))


def gradient(angle: float) -> Plane:
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / SIDE_PX
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y, dtype=np.float32)


def page(rng: np.random.Generator) -> Plane:
    picture = Image.new("L", (600, 800), 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(int(rng.integers(12, 30)))
    for top in range(10, 790, int(rng.integers(18, 40))):
        line = "".join(rng.choice(list("abcdefgh ijklmno pqrst uvwxyz"), int(rng.integers(20, 60))))
        draw.text((20, top), line, fill=0, font=font)
    return _grey(picture)


def drawing(rng: np.random.Generator) -> Plane:
    picture = Image.new("L", (300, 300), int(rng.choice([0, 128, 255])))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 12))):
        left, right = sorted(rng.integers(0, 300, 2).tolist())
        top, bottom = sorted(rng.integers(0, 300, 2).tolist())
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((left, top, right + 2, bottom + 2), fill=int(rng.integers(256)))
    return _grey(picture)


def _dicom_files() -> Iterator[Path]:
    import data_store

    for folder in (Path(data_store.__file__).parent, Path(pydicom.__file__).parent / "data"):
        yield from sorted(folder.rglob("*.dcm"))


def _named(name: str) -> Path:
    return next(path for path in _dicom_files() if path.name == name)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _grey(picture: Image.Image) -> Plane:
    return np.asarray(picture.convert("L"), dtype=np.float32)


def _displayed(dataset: pydicom.Dataset) -> Plane:
    """First frame, grey, MONOCHROME2, over its whole range (equalisation makes a window needless)."""
    pixels = np.asarray(dataset.pixel_array, dtype=np.float32)
    if pixels.ndim > 2 and pixels.shape[-1] == 3:
        pixels = pixels.mean(axis=-1)
    while pixels.ndim > 2:
        pixels = pixels[0]
    return pixels.max() - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels
