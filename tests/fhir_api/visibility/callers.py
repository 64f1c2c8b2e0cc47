"""Callers as their tokens make them."""

from __future__ import annotations

from fhir_api.access import Caller
from fhir_api.smart.scopes import resource_scopes


def app(
    scopes: str, patient: str = "a", *, user: str = "Practitioner/p", roles: str = ""
) -> Caller:
    """An app in the context of a patient, launched by a user with these roles."""
    return Caller(
        id="app",
        roles=frozenset(roles.split()),
        scopes=resource_scopes(scopes),
        user=user,
        subject="user-1",
        patient=patient,
        token_id="t",
    )


def service(scopes: str, roles: str = "") -> Caller:
    """A backend service."""
    return Caller(
        id="service",
        roles=frozenset(roles.split()),
        scopes=resource_scopes(scopes),
        subject="service-account",
    )
