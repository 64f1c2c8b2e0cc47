"""https://hl7.org/fhir/R4/search.html#token: modifiers that ask what a code means."""

from __future__ import annotations

import pytest

from fhir_api.conformance.conformance import Conformance
from fhir_api.search import coded
from tests.fhir_api.search.server import Server, ids
from tests.fhir_api.search.test_searchset import observation, patient

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
STATUS = "http://hl7.org/fhir/ValueSet/condition-clinical"
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"


def condition(id: str, status: str | None) -> dict[str, object]:
    made: dict[str, object] = {
        "resourceType": "Condition",
        "id": id,
        "subject": {"reference": "Patient/p"},
    }
    if status is not None:
        made["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": status}]}
    return made


@pytest.fixture
async def conditions(server: Server) -> Server:
    """Active covers recurrence and relapse; inactive covers remission and resolved."""
    await server.store_all(
        [
            condition("active", "active"),
            condition("relapse", "relapse"),
            condition("resolved", "resolved"),
            condition("none", None),
        ]
    )
    return server


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"clinical-status:below={CLINICAL}|active", ["active", "relapse"]),
        (f"clinical-status:below={CLINICAL}|relapse", ["relapse"]),
        (f"clinical-status:above={CLINICAL}|relapse", ["active", "relapse"]),
        (f"clinical-status:above={CLINICAL}|active", ["active"]),
        (f"clinical-status:below={CLINICAL}|relapse,{CLINICAL}|inactive", ["relapse", "resolved"]),
        (f"clinical-status:in={STATUS}", ["active", "relapse", "resolved"]),
        (f"clinical-status:not-in={STATUS}", ["none"]),
        (f"clinical-status:in={STATUS}&_sort=-_lastUpdated", ["active", "relapse", "resolved"]),
    ],
)
async def test_codes_are_found_by_what_they_mean(conditions: Server, query: str, found: list[str]):
    assert sorted(ids(await conditions.get(f"Condition?{query}"))) == sorted(found)


async def test_a_chain_may_end_in_a_value_set(server: Server):
    await server.store_all([patient("p", gender="male"), patient("q"), observation("o")])
    await server.store_all([observation("o2", "Patient/q")])
    assert ids(await server.get(f"Observation?subject:Patient.gender:in={GENDER}")) == ["o"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("clinical-status:below=active", "invalid"),
        (f"clinical-status:below={CLINICAL}|", "invalid"),
        (f"clinical-status:above={CLINICAL}|nonsense", "not-supported"),
        ("code:below=http://snomed.info/sct|73211009", "not-supported"),
        ("code:in=http://example.org/none", "invalid"),
        ("code:in=ValueSet/none", "invalid"),
        ("code:in=http://hl7.org/fhir/ValueSet/condition-code", "not-supported"),
        ("onset-date:in=http://example.org/none", "not-supported"),
    ],
)
async def test_what_cannot_be_told_is_refused_and_not_left_out(
    server: Server, query: str, code: str
):
    assert (await server.refused(f"Condition?{query}"))["code"] == code


async def test_a_value_set_of_too_many_codes_is_too_costly(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(coded, "MOST_CODES", 2)
    issue = await server.refused(f"Condition?clinical-status:in={STATUS}", status=403)
    assert issue["code"] == "too-costly"


async def test_a_value_set_may_be_named_by_its_place_here(conditions: Server):
    stored = {"resourceType": "ValueSet", "id": "v", "status": "active", "url": STATUS}
    await conditions.store_all([stored])
    for place in ("ValueSet/v", "http://example.org/fhir/ValueSet/v"):
        bundle = await conditions.get(f"Condition?clinical-status:in={place}")
        assert ids(bundle) == ["active", "relapse", "resolved"]


async def test_stored_code_systems_and_value_sets_count_from_when_they_are_known(server: Server):
    system = {
        "resourceType": "CodeSystem",
        "id": "animals",
        "status": "active",
        "content": "complete",
        "url": "http://example.org/animals",
        "hierarchyMeaning": "is-a",
        "concept": [{"code": "bird", "concept": [{"code": "owl"}, {"code": "hen"}]}],
    }
    value_set = {
        "resourceType": "ValueSet",
        "id": "birds",
        "status": "active",
        "url": "http://example.org/birds",
        "compose": {"include": [{"system": system["url"]}]},
    }
    coded_by = {"system": system["url"], "code": "owl"}
    await server.store_all(
        [observation("o", code={"coding": [coded_by]}), system, value_set, observation("else")]
    )
    definitions = [("CodeSystem", "animals"), ("ValueSet", "birds")]
    known = Conformance(server.api.validator)
    known.changed([v for v in await server.store.read_many(definitions) if v is not None])
    for query in (
        "code:below=http://example.org/animals|bird",
        "code:in=http://example.org/birds",
        "code:in=ValueSet/birds",
    ):
        assert ids(await server.get(f"Observation?{query}")) == ["o"]
    assert ids(await server.get("Observation?code:not-in=ValueSet/birds")) == ["else"]
