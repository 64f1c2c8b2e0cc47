"""https://hl7.org/fhir/R4/search.html#chaining, #has and #list"""

from __future__ import annotations

import json

import pytest

from fhir_api.search import criteria
from store.query import (
    NOTHING_MEETS,
    AnyOf,
    Not,
    ReferredBy,
    RefersTo,
    TokenIs,
    restricted,
)
from tests.fhir_api.search.server import Server, ids
from tests.fhir_api.search.test_searchset import observation, patient


def organization(id: str, name: str, part_of: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {"resourceType": "Organization", "id": id, "name": name}
    return made | ({"partOf": {"reference": part_of}} if part_of else {})


def coded(id: str, subject: str, code: str) -> dict[str, object]:
    return observation(id, subject, code={"coding": [{"system": "http://loinc.org", "code": code}]})


@pytest.fixture
async def clinic(server: Server) -> Server:
    await server.store_all(
        [
            organization("top", "Top"),
            organization("ward", "Ward", "Organization/top"),
            patient(
                "anna",
                name=[{"family": "Weiss"}],
                managingOrganization={"reference": "Organization/ward"},
            ),
            patient(
                "bert",
                name=[{"family": "Weissmann"}],
                managingOrganization={"reference": "Organization/top"},
            ),
            {
                "resourceType": "Device",
                "id": "anna",
                "deviceName": [{"name": "Weiss", "type": "other"}],
            },
            coded("o1", "Patient/anna", "1"),
            coded("o2", "Patient/bert", "2"),
            coded("o3", "Device/anna", "1"),
            {
                "resourceType": "List",
                "id": "l",
                "status": "current",
                "mode": "working",
                "entry": [{"item": {"reference": "Patient/bert"}}],
            },
        ]
    )
    return server


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Observation?subject:Patient.name=weiss", ["o1", "o2"]),
        ("Observation?subject:Patient.name:exact=Weiss", ["o1"]),
        ("Observation?patient.name:exact=Weiss", ["o1"]),
        ("Observation?subject:Patient.name=nobody", []),
        ("Observation?subject:Patient._id=anna", ["o1"]),
        ("Observation?subject:Patient.organization.name=Ward", ["o1"]),
        ("Observation?subject:Patient.organization:Organization.partof.name=Top", ["o1"]),
        ("Observation?subject.organization=ward", ["o1"]),
        ("Observation?subject:Patient.name=weiss&code=2", ["o2"]),
        ("Observation?subject:Patient.organization:missing=true", []),
        ("Observation?subject:Patient.gender:missing=true", ["o1", "o2"]),
        ("Patient?organization.partof:missing=true", ["bert"]),
        ("Patient?_has:Observation:patient:code=1", ["anna"]),
        ("Patient?_has:Observation:patient:code=1,2", ["anna", "bert"]),
        ("Patient?_has:Observation:patient:code=http://loinc.org|2", ["bert"]),
        ("Patient?_has:Observation:subject:_id=o2", ["bert"]),
        ("Device?_has:Observation:subject:code=1", ["anna"]),
        ("Device?_has:Observation:subject:code=2", []),
        ("Organization?_has:Patient:organization:_has:Observation:patient:code=1", ["ward"]),
        ("Organization?_has:Organization:partof:_has:Patient:organization:name=weiss", ["top"]),
        ("Patient?organization._has:Organization:partof:name=Ward", ["bert"]),
        ("Organization?_has:Patient:organization:organization.partof.name=Top", ["ward"]),
        ("Patient?_has:Observation:patient:code:missing=true", []),
        ("Patient?_list=l", ["bert"]),
        ("Observation?subject:Patient._list=l", ["o2"]),
    ],
)
async def test_a_chain_finds_by_what_is_at_its_end(clinic: Server, query: str, found: list[str]):
    assert ids(await clinic.get(query)) == found
    assert (await clinic.get(f"{query}&_summary=count"))["total"] == len(found)


@pytest.fixture
async def building(server: Server) -> Server:
    """Bed in room in ward in house; another ward beside."""

    def location(id: str, part_of: str | None) -> dict[str, object]:
        made: dict[str, object] = {"resourceType": "Location", "id": id, "name": id}
        return made | ({"partOf": {"reference": f"Location/{part_of}"}} if part_of else {})

    tree = {"house": None, "ward": "house", "room": "ward", "bed": "room", "other": "house"}
    await server.store_all(location(id, part_of) for id, part_of in tree.items())
    await server.store_all(
        {
            "resourceType": "Procedure",
            "id": f"in-{id}",
            "status": "completed",
            "subject": {"reference": "Patient/p"},
            "location": {"reference": f"Location/{id}"},
        }
        for id in tree
    )
    return server


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Procedure?location:below=ward", ["in-ward", "in-room", "in-bed"]),
        (
            "Procedure?location:below=Location/house&_count=2&_total=accurate",
            ["in-house", "in-ward"],
        ),
        ("Procedure?location:above=room", ["in-house", "in-ward", "in-room"]),
        ("Procedure?location:below=bed,Location/other", ["in-bed", "in-other"]),
        ("Procedure?location:below=nowhere", []),
        ("Location?partof:below=ward", ["room", "bed"]),
        ("Location?partof:above=ward", ["ward", "room", "other"]),
        ("Location?_has:Procedure:location:location:below=ward", ["ward", "room", "bed"]),
    ],
)
async def test_what_is_part_of_another_is_below_it(building: Server, query: str, found: list[str]):
    """https://hl7.org/fhir/R4/search.html#recursive"""
    assert ids(await building.get(query)) == found


