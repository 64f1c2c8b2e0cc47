"""HL7 AI Transparency, IHE BALP and DS4P as they are published: what we produce meets them, and what breaks them fails.

They stand beside the repository (``../shared/spec/ig``, or HEALTHVISION_TEST_IG) and are not part of it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir_api.conformance.library import Definition, Library, read_definition
from fhir_api.conformance.packages import read_guides
from fhir_api.validation import Validator
from fhir_api.validation.profiles import Profiles
from inference.results.bundle import resources
from inference.results.device import device, model_card, organization
from tests.fhir_api.validation.profiles.small import errors
from tests.inference.results.sample import ADULT, MODEL, result

Tree = dict[str, Any]
Change = Callable[[Tree], object]

BESIDE = Path(__file__).resolve().parents[4] / "shared/spec/ig"
GUIDES = Path(os.environ.get("HEALTHVISION_TEST_IG", BESIDE))
pytestmark = pytest.mark.skipif(
    not GUIDES.is_dir(), reason="../shared/spec/ig is not there (HEALTHVISION_TEST_IG names it)"
)

AI = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
LABEL = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
THO = "http://terminology.hl7.org/CodeSystem"


@pytest.fixture(scope="module", params=["differentials", "snapshots"])
def validator(request: pytest.FixtureRequest) -> Validator:
    """The two views of a profile must come to the same verdicts."""
    definitions = [d for guide in read_guides(GUIDES) for d in guide.definitions]
    if request.param == "snapshots":
        definitions = [_without_differential(definition) for definition in definitions]
    library = Library([definitions])
    validator = Validator(unknown_profiles_are_errors=True)
    validator.use(Profiles(library.find))
    return validator


def _without_differential(definition: Definition) -> Definition:
    tree = orjson.loads(definition.content)
    if "snapshot" in tree:
        tree.pop("differential", None)
    found = read_definition(orjson.dumps(tree))
    assert found is not None
    return found


def test_every_profile_of_the_guides_can_be_used_whole(validator: Validator) -> None:
    for guide in read_guides(GUIDES):
        for definition in guide.definitions:
            if definition.type == "StructureDefinition":
                compiled = validator.profiles.get(definition.url)
                assert compiled is not None
                assert compiled.rule is not None, (definition.url, compiled.problems)
                assert compiled.problems == (), definition.url


@pytest.mark.parametrize("probability", [0.0, 0.5, 0.9731])
@pytest.mark.parametrize("cautions", [(), (ADULT,)])
def test_all_that_the_worker_makes_meets_the_profiles_it_claims(
    validator: Validator, probability: float, cautions: Any
) -> None:
    made = resources(replace(result(probability), cautions=cautions))
    made += [device(MODEL), model_card(MODEL), organization("healthvision", "HealthVision")]
    claimed = {url for resource in made for url in resource.get("meta", {}).get("profile", ())}
    assert claimed == {AI + name for name in ("AI-Device", "AI-ModelCard", "AI-Provenance")}
    for resource in made:
        assert errors(validator, resource) == []


def provenance() -> Tree:
    return next(r for r in resources(result()) if r["resourceType"] == "Provenance")


@pytest.mark.parametrize(
    ("make", "change", "place"),
    [
        (provenance, lambda r: r.pop("reason"), "Provenance.reason"),
        (provenance, lambda r: r.update(reason=[{"text": "x"}]), "Provenance.reason"),
        (provenance, lambda r: r["agent"].pop(0), "Provenance.agent"),
        (
            provenance,
            lambda r: r["agent"][0]["role"][0]["coding"][0].update(display="AI"),
            "Provenance.agent",
        ),
        (
            provenance,
            lambda r: r["agent"][0].update(who={"reference": "Practitioner/p"}),
            "Provenance.agent[0].who",
        ),
        (lambda: device(MODEL), lambda r: r.pop("type"), "Device.type"),
        (lambda: device(MODEL), lambda r: r["type"].update(text="AI"), "Device.type"),
        (
            lambda: device(MODEL),
            lambda r: r.update(
                extension=[{"url": AI + "aitransparency.AIKind", "valueString": "x"}]
            ),
            "Device.extension[0].valueString",
        ),
        (
            lambda: model_card(MODEL),
            lambda r: r["type"]["coding"][0].update(code="other"),
            "DocumentReference.type",
        ),
        (lambda: model_card(MODEL), lambda r: r.pop("category"), "DocumentReference.category"),
    ],
)
def test_what_breaks_a_profile_of_ai_transparency_is_told(
    validator: Validator, make: Callable[[], Tree], change: Change, place: str
) -> None:
    resource = copy.deepcopy(make())
    change(resource)
    assert place in [found for found, _ in errors(validator, resource)]


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        ({"valueDecimal": 0.4}, True),
        ({"valueInteger": 1}, False),
        ({"valueCodeableConcept": {"coding": [{"system": f"{THO}/certainty-rating", "code": "high"}]}}, True),
        ({"valueCodeableConcept": {"coding": [{"system": "urn:oid:1.2", "code": "high"}]}}, False),
    ],
)  # fmt: skip
def test_confidence_is_a_value_that_its_definition_allows(
    validator: Validator, value: Tree, is_valid: bool
) -> None:
    observation = next(r for r in resources(result()) if r["resourceType"] == "Observation")
    told = {**observation, "extension": [{"url": AI + "AIconfidence", **value}]}
    assert (errors(validator, told) == []) is is_valid


def test_an_inline_security_label_is_a_coding_anywhere(validator: Validator) -> None:
    """DS4P: https://build.fhir.org/ig/HL7/fhir-security-label-ds4p/"""
    coding = {"system": f"{THO}/v3-ObservationValue", "code": "AIAST"}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    for value, is_valid in (({"valueCoding": coding}, True), ({"valueString": "x"}, False)):
        label = {"url": LABEL, **value}
        told = {
            **observation,
            "_status": {"extension": [label]},
            "code": {"text": "x", "extension": [label]},
        }
        assert (errors(validator, told) == []) is is_valid


