"""The realm as it has to be: each object says only what matters to us, in Keycloak's own members.

What an operator adds to it (apps, users, identity providers, themes, further scopes of a client) stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from healthvision.keycloak.admin import Representation
from healthvision.keycloak.resource_scopes import LEVELS, TYPES, resource_scopes
from inference.credential import WORKER_SCOPES

VIEWER, PORTAL, WORKER, SERVER = "imaging-viewer", "ehr-portal", "ai-worker", "fhir-server"

ROLES: Mapping[str, str] = {
    "clinician": "Treats patients; may open one outside of a launch in an emergency",
    "radiologist": "Reads and signs results",
    "auditor": "Reads who saw and did what",
    "operator": "Runs the server",
    "worker": "Carries out analyses; for services, never for people",
}

FHIR_AUDIENCE = "fhir-audience"
BASE_SCOPES = ("basic", "roles", FHIR_AUDIENCE)
"""Each token has a subject, the roles that its client may carry, and our server as its audience."""
LAUNCH_SCOPES = ("launch", "launch/patient", "launch/encounter", "fhirUser", "online_access")
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
FHIR_USER = r"^(Patient|Person|Practitioner|PractitionerRole|RelatedPerson)/[A-Za-z0-9.\-]{1,64}$"


@dataclass(frozen=True, slots=True)
class Site:
    """What one deployment's realm has of its own."""

    fhir_url: str
    """FHIR base URL as clients see it: the audience of every token."""
    viewer_redirects: tuple[str, ...] | None = None
    """None, here and below: what Keycloak has, or makes, stays."""
    portal_redirects: tuple[str, ...] | None = None
    portal_secret: str | None = field(default=None, repr=False)
    server_secret: str | None = field(default=None, repr=False)
    worker_jwks: str | None = None
    """The public keys of workers, a JWK Set."""
    types: tuple[str, ...] = TYPES
    """Resource types that get scopes of their own."""


@dataclass(frozen=True, slots=True)
class ClientWanted:
    """One client; ``roles`` are the realm roles that its tokens may carry, of those that the user has."""

    representation: Representation
    default_scopes: tuple[str, ...] = ()
    optional_scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()
    """Realm roles of its service account."""

    @property
    def id(self) -> str:
        return str(self.representation["clientId"])


def realm_wanted(name: str) -> Representation:
    """Short lives, rotation of refresh tokens, and a brake on guessing passwords."""
    return {
        "realm": name,
        "enabled": True,
        "sslRequired": "external",
        "registrationAllowed": False,
        "editUsernameAllowed": False,
        "bruteForceProtected": True,
        "permanentLockout": False,
        "failureFactor": 5,
        "waitIncrementSeconds": MINUTE_S,
        "maxFailureWaitSeconds": 15 * MINUTE_S,
        "maxDeltaTimeSeconds": 12 * HOUR_S,
        "passwordPolicy": "length(12) and notUsername(undefined)",
        "defaultSignatureAlgorithm": "RS256",
        "accessCodeLifespan": MINUTE_S,
        "accessTokenLifespan": 5 * MINUTE_S,
        "ssoSessionIdleTimeout": 30 * MINUTE_S,
        "ssoSessionMaxLifespan": 10 * HOUR_S,
        "offlineSessionIdleTimeout": 30 * DAY_S,
        "offlineSessionMaxLifespanEnabled": True,
        "offlineSessionMaxLifespan": 60 * DAY_S,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "eventsEnabled": True,
        "eventsExpiration": 90 * DAY_S,
        "adminEventsEnabled": True,
    }


def user_attribute_wanted() -> Representation:
    """``fhirUser`` of a user: an administrator sets it. Who could set his own would be whom he likes."""
    return {
        "name": "fhirUser",
        "displayName": "FHIR resource of the user",
        "permissions": {"view": ["admin", "user"], "edit": ["admin"]},
        "validations": {
            "pattern": {"pattern": FHIR_USER, "error-message": "Must be such as Practitioner/1"}
        },
        "multivalued": False,
    }


