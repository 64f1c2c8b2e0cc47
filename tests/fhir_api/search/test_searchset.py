"""The Bundle that a search answers with: https://hl7.org/fhir/R4/bundle.html#searchset, search.html#return"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fhir_api.access import Caller
from store.interface import Page
from store.query import Query
from store.sqlite import readers
from tests.fhir_api.search.server import Server, ids, link
from tests.fhir_api.search.spec_filter import BASE

WORKER = Caller("worker", frozenset({"worker"}))
NOBODY = Caller("nobody", frozenset())
FORM = "application/x-www-form-urlencoded"


def patient(id: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Patient", "id": id, **more}


def observation(id: str, subject: str = "Patient/p", **more: object) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": subject},
        **more,
    }


async def test_an_entry_has_its_full_url_its_mode_and_the_resource_as_it_was_sent(server: Server):
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"\\u00fc"},"valueQuantity":{"value":1.10}}'
    made = await server.request("POST", "Observation", body, content_type="application/fhir+json")
    assert made.status == 201
    response = await server.request("GET", "Observation?status=final")
    assert b'"text":"\\u00fc"' in response.body
    assert b'"value":1.10}' in response.body
    bundle = json.loads(response.body)
    (entry,) = bundle["entry"]
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 1)
    assert entry["fullUrl"] == f"{BASE}/Observation/{entry['resource']['id']}"
    assert entry["search"] == {"mode": "match"}
    assert response.header("content-type") == "application/fhir+json; charset=utf-8"


async def test_nothing_found_is_a_bundle_without_entries(server: Server):
    bundle = await server.get("Patient?family=Nobody")
    assert bundle["total"] == 0
    assert "entry" not in bundle


async def test_a_deleted_resource_is_not_found(server: Server):
    await server.store_all([patient("a"), patient("b")])
    assert (await server.request("DELETE", "Patient/a")).status in (200, 204)
    assert ids(await server.get("Patient")) == ["b"]


async def test_an_updated_resource_is_found_by_what_it_says_now(server: Server):
    await server.store_all([patient("a", gender="male")])
    await server.store_all([patient("a", gender="female")])
    assert ids(await server.get("Patient?gender=male")) == []
    assert ids(await server.get("Patient?gender=female")) == ["a"]


async def test_criteria_that_are_repeated_must_all_hold_and_values_with_commas_any(server: Server):
    """https://hl7.org/fhir/R4/search.html#combining"""
    await server.store_all(
        [
            patient("a", name=[{"given": ["Anna", "Maria"]}]),
            patient("b", name=[{"given": ["Anna"]}]),
            patient("c", name=[{"given": ["Maria"]}]),
        ]
    )
    assert ids(await server.get("Patient?given=anna&given=maria")) == ["a"]
    assert ids(await server.get("Patient?given=anna,maria")) == ["a", "b", "c"]


async def test_percent_escapes_are_decoded_before_backslash_escapes(server: Server):
    await server.store_all([patient("a", identifier=[{"system": "urn:x", "value": "1,2|3"}])])
    assert ids(await server.get("Patient?identifier=urn%3Ax%7C1%5C%2C2%5C%7C3")) == ["a"]


@pytest.mark.parametrize(
    "reference", ["p", "Patient/p", f"{BASE}/Patient/p", "Patient/p/_history/2"]
)
async def test_a_reference_is_found_however_it_is_written(server: Server, reference: str):
    await server.store_all(
        [observation("a"), observation("b", f"{BASE}/Patient/p"), observation("c", "Group/p")]
    )
    assert ids(await server.get(f"Observation?patient={reference}")) == ["a", "b"]


async def test_a_reference_to_another_server_is_found_by_its_url_only(server: Server):
    await server.store_all([observation("a", "https://other.org/fhir/Patient/p")])
    assert ids(await server.get("Observation?subject=p")) == []
    assert ids(await server.get("Observation?subject=https://other.org/fhir/Patient/p")) == ["a"]
    assert ids(
        await server.get("Observation?subject=https://other.org/fhir/Patient/p/_history/3")
    ) == ["a"]


