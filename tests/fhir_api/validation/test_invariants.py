"""Invariants of R4's types are checked where they stand (https://hl7.org/fhir/R4/conformance-rules.html#constraints)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.definitions.elements import TYPES
from fhir_api.definitions.invariants import Invariant, invariants_of
from fhir_api.errors import Issue
from fhir_api.fhirpath import compile_expression, resource_node
from fhir_api.validation import Validator
from fhir_api.validation.invariants import check_conditions, condition_of
from fhir_api.validation.visit import Visit

VALIDATOR = Validator()
URN = "urn:uuid:1c3f1d3c-0000-4000-8000-aaaaaaaaaaaa"


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "a"}, **members}


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def question(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "string"}, {"linkId": "2", "type": "string", **members}],
    }


def bundle(type: str, *entries: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries), **members}


def team(member: str, *contained: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "CareTeam",
        "participant": [{"member": {"reference": member}, "onBehalfOf": {"display": "o"}}],
        "contained": list(contained),
    }


def broken(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """Key and place of every invariant that is told as an error."""
    found = VALIDATOR.validate(resource, resource["resourceType"])
    return [(_key(issue), issue.expression) for issue in found if issue.is_error]


def _key(issue: Issue) -> str:
    assert issue.code == "invariant", issue
    return issue.text.rpartition("(")[2].rstrip(").")


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            observation(valueString="a", dataAbsentReason={"text": "b"}),
            [("obs-6", "Observation")],
        ),
        (
            observation(referenceRange=[{"type": {"text": "a"}}]),
            [("obs-3", "Observation.referenceRange[0]")],
        ),
        (
            observation(
                code={"coding": [{"system": "urn:a", "code": "1"}]},
                valueString="a",
                component=[{"code": {"coding": [{"system": "urn:a", "code": "1"}]}}],
            ),
            [("obs-7", "Observation")],
        ),
        (
            observation(valueQuantity={"value": 1, "code": "mg"}),
            [("qty-3", "Observation.valueQuantity")],
        ),
        (
            observation(valueRatio={"numerator": {"value": 1}}),
            [("rat-1", "Observation.valueRatio")],
        ),
        (
            observation(valueRange={"low": {"value": 3}, "high": {"value": 2}}),
            [("rng-2", "Observation.valueRange")],
        ),
        (
            observation(valueRange={"low": {"value": 3, "unit": "a"}, "high": {"value": 4}}),
            [("rng-2", "Observation.valueRange")],
        ),
        (patient(photo=[{"data": "aGk="}]), [("att-1", "Patient.photo[0]")]),
        (patient(telecom=[{"value": "1"}]), [("cpt-2", "Patient.telecom[0]")]),
        (patient(contact=[{"gender": "male"}]), [("pat-1", "Patient.contact[0]")]),
        (
            patient(name=[{"text": "a", "period": {"start": "2012-01-02", "end": "2012-01-01"}}]),
            [("per-1", "Patient.name[0].period")],
        ),
        (
            patient(name=[{"text": "a", "period": {"start": "2012-01-02", "end": "2012"}}]),
            [("per-1", "Patient.name[0].period")],
        ),
        (
            patient(
                name=[
                    {
                        "text": "a",
                        "period": {
                            "start": "2012-01-02T10:00:00+02:00",
                            "end": "2012-01-02T08:30:00Z",
                        },
                    }
                ]
            ),
            [],
        ),
        (
            {
                "resourceType": "Organization",
                "name": "a",
                "telecom": [{"system": "phone", "value": "1"}, {"use": "home"}],
            },
            [("org-3", "Organization.telecom[1]")],
        ),
        (
            {
                "resourceType": "StructureDefinition",
                "url": "urn:a",
                "name": "A",
                "status": "draft",
                "kind": "resource",
                "abstract": True,
                "type": "Patient",
                "differential": {"element": [{"id": "Patient", "path": "Patient", "max": "many"}]},
            },
            [("eld-3", "StructureDefinition.differential.element[0].max")],
        ),
        (
            {
                "resourceType": "Task",
                "status": "requested",
                "intent": "order",
                "lastModified": "2020-01-01",
                "authoredOn": "2020-01-02",
            },
            [("inv-1", "Task")],
        ),
        (question(enableWhen=[{"question": "1", "operator": "exists", "answerBoolean": True}]), []),
        (
            question(enableWhen=[{"question": "1", "operator": "exists", "answerString": "a"}]),
            [("que-7", "Questionnaire.item[1].enableWhen[0]")],
        ),
        (
            question(type="group"),
            [("que-1", "Questionnaire.item[1]")],
        ),
        (question(linkId="1"), [("que-2", "Questionnaire")]),
        (
            bundle("document", {"fullUrl": URN, "resource": patient()}),
            [("bdl-9", "Bundle"), ("bdl-10", "Bundle"), ("bdl-11", "Bundle")],
        ),
        (
            bundle(
                "collection",
                {"fullUrl": URN, "resource": observation(valueRatio={"denominator": {"value": 1}})},
            ),
            [("rat-1", "Bundle.entry[0].resource.valueRatio")],
        ),
        (
            bundle("transaction", {"fullUrl": URN, "resource": patient()}),
            [("bdl-3", "Bundle")],
        ),
        (
            team("#p", {"resourceType": "Patient", "id": "p"}),
            [("ctm-1", "CareTeam.participant[0]")],
        ),
        (team("#p", {"resourceType": "Practitioner", "id": "p"}), []),
        (
            observation(
                subject={"reference": "#p"},
                contained=[patient(id="p", contact=[{"gender": "male"}])],
            ),
            [("pat-1", "Observation.contained[0].contact[0]")],
        ),
    ],
)
def test_a_broken_invariant_is_told_with_its_key_and_place(
    resource: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert broken(resource) == expected


def test_resolve_reaches_the_entries_of_the_bundle() -> None:
    """ctm-1 asks what CareTeam.participant.member is: https://hl7.org/fhir/R4/careteam.html#invs"""
    member = {"fullUrl": "http://a.example/fhir/Patient/1", "resource": patient(id="1")}
    crew = team("Patient/1")
    del crew["contained"]
    entry = {"fullUrl": "http://a.example/fhir/CareTeam/1", "resource": {**crew, "id": "1"}}
    assert broken(bundle("collection", entry, member)) == [
        ("ctm-1", "Bundle.entry[0].resource.participant[0]")
    ]
    assert broken(bundle("collection", entry)) == []


