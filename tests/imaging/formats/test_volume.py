"""Series of slices: order and gaps come from positions (PS3.3 C.7.6.2.1.1), never from instance numbers."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging.errors import ImageTooLarge, InconsistentSeries
from imaging.formats import Limits, read, volume_of
from imaging.formats.slices import NoStack, require_stack
from tests.imaging.conftest import sample

CT_SERIES = Path(__file__).parents[4] / "shared/data/ct/cptac-lscc_C3N-00247_chest_ct_99dcm.tar.gz"


def slices(count: int, step_mm: float = 2.0) -> list:
    template = pydicom.dcmread(sample("CT_small.dcm"))
    template.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made = []
    for number in range(count):
        template.ImagePositionPatient = [0, 0, number * step_mm]
        template.InstanceNumber = count - number
        import io

        target = io.BytesIO()
        template.save_as(target)
        made.append(read(target.getvalue()))
    return made


def test_shuffled_slices_come_out_in_order_from_feet_to_head() -> None:
    made = slices(6)
    shuffled = random.Random(3).sample(made, len(made))
    volume = volume_of(shuffled)
    assert volume.spacing_mm.value[0] == 2.0
    for index, image in enumerate(made):
        place = np.array(volume.affine_lps_mm.value) @ [index, 0, 0, 1]
        assert place[2] == image.affine_lps_mm.value[2][3]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda made: made[:2] + made[3:], "missing"),
        (lambda made: [*made, made[0]], "same place"),
        (lambda made: made[:1], "two slices"),
        (lambda made: [], "no slices"),
        (lambda made: [*made, read(sample("MR_small.dcm"))], "differ"),
    ],
)
def test_what_makes_no_volume_is_said(spoil, message: str) -> None:
    with pytest.raises(InconsistentSeries, match=message):
        volume_of(spoil(slices(5)))


def test_a_volume_past_the_limit_is_refused() -> None:
    with pytest.raises(ImageTooLarge):
        volume_of(slices(3), Limits(max_decoded_bytes=1000))


@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=12, unique=True),
    st.floats(0.5, 5),
    st.randoms(use_true_random=False),
)
def test_a_stack_is_made_exactly_of_evenly_spaced_planes(places, step, shuffle) -> None:
    shuffle.shuffle(places)
    planes = []
    for place in places:
        plane = np.eye(4)[[2, 1, 0, 3]]
        plane[2, 3] = place * step
        planes.append(plane)
    gaps = set(np.diff(sorted(places)))
    if len(gaps) > 1:
        with pytest.raises(NoStack):
            require_stack(planes)
    else:
        stack = require_stack(planes)
        assert [places[index] for index in stack.order] in (
            sorted(places),
            sorted(places, reverse=True),
        )


@pytest.mark.skipif(not CT_SERIES.is_file(), reason="the CT series of ../shared/data is not there")
def test_a_real_chest_ct_becomes_a_volume() -> None:
    with tarfile.open(CT_SERIES) as archive:
        members = [member for member in archive if member.name.endswith(".dcm")]
        made = [read(archive.extractfile(member).read()) for member in members]
    volume = volume_of(made)
    assert volume.pixels.shape == (99, 512, 512)
    assert volume.spacing_mm.value[0] == pytest.approx(3.0)
    assert volume.modality_values(50).min() == -1024