def client_scopes_wanted(site: Site) -> Iterator[Representation]:
    """Every client scope that is not Keycloak's own."""
    audience = {"included.custom.audience": site.fhir_url, "id.token.claim": "false"}
    yield {
        **_client_scope(FHIR_AUDIENCE, in_token=False),
        "protocolMappers": [
            _mapper("fhir-server", "oidc-audience-mapper", audience | _IN_ACCESS_TOKEN),
            _fhir_user_mapper(in_identity="false", in_access="true"),
        ],
    }
    for name in LAUNCH_SCOPES:
        scope = _client_scope(name)
        if name == "fhirUser":
            scope["protocolMappers"] = [_fhir_user_mapper(in_identity="true", in_access="true")]
        yield scope
    of_resources = [name for level in LEVELS for name in resource_scopes(level, site.types)]
    for name in dict.fromkeys((*of_resources, *WORKER_SCOPES)):
        yield _client_scope(name)


def clients_wanted(site: Site) -> Iterator[ClientWanted]:
    """The four clients that the server knows by name."""
    of_people = (
        *LAUNCH_SCOPES,
        "offline_access",
        *resource_scopes("patient", site.types),
        *resource_scopes("user", site.types),
    )
    yield ClientWanted(
        {
            **_client(VIEWER, "SMART app that shows images and reports"),
            "publicClient": True,
            "standardFlowEnabled": True,
            "webOrigins": ["+"],
            "attributes": {"pkce.code.challenge.method": "S256"},
            **_where_set("redirectUris", site.viewer_redirects),
        },
        (*BASE_SCOPES, "profile"),
        of_people,
        roles=("clinician", "radiologist", "auditor"),
    )
    yield ClientWanted(
        {
            **_client(PORTAL, "The EHR that opens apps in the context of a patient"),
            "publicClient": False,
            "standardFlowEnabled": True,
            "clientAuthenticatorType": "client-secret",
            "attributes": {"pkce.code.challenge.method": "S256"},
            **_where_set("redirectUris", site.portal_redirects),
            **_where_set("secret", site.portal_secret),
        },
        (*BASE_SCOPES, "profile"),
        of_people,
        roles=("clinician", "radiologist", "auditor", "operator"),
    )
    yield ClientWanted(
        {
            **_client(WORKER, "Runs models: claims Tasks and writes results"),
            "publicClient": False,
            "serviceAccountsEnabled": True,
            "clientAuthenticatorType": "client-jwt",
            "attributes": {
                "use.jwks.string": "true",
                "use.jwks.url": "false",
                **_where_set("jwks.string", site.worker_jwks),
            },
        },
        BASE_SCOPES,
        WORKER_SCOPES,
        roles=("worker",),
        service_roles=("worker",),
    )
    yield ClientWanted(
        {
            **_client(
                SERVER, "The FHIR server itself: signs users in before it shows them patients"
            ),
            "publicClient": False,
            "standardFlowEnabled": True,
            "redirectUris": [f"{site.fhir_url.removesuffix('/fhir')}/auth/callback"],
            "clientAuthenticatorType": "client-secret",
            "attributes": {"pkce.code.challenge.method": "S256"},
            **_where_set("secret", site.server_secret),
        },
        (*BASE_SCOPES, "profile"),
        roles=("clinician", "radiologist", "auditor", "operator"),
    )


_IN_ACCESS_TOKEN = {"access.token.claim": "true", "introspection.token.claim": "true"}


def _where_set(member: str, value: str | tuple[str, ...] | None) -> Representation:
    if value is None:
        return {}
    return {member: list(value) if isinstance(value, tuple) else value}


def _client(id: str, description: str) -> Representation:
    """A client that may do nothing yet: no flow, no role."""
    return {
        "clientId": id,
        "description": description,
        "protocol": "openid-connect",
        "enabled": True,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
    }


def _client_scope(name: str, *, in_token: bool = True) -> Representation:
    shown = "true" if in_token else "false"
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": shown, "display.on.consent.screen": shown},
    }


def _mapper(name: str, kind: str, config: Mapping[str, str]) -> Representation:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": dict(config),
    }


def _fhir_user_mapper(*, in_identity: str, in_access: str) -> Representation:
    return _mapper(
        "fhirUser",
        "oidc-usermodel-attribute-mapper",
        {
            "user.attribute": "fhirUser",
            "claim.name": "fhirUser",
            "jsonType.label": "String",
            "id.token.claim": in_identity,
            "userinfo.token.claim": in_identity,
            "access.token.claim": in_access,
            "introspection.token.claim": in_access,
        },
    )
