"""An app in the context of one patient: the other patient might as well not exist.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#patient-specific-scopes
"""

from __future__ import annotations

import pytest

from tests.fhir_api.client import Client, Reply, entry, observation
from tests.fhir_api.visibility.callers import app
from tests.fhir_api.visibility.ward import HIDDEN, SHOWN, fill, of

EVERYTHING = "patient/*.cruds"
PHOTO = {"resourceType": "Binary", "contentType": "image/png", "data": "AAAA"}


@pytest.fixture
async def ward(client: Client) -> Client:
    return await fill(client, "a", "b")


@pytest.fixture
def mine(ward: Client) -> Client:
    return ward.calling_as(app(EVERYTHING))


def ids(reply: Reply) -> set[str]:
    assert reply.status == 200, reply.body
    return {
        f"{e['resource']['resourceType']}/{e['resource']['id']}"
        for e in reply.json.get("entry", [])
        if "resource" in e
    }


@pytest.mark.parametrize("url", SHOWN)
async def test_what_is_the_patients_or_everybodys_is_read(mine: Client, url: str) -> None:
    assert (await mine.get(url, accept="application/fhir+json")).status == 200
    assert (await mine.get(f"{url}/_history/1", accept="application/fhir+json")).status == 200
    history = await mine.get(f"{url}/_history")
    assert [e["resource"]["id"] for e in history.json["entry"]] == [url.split("/")[1]]


@pytest.mark.parametrize("url", HIDDEN)
async def test_what_is_anothers_answers_as_what_never_was(mine: Client, url: str) -> None:
    """https://hl7.org/fhir/R4/security.html#AccessDenied"""
    type = url.partition("/")[0]
    for ending in ("", "/_history/1", "/_history", "/$meta", "/_history/1/$meta"):
        hidden = await mine.get(url + ending, if_none_match='W/"1"')
        absent = await mine.get(f"{type}/absent{ending}", if_none_match='W/"1"')
        assert hidden.status == absent.status
        assert hidden.status in {403, 404}
        assert hidden.body == absent.body
        assert hidden.response.headers == absent.response.headers


async def test_a_deletion_is_told_to_those_only_who_saw_what_was_deleted(ward: Client) -> None:
    for id in ("oa", "ob"):
        assert (await ward.delete(f"Observation/{id}")).status == 204
    mine = ward.calling_as(app(EVERYTHING))
    assert (await mine.get("Observation/oa")).status == 410
    assert (await mine.get("Observation/ob")).status == 404
    assert (await mine.get("Observation/oa/_history/2")).status == 410
    assert (await mine.get("Observation/ob/_history/2")).status == 404
    assert len((await mine.get("Observation/oa/_history")).json["entry"]) == 2


async def test_each_version_is_judged_by_what_it_says(ward: Client) -> None:
    moved = observation("Patient/b", id="oa")
    assert (await ward.put("Observation/oa", moved)).status == 200
    mine, theirs = ward.calling_as(app(EVERYTHING)), ward.calling_as(app(EVERYTHING, "b"))
    assert (await mine.get("Observation/oa")).status == 404
    assert (await mine.get("Observation/oa/_history/1")).status == 200
    assert (await mine.get("Observation/oa/_history/2")).status == 404
    versions = [
        e["response"]["etag"] for e in (await mine.get("Observation/oa/_history")).json["entry"]
    ]
    assert versions == ['W/"1"']
    assert (await theirs.get("Observation/oa")).status == 200
    assert (await theirs.get("Observation/oa/_history/1")).status == 404


@pytest.mark.parametrize("url", ["_history", "Observation/_history", "_history?_at=2020&_count=5"])
async def test_histories_of_types_are_cut_before_they_are_paged(mine: Client, url: str) -> None:
    reply = await mine.get(url)
    assert ids(reply) & set(HIDDEN) == set()
    assert "total" not in reply.json


