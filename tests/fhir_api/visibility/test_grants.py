"""What scopes grant: united, narrowed by their restrictions and by the user's role.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_api.access import BUNDLES, LETTER, Caller, Interaction, may
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.patient_policy import MIXED, SHARED, Policy, policy_of
from fhir_api.roles import AUDIT, CONFORMANCE
from tests.fhir_api.client import Client, entry, observation, patient
from tests.fhir_api.visibility.callers import app, service

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LAB = f"?category={CATEGORY}|laboratory"
VITAL = f"?category={CATEGORY}|vital-signs"


def categorised(code: str | None, subject: str = "Patient/a", **members: Any) -> dict[str, Any]:
    category = [{"coding": [{"system": CATEGORY, "code": code}]}]
    return observation(subject, **({"category": category} if code else {}), **members)


@pytest.fixture
async def ward(client: Client) -> Client:
    for id in "ab":
        await client.put(f"Patient/{id}", patient(id, id=id))
        for code in ("laboratory", "vital-signs", None):
            name = f"{id}-{code}"
            assert (
                await client.put(f"Observation/{name}", categorised(code, f"Patient/{id}", id=name))
            ).status == 201
    return client


async def found(client: Client, caller: Caller, url: str = "Observation?_sort=_id") -> list[str]:
    """What a search finds, which has to be what can be read."""
    asker = client.calling_as(caller)
    bundle = (await asker.get(url)).json
    ids = [e["resource"]["id"] for e in bundle.get("entry", [])]
    assert bundle["total"] == len(ids)
    return ids


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (f"patient/Observation.rs{LAB}", ["a-laboratory"]),
        (
            f"patient/Observation.rs{LAB} patient/Observation.rs{VITAL}",
            ["a-laboratory", "a-vital-signs"],
        ),
        (
            f"patient/Observation.rs{LAB} patient/Observation.read",
            ["a-None", "a-laboratory", "a-vital-signs"],
        ),
        (f"patient/*.rs{LAB}", ["a-laboratory"]),
        (
            "patient/Observation.rs?category=laboratory,vital-signs",
            ["a-laboratory", "a-vital-signs"],
        ),
        (f"patient/Observation.rs{LAB}&status=final", ["a-laboratory"]),
        (f"patient/Observation.rs{LAB}&status=amended", []),
        (
            "patient/Observation.rs?category:in=http://hl7.org/fhir/ValueSet/observation-category",
            ["a-laboratory", "a-vital-signs"],
        ),
        ("patient/Observation.rs?category:missing=true", ["a-None"]),
        ("patient/Observation.rs?_id=a-None", ["a-None"]),
        ("patient/Observation.rs?_lastUpdated=lt2020", []),
        # What cannot be followed, or would look at other resources, grants nothing.
        ("patient/Observation.rs?unheard-of=x", []),
        ("patient/Observation.rs?category:in=http://example.org/unknown", []),
        ("patient/Observation.rs?_count=1", []),
        ("patient/Observation.rs?_format=json", []),
        ("patient/Observation.rs?subject:Patient.identifier=urn:test|a", []),
        ("patient/Observation.rs?subject.identifier=urn:test|a", []),
        ("patient/Observation.rs?_has:Provenance:target:agent=x", []),
        ("patient/Observation.rs?_list=l", []),
        ("patient/Observation.rs?value-quantity=nonsense", []),
    ],
)
async def test_grants_are_united_and_each_is_narrowed_by_its_restriction(
    ward: Client, scopes: str, expected: list[str]
) -> None:
    caller = app(scopes)
    assert await found(ward, caller) == expected
    asker = ward.calling_as(caller)
    for id in ("a-laboratory", "a-vital-signs", "a-None", "b-laboratory"):
        assert (await asker.get(f"Observation/{id}")).status == (200 if id in expected else 404)
        assert (await asker.get(f"Observation/{id}/_history/1")).status == (
            200 if id in expected else 404
        )


async def test_what_may_be_read_is_not_therefore_found(ward: Client) -> None:
    caller = app(f"patient/Observation.r patient/Observation.s{LAB}")
    assert await found(ward, caller) == ["a-laboratory"]
    assert (await ward.calling_as(caller).get("Observation/a-vital-signs")).status == 200
    reader = ward.calling_as(app("patient/Observation.r"))
    assert (await reader.get("Observation")).status == 403
    searcher = ward.calling_as(app("patient/Observation.s"))
    assert (await searcher.get("Observation/a-None")).status == 403
    assert (await searcher.get("Observation")).json["total"] == 3


async def test_a_restriction_holds_for_what_is_written_too(ward: Client) -> None:
    writer = ward.calling_as(app(f"patient/Observation.rs patient/Observation.cud{LAB}"))
    assert (await writer.post("Observation", categorised("laboratory"))).status == 201
    assert (await writer.post("Observation", categorised("vital-signs"))).status == 403
    assert (
        await writer.put("Observation/a-laboratory", categorised(None, id="a-laboratory"))
    ).status == 403
    assert (
        await writer.put("Observation/a-vital-signs", categorised("laboratory", id="a-vital-signs"))
    ).status == 403
    assert (await writer.delete("Observation/a-vital-signs")).status == 403
    assert (await writer.delete("Observation?category=vital-signs")).status == 403
    assert (await writer.delete("Observation/a-laboratory")).status == 204


ROLES = ("operator", "worker", "clinician", "radiologist", "auditor")


@pytest.mark.parametrize("role", ["", "unheard-of", *ROLES])
def test_user_scopes_never_exceed_the_role(role: str) -> None:
    with_scopes = app("user/*.cruds", "", roles=role)
    without = Caller("x", frozenset(role.split()))
    for type in RESOURCE_TYPES:
        for interaction in LETTER:
            assert may(with_scopes, interaction, type) is may(without, interaction, type)
    nothing = app("openid user/Observation.rs", "", roles=role)
    assert not may(nothing, Interaction.READ, "Patient")


def test_what_the_roles_may_do() -> None:
    def letters(role: str, type: str) -> str:
        caller = Caller("x", frozenset({role}))
        asked = ("CREATE", "READ", "UPDATE", "DELETE", "SEARCH")
        return "".join(
            LETTER[Interaction[name]] for name in asked if may(caller, Interaction[name], type)
        )

    table = {
        ("operator", "Patient"): "cruds",
        ("operator", "StructureDefinition"): "cruds",
        ("operator", AUDIT): "",
        ("worker", "Patient"): "rs",
        ("worker", "Observation"): "crus",
        ("worker", AUDIT): "",
        ("clinician", "Patient"): "cruds",
        ("clinician", "StructureDefinition"): "rs",
        ("clinician", AUDIT): "",
        ("radiologist", "DiagnosticReport"): "cruds",
        ("auditor", AUDIT): "rs",
        ("auditor", "Practitioner"): "rs",
        ("auditor", "Patient"): "",
        ("auditor", "Observation"): "",
    }
    assert {key: letters(*key) for key in table} == table


@pytest.mark.parametrize(
    "scope", ["user/*.cruds", "system/*.cruds", "patient/*.cruds", "user/AuditEvent.cud"]
)
@pytest.mark.parametrize("role", ["", *ROLES])
def test_nobody_writes_audit_events_and_auditors_alone_read_them(scope: str, role: str) -> None:
    for caller in (
        app(scope, roles=role),
        service(scope, role),
        Caller("x", frozenset(role.split())),
    ):
        for interaction in (
            Interaction.CREATE,
            Interaction.UPDATE,
            Interaction.PATCH,
            Interaction.DELETE,
        ):
            assert not may(caller, interaction, AUDIT)
        if role != "auditor":
            assert not any(may(caller, interaction, AUDIT) for interaction in LETTER)


async def test_a_patient_is_confined_to_the_own_record_through_any_scope(ward: Client) -> None:
    for scopes, roles in (
        ("user/*.cruds", ""),
        ("user/*.cruds", "clinician"),
        ("patient/*.rs user/*.rs system/*.rs", "operator"),
    ):
        caller = app(scopes, "a", user="Patient/a", roles=roles)
        assert await found(ward, caller) == ["a-None", "a-laboratory", "a-vital-signs"]
        asker = ward.calling_as(caller)
        assert (await asker.get("Patient/b")).status == 404
        assert (await asker.post("Task/$claim", {"resourceType": "Parameters"})).status == 403
        assert (await asker.post("$reindex", {"resourceType": "Parameters"})).status == 403


async def test_a_clinician_sees_all_patients_through_user_scopes_and_one_through_patient_scopes(
    ward: Client,
) -> None:
    assert len(await found(ward, app("user/Observation.rs", roles="clinician"))) == 6
    assert len(await found(ward, app("patient/Observation.rs", roles="clinician"))) == 3
    only_lab = app(f"patient/Observation.rs user/Observation.rs{LAB}", roles="clinician")
    assert await found(ward, only_lab) == [
        "a-None",
        "a-laboratory",
        "a-vital-signs",
        "b-laboratory",
    ]


async def test_system_scopes_are_for_services(ward: Client) -> None:
    assert len(await found(ward, service("system/Observation.rs"))) == 6
    assert (
        await ward.calling_as(app("system/Observation.rs", roles="clinician")).get("Observation")
    ).status == 403
    assert (await ward.calling_as(service("user/Observation.rs")).get("Observation")).status == 403


async def test_a_worker_needs_both_its_role_and_the_scopes(ward: Client) -> None:
    worker = ward.calling_as(service("system/*.rs system/Task.u system/Observation.c", "worker"))
    claim = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "worker", "valueString": "w"},
            {"name": "analysis", "valueCode": "x"},
        ],
    }
    assert (await worker.post("Task/$claim", claim)).status == 200
    assert (await worker.post("Observation", observation("Patient/a"))).status == 201
    assert (await worker.post("DiagnosticReport", {})).status == 403
    assert (await worker.delete("Observation/a-None")).status == 403
    for scopes, roles in (
        ("system/*.rs", "worker"),
        ("system/*.cruds", ""),
        ("system/Task.u?status=requested", "worker"),
        ("patient/*.cruds", "worker"),
    ):
        assert (
            await ward.calling_as(service(scopes, roles)).post("Task/$claim", claim)
        ).status == 403


def test_every_type_has_a_policy_and_most_are_the_compartments() -> None:
    """ADR 15; https://hl7.org/fhir/R4/compartmentdefinition-patient.html"""
    policies = {type: policy_of(type) for type in RESOURCE_TYPES}
    assert set(policies.values()) == set(Policy)
    assert MIXED | SHARED | CONFORMANCE <= RESOURCE_TYPES
    hidden = {type for type, policy in policies.items() if policy is Policy.HIDDEN}
    assert {
        "Bundle",
        "Basic",
        "Group",
        "AuditEvent",
        "Parameters",
        "Linkage",
        "Contract",
        "MessageHeader",
    } <= hidden
    assert policies["List"] is Policy.COMPARTMENT
    assert policies["Practitioner"] is Policy.SHARED


@pytest.mark.parametrize("scopes", ["", "openid launch/patient", "patient/Nonsense.rs"])
def test_without_grants_nothing_is_allowed(scopes: str) -> None:
    nobody = app(scopes, roles="operator clinician worker")
    for interaction in Interaction:
        assert not may(nobody, interaction, "Task")
        assert not may(nobody, interaction)
    assert set(Interaction) >= BUNDLES


async def test_a_refusal_says_that_the_scope_is_insufficient(ward: Client) -> None:
    """https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""
    refused = await ward.calling_as(app("patient/Patient.rs")).get("Observation/a-None")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert refused.header("www-authenticate") == 'Bearer error="insufficient_scope"'
    entries = await ward.calling_as(app("patient/Patient.rs")).batch(
        entry("GET", "Observation/a-None")
    )
    assert entries.json["entry"][0]["response"]["status"] == "403 Forbidden"
