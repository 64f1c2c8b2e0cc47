"""Our small tables equal the context groups they come from.

https://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_4031.html
"""

from __future__ import annotations

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from terminology.body_parts import _TABLE, SNOMED_CT, body_part_coding
from terminology.modalities import _DISPLAY, modality_coding


def codes_of(group: int) -> dict[str, str]:
    found = {}
    for keyword in cid_concepts[group]["SCT"]:
        for code, (display, groups) in concepts["SCT"][keyword].items():
            if group in groups:
                found[code] = display
    return found


def test_every_region_of_cid_4031_is_known_by_its_name() -> None:
    for code, display in codes_of(4031).items():
        assert body_part_coding(display) == (SNOMED_CT, code, display)


def test_every_code_of_ours_is_one_of_dicoms() -> None:
    known = codes_of(4031) | codes_of(4) | codes_of(4030)
    for coding in set(_TABLE.values()):
        assert coding.code in known
        assert coding.display.casefold() == known[coding.code].casefold()


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("CHEST", "Chest"),
        ("THORAX", "Chest"),
        ("chest ", "Chest"),
        ("LSPINE", "Lumbar spine"),
        ("L-SPINE", "Lumbar spine"),
        ("BRAIN", "Brain"),
        ("CHESTABDPELVIS", "Chest, Abdomen and Pelvis"),
        ("Chest, Abdomen and Pelvis", "Chest, Abdomen and Pelvis"),
    ],
)
def test_terms_as_devices_write_them(text: str, display: str) -> None:
    assert body_part_coding(text).display == display


def test_what_is_no_body_part_has_no_code() -> None:
    assert body_part_coding("XYZZY") is None
    assert body_part_coding("") is None


def test_modalities_are_those_of_the_dicom_ontology() -> None:
    known = {
        code: display
        for keyword in concepts["DCM"]
        for code, (display, _) in concepts["DCM"][keyword].items()
    }
    for code, display in _DISPLAY.items():
        assert known[code] == display
    assert modality_coding("CR")["display"] == "Computed Radiography"
    assert modality_coding("ZZ") == {
        "system": "http://dicom.nema.org/resources/ontology/DCM",
        "code": "ZZ",
    }
