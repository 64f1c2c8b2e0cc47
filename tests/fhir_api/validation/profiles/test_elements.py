"""What a profile says of elements (https://hl7.org/fhir/R4/elementdefinition.html)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir_api.validation.profiles.small import BASE, errors, knowing, places, profile

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "gender": "other",
    "birthDate": "1970-01-01",
    "name": [{"family": "Eve", "given": ["A", "B"]}],
}


def patient(**members: Any) -> dict[str, Any]:
    return {**PATIENT, **members}


@pytest.mark.parametrize(
    ("element", "bad", "place"),
    [
        ({"path": "gender", "min": 1}, {"gender": None}, "Patient.gender"),
        ({"path": "name", "max": "1"}, {"name": [{"text": "a"}, {"text": "b"}]}, "Patient.name"),
        ({"path": "name", "min": 1}, {"name": None}, "Patient.name"),
        ({"path": "active", "fixedBoolean": True}, {"active": False}, "Patient.active"),
        ({"path": "gender", "patternCode": "other"}, {"gender": "male"}, "Patient.gender"),
        ({"path": "deceased[x]", "max": "0"}, {"deceasedBoolean": True}, "Patient.deceased"),
        ({"path": "name.family", "maxLength": 3}, {"name": [{"family": "Anna"}]}, "Patient.name[0].family"),
        ({"path": "name.given", "max": "2"}, {"name": [{"given": ["a", "b", "c"]}]}, "Patient.name[0].given"),
        ({"path": "birthDate", "minValueDate": "1900"}, {"birthDate": "1899-12"}, "Patient.birthDate"),
        ({"path": "birthDate", "maxValueDate": "2000-01-01"}, {"birthDate": "2000-01-02"}, "Patient.birthDate"),
        (
            {"path": "deceased[x]", "type": [{"code": "boolean"}]},
            {"deceasedDateTime": "2020"},
            "Patient.deceasedDateTime",
        ),
        ({"path": "deceasedBoolean", "fixedBoolean": False}, {"deceasedDateTime": "2020"}, "Patient.deceasedDateTime"),
        (
            {"path": "name", "constraint": [{"key": "x-1", "severity": "error", "human": "No", "expression": "family.exists()"}]},
            {"name": [{"text": "x"}]},
            "Patient.name[0]",
        ),
        (
            {"path": "managingOrganization", "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization"]}]},
            {"managingOrganization": {"reference": "Patient/1"}},
            "Patient.managingOrganization.reference",
        ),
    ],
)  # fmt: skip
def test_what_breaks_an_element_is_told_where_it_stands(
    element: dict[str, Any], bad: dict[str, Any], place: str
) -> None:
    validator = knowing(profile("Patient", element))
    assert places(validator, PATIENT) == []
    broken = {name: value for name, value in patient(**bad).items() if value is not None}
    assert places(validator, broken) == [place]


def test_a_fixed_value_is_all_and_a_pattern_is_a_part() -> None:
    """https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.pattern_x_"""
    coding = {"system": "urn:oid:1.2", "code": "a"}
    fixed = knowing(
        profile("Patient", {"path": "maritalStatus", "fixedCodeableConcept": {"coding": [coding]}})
    )
    pattern = knowing(
        profile(
            "Patient", {"path": "maritalStatus", "patternCodeableConcept": {"coding": [coding]}}
        )
    )
    exact = patient(maritalStatus={"coding": [coding]})
    more = patient(
        maritalStatus={"coding": [{"system": "urn:oid:1.3"}, {**coding, "display": "A"}]}
    )
    other = patient(maritalStatus={"coding": [{**coding, "code": "b"}]})
    assert [places(fixed, p) == [] for p in (exact, more, other)] == [True, False, False]
    assert [places(pattern, p) == [] for p in (exact, more, other)] == [True, True, False]


def test_true_is_not_one() -> None:
    validator = knowing(profile("Patient", {"path": "multipleBirth[x]", "fixedInteger": 1}))
    assert places(validator, patient(multipleBirthInteger=1)) == []
    assert places(validator, patient(multipleBirthBoolean=True)) == ["Patient.multipleBirthBoolean"]


def test_a_required_binding_asks_for_its_codes_and_lets_be_what_nobody_here_can_tell() -> None:
    """https://hl7.org/fhir/R4/terminologies.html#required"""
    told = {
        "resourceType": "ValueSet",
        "url": BASE + "v",
        "status": "draft",
        "compose": {"include": [{"system": "urn:oid:1.2", "concept": [{"code": "a"}]}]},
    }
    untold = {**told, "url": BASE + "u", "compose": {"include": [{"system": "http://loinc.org"}]}}
    for value_set, expected in ((told, ["Patient.maritalStatus"]), (untold, [])):
        binding = {"strength": "required", "valueSet": value_set["url"]}
        validator = knowing(
            profile("Patient", {"path": "maritalStatus", "binding": binding}), value_set
        )
        one = {"coding": [{"system": "urn:oid:1.2", "code": "a"}]}
        other = {"coding": [{"system": "http://loinc.org", "code": "a"}]}
        if value_set is told:
            assert places(validator, patient(maritalStatus=one)) == []
        assert places(validator, patient(maritalStatus=other)) == expected


