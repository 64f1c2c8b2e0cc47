"""https://hl7.org/fhir/R4/search.html#include"""

from __future__ import annotations

import json

import orjson
import pytest

from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.search.extract import entries_of
from fhir_api.search.parameters import parameters_of
from fhir_api.search.references import references_of
from store.entries import ReferenceEntry
from tests.fhir_api.search.random_resources import Maker
from tests.fhir_api.search.server import Server, ids
from tests.fhir_api.search.test_searchset import WORKER, observation, patient


def study(id: str, subject: str = "Patient/p") -> dict[str, object]:
    return {
        "resourceType": "ImagingStudy",
        "id": id,
        "status": "available",
        "subject": {"reference": subject},
        "endpoint": [{"reference": "Endpoint/e"}, {"reference": "Endpoint/none"}],
    }


ENDPOINT = {
    "resourceType": "Endpoint",
    "id": "e",
    "status": "active",
    "connectionType": {"code": "dicom-wado-rs"},
    "payloadType": [{"text": "DICOM"}],
    "address": "http://example.org/dicom-web",
}


@pytest.fixture
async def archive(server: Server) -> Server:
    await server.store_all(
        [patient("p"), patient("q"), ENDPOINT, study("s1"), study("s2"), study("s3", "Patient/q")]
    )
    return server


async def test_what_matches_refer_to_comes_once_after_them(archive: Server):
    bundle = await archive.get("ImagingStudy?patient=p&_include=ImagingStudy:subject")
    assert ids(bundle) == ["s1", "s2"]
    assert ids(bundle, "include") == ["p"]
    assert bundle["total"] == 2
    assert bundle["entry"][-1]["fullUrl"].endswith("/Patient/p")


async def test_a_searchset_with_all_that_it_can_hold_is_a_valid_bundle(archive: Server):
    query = "ImagingStudy?_include=ImagingStudy:subject&_count=2&_total=accurate&colour=blue&_summary=true"
    bundle = await archive.get(query)
    assert {entry["search"]["mode"] for entry in bundle["entry"]} == {"match", "include", "outcome"}
    assert [
        issue for issue in archive.api.validator.validate(bundle, "Bundle") if issue.is_error
    ] == []


async def test_several_includes_add_up_and_what_is_not_there_is_left_out(archive: Server):
    query = "ImagingStudy?_include=ImagingStudy:subject&_include=ImagingStudy:endpoint"
    assert ids(await archive.get(query), "include") == ["p", "q", "e"]


@pytest.mark.parametrize("every", ["*", "ImagingStudy:*"])
async def test_a_star_includes_by_every_reference(archive: Server, every: str):
    bundle = await archive.get(f"ImagingStudy?_id=s3&_include={every}")
    assert sorted(ids(bundle, "include")) == ["e", "q"]


async def test_a_target_type_narrows_an_include(archive: Server):
    query = "ImagingStudy?_id=s1&_include=ImagingStudy:subject:"
    assert ids(await archive.get(f"{query}Patient"), "include") == ["p"]
    assert ids(await archive.get(f"{query}Group"), "include") == []


async def test_what_refers_to_matches_is_included_in_reverse(archive: Server):
    bundle = await archive.get("Patient?_id=p&_revinclude=ImagingStudy:subject")
    assert ids(bundle) == ["p"]
    assert ids(bundle, "include") == ["s1", "s2"]
    bundle = await archive.get("Patient?_revinclude=ImagingStudy:*&_count=1")
    assert ids(bundle, "include") == ["s1", "s2"]


async def test_a_match_is_not_included_again(server: Server):
    await server.store_all(
        [observation("a", hasMember=[{"reference": "Observation/b"}]), observation("b")]
    )
    query = "Observation?_include=Observation:has-member&_revinclude=Observation:has-member"
    assert ids(await server.get(query), "include") == []
    assert ids(await server.get(query + "&_id=a"), "include") == ["b"]
    assert ids(await server.get(query + "&_id=b"), "include") == ["a"]


async def test_a_deleted_target_is_not_included(archive: Server):
    assert (await archive.request("DELETE", "Patient/p")).status in (200, 204)
    assert (
        ids(await archive.get("ImagingStudy?_id=s1&_include=ImagingStudy:subject"), "include") == []
    )


async def test_includes_stop_at_the_limit_and_say_so(server: Server):
    await server.store_all([patient("p"), *(observation(f"o{n}") for n in range(6))])
    bundle = await server.get("Patient?_revinclude=Observation:subject")
    assert ids(bundle, "include") == [f"o{n}" for n in range(5)]
    (issue,) = bundle["entry"][-1]["resource"]["issue"]
    assert (issue["severity"], issue["code"], issue["location"]) == (
        "warning",
        "too-costly",
        ["http._include"],
    )
    await server.store_all(patient(f"q{n}") for n in range(6))
    await server.store_all(observation(f"o{n}", f"Patient/q{n}") for n in range(6))
    bundle = await server.get("Observation?_include=Observation:subject")
    assert ids(bundle, "include") == [f"q{n}" for n in range(5)]
    assert bundle["entry"][-1]["search"]["mode"] == "outcome"


