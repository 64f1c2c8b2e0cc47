"""https://hl7.org/fhir/R4/search.html#summary and #elements"""

from __future__ import annotations

import json

import pytest

from fhir_api.errors import FhirError
from fhir_api.search.subset import subset
from tests.fhir_api.search.server import Server
from tests.fhir_api.search.test_searchset import patient

OBSERVATION = b"""{"resourceType":"Observation","id":"a","meta":{"versionId":"3","tag":[{"code":"x"}]},
 "text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">1.10</div>"},
 "status":"final","code":{"text":"weight"},"valueQuantity":{"value":1.10,"unit":"kg"},
 "_issued":{"id":"i"},"note":[{"text":"n"}],
 "component":[{"id":"c","code":{"text":"part"},"valueQuantity":{"value":2.500},"interpretation":[{"text":"high"}]}]}"""
STUDY = b"""{"resourceType":"ImagingStudy","id":"s","status":"available","subject":{"reference":"Patient/p"},
 "series":[{"uid":"1.2","modality":{"code":"CT"},"number":1,"instance":[{"uid":"1.3","sopClass":{"code":"x"}}]}]}"""
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


def cut(content: bytes, *pairs: tuple[str, str]) -> dict[str, object]:
    type = json.loads(content)["resourceType"]
    return json.loads(subset(content, type, list(pairs)))


def test_without_either_parameter_the_bytes_are_the_same():
    for pairs in ([], [("_format", "json")], [("_summary", "false")]):
        assert subset(OBSERVATION, "Observation", pairs) == OBSERVATION


def test_a_summary_is_tagged_and_keeps_the_text_of_decimals():
    made = subset(OBSERVATION, "Observation", [("_summary", "true")])
    assert b'"value":1.10' in made
    assert b'"value":2.500' in made
    assert json.loads(made)["meta"] == {"versionId": "3", "tag": [{"code": "x"}, SUBSETTED]}


def test_a_summary_leaves_out_what_r4_does_not_mark_at_any_depth():
    made = cut(OBSERVATION, ("_summary", "true"))
    assert {"text", "note"}.isdisjoint(made)
    assert made["component"] == [
        {"id": "c", "code": {"text": "part"}, "valueQuantity": {"value": 2.5}}
    ]
    (series,) = cut(STUDY, ("_summary", "true"))["series"]
    assert set(series) == {"uid", "modality", "number"}


def test_data_is_everything_but_the_narrative():
    made = cut(OBSERVATION, ("_summary", "data"))
    assert set(json.loads(OBSERVATION)) - set(made) == {"text"}
    assert SUBSETTED in made["meta"]["tag"]


def test_text_is_the_narrative_with_what_is_mandatory():
    made = cut(OBSERVATION, ("_summary", "text"))
    assert set(made) == {"resourceType", "id", "meta", "text", "status", "code"}


def test_elements_are_those_named_with_what_is_mandatory():
    made = cut(OBSERVATION, ("_elements", "value,issued"))
    assert set(made) == {"resourceType", "id", "meta", "status", "code", "valueQuantity", "_issued"}
    assert set(cut(OBSERVATION, ("_elements", "Observation.note.text"))) >= {"note", "status"}


@pytest.mark.parametrize(
    "pairs",
    [[("_summary", "x")], [("_elements", "")], [("_summary", "true"), ("_elements", "code")]],
)
def test_what_makes_no_sense_is_refused(pairs: list[tuple[str, str]]):
    with pytest.raises(FhirError):
        subset(OBSERVATION, "Observation", pairs)


async def test_a_search_answers_with_summaries_and_elements(server: Server):
    await server.store_all([patient("a", birthDate="2001", photo=[{"title": "x"}])])
    (entry,) = (await server.get("Patient?_summary=true"))["entry"]
    assert set(entry["resource"]) == {"resourceType", "id", "meta", "birthDate"}
    (entry,) = (await server.get("Patient?_elements=photo"))["entry"]
    assert set(entry["resource"]) == {"resourceType", "id", "meta", "photo"}
    assert SUBSETTED in entry["resource"]["meta"]["tag"]
