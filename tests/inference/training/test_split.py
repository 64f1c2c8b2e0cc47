"""No patient on two sides; nothing lost."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.training.radiographs import (
    Radiographs,
    halve_by_patient,
    load_radiographs,
    patient_of,
    split_by_patient,
)


def radiographs(patients: list[str]) -> Radiographs:
    n = len(patients)
    return Radiographs(
        np.zeros((n, 2, 2), dtype=np.uint8),
        np.array([patient.startswith("person") for patient in patients], dtype=bool),
        np.array(patients, dtype=str),
        np.array([f"{patient}_{index}" for index, patient in enumerate(patients)], dtype=str),
    )


SERIES = st.sampled_from(["person", "IM-", "NORMAL2-IM-"])
PATIENTS = st.lists(
    st.tuples(SERIES, st.integers(1, 40)).map(lambda pair: f"{pair[0]}{pair[1]}"), min_size=1
)


@given(PATIENTS, st.floats(0, 1))
@settings(deadline=None)
def test_no_patient_is_on_two_sides_and_no_image_is_lost(patients: list[str], share: float) -> None:
    whole = radiographs(patients)
    training, validation = split_by_patient(whole, share)
    tuning, reporting = halve_by_patient(validation)
    parts = [set(part.patients) for part in (training, tuning, reporting)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    names = np.concatenate([part.names for part in (training, tuning, reporting)])
    assert sorted(names) == sorted(whole.names)


def test_validation_takes_the_lowest_numbers_of_each_series() -> None:
    whole = radiographs(
        [f"{series}{number}" for series in ("person", "IM-") for number in range(10)]
    )
    _, validation = split_by_patient(whole, 0.2)
    assert set(validation.patients) == {"person0", "person1", "IM-0", "IM-1"}


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("PNEUMONIA/person1000_bacteria_2931.jpeg", "person1000"),
        ("NORMAL/IM-0115-0001.jpeg", "IM-0115"),
        ("NORMAL/NORMAL2-IM-1422-0001.jpeg", "NORMAL2-IM-1422"),
        ("NORMAL/NORMAL2-IM-0383-0001-0002.jpeg", "NORMAL2-IM-0383"),
    ],
)
def test_a_file_name_tells_its_patient(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def test_a_file_name_without_patient_is_refused() -> None:
    with pytest.raises(ValueError, match="patient"):
        patient_of("NORMAL/scan.jpeg")


def test_an_archive_is_read_in_order_with_labels_and_patients(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        for level, name in (
            (200, "PNEUMONIA/person7_virus_1.jpeg"),
            (40, "NORMAL/IM-0001-0001.jpeg"),
        ):
            buffer = io.BytesIO()
            Image.new("RGB", (16, 16), (level,) * 3).save(buffer, "JPEG")
            member = tarfile.TarInfo(f"train/{name}")
            member.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(member, buffer)
    read = load_radiographs(archive)
    assert read.patients.tolist() == ["IM-0001", "person7"]
    assert read.pneumonia.tolist() == [False, True]
    assert read.images[:, 0, 0].tolist() == [40, 200]
