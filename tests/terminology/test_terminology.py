"""What is known of R4's own code systems and value sets (https://hl7.org/fhir/R4/terminologies-systems.html)."""

from __future__ import annotations

from typing import Any

import pytest

from terminology.published import published_urls
from terminology.terminology import Terminology

THO = "http://terminology.hl7.org/CodeSystem"
VALUE_SETS = "http://hl7.org/fhir/ValueSet"


def test_r4_comes_with_its_code_systems_and_value_sets() -> None:
    assert len(published_urls("CodeSystem")) == 1064  # 1,062 and two of ISO
    assert len(published_urls("ValueSet")) > 1300


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (f"{THO}/observation-category", "imaging", True),
        (f"{THO}/observation-category", "foo", False),
        (f"{THO}/v3-MaritalStatus", "m", False),
        ("http://dicom.nema.org/resources/ontology/DCM", "113014", True),
        ("urn:iso:std:iso:4217", "EUR", True),
        ("urn:iso:std:iso:4217", "EUX", False),
        ("urn:ietf:bcp:47", "de-CH", True),
        ("urn:ietf:bcp:47", "-", False),
        ("urn:ietf:bcp:13", "text/markdown; charset=utf-8", True),
        ("urn:ietf:bcp:13", "markdown", False),
        ("http://snomed.info/sct", "1", None),
        ("http://loinc.org", "85354-9", None),
        ("http://example.org/unheard-of", "a", None),
    ],
)
def test_whether_a_code_exists_is_told_where_its_system_is_known(
    system: str, code: str, expected: bool | None
) -> None:
    assert Terminology().is_code(system, code) is expected


@pytest.mark.parametrize(
    ("value_set", "system", "code", "expected"),
    [
        ("data-absent-reason", f"{THO}/data-absent-reason", "unknown", True),
        ("data-absent-reason", f"{THO}/data-absent-reason", "lost", False),
        ("mimetypes", "urn:ietf:bcp:13", "image/png", True),
        ("all-languages", "urn:ietf:bcp:47", "tlh", True),
        ("languages", "urn:ietf:bcp:47", "tlh", False),
        ("c80-practice-codes", "http://snomed.info/sct", "1", False),
        ("body-site", "http://snomed.info/sct", "1", None),
        ("unheard-of", f"{THO}/data-absent-reason", "unknown", None),
    ],
)
def test_whether_a_value_set_of_r4_holds_a_code(
    value_set: str, system: str, code: str, expected: bool | None
) -> None:
    assert Terminology().contains(f"{VALUE_SETS}/{value_set}", system, code) is expected


def test_what_is_loaded_comes_before_what_r4_publishes() -> None:
    system = f"{THO}/v3-MaritalStatus"
    later: dict[str, Any] = {"content": "complete", "concept": [{"code": "new"}]}
    assert Terminology().is_code(system, "new") is False
    loaded = Terminology(lambda _, url: later if url == system else None)
    assert loaded.is_code(system, "new") is True
    assert loaded.is_code(system, "M") is False


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (f"{THO}/v3-ObservationValue", "AIAST"),
        (f"{THO}/v3-ActCode", "PROCESSINLINELABEL"),
        ("http://dicom.nema.org/resources/ontology/DCM", "130569"),
    ],
)
def test_codes_that_came_after_r4_are_codes(system: str, code: str) -> None:
    """https://terminology.hl7.org/CodeSystem-v3-ObservationValue.html, PS3.16 annex D"""
    assert Terminology().is_code(system, code) is True


def test_codes_below_and_above_follow_the_hierarchy_and_else_are_the_code_alone() -> None:
    terminology = Terminology()
    below = terminology.codes_below(f"{THO}/v3-RoleCode", "PRN")
    assert {"PRN", "MTH", "FTH", "NPRN"} <= below
    assert "PRN" in terminology.codes_above(f"{THO}/v3-RoleCode", "MTH")
    assert terminology.codes_below("http://snomed.info/sct", "1") == {"1"}


def test_every_value_set_of_r4_can_be_read() -> None:
    terminology = Terminology()
    untold = {u for u in published_urls("ValueSet") if terminology.contents(u).is_open}
    assert len(untold) < 20