def test_advice_is_a_warning() -> None:
    """vsd-0: https://hl7.org/fhir/R4/valueset.html#invs"""
    resource = {"resourceType": "ValueSet", "status": "draft", "name": "not a name"}
    found = [i for i in VALIDATOR.validate(resource, "ValueSet") if "(vsd-0)" in i.text]
    assert [(issue.severity, issue.expression) for issue in found] == [("warning", "ValueSet")]


URLS = [
    ("http://a.example/fhir/Patient/1", []),
    ("http://a.example/fhir/Patient/2", ["Bundle.entry[0].fullUrl"]),
    ("http://a.example/fhir/Group/1", ["Bundle.entry[0].fullUrl"]),
    ("http://a.example/a/patient", []),
    (URN, []),
    (None, ["Bundle.entry[0].fullUrl"]),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_a_full_url_is_that_of_the_resource(url: str | None, expected: list[str]) -> None:
    """https://hl7.org/fhir/R4/bundle.html#bundle-unique"""
    entry = {"resource": patient(id="1")} | ({"fullUrl": url} if url else {})
    found = VALIDATOR.validate(bundle("collection", entry), "Bundle")
    assert [issue.expression for issue in found if issue.is_error] == expected


def test_the_hash_of_an_attachment_is_that_of_its_data() -> None:
    """https://hl7.org/fhir/R4/datatypes-definitions.html#Attachment.hash"""
    photo = {"contentType": "image/png", "data": "aGk=", "hash": "wixyYbqi3mWXPnyfNlBAqjz4QtU="}
    right = patient(photo=[{**photo, "hash": "witfkXg0JglCjW9RssWvTAveakI="}])
    assert [i for i in VALIDATOR.validate(right, "Patient") if i.is_error] == []
    wrong = [i for i in VALIDATOR.validate(patient(photo=[photo]), "Patient") if i.is_error]
    assert [issue.expression for issue in wrong] == ["Patient.photo[0].hash"]


def test_a_value_of_the_system_of_uris_is_one() -> None:
    """https://hl7.org/fhir/R4/datatypes.html#identifier"""
    system = "urn:ietf:rfc:3986"
    resource = patient(identifier=[{"system": system, "value": v} for v in ("urn:oid:1.2", "1.2")])
    found = [i for i in VALIDATOR.validate(resource, "Patient") if i.is_error]
    assert [issue.expression for issue in found] == ["Patient.identifier[1].value"]


def test_much_advice_does_not_hide_an_error() -> None:
    entry = {
        "fullUrl": URN,
        "resource": {"resourceType": "ValueSet", "status": "draft", "name": "a b"},
    }
    entries = [
        {**entry, "fullUrl": f"urn:uuid:1c3f1d3c-0000-4000-8000-{i:012}"} for i in range(200)
    ]
    last = {"fullUrl": URN, "resource": patient(telecom=[{"value": "1"}])}
    assert broken(bundle("collection", *entries, last)) == [
        ("cpt-2", "Bundle.entry[200].resource.telecom[0]")
    ]


def test_what_is_built_wrongly_is_told_once() -> None:
    """An invariant that cannot be evaluated, because an element has the wrong type, adds nothing."""
    resource = {"resourceType": "Task", "status": "requested", "intent": "order"}
    issues = VALIDATOR.validate({**resource, "lastModified": "x", "authoredOn": True}, "Task")
    assert [issue.expression for issue in issues if issue.code != "invariant"] == [
        "Task.lastModified",
        "Task.authoredOn",
    ]


def test_every_invariant_of_r4_compiles() -> None:
    paths = [*TYPES, *(f"{type_}.{name}" for type_, t in TYPES.items() for name in t.elements)]
    expressions = {i.expression for path in paths for i in invariants_of(path)}
    assert len(expressions) > 180
    for expression in expressions:
        compile_expression(expression)


def test_comparing_each_element_with_the_resource_is_not_quadratic() -> None:
    """obs-7, ig-1: the codings of an Observation, the groupings of a guide, are looked through once."""
    codes = [{"system": "urn:a", "code": f"c{i}"} for i in range(3000)]
    others = [{"code": {"coding": [{"system": "urn:b", "code": f"d{i}"}]}} for i in range(3000)]
    assert broken(observation(code={"coding": codes}, valueString="a", component=others)) == []
    others[-1]["code"]["coding"] = codes[-1:]
    assert broken(observation(code={"coding": codes}, valueString="a", component=others)) == [
        ("obs-7", "Observation")
    ]


def test_invariants_that_would_take_too_long_are_given_up_with_one_error() -> None:
    names = [{"text": f"{i}"} for i in range(100)]
    node = resource_node(patient(name=names))
    expression = "name.all(%context.name.where(text = 'a').empty())"
    condition = condition_of(Invariant("x-1", "No name is a.", expression))
    visit = Visit(VALIDATOR.profiles.terminology)
    visit.resource, visit.steps = node, 1_000
    for _ in range(2):
        check_conditions([condition, condition], node, (None, "Patient", None), visit)
    assert [issue.code for issue in visit.issues] == ["too-costly"]