async def test_a_canonical_is_found_with_and_without_its_version(server: Server):
    plan = {
        "resourceType": "PlanDefinition",
        "id": "pd",
        "status": "draft",
        "library": ["http://a.org/Library/x|1.0"],
    }
    await server.store_all([plan])
    for canonical, found in (
        ("http://a.org/Library/x", ["pd"]),
        ("http://a.org/Library/x%7C1.0", ["pd"]),
        ("http://a.org/Library/x%7C2.0", []),
    ):
        assert ids(await server.get(f"PlanDefinition?depends-on={canonical}")) == found


async def test_last_updated_is_compared_as_a_date(server: Server):
    await server.store_all([patient("a")])
    (entry,) = (await server.get("Patient"))["entry"]
    moment = entry["resource"]["meta"]["lastUpdated"]
    for query, found in (
        (f"_lastUpdated={moment}", ["a"]),
        (f"_lastUpdated=ne{moment}", []),
        (f"_lastUpdated=lt{moment}", []),
        (f"_lastUpdated=le{moment}", ["a"]),
        (f"_lastUpdated={moment[:10]}", ["a"]),
        ("_lastUpdated=gt2020", ["a"]),
        ("_lastUpdated=sa2020,lt2019", ["a"]),
        ("_lastUpdated=eb2020", []),
        ("_lastUpdated=ap2020", []),
        ("_lastUpdated:missing=false", ["a"]),
        ("_lastUpdated:missing=true", []),
    ):
        assert ids(await server.get(f"Patient?{query}")) == found, query


# ------------------------------------------------------------------ unknown, unsupported, illegible


async def test_an_unknown_parameter_is_ignored_with_a_warning_and_not_in_the_self_link(
    server: Server,
):
    """https://hl7.org/fhir/R4/search.html#errors"""
    await server.store_all([patient("a", gender="male")])
    bundle = await server.get("Patient?colour=blue&gender=male")
    assert ids(bundle) == ["a"]
    outcome = bundle["entry"][-1]
    assert outcome["search"] == {"mode": "outcome"}
    (issue,) = outcome["resource"]["issue"]
    assert (issue["severity"], issue["location"]) == ("warning", ["http.colour"])
    assert "blue" not in json.dumps(issue)
    assert link(bundle, "self") == f"{BASE}/Patient?gender=male"


async def test_an_unknown_parameter_is_refused_when_handling_is_strict(server: Server):
    issue = await server.refused("Patient?colour=blue", prefer="handling=strict")
    assert (issue["severity"], issue["location"]) == ("error", ["http.colour"])
    assert await server.refused("Patient?_sort=colour", prefer="handling=strict")


@pytest.mark.parametrize(
    "query",
    [
        "_text=x",
        "_content=x",
        "_filter=x",
        "_query=x",
        "family:in=http://a.org",
        "family:text=x",
        "_list:not=x",
        "_include:recurse=Patient:organization",
        "organization:Organization._filter=x",
        "birthdate:exact=2020",
        "general-practitioner:Nonsense=1",
        "_sort=_score",
        "_id:text=1",
    ],
)
async def test_what_is_known_and_not_supported_is_never_ignored(server: Server, query: str):
    assert (await server.refused(f"Patient?{query}"))["code"] == "not-supported"


