"""Slicing and its discriminators (https://hl7.org/fhir/R4/profiling.html#slicing)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir_api.validation.profiles.small import BASE, errors, knowing, places, profile

HOME, WORK, OLD = ({"use": use, "text": "x"} for use in ("home", "work", "old"))


def sliced(rules: str = "open", **slicing: Any) -> dict[str, Any]:
    """A Patient whose addresses are home (one) and work (any)."""
    return profile(
        "Patient",
        {
            "path": "address",
            "slicing": {
                "discriminator": [{"type": "value", "path": "use"}],
                "rules": rules,
                **slicing,
            },
        },
        {"path": "address", "sliceName": "home", "min": 1, "max": "1"},
        {"path": "address.use", "min": 1, "fixedCode": "home"},
        {"path": "address", "sliceName": "work", "min": 0, "max": "*"},
        {"path": "address.use", "min": 1, "fixedCode": "work"},
        {"path": "address.postalCode", "max": "0"},
    )


def addressed(*addresses: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Patient", "address": list(addresses)}


@pytest.mark.parametrize(
    ("rules", "addresses", "expected"),
    [
        ("open", [HOME, WORK, OLD], []),
        ("open", [OLD, HOME], []),
        ("open", [WORK], ["Patient.address"]),
        ("open", [HOME, HOME], ["Patient.address"]),
        ("open", [HOME, {**WORK, "postalCode": "1"}], ["Patient.address[1].postalCode"]),
        ("open", [{**HOME, "postalCode": "1"}], []),
        ("closed", [HOME, WORK], []),
        ("closed", [HOME, OLD], ["Patient.address[1]"]),
        ("openAtEnd", [HOME, WORK, OLD], []),
        ("openAtEnd", [HOME, OLD, WORK], ["Patient.address[1]"]),
    ],
)
def test_slices_are_counted_and_each_has_rules_of_its_own(
    rules: str, addresses: list[dict[str, Any]], expected: list[str]
) -> None:
    found = places(knowing(sliced(rules)), addressed(*addresses))
    assert [
        place.removesuffix(".postalCode") if "[" not in place else place for place in found
    ] == expected


def test_ordered_slices_stand_in_their_order() -> None:
    validator = knowing(sliced(ordered=True))
    assert places(validator, addressed(HOME, WORK)) == []
    assert places(validator, addressed(WORK, HOME)) == ["Patient.address[1]"]


def test_slices_are_found_by_the_order_of_elements_too() -> None:
    """A differential that was written by hand may lack the ids that name the slices."""
    whole = sliced("closed")
    for element in whole["differential"]["element"]:
        del element["id"]
    validator = knowing(whole)
    assert places(validator, addressed(HOME, WORK)) == []
    assert places(validator, addressed(HOME, OLD)) == ["Patient.address[1]"]


def test_a_pattern_tells_slices_by_a_part_of_the_value() -> None:
    code = {"coding": [{"system": "urn:oid:1.2", "code": "a"}]}
    validator = knowing(
        profile(
            "Observation",
            {
                "path": "component",
                "slicing": {
                    "discriminator": [{"type": "pattern", "path": "code"}],
                    "rules": "open",
                },
            },
            {"path": "component", "sliceName": "a", "min": 1, "max": "1"},
            {"path": "component.code", "patternCodeableConcept": code},
            {"path": "component.value[x]", "min": 1, "type": [{"code": "string"}]},
        )
    )

    def observation(*components: dict[str, Any]) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "component": list(components),
        }

    labelled = {"coding": [{"system": "urn:oid:1.2", "code": "a", "display": "A"}], "text": "A"}
    assert places(validator, observation({"code": labelled, "valueString": "x"})) == []
    assert places(validator, observation({"code": {"text": "A"}, "valueString": "x"})) == [
        "Observation.component"
    ]
    assert places(validator, observation({"code": labelled, "valueBoolean": True})) == [
        "Observation.component[0].valueBoolean"
    ]


def test_existence_tells_slices() -> None:
    validator = knowing(
        profile(
            "Patient",
            {
                "path": "contact",
                "slicing": {
                    "discriminator": [{"type": "exists", "path": "organization"}],
                    "rules": "open",
                },
            },
            {"path": "contact", "sliceName": "person", "max": "1"},
            {"path": "contact.organization", "max": "0"},
            {"path": "contact", "sliceName": "company"},
            {"path": "contact.organization", "min": 1},
        )
    )
    person, company = {"name": {"text": "x"}}, {"organization": {"display": "x"}}
    patient = {"resourceType": "Patient", "contact": [person, company, company]}
    assert places(validator, patient) == []
    assert places(validator, {**patient, "contact": [person, person]}) == ["Patient.contact"]


def test_types_tell_slices_of_a_choice() -> None:
    """https://hl7.org/fhir/R4/profiling.html#discriminator: type, $this"""
    validator = knowing(
        profile(
            "Observation",
            {
                "path": "value[x]",
                "slicing": {
                    "discriminator": [{"type": "type", "path": "$this"}],
                    "rules": "closed",
                },
            },
            {"path": "value[x]", "sliceName": "valueQuantity", "type": [{"code": "Quantity"}]},
            {"path": "value[x].unit", "min": 1},
            {"path": "value[x]", "sliceName": "valueString", "type": [{"code": "string"}]},
        )
    )
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    assert places(validator, {**observation, "valueString": "x"}) == []
    assert places(validator, {**observation, "valueQuantity": {"value": 1}}) == [
        "Observation.valueQuantity.unit"
    ]
    assert places(validator, {**observation, "valueBoolean": True}) == ["Observation.valueBoolean"]