def test_profiles_upon_profiles_add_up() -> None:
    base = profile("Patient", {"path": "name", "min": 1}, name="base")
    derived = profile("Patient", {"path": "gender", "min": 1}, base=BASE + "base")
    validator = knowing(base, derived)
    assert places(validator, {"resourceType": "Patient"}) == ["Patient.name", "Patient.gender"]
    assert places(validator, {"resourceType": "Patient"}, BASE + "base") == ["Patient.name"]


def test_a_snapshot_stands_in_for_a_base_that_is_not_loaded() -> None:
    whole = profile("Patient", {"path": "gender", "min": 1}, base=BASE + "unheard-of")
    whole["snapshot"] = {
        "element": [{"path": "Patient"}, {"path": "Patient.name", "min": 1, "max": "*"}]
    }
    assert places(knowing(whole), {"resourceType": "Patient"}) == ["Patient.name"]


def test_a_profile_may_be_named_by_its_version() -> None:
    validator = knowing(profile("Patient", {"path": "name", "min": 1}, version="2"))
    assert places(validator, {"resourceType": "Patient"}, BASE + "p|2") == ["Patient.name"]
    [(place, text)] = errors(validator, PATIENT, BASE + "p|1")
    assert place == "Patient"
    assert text.startswith("This profile is not loaded")


def test_messages_name_the_profile_and_never_the_value() -> None:
    validator = knowing(profile("Patient", {"path": "gender", "fixedCode": "other"}))
    [(_, text)] = errors(validator, patient(gender="female"), BASE + "p")
    assert text == "This must be exactly what is fixed, other (profile p)."


def test_a_reference_into_the_bundle_must_meet_the_target_profile() -> None:
    target = profile("Organization", {"path": "name", "min": 1}, name="named")
    owner = profile(
        "Patient",
        {
            "path": "managingOrganization",
            "type": [{"code": "Reference", "targetProfile": [BASE + "named"]}],
        },
    )
    validator = knowing(target, owner)

    def bundle(organization: dict[str, Any]) -> dict[str, Any]:
        said = patient(
            meta={"profile": [BASE + "p"]}, managingOrganization={"reference": "Organization/o"}
        )
        return {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"fullUrl": "http://x.test/Patient/p", "resource": {**said, "id": "p"}},
                {
                    "fullUrl": "http://x.test/Organization/o",
                    "resource": {"resourceType": "Organization", "id": "o", **organization},
                },
            ],
        }

    assert errors(validator, bundle({"name": "A"})) == []
    [(place, text)] = errors(validator, bundle({"identifier": [{"value": "1"}]}))
    assert place == "Bundle.entry[0].resource.managingOrganization"
    assert text.startswith("What the reference points at does not meet")
    contained = patient(
        managingOrganization={"reference": "#o"},
        contained=[{"resourceType": "Organization", "id": "o", "identifier": [{"value": "1"}]}],
    )
    assert places(validator, contained) == ["Patient.managingOrganization"]


def test_profiles_that_ask_for_each_other_end() -> None:
    friend = profile(
        "Patient",
        {
            "path": "link.other",
            "type": [{"code": "Reference", "targetProfile": [BASE + "p"]}],
        },
    )
    me = patient(link=[{"other": {"reference": "#"}, "type": "seealso"}])
    assert places(knowing(friend), me) == []