@pytest.mark.parametrize(
    "query",
    [
        "birthdate=yesterday",
        "birthdate=2020-13",
        "birthdate=xx2020",
        "birthdate=",
        "family=",
        "family=,",
        "family:missing=maybe",
        "identifier=a|b|c",
        "identifier=|",
        "identifier:of-type=a|b",
        "general-practitioner=Practitioner/1/2",
        "general-practitioner=no such thing",
        "general-practitioner:Practitioner=Organization/1",
        "general-practitioner:identifier=x",
        "_lastUpdated=5",
        "_count=many",
        "_count=-1",
        "_count=1&_count=2",
        "_count:exact=1",
        "_summary=perhaps",
        "_total=some",
        "_elements=",
        "_elements=name&_summary=true",
        "_sort=",
        "_sort=_id,_id,_id,_id,_id,_id,_id,_id,_id",
        "_include=Patient",
        "_include=Nonsense:x",
        "_include=Patient:nonsense",
        "_include=Observation:subject",
        "_include=Patient:organization:Nonsense",
        "_include=Patient:family",
        "_revinclude=Binary:*",
        "_revinclude=Observation:subject:Group",
        "_summary=text&_include=Patient:organization",
        "family.x=1",
        "_list=$current-problems",
        "organization.colour=x",
        "organization.name",
        "organization:Patient.name=x",
        "organization:exact.name=x",
        "link.name=x&link.birthdate=no-date",
        "_has=x",
        "_has:Observation=x",
        "_has:Observation:patient=x",
        "_has:Observation:patient:=x",
        "_has:Nonsense:patient:code=x",
        "_has:Observation:code:code=x",
        "_has:Observation:nonsense:code=x",
        "_has:Observation:device:code=x",
        "_has:Observation:patient:colour=x",
        "_has:Observation:patient:_count=1",
        "%FF=1",
        "family=%FF",
        "_page=abc",
        "_page=",
    ],
)
async def test_what_cannot_be_understood_is_refused(server: Server, query: str):
    assert (await server.refused(f"Patient?{query}"))["code"] == "invalid"


@pytest.mark.parametrize(
    "query", ["probability=much", "probability=1|2", "probability=1e999", "probability=gt"]
)
async def test_a_number_that_is_none_is_refused(server: Server, query: str):
    assert (await server.refused(f"RiskAssessment?{query}"))["code"] == "invalid"


async def test_a_refusal_repeats_no_value(server: Server):
    issue = await server.refused("Patient?birthdate=Everywoman")
    assert "Everywoman" not in json.dumps(issue)


async def test_too_many_values_or_criteria_are_too_costly(server: Server):
    for query in ("family=" + ",".join(["a"] * 301), "&".join(["family=a"] * 65)):
        response = await server.request("GET", f"Patient?{query}")
        assert json.loads(response.body)["issue"][0]["code"] == "too-costly"


async def test_a_search_that_takes_too_long_is_broken_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    await server.store_all(patient(f"p{n}", birthDate="2001") for n in range(300))
    monkeypatch.setattr(readers, "QUICK_STEPS", 0)
    monkeypatch.setattr(readers, "MEDIUM_STEPS", 0)
    monkeypatch.setattr(readers, "THREAD_LOOK", 100)
    monkeypatch.setattr(server.store._readers, "_limit_s", 0)
    issue = await server.refused("Patient?_sort=-birthdate", status=403)
    assert issue["code"] == "too-costly"