async def test_pages_of_a_history_hold_what_is_seen_and_their_links_tell_no_numbers(
    ward: Client,
) -> None:
    mine = ward.calling_as(app(EVERYTHING))
    for at in range(3):
        for x in "ab":
            note = [{"text": f"{at}"}]
            assert (
                await ward.put(
                    f"Observation/o{x}", observation(f"Patient/{x}", id=f"o{x}", note=note)
                )
            ).status == 200
    seen: list[str] = []
    url = "Observation/_history?_count=1"
    while url:
        page = (await mine.get(url)).json
        seen += [e["resource"]["id"] + e["response"]["etag"] for e in page.get("entry", [])]
        links = {link["relation"]: link["url"] for link in page["link"]}
        url = links.get("next", "").partition("/fhir/")[2]
        assert not url or not url.partition("_before=")[2].isdigit()
    assert seen == [f'oaW/"{n}"' for n in (4, 3, 2, 1)]


SEARCHES = [
    "",
    "Observation",
    "Observation?_id=ob",
    "Observation?subject=Patient/b",
    "Observation?subject:Patient.family=Familyb",
    "Observation?identifier=urn:o|b",
    "Observation?_sort=-_lastUpdated",
    "Patient?_has:Observation:subject:identifier=urn:o|b",
    "Patient?family=Familyb",
    "Patient/b/Observation",
    "Patient/b/*",
    "DiagnosticReport?result.identifier=urn:o|b",
    "Task?focus=ImagingStudy/sb",
    "Task?patient=b",
    "Device?patient=b",
    "Organization?_has:Patient:organization:family=Familyb",
    "Organization?_revinclude=Patient:organization",
    "Observation?_include=Observation:subject",
    "Observation?_list=l",
    "Patient?_revinclude=Observation:subject&_revinclude=Task:patient",
]


@pytest.mark.parametrize("url", SEARCHES)
async def test_no_search_finds_counts_or_includes_what_is_anothers(mine: Client, url: str) -> None:
    reply = await mine.get(url)
    assert ids(reply) & set(HIDDEN) == set()
    query = "&" if "?" in url else "?"
    counted = await mine.get(f"{url}{query}_summary=count&_total=accurate")
    alone = await mine.get(f"{url}{query}_total=accurate&_count=1000")
    matches = [e for e in alone.json.get("entry", []) if e["search"]["mode"] == "match"]
    assert counted.json["total"] == len(matches)


async def test_everything_is_the_patients_and_anothers_everything_is_not_there(
    mine: Client,
) -> None:
    assert {"Patient/a", "Observation/oa", "Organization/org"} <= ids(
        await mine.get("Patient/a/$everything")
    )
    assert ids(await mine.get("Patient/a/$everything")) & set(HIDDEN) == set()
    assert ids(await mine.get("Patient/$everything")) & set(HIDDEN) == set()
    hidden, absent = (
        await mine.get("Patient/b/$everything"),
        await mine.get("Patient/c/$everything"),
    )
    assert (hidden.status, hidden.body) == (404, absent.body)


@pytest.mark.parametrize("url", ["Observation/ob", "Observation/absent"])
async def test_what_is_hidden_cannot_be_written_or_deleted(ward: Client, url: str) -> None:
    mine = ward.calling_as(app(EVERYTHING))
    id = url.split("/")[1]
    replies = [
        await mine.put(url, observation("Patient/a", id=id)),
        await mine.put(url, observation("Patient/a", id=id), if_match='W/"1"'),
        await mine.put(url, observation("Patient/a", id=id), if_none_match="*"),
        await mine.ask(
            "PATCH",
            url,
            b'[{"op":"test","path":"/status","value":"final"}]',
            content_type="application/json-patch+json",
        ),
        await mine.post(
            f"{url}/$meta-add",
            {
                "resourceType": "Parameters",
                "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}],
            },
        ),
        await mine.transaction(entry("PUT", url, observation("Patient/a", id=id))),
        await mine.get(f"{url}/$validate?mode=delete"),
    ]
    assert [reply.status for reply in replies] == [404] * len(replies)
    deleted = await mine.delete(url)
    assert (deleted.status, deleted.etag) == (204, None)
    gone = await mine.transaction(entry("DELETE", url))
    assert gone.json["entry"] == [{"response": {"status": "204 No Content"}}]
    refused = await mine.delete(url, if_match='W/"1"')
    assert (
        refused.issue["details"]["text"]
        == "If-Match names a version, but there is no such Observation."
    )
    if id == "ob":
        assert (await ward.get(url)).etag == 'W/"1"'


