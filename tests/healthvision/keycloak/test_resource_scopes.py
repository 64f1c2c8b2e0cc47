"""The scopes that a realm gets: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

from fhir_api.roles import WORKER_WRITES
from fhir_api.smart.scopes import resource_scope
from healthvision.keycloak.realm import Site, client_scopes_wanted, clients_wanted
from healthvision.keycloak.resource_scopes import LETTERS, LEVELS, TYPES, resource_scopes
from inference.credential import RESULT_TYPES, WORKER_SCOPES

SITE = Site("http://127.0.0.1:8000/fhir")


def test_every_scope_is_one_that_the_server_understands_and_stands_there_once() -> None:
    names = [name for level in LEVELS for name in resource_scopes(level)]
    assert len(set(names)) == len(names)
    assert all(resource_scope(name) is not None for name in names)


def test_single_interactions_are_there_for_every_type_so_that_any_set_can_be_said_as_a_union() -> (
    None
):
    for level in LEVELS:
        names = set(resource_scopes(level))
        for type in ("*", *TYPES):
            assert {f"{level}/{type}.{letter}" for letter in LETTERS} <= names


def test_a_client_is_given_only_scopes_that_the_realm_has() -> None:
    there = {scope["name"] for scope in client_scopes_wanted(SITE)}
    keycloaks_own = {"basic", "roles", "profile", "offline_access"}
    for client in clients_wanted(SITE):
        assert {*client.default_scopes, *client.optional_scopes} <= there | keycloaks_own


def test_a_worker_asks_for_what_it_may_write_and_deletes_nothing() -> None:
    assert set(RESULT_TYPES) == WORKER_WRITES
    granted = [resource_scope(scope) for scope in WORKER_SCOPES]
    assert all(scope is not None and "d" not in scope.interactions for scope in granted)


def test_no_client_but_the_worker_may_carry_its_role_or_its_level() -> None:
    for client in clients_wanted(SITE):
        has_system = any(scope.startswith("system/") for scope in client.optional_scopes)
        assert has_system == ("worker" in client.roles) == (client.id == "ai-worker")