async def test_all_of_a_search_together_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Types, totals and includes are further queries; the limit is for all of them."""
    server = Server(tmp_path, search_limit_s=0.05)

    async def waits(_query: Query) -> Page:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(server.store, "search", waits)
    issue = await server.refused("Patient", status=403)
    assert issue["code"] == "too-costly"
    await server.store.close()


async def test_one_slow_search_too_many_is_throttled(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    await server.store_all(patient(f"p{n}", birthDate="2001") for n in range(300))
    monkeypatch.setattr(readers, "QUICK_STEPS", 0)
    monkeypatch.setattr(readers, "MEDIUM_STEPS", 0)
    monkeypatch.setattr(readers, "THREAD_LOOK", 100)
    monkeypatch.setattr(readers, "MOST_SLOW", 0)
    response = await server.request("GET", "Patient?_sort=-birthdate")
    assert (response.status, response.header("retry-after")) == (429, "5")
    assert json.loads(response.body)["issue"][0]["code"] == "throttled"


async def test_a_page_that_would_fill_the_memory_is_too_costly(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    await server.store_all(patient(f"p{n}") for n in range(30))
    monkeypatch.setattr(readers, "MOST_BYTES", 1500)
    issue = await server.refused("Patient", status=403)
    assert issue["code"] == "too-costly"
    assert "_count" in issue["details"]["text"]
    assert len((await server.get("Patient?_count=2"))["entry"]) == 2
    assert (await server.request("GET", "Patient/_history")).status == 403
    assert (await server.request("GET", "Patient/_history?_count=2")).status == 200


async def test_a_type_that_may_not_be_searched_is_forbidden(server: Server):
    response = await server.request("GET", "Patient", caller=NOBODY)
    assert response.status == 403


# ------------------------------------------------------------------ pages


async def test_pages_follow_each_other_until_there_is_no_next(server: Server):
    await server.store_all(patient(f"p{n}") for n in range(5))
    pages = await server.pages("Patient?_count=2")
    assert [ids(page) for page in pages] == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    assert link(pages[0], "self") == f"{BASE}/Patient?_count=2"
    assert "total" not in pages[0]
    first = await server.get(link(pages[2], "first"))
    assert ids(first) == ["p0", "p1"]
    assert await server.get(link(pages[1], "self")) == pages[1]


async def test_a_next_link_says_nothing_of_the_search(server: Server):
    await server.store_all(
        patient(f"p{n}", name=[{"family": "Everywoman"}], birthDate="1974-12-25") for n in range(3)
    )
    bundle = await server.get("Patient?family=Everywoman&_sort=birthdate&_count=1")
    following = link(bundle, "next")
    assert "Everywoman" not in following
    assert "1974" not in following
    assert ids(await server.get(following)) == ["p1"]


async def test_a_page_link_takes_nothing_more_that_would_change_the_search(server: Server):
    await server.store_all(patient(f"p{n}") for n in range(3))
    following = link(await server.get("Patient?_count=1"), "next")
    assert ids(await server.get(f"{following}&_format=json")) == ["p1"]
    assert ids(await server.get(f"{following}&_count=1000")) == ["p1"]
    await server.refused(f"{following}&family=x")
    await server.refused(following.replace("/Patient?", "/Observation?"))


async def test_a_count_beyond_the_limit_is_the_limit_and_the_self_link_says_so(server: Server):
    await server.store_all(patient(f"p{n}") for n in range(60))
    bundle = await server.get("Patient?_count=1000")
    assert len(ids(bundle)) == 50
    assert link(bundle, "self") == f"{BASE}/Patient?_count=50"


async def test_a_total_that_costs_nothing_is_there_unasked(server: Server):
    await server.store_all(patient(f"p{n}") for n in range(3))
    assert (await server.get("Patient?_count=3"))["total"] == 3
    assert "total" not in await server.get("Patient?_count=2")
    assert (await server.get("Patient?_count=2&_total=estimate"))["total"] == 3
    assert (await server.get("Patient?_count=2&_total=accurate"))["total"] == 3


async def test_newest_first(server: Server):
    await server.store_all((patient(f"p{n}") for n in range(4)), size=1)
    await server.store_all([patient("p1", active=True)])
    pages = await server.pages("Patient?_sort=-_lastUpdated&_count=2")
    assert [ids(page) for page in pages] == [["p1", "p3"], ["p2", "p0"]]


async def test_an_unknown_sort_key_is_a_warning_and_the_others_count(server: Server):
    await server.store_all([patient("a", birthDate="2001"), patient("b", birthDate="2000")])
    bundle = await server.get("Patient?_sort=colour,birthdate")
    assert ids(bundle) == ["b", "a"]
    assert bundle["entry"][-1]["search"] == {"mode": "outcome"}
    assert link(bundle, "self") == f"{BASE}/Patient?_sort=birthdate"


# ------------------------------------------------------------------ POST _search


async def test_a_search_by_post_takes_its_parameters_from_the_form_and_the_url(server: Server):
    """https://hl7.org/fhir/R4/http.html#search"""
    await server.store_all([patient("a", gender="male", active=True), patient("b", gender="male")])
    response = await server.request(
        "POST", "Patient/_search?gender=male", b"active=true&_count=1", content_type=FORM
    )
    assert response.status == 200
    assert ids(json.loads(response.body)) == ["a"]


async def test_a_search_by_post_with_another_body_is_415(server: Server):
    response = await server.request(
        "POST", "Patient/_search", b"{}", content_type="application/fhir+json"
    )
    assert response.status == 415