def test_the_profile_of_what_is_referred_to_tells_slices() -> None:
    named = profile("Organization", {"path": "name", "min": 1}, name="named")
    validator = knowing(
        named,
        profile(
            "Patient",
            {
                "path": "generalPractitioner",
                "slicing": {
                    "discriminator": [{"type": "profile", "path": "resolve()"}],
                    "rules": "open",
                },
            },
            {
                "path": "generalPractitioner",
                "sliceName": "named",
                "min": 1,
                "type": [{"code": "Reference", "targetProfile": [BASE + "named"]}],
            },
        ),
    )

    def patient(organization: dict[str, Any]) -> dict[str, Any]:
        return {
            "resourceType": "Patient",
            "contained": [{"resourceType": "Organization", "id": "o", **organization}],
            "generalPractitioner": [{"reference": "#o"}],
        }

    assert places(validator, patient({"name": "A"})) == []
    assert places(validator, patient({"identifier": [{"value": "1"}]})) == [
        "Patient.generalPractitioner"
    ]


def test_a_slice_of_a_slice_is_known_by_both() -> None:
    validator = knowing(
        profile(
            "Patient",
            {
                "path": "identifier",
                "slicing": {
                    "discriminator": [{"type": "value", "path": "system"}],
                    "rules": "open",
                },
            },
            {
                "path": "identifier",
                "sliceName": "ours",
                "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "closed"},
            },
            {"path": "identifier.system", "min": 1, "fixedUri": "urn:oid:1.2"},
            {"path": "identifier", "sliceName": "ours/old", "max": "1"},
            {"path": "identifier.use", "min": 1, "fixedCode": "old"},
        )
    )

    def patient(*uses: str) -> dict[str, Any]:
        ours = [{"system": "urn:oid:1.2", "use": use, "value": "1"} for use in uses]
        other = {"system": "urn:oid:1.3", "use": "usual", "value": "1"}
        return {"resourceType": "Patient", "identifier": [other, *ours]}

    assert places(validator, patient("old")) == []
    assert places(validator, patient("old", "old")) == ["Patient.identifier"]
    assert places(validator, patient("usual")) == ["Patient.identifier[1]"]


def test_the_default_slice_takes_what_no_other_does() -> None:
    """https://hl7.org/fhir/R4/profiling.html#default-slice"""
    validator = knowing(
        profile(
            "Patient",
            {
                "path": "address",
                "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "closed"},
            },
            {"path": "address", "sliceName": "home"},
            {"path": "address.use", "min": 1, "fixedCode": "home"},
            {"path": "address", "sliceName": "@default", "max": "1"},
            {"path": "address.postalCode", "max": "0"},
        )
    )
    assert places(validator, addressed(HOME, HOME, OLD)) == []
    assert places(validator, addressed(OLD, WORK)) == ["Patient.address"]
    assert places(validator, addressed({**OLD, "postalCode": "1"})) == [
        "Patient.address[0].postalCode"
    ]


def test_a_slice_that_nothing_tells_from_others_is_said_to_be_unchecked() -> None:
    validator = knowing(
        profile(
            "Patient",
            {
                "path": "address",
                "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"},
            },
            {"path": "address", "sliceName": "home", "min": 1},
        )
    )
    [note] = [
        issue
        for issue in validator.validate(
            {"resourceType": "Patient"}, "Patient", advice=True, profiles=[BASE + "p"]
        )
        if issue.code == "not-supported"
    ]
    assert note.severity == "information"
    assert "Patient.address:home" in note.text


def test_many_components_and_slices_end_in_time() -> None:
    """https://hl7.org/fhir/R4/security.html: a resource that a stranger made must not hold the server up."""
    slices = [
        row
        for n in range(40)
        for row in (
            {"path": "address", "sliceName": f"s{n}"},
            {"path": "address.text", "min": 1, "fixedString": f"{n}"},
        )
    ]
    validator = knowing(
        profile(
            "Patient",
            {
                "path": "address",
                "slicing": {"discriminator": [{"type": "value", "path": "text"}], "rules": "open"},
            },
            *slices,
        )
    )
    [(place, text)] = errors(validator, addressed(*[OLD] * 20_000), BASE + "p")
    assert (place, text[:28]) == ("Patient", "The resource is too large to")


def test_extensions_are_sliced_by_their_url() -> None:
    colour = profile(
        "Extension",
        {"path": "url", "fixedUri": BASE + "colour"},
        {"path": "value[x]", "min": 1, "type": [{"code": "code"}]},
        name="colour",
        context=[{"type": "element", "expression": "Patient"}],
    )
    validator = knowing(
        colour,
        profile(
            "Patient",
            {
                "path": "extension",
                "sliceName": "colour",
                "min": 1,
                "max": "1",
                "type": [{"code": "Extension", "profile": [BASE + "colour"]}],
            },
        ),
    )
    red = {"url": BASE + "colour", "valueCode": "red"}
    assert places(validator, {"resourceType": "Patient", "extension": [red]}) == []
    assert places(validator, {"resourceType": "Patient"}) == ["Patient.extension"]
    wrong = {"url": BASE + "colour", "valueString": "red"}
    assert places(validator, {"resourceType": "Patient", "extension": [wrong]}) == [
        "Patient.extension[0].valueString"
    ]
