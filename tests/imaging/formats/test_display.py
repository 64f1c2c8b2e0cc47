"""The grayscale pipeline: https://dicom.nema.org/medical/dicom/current/output/chtml/part03/sect_C.11.html"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from imaging.formats import read
from imaging.formats.grayscale import (
    Grayscale,
    Lut,
    Rescale,
    Window,
    WindowFunction,
    display,
    modality_values,
)

finite = st.floats(-30000, 30000, allow_nan=False, width=32)


def saved(dataset: pydicom.Dataset) -> bytes:
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "693_UNCI.dcm", "MR_small.dcm", "RG3_UNCI.dcm", "mlut_18.dcm", "vlut_04.dcm"],
)
def test_shades_equal_pydicoms_own_modality_and_voi_transforms(sample_file, name: str) -> None:
    dataset = pydicom.dcmread(sample_file(name))
    expected = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    image = read(sample_file(name))
    voi = image.grayscale[0].voi
    if not voi:
        low, high = expected.min(), expected.max()
    elif isinstance(voi[0], Lut):
        low, high = 0, 2 ** voi[0].bits - 1
    else:  # pydicom spreads the window over the range of the modality values
        bits = int(dataset.BitsStored)
        signed = int(dataset.PixelRepresentation)
        slope = float(dataset.get("RescaleSlope", 1))
        intercept = float(dataset.get("RescaleIntercept", 0))
        low = (-(2 ** (bits - 1)) if signed else 0) * slope + intercept
        high = (2 ** (bits - 1) - 1 if signed else 2**bits - 1) * slope + intercept
    shades = (expected - low) / (high - low)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shades = 1 - shades
    assert np.allclose(image.display(), shades, atol=2e-4)


def test_monochrome1_shows_low_values_white(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small.dcm"))
    plain = read(saved(dataset)).display()
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert np.allclose(read(saved(dataset)).display(), 1 - plain, atol=1e-6)


def test_monochrome1_with_its_usual_shape_inverse_is_inverted_once(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small.dcm"))
    dataset.PhotometricInterpretation = "MONOCHROME1"
    once = read(saved(dataset)).display()
    dataset.PresentationLUTShape = "INVERSE"
    assert np.array_equal(read(saved(dataset)).display(), once)


def test_padding_is_black_and_does_not_stretch_the_range() -> None:
    stored = np.array([[-2000, 0], [50, 100]], np.int16)
    grayscale = Grayscale(padding=(-2000, -2000))
    assert display(stored, grayscale).tolist() == [[0, 0], [0.5, 1]]
    assert display(stored, replace(grayscale, inverted=True)).tolist() == [[0, 1], [0.5, 0]]


def test_a_padding_range_in_an_implicit_file_is_read_as_signed(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("MR_small_implicit.dcm"))
    dataset.PixelRepresentation = 1
    dataset.add_new("PixelPaddingValue", "SS", -100)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -50)
    assert read(saved(dataset)).grayscale[0].padding == (-100, -50)


def test_the_second_window_of_a_file_can_be_chosen(sample_file) -> None:
    dataset = pydicom.dcmread(sample_file("CT_small.dcm"))
    dataset.WindowCenter, dataset.WindowWidth = [40, -600], [400, 1500]
    image = read(saved(dataset))
    assert image.display(window=1).mean() > image.display(window=0).mean()
    with pytest.raises(IndexError):
        image.display(window=2)


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_that_cannot_be_counts_as_none(sample_file, width: float) -> None:
    dataset = pydicom.dcmread(sample_file("CT_small.dcm"))
    dataset.WindowCenter, dataset.WindowWidth = 40, width
    image = read(saved(dataset))
    assert image.grayscale[0].voi == ()
    assert image.grayscale[0].voi_source.startswith("assumed")


def test_linear_follows_the_formula_of_the_standard() -> None:
    """C.11.2.1.2: the pseudo-code, with y from 0 to 1."""
    window = Window(2048, 4096)
    values = np.array([-1, 0, 2047, 2048, 4095, 5000], np.float32)
    c, w = 2048.0, 4096.0
    expected = np.clip((values - (c - 0.5)) / (w - 1) + 0.5, 0, 1)
    assert np.allclose(window.apply(values), expected, atol=1e-6)


def test_linear_of_width_one_is_a_threshold() -> None:
    assert Window(10, 1).apply(np.array([9.4, 9.5, 9.6], np.float32)).tolist() == [0, 0, 1]


def test_linear_exact_and_sigmoid_are_one_half_at_the_centre() -> None:
    for function in (WindowFunction.LINEAR_EXACT, WindowFunction.SIGMOID):
        assert Window(100, 50, function).apply(np.array([100], np.float32))[0] == pytest.approx(0.5)


@given(
    st.lists(finite, min_size=2, max_size=30),
    finite,
    st.floats(1, 60000),
    st.sampled_from(WindowFunction),
)
def test_every_window_is_monotonic_and_stays_between_black_and_white(
    values: list[float], center: float, width: float, function: WindowFunction
) -> None:
    ordered = np.sort(np.array(values, np.float32))
    shades = Window(center, width, function).apply(ordered)
    assert (np.diff(shades) >= -1e-6).all()
    assert shades.min() >= 0
    assert shades.max() <= 1


@given(st.integers(-100, 100), st.lists(st.integers(0, 4095), min_size=1, max_size=50))
def test_a_lut_holds_its_ends_beyond_its_range(first: int, entries: list[int]) -> None:
    """C.11.1.1.1: inputs below the first mapped value take the first entry, above the last the last."""
    lut = Lut(first, np.array(entries, np.float32), 12)
    values = np.array([first - 5, first, first + len(entries) - 1, first + len(entries) + 5])
    assert lut.apply(values).tolist() == [entries[0], entries[0], entries[-1], entries[-1]]


def test_modality_values_of_ct_are_hounsfield_units(sample_file) -> None:
    image = read(sample_file("CT_small.dcm"))
    assert image.grayscale[0].units == "HU"
    assert image.grayscale[0].modality == Rescale(1.0, -1024.0)
    assert image.modality_values().min() == image.pixels.min() - 1024


def test_constant_and_not_finite_images_are_shown_without_harm() -> None:
    assert display(np.full((2, 2), 7), Grayscale()).tolist() == [[0, 0], [0, 0]]
    odd = np.array([[np.nan, np.inf], [0.0, 4.0]], np.float32)
    assert np.isfinite(display(odd, Grayscale())).all()


def test_rescale_of_integers_does_not_overflow() -> None:
    stored = np.array([[32767]], np.int16)
    assert modality_values(stored, Grayscale(modality=Rescale(10, 0)))[0, 0] == 327670


def test_enhanced_ct_uses_each_frames_own_rescale_and_window(sample_file) -> None:
    image = read(sample_file("eCT_Supplemental.dcm"))
    assert len(image.grayscale) == image.frames == 2
    assert image.spacing_mm is not None
    assert "functional groups" in image.spacing_mm.source


def test_the_demo_radiograph_is_shown_with_dark_lungs_and_its_facts(sample_file) -> None:
    """RG1_J2KI.dcm: CR, chest, MONOCHROME1, JPEG 2000: after inversion the spine is brighter than the lungs."""
    image = read(sample_file("RG1_J2KI.dcm"))
    shades = image.display()
    rows, columns = shades.shape
    middle = shades[rows // 3 : rows // 2]
    spine = middle[:, int(columns * 0.48) : int(columns * 0.52)].mean()
    lung = middle[:, int(columns * 0.60) : int(columns * 0.66)].mean()
    assert spine > lung
    assert image.modality.value == "CR"
    assert image.body_part.value.coding.code == "816094009"
    assert image.view_position.value == "PA"
    assert image.patient_age_years.value > 18
    assert image.spacing_mm is None  # Pixel Spacing is there, but 0
