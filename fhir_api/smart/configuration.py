"""What an app reads first: ``.well-known/smart-configuration``.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fhir_api.errors import Category, FhirError
from fhir_api.http import error_response
from fhir_api.smart.facade import Facade
from fhir_api.smart.granting import OURS
from fhir_api.smart.oauth import Handler, json_answer

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
"""https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capabilities"""

STYLE = {
    "color_background": "#ffffff",
    "color_error": "#9b1c1c",
    "color_highlight": "#10324a",
    "color_modal_backdrop": "",
    "color_success": "#1b6e3c",
    "color_text": "#1a1a1a",
    "dim_border_radius": "6px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}
"""https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling"""


def discovery(facade: Facade | None) -> Handler:
    """Answers ``.well-known/smart-configuration``: to everybody, in JSON whatever is accepted."""

    async def smart_configuration(_request: Request) -> Response:
        try:
            if facade is None:
                text = "This server has no authorization server: its tokens come from its operator."
                raise FhirError(Category.NOT_SUPPORTED, text, "http.url")
            answer = json_answer(await configuration(facade))
            answer.headers["Cache-Control"] = "public, max-age=60"
            del answer.headers["Pragma"]
        except FhirError as error:
            refusal = error_response(error)
            return Response(refusal.body, refusal.status, dict(refusal.headers))
        return answer

    return smart_configuration


async def configuration(facade: Facade) -> dict[str, Any]:
    """The members of https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata

    Raises:
        IssuerUnreachable: it never answered so far.
    """
    issuer = await facade.issuer.metadata()
    return {
        "issuer": issuer.issuer,
        "jwks_uri": issuer.jwks_uri,
        "authorization_endpoint": f"{facade.auth_url}/authorize",
        "token_endpoint": f"{facade.auth_url}/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "introspection_endpoint": f"{facade.auth_url}/introspect",
        "revocation_endpoint": f"{facade.auth_url}/revoke",
        # Keycloak's account console: which apps a user has let in, and a button to end that.
        "management_endpoint": f"{issuer.issuer.rstrip('/')}/account",
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "scopes_supported": sorted(OURS.union(issuer.scopes_supported)),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": list(CAPABILITIES),
    }


async def style(_request: Request) -> Response:
    """What ``smart_style_url`` names: how a page has to look to look like ours. It says nothing of anybody."""
    answer = json_answer(STYLE)
    answer.headers["Cache-Control"] = "public, max-age=86400"
    del answer.headers["Pragma"]
    return answer