def _coded(system: str, code: str) -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def patient_read() -> Tree:
    """An AuditEvent of a read, as IHE.BasicAudit.PatientRead has it."""
    entity_type, role = f"{THO}/audit-entity-type", f"{THO}/object-role"
    return {
        "resourceType": "AuditEvent",
        "meta": {"profile": [BALP + "IHE.BasicAudit.PatientRead"]},
        "type": {"system": f"{THO}/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R",
        "recorded": "2026-04-29T09:49:00.000Z",
        "outcome": "0",
        "agent": [
            {
                "type": _coded(DCM, "110152"),
                "who": {"display": "client"},
                "requestor": False,
                "network": {"address": "10.0.0.1", "type": "2"},
            },
            {
                "type": _coded(DCM, "110153"),
                "who": {"display": "server"},
                "requestor": False,
                "network": {"address": "http://server.test/fhir", "type": "5"},
            },
            {
                "type": _coded(f"{THO}/v3-ParticipationType", "IRCP"),
                "who": {"display": "user"},
                "requestor": True,
            },
        ],
        "source": {"observer": {"display": "server"}},
        "entity": [
            {
                "what": {"reference": "Patient/p"},
                "type": {"system": entity_type, "code": "1"},
                "role": {"system": role, "code": "1"},
            },
            {
                "what": {"reference": "Observation/o"},
                "type": {"system": entity_type, "code": "2"},
                "role": {"system": role, "code": "4"},
            },
        ],
    }


def test_a_read_by_the_book_of_balp_is_valid(validator: Validator) -> None:
    assert errors(validator, patient_read()) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda r: r["subtype"][0].update(code="search-type"), "AuditEvent.subtype"),
        (lambda r: r.update(action="C"), "AuditEvent.action"),
        (lambda r: r.pop("outcome"), "AuditEvent.outcome"),
        (lambda r: r["agent"].pop(0), "AuditEvent.agent"),
        (lambda r: r["agent"].append(r["agent"][0]), "AuditEvent.agent"),
        (lambda r: r["agent"][0].pop("network"), "AuditEvent.agent[0].network"),
        (lambda r: r["agent"][2].update(network={"address": "x"}), "AuditEvent.agent[2].network"),
        (lambda r: r["entity"].pop(0), "AuditEvent.entity"),
        (
            lambda r: r["entity"][0].update(what={"reference": "Group/g"}),
            "AuditEvent.entity[0].what",
        ),
        (lambda r: r["entity"][1].pop("what"), "AuditEvent.entity[1].what"),
        (lambda r: r["entity"][1]["role"].update(code="5"), "AuditEvent.entity[1].role"),
    ],
)
def test_what_breaks_a_profile_of_balp_is_told(
    validator: Validator, change: Change, place: str
) -> None:
    event = patient_read()
    change(event)
    assert place in [found for found, _ in errors(validator, event)]
