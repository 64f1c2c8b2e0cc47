"""What a token's claims and its kept launch make of its sender.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.smart.callers import caller_of, no_context, own_context, relative_user
from fhir_api.smart.claims import Claims
from fhir_api.smart.contexts import LaunchContext
from fhir_api.smart.refusals import TokenRefused
from tests.fhir_api.smart.provider import BASE, access_claims


def claims(**changes: Any) -> Claims:
    return msgspec.convert(access_claims("https://keycloak.test/realms/one") | changes, Claims)


def kept(**changes: Any) -> LaunchContext:
    launch = LaunchContext(
        client="imaging-viewer",
        scope="launch patient/Observation.rs",
        expires_us=1,
        patient="p1",
        encounter="e1",
        purpose="BTG",
        subject="0b1c-user",
    )
    return msgspec.structs.replace(launch, **changes)


def test_a_launched_app_has_the_context_and_the_scopes_of_its_launch() -> None:
    """The facade grants less than Keycloak's token says: what was granted counts."""
    caller = caller_of(claims(), kept(), BASE)
    assert (caller.id, caller.subject, caller.token_id) == (
        "imaging-viewer",
        "0b1c-user",
        "onrtac:0b1c",
    )
    assert (caller.patient, caller.encounter, caller.purpose) == ("p1", "e1", "BTG")
    assert list(map(str, caller.scopes or ())) == ["patient/Observation.rs"]
    assert caller.roles == {"radiologist"}
    assert caller.user == "Practitioner/1"


def test_a_token_without_a_launch_is_about_no_patient_whatever_it_says() -> None:
    said = claims(patient="p1", encounter="e1", purpose="BTG", scope="patient/*.rs user/*.rs")
    caller = caller_of(said, no_context(said), BASE)
    assert (caller.patient, caller.encounter, caller.purpose) == ("", "", "")
    assert list(map(str, caller.scopes or ())) == ["patient/*.rs", "user/*.rs"]


def test_a_token_of_our_own_carries_its_context() -> None:
    said = claims(patient="p1", encounter="e1", purpose="BTG")
    caller = caller_of(said, own_context(said), BASE)
    assert (caller.patient, caller.encounter, caller.purpose) == ("p1", "e1", "BTG")


def test_a_launch_is_for_its_app_and_its_user_alone() -> None:
    for other in (kept(client="another-app"), kept(subject="another-user")):
        with pytest.raises(TokenRefused):
            caller_of(claims(), other, BASE)
    assert caller_of(claims(), kept(subject=""), BASE).patient == "p1"


def test_scopes_that_open_nothing_leave_an_empty_grant_and_not_everything() -> None:
    """None would be the deployment's own token."""
    for scope in ("", "openid fhirUser", "operator", "patient/*"):
        said = claims(scope=scope)
        assert caller_of(said, no_context(said), BASE).scopes == ()


def test_roles_come_from_the_realm_and_only_those_that_are_known() -> None:
    said = claims(realm_access={"roles": ["auditor", "uma_authorization", "", "Operator"]})
    assert caller_of(said, no_context(said), BASE).roles == {"auditor"}
    said = claims(realm_access={}, scope="operator worker system/*.cruds")
    assert caller_of(said, no_context(said), BASE).roles == frozenset()


@pytest.mark.parametrize("client", ["operator", "worker", "nobody", "healthvision", ""])
def test_no_client_passes_for_the_deployment_itself(client: str) -> None:
    said = claims(azp=client)
    with pytest.raises(TokenRefused):
        caller_of(said, own_context(said), BASE)


@pytest.mark.parametrize(
    ("fhir_user", "user"),
    [
        (f"{BASE}/Practitioner/1", "Practitioner/1"),
        ("Practitioner/1", "Practitioner/1"),
        ("Patient/a-b.c", "Patient/a-b.c"),
        ("RelatedPerson/1", "RelatedPerson/1"),
        ("Person/1", "Person/1"),
        ("https://other.test/fhir/Practitioner/1", ""),
        (f"{BASE}.evil.test/Practitioner/1", ""),
        (f"{BASE}//Practitioner/1", ""),
        (f"{BASE}/{BASE}/Practitioner/1", ""),
        ("Practitioner/1/_history/1", ""),
        ("Practitioner/../Patient/2", ""),
        ("Practitioner/1\n", ""),
        ("Organization/1", ""),
        ("Practitioner/", ""),
        ("", ""),
    ],
)
def test_a_user_is_a_person_on_this_server_or_nobody(fhir_user: str, user: str) -> None:
    assert relative_user(fhir_user, BASE) == user


@given(st.text())
def test_any_user_is_one_reference_or_none(fhir_user: str) -> None:
    user = relative_user(fhir_user, BASE)
    assert user == "" or user.count("/") == 1
