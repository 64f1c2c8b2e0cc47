"""Searches of the system and in compartments.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

import json

import pytest

from fhir_api.access import Caller
from tests.fhir_api.search.server import BASE, Server, ids, link
from tests.fhir_api.search.test_searchset import FORM, observation, patient

NOBODY = Caller("nobody", frozenset())


def task(id: str, subject: str) -> dict[str, object]:
    return {
        "resourceType": "Task",
        "id": id,
        "status": "requested",
        "intent": "order",
        "for": {"reference": subject},
    }


def condition(id: str, subject: str, asserter: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {
        "resourceType": "Condition",
        "id": id,
        "subject": {"reference": subject},
    }
    return made | ({"asserter": {"reference": asserter}} if asserter else {})


@pytest.fixture
async def ward(server: Server) -> Server:
    """In the order of creation."""
    for resource in (
        patient("p", gender="male", link=[{"other": {"reference": "Patient/q"}, "type": "refer"}]),
        condition("c1", "Patient/p"),
        observation("o1", "Patient/p"),
        patient("q"),
        observation("o2", "Patient/q"),
        condition("c2", "Patient/q", asserter="Patient/p"),
        observation("o3", "Patient/p", performer=[{"reference": "Patient/q"}]),
        task("t1", "Patient/p"),
    ):
        await server.store_all([resource])
    return server


def named(bundle: dict[str, object], mode: str = "match") -> list[str]:
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if entry["search"]["mode"] == mode
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("Patient/p/Observation", ["o1", "o3"]),
        ("Patient/q/Observation", ["o2", "o3"]),
        ("Patient/p/Condition", ["c1", "c2"]),
        ("Patient/p/Observation?performer=Patient/q", ["o3"]),
        ("Patient/p/Observation?_sort=-_id", ["o3", "o1"]),
        ("Patient/p/Patient", ["p"]),
        ("Patient/q/Patient", ["p", "q"]),
        ("Patient/none/Observation", []),
        ("Patient/p/*?_type=Condition,Observation", ["c1", "o1", "c2", "o3"]),
        ("Patient/p/*", ["p", "c1", "o1", "c2", "o3"]),
        ("Patient/q/*?_sort=-_lastUpdated", ["o3", "c2", "o2", "q", "p"]),
        ("?_type=Patient,Task", ["p", "q", "t1"]),
        ("?_type=Patient&_type=Task", ["p", "q", "t1"]),
        ("?_id=p,o3,t1", ["p", "o3", "t1"]),
        ("?_type=Observation,Condition&patient=q", ["o2", "c2"]),
        ("?_type=Observation,Condition&patient=q&_sort=-_id", ["o2", "c2"]),
        ("?_type=Observation,Condition&subject:Patient.gender=male", ["c1", "o1", "o3"]),
        ("", ["p", "c1", "o1", "q", "o2", "c2", "o3", "t1"]),
    ],
)
async def test_a_search_finds_what_is_there_in_the_order_of_creation(
    ward: Server, url: str, found: list[str]
):
    assert ids(await ward.get(url)) == found
    counted = await ward.get(f"{url}{'&' if '?' in url else '?'}_summary=count")
    assert counted["total"] == len(found)
    path, _, query = url.partition("?")
    posted = await ward.request(
        "POST", f"{path}/_search".strip("/"), query.encode(), content_type=FORM
    )
    assert ids(json.loads(posted.body)) == found


@pytest.mark.parametrize("url", ["", "?_sort=-_id", "Patient/p/*", "?_sort=_lastUpdated"])
async def test_pages_of_several_types_follow_each_other(ward: Server, url: str):
    whole = ids(await ward.get(url))
    for count in (1, 2, 3, 7):
        size = f"{url}{'&' if '?' in url else '?'}_count={count}"
        pages = await ward.pages(size)
        assert [id for page in pages for id in ids(page)] == whole
        assert all(len(ids(page)) == count for page in pages[:-1])
        following = link(pages[0], "next")
        assert following is None or following.startswith(
            f"{BASE}{'/Patient/p/*' if '*' in url else ''}?_page="
        )


async def test_a_total_of_several_types_is_that_of_all(ward: Server):
    bundle = await ward.get("?_type=Observation,Condition&_count=2&_total=accurate")
    assert (len(ids(bundle)), bundle["total"]) == (2, 5)


async def test_a_page_link_is_good_in_its_own_place_only(ward: Server):
    token = link(await ward.get("?_count=1"), "next").partition("?")[2]
    for place in ("Patient", "Patient/p/*"):
        assert (await ward.refused(f"{place}?{token}"))["location"] == ["http._page"]


async def test_includes_of_several_types_start_at_any_of_them(ward: Server):
    query = "?_type=Observation,Task&_id=o1,t1&_include=Observation:subject"
    assert named(await ward.get(query), "include") == ["Patient/p"]
    assert (await ward.refused(f"{query}&_include=Condition:subject"))["code"] == "invalid"
    query = "?_type=Observation,Task&_id=o3,t1&_include=*"
    assert sorted(named(await ward.get(query), "include")) == ["Patient/p", "Patient/q"]


async def test_a_parameter_that_not_all_types_have_is_unknown(ward: Server):
    bundle = await ward.get("?_type=Observation,Patient&code=x")
    (issue,) = bundle["entry"][-1]["resource"]["issue"]
    assert issue["location"] == ["http.code"]
    assert await ward.refused("?code=x", prefer="handling=strict")


@pytest.mark.parametrize(
    "url",
    [
        "?_type=Nonsense",
        "?_type=",
        "?_type=Patient,",
        "Patient/p/*?_type=Task",
        "?_type=Patient,Observation&_sort=identifier,none",
    ],
)
async def test_types_that_are_not_there_are_refused(ward: Server, url: str):
    await ward.refused(url, prefer="handling=strict")


async def test_a_sort_parameter_must_mean_the_same_in_all_types(ward: Server):
    assert (await ward.refused("?_type=Observation,Task&_sort=performer"))["code"] == (
        "not-supported"
    )


async def test_a_search_of_one_type_takes_no_other(ward: Server):
    assert (await ward.refused("Patient?_type=Patient"))["code"] == "not-supported"


async def test_who_may_search_nothing_is_forbidden(ward: Server):
    for url in ("", "?_type=Patient", "Patient/p/*", "Patient/p/Observation"):
        response = await ward.request("GET", url, caller=NOBODY)
        assert response.status == 403
