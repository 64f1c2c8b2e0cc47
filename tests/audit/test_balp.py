"""AuditEvents of every interaction, by BALP's own profiles (https://profiles.ihe.net/ITI/BALP/content.html)."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import orjson
import pytest

from audit.access import Target, decoded, encoded
from fhir_api.conformance.library import Library
from fhir_api.conformance.packages import read_guides
from fhir_api.validation import Validator
from fhir_api.validation.profiles import Profiles
from tests.audit.samples import (
    BACKEND,
    EMERGENCY,
    OTHERS,
    ROWS,
    SERVICE,
    USER,
    access,
    all_events,
    events,
    trees,
)

GUIDES = Path(
    os.environ.get("HEALTHVISION_TEST_IG", Path(__file__).resolve().parents[3] / "shared/spec/ig")
)
PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
CLAIMS = {
    "read": "PatientRead",
    "read of a patient": "PatientRead",
    "read without patient": "Read",
    "vread": "PatientRead",
    "search": "PatientQuery",
    "search without patient": "Query",
    "search that finds nothing": "Query",
    "search by form": "PatientQuery",
    "search of the system": "PatientQuery",
    "create": "PatientCreate",
    "create without patient": "Create",
    "update": "PatientUpdate",
    "update without patient": "Update",
    "patch": "PatientUpdate",
    "delete": "PatientDelete",
    "delete without patient": "Delete",
}


@pytest.mark.skipif(not GUIDES.is_dir(), reason="../shared/spec/ig is not there")
def test_every_event_passes_the_profiles_that_it_claims() -> None:
    definitions = [d for guide in read_guides(GUIDES) for d in guide.definitions]
    validator = Validator(unknown_profiles_are_errors=True)
    validator.use(Profiles(Library([definitions]).find))
    for name, content in all_events().items():
        issues = validator.validate(orjson.loads(content), "AuditEvent")
        assert [issue for issue in issues if issue.is_error] == [], name


@pytest.mark.parametrize("name", ROWS)
def test_what_succeeded_claims_the_profile_of_its_row(name: str) -> None:
    (event,) = trees(access(ROWS[name]))
    assert event["meta"]["profile"] == [PROFILE + CLAIMS[name]]
    assert event["outcome"] == "0"


@pytest.mark.parametrize("name", OTHERS)
def test_what_balp_has_no_row_for_claims_nothing(name: str) -> None:
    for event in trees(access(OTHERS[name], USER)):
        assert "profile" not in event["meta"]


@pytest.mark.parametrize(("status", "outcome"), [(401, "4"), (404, "4"), (500, "8"), (503, "8")])
def test_what_was_refused_claims_nothing_and_says_so(status: int, outcome: str) -> None:
    method, path, query, _ = ROWS["read"]
    (event,) = trees(access((method, path, query, ()), USER, status))
    assert (event["outcome"], event["outcomeDesc"]) == (outcome, f"HTTP {status}")
    assert "profile" not in event["meta"]
    assert {"reference": "Observation/o1"} in [entity.get("what") for entity in event["entity"]]


def test_a_search_is_one_event_for_each_patient_and_one_for_what_concerns_none() -> None:
    found = (Target("Patient", "p1", 1), Target("List", "l1", 1), Target("Organization", "org", 1))
    several = trees(access(("GET", ("List",), "_include=*", found)))
    patients = [
        [entity["what"]["reference"] for entity in event["entity"] if entity["type"]["code"] == "1"]
        for event in several
    ]
    assert patients == [["Patient/p1"], ["Patient/p2"], []]


def test_the_query_is_kept_as_it_was_sent() -> None:
    (event,) = trees(access(ROWS["search without patient"]))
    query = base64.b64decode(event["entity"][0]["query"]).decode()
    assert query == "GET https://fhir.example.org/fhir/Organization?name=Å&x=%C3%A9"
    assert "what" not in event["entity"][0]


def test_a_user_is_named_with_token_and_purpose() -> None:
    """https://profiles.ihe.net/ITI/BALP/content.html#3573-security-token-use"""
    (event,) = trees(access(ROWS["read"], USER))
    assert PROFILE + "OAUTHaccessTokenUse.Comprehensive" in event["meta"]["profile"]
    (user,) = [agent for agent in event["agent"] if agent["requestor"]]
    assert user["who"]["reference"] == "Practitioner/7"
    assert user["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"


def test_a_service_is_named_by_its_token() -> None:
    (event,) = trees(access(ROWS["read"], BACKEND))
    assert PROFILE + "OAUTHaccessTokenUse.Minimal" in event["meta"]["profile"]
    (service,) = [agent for agent in event["agent"] if agent["requestor"]]
    assert service["policy"] == ["urn:ietf:params:oauth:jti:jti-2"]


def test_breaking_the_glass_is_the_events_purpose() -> None:
    (event,) = trees(access(ROWS["read"], EMERGENCY))
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"


def test_request_and_trace_are_named() -> None:
    (event,) = trees(access(ROWS["create"]))
    transaction = event["entity"][-1]
    assert transaction["what"]["identifier"]["value"] == "req-1"
    assert transaction["detail"][0]["valueString"].startswith("00-0af7651916cd43dd8448eb211c80319c")


def test_one_access_makes_the_same_events_whenever_it_is_looked_at() -> None:
    one = access(ROWS["update"], USER)
    again = decoded(encoded(one))
    assert again is not None
    assert events(one) == events(again)
    assert events(one, "journal:1")[0].id != events(one)[0].id


def test_a_line_that_was_cut_is_no_access() -> None:
    line = encoded(access(ROWS["read"], SERVICE))
    assert [decoded(line[:cut]) for cut in range(len(line))] == [None] * len(line)
