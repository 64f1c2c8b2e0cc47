"""``healthvision keycloak bootstrap`` against a real Keycloak."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from healthvision.keycloak.admin import Administrator, RealmAdmin
from healthvision.keycloak.bootstrap import Verb, bootstrap
from healthvision.keycloak.errors import KeycloakError
from healthvision.keycloak.realm import ROLES, Site
from tests.services.keycloak import FEW_TYPES, Keycloak, Realm, User

pytestmark = pytest.mark.services

SITE = Site(
    "http://127.0.0.1:8000/fhir",
    viewer_redirects=("http://127.0.0.1/*",),
    portal_redirects=("http://127.0.0.1/*",),
    portal_secret="a-secret-of-the-portal",
    server_secret="a-secret-of-the-server",
    types=FEW_TYPES,
)


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak) -> Iterator[Realm]:
    """A realm that is as bootstrap leaves it, before and after each test."""
    with keycloak.realm(SITE) as made:
        yield made


def fresh(keycloak: Keycloak) -> RealmAdmin:
    return RealmAdmin(keycloak.url, f"test-{uuid.uuid4().hex[:12]}", keycloak.administrator)


def test_a_dry_run_tells_what_would_be_made_and_makes_nothing(keycloak: Keycloak) -> None:
    with fresh(keycloak) as admin:
        changes = bootstrap(admin, SITE, dry_run=True)
        assert {change.kind for change in changes} >= {"realm", "role", "client scope", "client"}
        assert admin.get() is None


def test_a_second_run_changes_nothing(realm: Realm) -> None:
    assert bootstrap(realm.admin, SITE) == []


def test_what_was_changed_by_hand_is_mended_and_what_was_added_stays(realm: Realm) -> None:
    admin = realm.admin
    admin.put("", {"bruteForceProtected": False})
    [viewer] = admin.get("clients", clientId="imaging-viewer")
    admin.put(
        f"clients/{viewer['id']}",
        {
            **viewer,
            "name": "The ward's viewer",
            "fullScopeAllowed": True,
            "attributes": {"pkce.code.challenge.method": ""},
        },
    )
    scopes = {scope["name"]: scope for scope in admin.get("client-scopes")}
    patient_read = scopes["patient/Observation.r"]["id"]
    admin.delete(f"clients/{viewer['id']}/optional-client-scopes/{patient_read}")
    audience = scopes["fhir-audience"]
    [mapper] = [one for one in audience["protocolMappers"] if one["name"] == "fhir-server"]
    admin.delete(f"client-scopes/{audience['id']}/protocol-mappers/models/{mapper['id']}")
    admin.post("roles", {"name": "physicist"})

    changes = bootstrap(admin, SITE)

    assert {(change.kind, change.members) for change in changes} == {
        ("realm", ("bruteForceProtected",)),
        ("mapper", ()),
        ("client", ("fullScopeAllowed", "attributes.pkce.code.challenge.method")),
        ("optional scopes of client", ("patient/Observation.r",)),
    }
    assert bootstrap(admin, SITE) == []
    [viewer] = admin.get("clients", clientId="imaging-viewer")
    assert viewer["name"] == "The ward's viewer"
    assert {role["name"] for role in admin.get("roles")} >= {*ROLES, "physicist"}


def test_a_changed_address_changes_the_audience_and_where_users_come_back_to(
    realm: Realm,
) -> None:
    moved = replace(SITE, fhir_url="https://fhir.example.org/fhir")
    changes = bootstrap(realm.admin, moved)
    assert {(one.verb, one.kind, one.members) for one in changes} == {
        (Verb.MEND, "mapper", ("config.included.custom.audience",)),
        (Verb.MEND, "client", ("redirectUris",)),
    }
    assert len(bootstrap(realm.admin, SITE)) == len(changes)


def test_without_secrets_and_redirects_those_that_keycloak_has_stay(realm: Realm) -> None:
    bare = Site(SITE.fhir_url, types=FEW_TYPES)
    assert bootstrap(realm.admin, bare) == []
    [portal] = realm.admin.get("clients", clientId="ehr-portal")
    assert portal["secret"] == SITE.portal_secret
    assert portal["redirectUris"] == list(SITE.portal_redirects or ())


def test_a_wrong_password_is_one_sentence_without_it(keycloak: Keycloak) -> None:
    wrong = Administrator(keycloak.administrator.name, "wrong-password")
    with (
        RealmAdmin(keycloak.url, "any", wrong) as admin,
        pytest.raises(KeycloakError) as refused,
    ):
        bootstrap(admin, SITE)
    assert str(refused.value) == (
        "Keycloak does not accept the administrator admin: Invalid user credentials."
    )


def authorize(realm: Realm, **changes: str) -> httpx.Response:
    """Keycloak's answer to an authorization request of the viewer."""
    query = {
        "client_id": "imaging-viewer",
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:9999/app",
        "scope": "openid fhirUser launch/patient patient/Observation.rs",
        "state": "s",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
    } | changes
    url = realm.endpoint("auth")
    return httpx.get(url, params={k: v for k, v in query.items() if v}, trust_env=False)


def test_the_viewer_has_to_use_pkce_with_s256(realm: Realm) -> None:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-pkce-support"""
    assert authorize(realm).status_code == 200  # the page to log in
    for wrong in (
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge_method": "plain"},
    ):
        answer = authorize(realm, **wrong)
        assert "error=invalid_request" in answer.headers["location"]


def test_no_scope_is_granted_that_a_client_has_not(realm: Realm) -> None:
    answer = authorize(realm, scope="openid system/Observation.rs")
    assert "error=invalid_scope" in answer.headers["location"]


def test_nobody_says_of_themselves_who_they_are(realm: Realm) -> None:
    """``fhirUser`` decides whose record opens: a user may see it in the account console, and change it no way."""
    user = User("mallory", "a-long-password-of-mallory", "Patient/mallory")
    realm.add(user)
    realm.admin.post(
        "clients",
        {
            "clientId": "console",
            "publicClient": True,
            "directAccessGrantsEnabled": True,
            "fullScopeAllowed": True,
        },
    )
    form = {
        "grant_type": "password",
        "client_id": "console",
        "username": user.name,
        "password": user.password,
        "scope": "openid",
    }
    token = httpx.post(realm.endpoint("token"), data=form, trust_env=False).json()["access_token"]
    with httpx.Client(
        base_url=realm.issuer,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        trust_env=False,
    ) as account:
        mine = account.get("/account").json()
        assert mine["attributes"]["fhirUser"] == [user.fhir_user]
        wish = {**mine, "firstName": "Mal"}
        assert account.post("/account", json=wish).is_success, "what is one's own may be changed"
        wish["attributes"] = {**mine["attributes"], "fhirUser": ["Patient/victim"]}
        account.post("/account", json=wish)
    [found] = realm.admin.get("users", username=user.name, exact="true")
    assert found["firstName"] == "Mal"
    assert found["attributes"]["fhirUser"] == [user.fhir_user]


@pytest.mark.parametrize("wrong", ["Task/1", "Patient/", "Patient/a b", "http://x/Patient/1"])
def test_an_administrator_cannot_set_a_user_that_is_none(realm: Realm, wrong: str) -> None:
    user = {"username": "typo", "email": "typo@example.org", "firstName": "T", "lastName": "O"}
    with pytest.raises(KeycloakError, match="400"):
        realm.admin.post("users", {**user, "attributes": {"fhirUser": [wrong]}})