async def test_nothing_is_created_for_another_patient_or_moved_to_one(mine: Client) -> None:
    assert (await mine.post("Observation", observation("Patient/a"))).status == 201
    for subject in ("Patient/b", "Patient/absent", "Group/g"):
        assert (await mine.post("Observation", observation(subject))).status == 403
        assert (await mine.put("Observation/oa", observation(subject, id="oa"))).status == 403
    took_part = observation("Patient/b", performer=[{"reference": "Patient/a"}])
    assert (await mine.post("Observation", took_part)).status == 403
    inside = observation(
        "#p",
        contained=[{"resourceType": "Patient", "id": "p"}],
        performer=[{"reference": "Patient/a"}],
    )
    assert (await mine.post("Observation", inside)).status == 403
    assert (await mine.get("Observation/oa")).etag == 'W/"1"'


@pytest.mark.parametrize(
    "reference",
    [
        "ImagingStudy/sb",
        "ImagingStudy/absent",
        "ImagingStudy/sb/_history/1",
        "ImagingStudy/sb/more",
        "http://fhir.test/fhir/ImagingStudy/sb",
        "http://elsewhere.test/fhir/ImagingStudy/sb",
        "Binary/attached-b",
        "Group/g",
    ],
)
async def test_a_task_is_not_about_what_is_anothers(mine: Client, reference: str) -> None:
    """Else the worker would analyse another patient's study for this one."""
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "for": {"reference": "Patient/a"},
        "focus": {"reference": reference},
    }
    refused = await mine.post("Task", task)
    assert refused.status in {422, 400}
    own = task | {
        "focus": {"reference": "ImagingStudy/sa"},
        "owner": {"reference": "Organization/org"},
    }
    assert (await mine.post("Task", own)).status == 201


@pytest.mark.parametrize(
    "url",
    [
        "Binary/attached-b",
        "Binary/bb",
        "Binary/absent",
        "http://fhir.test/fhir/Binary/bb",
        "x/Binary/bb",
    ],
)
async def test_a_link_of_ones_own_opens_no_binary_of_anothers(mine: Client, url: str) -> None:
    media = of(
        "Media",
        "m",
        "Patient/a",
        status="completed",
        content={"contentType": "image/png", "url": url},
    )
    assert (await mine.post("Media", media)).status == 422


async def test_a_binary_is_written_for_the_patient_in_context_only(mine: Client) -> None:
    assert (await mine.post("Binary", PHOTO)).status == 403
    for context in ("Patient/b", "DiagnosticReport/rb", "Organization/org"):
        assert (
            await mine.post("Binary", PHOTO | {"securityContext": {"reference": context}})
        ).status == 403
    made = await mine.post("Binary", PHOTO | {"securityContext": {"reference": "Patient/a"}})
    assert made.status == 201
    link = {"contentType": "image/png", "url": f"Binary/{made.id}"}
    assert (
        await mine.post("Media", of("Media", "m", "Patient/a", status="completed", content=link))
    ).status == 201


async def test_conditions_find_only_what_is_seen(ward: Client) -> None:
    mine = ward.calling_as(app(EVERYTHING))
    sent = observation("Patient/a", identifier=[{"system": "urn:o", "value": "b"}])
    created = await mine.post("Observation", sent, if_none_exist="identifier=urn:o|b")
    assert created.status == 201
    again = await mine.post("Observation", sent, if_none_exist="identifier=urn:o|b")
    assert (again.status, again.id) == (200, created.id)
    assert (await mine.delete("Observation?identifier=urn:o|b")).status == 204
    assert (await ward.get("Observation/ob")).etag == 'W/"1"'
    assert (await mine.get(f"Observation/{created.id}")).status == 410
    assert (
        await mine.ask(
            "PATCH",
            "Observation?identifier=urn:o|b",
            b"[]",
            content_type="application/json-patch+json",
        )
    ).status == 404
    named = observation("Patient/a", id="ob", identifier=[{"system": "urn:o", "value": "c"}])
    for url in ("Observation?identifier=urn:o|b", "Observation?identifier=urn:o|c"):
        assert (await mine.put(url, named)).status == 404
    assert (await mine.transaction(entry("PUT", url, named))).status == 404
    conditional = observation("Patient?identifier=urn:test|b")
    assert (await mine.transaction(entry("POST", "Observation", conditional))).status == 412
    absent = observation("Patient?identifier=urn:test|c")
    one, other = [
        await mine.transaction(entry("POST", "Observation", x)) for x in (conditional, absent)
    ]
    assert one.body == other.body


