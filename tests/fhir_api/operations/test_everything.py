"""https://hl7.org/fhir/R4/patient-operation-everything.html"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.access import Caller
from fhir_api.jobs.runner import JobRunner
from tests.fhir_api.client import BASE, Client

CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
WORKER = Caller("w", frozenset({"worker"}))


def observation(id: str, patient: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "size"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


RECORD: tuple[dict[str, Any], ...] = (
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
    {
        "resourceType": "Organization",
        "id": "ward",
        "name": "Ward",
        "partOf": {"reference": "Organization/clinic"},
    },
    {"resourceType": "Practitioner", "id": "doctor"},
    {"resourceType": "Practitioner", "id": "stranger"},
    {
        "resourceType": "Patient",
        "id": "p",
        "managingOrganization": {"reference": "Organization/ward"},
    },
    {"resourceType": "Patient", "id": "q"},
    observation(
        "o1",
        "p",
        effectiveDateTime="2020-05-01",
        performer=[{"reference": "Practitioner/doctor"}],
    ),
    observation("o2", "p", effectivePeriod={"start": "2021-01-01"}),
    observation("o3", "p"),
    observation(
        "o4", "q", effectiveDateTime="2020-05-01", derivedFrom=[{"reference": "Observation/o1"}]
    ),
    {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": CONDITION_CLINICAL, "code": "resolved"}]},
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "onsetDateTime": "2018",
        "abatementDateTime": "2019",
    },
    {
        "resourceType": "ImagingStudy",
        "id": "s",
        "status": "available",
        "subject": {"reference": "Patient/p"},
        "started": "2022-03-04T10:00:00Z",
        "endpoint": [{"reference": "Endpoint/none"}],
    },
)


@pytest.fixture
async def records(client: Client) -> Client:
    for resource in RECORD:
        reply = await client.put(f"{resource['resourceType']}/{resource['id']}", resource)
        assert reply.status == 201, reply.body
    return client


def found(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if entry["search"]["mode"] == mode
    ]


EVERYTHING_OF_P = [
    "Patient/p",
    "Observation/o1",
    "Observation/o2",
    "Observation/o3",
    "Condition/c",
    "ImagingStudy/s",
]


async def test_a_record_is_the_compartment_and_what_it_refers_to(records: Client) -> None:
    bundle = (await records.get("Patient/p/$everything")).json
    assert bundle["type"] == "searchset"
    assert found(bundle) == EVERYTHING_OF_P
    assert sorted(found(bundle, "include")) == [
        "Organization/clinic",
        "Organization/ward",
        "Practitioner/doctor",
    ]


async def test_what_is_in_another_patients_compartment_is_never_there(records: Client) -> None:
    bundle = (await records.get("Patient/q/$everything")).json
    assert found(bundle) == ["Patient/q", "Observation/o4"]
    assert found(bundle, "include") == [], "an observation of another patient is referred to"


@pytest.mark.parametrize(
    ("query", "members"),
    [
        (
            "start=2020",
            ["Patient/p", "Observation/o1", "Observation/o2", "Observation/o3", "ImagingStudy/s"],
        ),
        ("end=2020", ["Patient/p", "Observation/o1", "Observation/o3", "Condition/c"]),
        ("start=2020-05-01&end=2020-05-01", ["Patient/p", "Observation/o1", "Observation/o3"]),
        ("start=2022-06-01", ["Patient/p", "Observation/o2", "Observation/o3"]),
        ("_type=Observation", ["Observation/o1", "Observation/o2", "Observation/o3"]),
        ("_type=Observation,Condition&end=2019", ["Observation/o3", "Condition/c"]),
        ("_type=Condition&_type=ImagingStudy", ["Condition/c", "ImagingStudy/s"]),
        ("_type=Practitioner", []),
        ("_since=2100-01-01T00:00:00Z", []),
        ("_since=2000-01-01T00:00:00Z", EVERYTHING_OF_P),
    ],
)
async def test_a_record_is_cut_by_care_dates_types_and_change(
    records: Client, query: str, members: list[str]
) -> None:
    assert found((await records.get(f"Patient/p/$everything?{query}")).json) == members


async def test_types_cut_what_is_referred_to_as_well(records: Client) -> None:
    query = "Patient/p/$everything?_type=Observation,Organization"
    assert found((await records.get(query)).json, "include") == []
    query = "Patient/p/$everything?_type=Patient,Organization"
    assert len(found((await records.get(query)).json, "include")) == 2


async def test_a_long_record_comes_in_pages(records: Client) -> None:
    bundle = (await records.get("Patient/p/$everything?_count=2&start=2000")).json
    assert len(found(bundle)) == 2
    members, urls = found(bundle), []
    while url := next((row["url"] for row in bundle["link"] if row["relation"] == "next"), None):
        url = url.removeprefix(f"{BASE}/")
        urls.append(url)
        bundle = (await records.get(url)).json
        assert (await records.get(url)).json == bundle, "a link is stable"
        members += found(bundle)
    assert members == EVERYTHING_OF_P
    assert all("2000" not in url for url in urls)


async def test_everything_of_everybody(records: Client) -> None:
    bundle = (await records.get("Patient/$everything?_count=100")).json
    assert sorted(found(bundle)) == sorted([*EVERYTHING_OF_P, "Patient/q", "Observation/o4"])
    assert "Practitioner/stranger" not in found(bundle, "include")


async def test_parameters_may_stand_in_a_body(records: Client) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "start", "valueDate": "2020"},
            {"name": "_type", "valueCode": "Observation"},
            {"name": "_type", "valueCode": "Condition"},
            {"name": "_count", "valueInteger": 2},
        ],
    }
    bundle = (await records.post("Patient/p/$everything", body)).json
    assert found(bundle) == ["Observation/o1", "Observation/o2"]
    assert any(row["relation"] == "next" for row in bundle["link"])


async def test_parts_of_the_resources_can_be_asked_for(records: Client) -> None:
    bundle = (await records.get("Patient/p/$everything?_elements=subject&_type=Condition")).json
    assert set(bundle["entry"][0]["resource"]) >= {"subject"}
    assert "onsetDateTime" not in bundle["entry"][0]["resource"]


@pytest.mark.parametrize(
    "query",
    ["start=yesterday", "_count=0", "_count=x", "_type=Nonsense", "start=2020&start=2021", "x=1"],
)
async def test_what_cannot_be_understood_is_refused(records: Client, query: str) -> None:
    assert (await records.get(f"Patient/p/$everything?{query}")).status == 400


async def test_a_patient_who_is_not_there_is_404_and_a_deleted_one_410(records: Client) -> None:
    assert (await records.get("Patient/none/$everything")).status == 404
    await records.delete("Patient/q")
    assert (await records.get("Patient/q/$everything")).status == 410


async def test_who_may_read_nothing_gets_nothing(records: Client) -> None:
    stranger = records.calling_as(Caller("x", frozenset()))
    for url in ("Patient/p/$everything", "Patient/$everything"):
        assert (await stranger.get(url)).status == 403
    assert (await records.calling_as(WORKER).get("Patient/p/$everything")).status == 200


async def test_a_record_may_be_fetched_later(records: Client) -> None:
    """https://hl7.org/fhir/R4/async.html"""
    accepted = await records.get("Patient/p/$everything", prefer="respond-async")
    url = (accepted.header("content-location") or "").removeprefix(f"{BASE}/")
    assert (accepted.status, (await records.get(url)).status) == (202, 202)
    runner = JobRunner(records.api)
    await runner.take()
    await runner.idle()
    [answer] = (await records.get(url)).json["entry"]
    assert answer["response"]["status"] == "200 OK"
    assert answer["resource"] == (await records.get("Patient/p/$everything")).json