async def test_parts_that_go_round_in_a_circle_end(server: Server):
    await server.store_all(
        {
            "resourceType": "Location",
            "id": f"l{n}",
            "partOf": {"reference": f"Location/l{(n + 1) % 3}"},
        }
        for n in range(3)
    )
    for modifier in ("below", "above"):
        assert ids(await server.get(f"Location?partof:{modifier}=l0")) == ["l0", "l1", "l2"]


async def test_below_needs_a_hierarchy(server: Server):
    assert (await server.refused("Observation?subject:below=x"))["code"] == "invalid"
    assert (await server.refused("Observation?patient:below=x"))["code"] == "not-supported"
    assert (await server.refused("Procedure?location:below=Patient/x"))["code"] == "invalid"


async def test_a_chain_ends_at_what_is_there_now(clinic: Server):
    await clinic.request("DELETE", "Patient/anna")
    assert ids(await clinic.get("Observation?subject:Patient.name=weiss")) == ["o2"]
    await clinic.request("DELETE", "Observation/o2")
    assert ids(await clinic.get("Patient?_has:Observation:patient:code=2")) == []


async def test_each_chain_may_be_met_by_a_resource_of_its_own(server: Server):
    """https://hl7.org/fhir/R4/search.html#chaining: several chains are evaluated on their own."""
    await server.store_all(
        [
            patient(
                "p",
                link=[
                    {"other": {"reference": "Patient/q"}, "type": "seealso"},
                    {"other": {"reference": "Patient/r"}, "type": "seealso"},
                ],
            ),
            patient("q", gender="male"),
            patient("r", birthDate="2000"),
        ]
    )
    query = "Patient?link:Patient.gender=male&link:Patient.birthdate=2000"
    assert ids(await server.get(query)) == ["p"]


async def test_a_chain_that_fits_several_types_asks_those_that_have_the_parameter(server: Server):
    location = {"resourceType": "Location", "id": "l", "name": "weiss"}
    await server.store_all(
        [
            location,
            patient("p", name=[{"family": "Weiss"}]),
            observation("o1"),
            observation("o2", "Location/l"),
        ]
    )
    assert ids(await server.get("Observation?subject.name=weiss")) == ["o1", "o2"]


async def test_a_chain_that_could_lead_anywhere_has_to_name_a_type(clinic: Server):
    issue = await clinic.refused("Task?focus._id=x")
    assert issue["code"] == "invalid"
    assert "focus:Patient._id" in issue["details"]["text"]


async def test_a_chain_beyond_the_limit_is_too_costly(clinic: Server):
    """The limit is a setting, of chains and ``_has`` together."""
    good = "Organization?" + "partof." * 4 + "name=x"
    assert ids(await clinic.get(good)) == []
    for query in (
        "Organization?" + "partof." * 5 + "name=x",
        "Organization?" + "_has:Organization:partof:" * 5 + "name=x",
        "Organization?" + "_has:Organization:partof:" * 1_000 + "name=x",
    ):
        response = await clinic.request("GET", query)
        assert json.loads(response.body)["issue"][0]["code"] == "too-costly"


async def test_a_chain_that_branches_too_often_is_too_costly(
    clinic: Server, monkeypatch: pytest.MonkeyPatch
):
    """A subject may be of four types, and each step multiplies."""
    monkeypatch.setattr(criteria, "MAX_JOINED", 3)
    issue = await clinic.refused("Observation?subject._id=x", status=403)
    assert issue["code"] == "too-costly"
    assert ids(await clinic.get("Observation?subject:Patient._id=anna")) == ["o1"]
    monkeypatch.undo()
    values = ",".join(f"Patient/{n}" for n in range(300))
    chain = "MedicationStatement?part-of.part-of.part-of.performer"
    issue = await clinic.refused(f"{chain}={values}", status=403)
    assert issue["code"] == "too-costly"
    assert ids(await clinic.get(f"{chain}=Patient/1")) == []


async def test_a_condition_of_a_conditional_create_may_be_a_chain(clinic: Server):
    body = json.dumps(coded("x", "Patient/anna", "1")).encode()
    response = await clinic.request(
        "POST",
        "Observation",
        body,
        content_type="application/fhir+json",
        if_none_exist="subject:Patient.name:exact=Weiss&code=1",
    )
    assert response.status == 200


def test_what_may_be_seen_is_asked_at_both_ends_of_every_join():
    """The one place where a caller's rights get into a search: nothing is looked at that they do not cover."""
    mine = {
        "Patient": (TokenIs("mine", None, "1"),),
        "Observation": (),
        "Organization": NOTHING_MEETS,
    }
    where = (
        AnyOf(
            (
                RefersTo("organization", "Organization", ()),
                Not(ReferredBy("Observation", "patient", (RefersTo("subject", "Patient", ()),))),
            )
        ),
    )
    assert restricted("Patient", where, mine.__getitem__) == (
        AnyOf(
            (
                RefersTo("organization", "Organization", NOTHING_MEETS),
                Not(
                    ReferredBy(
                        "Observation", "patient", (RefersTo("subject", "Patient", mine["Patient"]),)
                    )
                ),
            )
        ),
        *mine["Patient"],
    )
