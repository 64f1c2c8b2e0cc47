"""The labelled radiographs and their split by patient.

Data: Kermany, Zhang, Goldbaum, "Labeled OCT and Chest X-Ray Images", Mendeley Data, CC BY 4.0.
`personNNN` in a file name is the patient of a pneumonia image; `IM-NNNN` and `NORMAL2-IM-NNNN`
number the patients of the normal ones.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PATIENT = re.compile(r"(?P<series>person|NORMAL2-IM-|IM-)(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Radiographs:
    """Parallel arrays, one entry an image."""

    images: NDArray[np.uint8]
    """(n, rows, columns), as displayed: bigger is whiter."""
    pneumonia: NDArray[np.bool_]
    patients: NDArray[np.str_]
    """`person12`, `IM-0115`, `NORMAL2-IM-1422`."""
    names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: NDArray[np.bool_]) -> Radiographs:
        """Return those images for which `chosen` is true."""
        return Radiographs(
            self.images[chosen], self.pneumonia[chosen], self.patients[chosen], self.names[chosen]
        )


def load_radiographs(archive: Path) -> Radiographs:
    """Decode every `train/{NORMAL,PNEUMONIA}/*.jpeg` of a tar archive, in order of name."""
    entries = sorted(_decoded(archive), key=lambda entry: entry[0])
    if not entries:
        raise ValueError("the archive holds no train/NORMAL or train/PNEUMONIA JPEG")
    names = [name for name, _ in entries]
    return Radiographs(
        images=np.stack([pixels for _, pixels in entries]),
        pneumonia=np.array([name.startswith("PNEUMONIA/") for name in names]),
        patients=np.array([patient_of(name) for name in names]),
        names=np.array(names),
    )


def _decoded(archive: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            if not member.isfile() or path.suffix != ".jpeg":
                continue
            content = tar.extractfile(member)
            if content is None:
                continue
            with Image.open(io.BytesIO(content.read())) as image:
                pixels = np.asarray(image.convert("L"))
            yield f"{path.parent.name}/{path.name}", pixels


def patient_of(name: str) -> str:
    """Return the patient a file name names."""
    match = PATIENT.search(name)
    if match is None:
        raise ValueError("a file name without a patient number")
    return match.group()


def split_by_patient(
    radiographs: Radiographs, validation_share: float
) -> tuple[Radiographs, Radiographs]:
    """Split into training and validation so that no patient is on both sides.

    Validation takes the lowest numbers of each of the three series instead of random patients:
    numbers run in order of acquisition, so neighbours share exposure, framing and markers, and a
    random split would measure how well those are remembered.
    """
    held_out: list[str] = []
    numbered = sorted(
        {(*_series_and_number(str(patient)), str(patient)) for patient in radiographs.patients}
    )
    for series in sorted({series for series, _, _ in numbered}):
        members = [patient for of, _, patient in numbered if of == series]
        held_out.extend(members[: round(validation_share * len(members))])
    validation = np.isin(radiographs.patients, held_out)
    return radiographs.take(~validation), radiographs.take(validation)


def halve_by_patient(radiographs: Radiographs) -> tuple[Radiographs, Radiographs]:
    """Split in two by every other patient: one half to choose settings with, one to report."""
    numbered = sorted(
        {(*_series_and_number(str(patient)), str(patient)) for patient in radiographs.patients}
    )
    tuning = np.isin(radiographs.patients, [patient for _, _, patient in numbered[::2]])
    return radiographs.take(tuning), radiographs.take(~tuning)


def _series_and_number(patient: str) -> tuple[str, int]:
    match = PATIENT.fullmatch(patient)
    if match is None:
        raise ValueError("not a patient of this data set")
    return match["series"], int(match["number"])