async def test_each_entry_is_decided_alone(mine: Client) -> None:
    reply = await mine.batch(
        entry("GET", "Observation/oa"),
        entry("GET", "Observation/ob"),
        entry("GET", "Observation?subject=Patient/b"),
        entry("POST", "Observation", observation("Patient/b")),
        entry("POST", "Organization", {"resourceType": "Organization", "name": "x"}),
    )
    statuses = [e["response"]["status"][:3] for e in reply.json["entry"]]
    assert statuses == ["200", "404", "200", "403", "403"]
    assert reply.json["entry"][2]["resource"]["total"] == 0
    whole = await mine.transaction(
        entry("POST", "Observation", observation("Patient/a")),
        entry("POST", "Observation", observation("Patient/b")),
    )
    assert whole.status == 403
    assert whole.header("www-authenticate") == 'Bearer error="insufficient_scope"'


async def test_without_a_patient_in_context_patient_scopes_grant_nothing(ward: Client) -> None:
    for caller in (app(EVERYTHING, ""), app(EVERYTHING, "a", user="Patient/b")):
        nobody = ward.calling_as(caller)
        for url in ("Patient/a", "Observation", "_history", "Patient/a/$everything"):
            assert (await nobody.get(url)).status == 403


async def test_who_may_only_write_is_shown_nothing(ward: Client) -> None:
    writer = ward.calling_as(app("patient/Observation.cu"))
    made = await writer.post("Observation", observation("Patient/a"))
    assert (made.status, made.body) == (201, b"")
    patched = await writer.ask(
        "PATCH",
        "Observation/oa",
        b'[{"op":"add","path":"/note","value":[{"text":"x"}]}]',
        content_type="application/json-patch+json",
    )
    assert (patched.status, patched.body) == (200, b"")
    answered = await writer.transaction(
        entry("PUT", "Observation/oa", observation("Patient/a", id="oa")),
        prefer="return=representation",
    )
    assert "resource" not in answered.json["entry"][0]
    assert (await writer.get("Observation/oa")).status == 403
    assert (
        await writer.post(
            "Observation", observation("Patient/a"), if_none_exist="identifier=urn:o|a"
        )
    ).status == 403


async def test_no_mixture_of_grants_opens_a_binary_by_a_link(ward: Client) -> None:
    """A clinician's app may write for every patient here, and still sees one patient's bytes only."""
    scopes = "patient/*.rs patient/Binary.r user/Media.c user/Task.c"
    mixed = ward.calling_as(app(scopes, roles="clinician"))
    for id, status in (("bb", 422), ("absent", 422), ("ba", 201)):
        link = {"contentType": "image/png", "url": f"Binary/{id}"}
        media = of("Media", "x", "Patient/a", status="completed", content=link)
        assert (await mixed.post("Media", media)).status == status
        task = of(
            "Task", "x", status="requested", intent="order", focus={"reference": f"Binary/{id}"}
        )
        assert (await mixed.post("Task", task)).status == status
    assert (
        await mixed.post(
            "Media", of("Media", "x", "Patient/b", status="completed", content={"url": "Binary/ba"})
        )
    ).status == 201
    writer = ward.calling_as(app("user/Media.c", roles="clinician"))
    assert (
        await writer.post(
            "Media", of("Media", "x", "Patient/b", status="completed", content={"url": "Binary/bb"})
        )
    ).status == 201


async def test_what_an_app_writes_leads_to_a_bounded_number_of_resources(mine: Client) -> None:
    many = [{"reference": f"Observation/{at}"} for at in range(1001)]
    refused = await mine.post("Observation", observation("Patient/a", hasMember=many))
    assert (refused.status, refused.code) == (403, "too-costly")