async def test_as_many_includes_as_the_limit_are_no_reason_for_a_warning(server: Server):
    await server.store_all([patient("p"), *(observation(f"o{n}") for n in range(5))])
    bundle = await server.get("Patient?_revinclude=Observation:subject")
    assert len(ids(bundle, "include")) == 5
    assert not [entry for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]


async def test_many_matches_are_asked_for_in_parts(server: Server):
    await server.store_all(patient(f"p{n}") for n in range(50))
    await server.store_all([observation("o", "Patient/p49")])
    bundle = await server.get("Patient?_count=50&_revinclude=Observation:*")
    assert ids(bundle, "include") == ["o"]


async def test_includes_show_what_the_caller_may_read_only(archive: Server):
    """A worker reads everything; a caller without a role is stopped at the search itself."""
    response = await archive.request(
        "GET", "ImagingStudy?_id=s1&_include=ImagingStudy:subject", caller=WORKER
    )
    assert ids(json.loads(response.body), "include") == ["p"]


def test_the_references_of_a_part_are_those_of_the_whole():
    """``_include`` decodes only the members that its parameters start at."""
    base = "http://example.org/fhir"
    maker = Maker(3)
    for type in ("Patient", "Observation", "RiskAssessment"):
        known = tuple(p for p in parameters_of(type).values() if p.type == "reference")
        for number in range(50):
            resource = maker.resource(type, f"r{number}")
            whole = [
                (entry.target_type, entry.target_id)
                for entry in entries_of(type, resource, base)
                if isinstance(entry, ReferenceEntry) and entry.target_id
            ]
            part = references_of(type, known)(orjson.dumps(resource), base)
            assert sorted(set(part)) == sorted(set(whole))


def test_the_references_of_every_type_can_be_read():
    for type in RESOURCE_TYPES:
        known = tuple(p for p in parameters_of(type).values() if p.type == "reference")
        content = b'{"resourceType":"%b","decimal":1e400}' % type.encode()
        assert list(references_of(type, known)(content, "http://example.org")) == []


# ------------------------------------------------------------------ :iterate


@pytest.fixture
async def family(server: Server) -> Server:
    """o4 → o3 → o2 → o1 → o0 → o4, a circle; each is of its own patient, who has a practice."""

    def member(number: int) -> dict[str, object]:
        other = {"reference": f"Observation/o{(number - 1) % 5}"}
        return observation(f"o{number}", f"Patient/p{number}", hasMember=[other])

    practice = {"resourceType": "Organization", "id": "practice", "name": "Practice"}
    await server.store_all(
        [practice, *(patient(f"p{n}", managingOrganization=PRACTICE) for n in range(5))]
    )
    await server.store_all(member(n) for n in range(5))
    return server


PRACTICE = {"reference": "Organization/practice"}


async def test_an_include_is_followed_once_unless_it_iterates(family: Server):
    query = "Observation?_id=o4&_include=Observation:has-member"
    assert ids(await family.get(query), "include") == ["o3"]


async def test_an_include_that_iterates_ends_where_a_circle_closes(family: Server):
    query = "Observation?_id=o4&_include:iterate=Observation:has-member"
    assert ids(await family.get(query), "include") == ["o3", "o2", "o1", "o0"]
    query = "Observation?_id=o4&_revinclude:iterate=Observation:has-member"
    assert ids(await family.get(query), "include") == ["o0", "o1", "o2", "o3"]


async def test_an_iterating_include_may_start_at_what_another_includes(family: Server):
    query = "Observation?_id=o4&_include=Observation:subject&_include:iterate=Patient:organization"
    assert ids(await family.get(query), "include") == ["p4", "practice"]


async def test_a_star_that_iterates_brings_all_that_is_referred_to(family: Server):
    bundle = await family.get("Patient?_id=p1&_revinclude=*&_include:iterate=*&_count=1")
    assert ids(bundle, "include") == ["practice", "o1", "o0", "o4", "p0"]
    warnings = [e for e in bundle["entry"] if e["search"]["mode"] == "outcome"]
    assert len(warnings) == 1, "the limit of this server is five"


async def test_a_reverse_star_asks_every_type_that_can_refer_to_a_match(family: Server):
    assert ids(await family.get("Patient?_id=p1&_revinclude=*"), "include") == ["o1"]
    assert ids(await family.get("Organization?_revinclude=*"), "include") == [
        f"p{n}" for n in range(5)
    ]
