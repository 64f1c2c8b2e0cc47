"""The SMART façade of a deployment: there where an issuer is set and the server knows its own address."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request

from fhir_api.access import Authenticate
from fhir_api.api import Api
from fhir_api.asgi import Application, Receive, Scope, Send
from fhir_api.rates import Rate
from fhir_api.smart.configuration import discovery
from fhir_api.smart.facade import Facade
from fhir_api.smart.issuer import Issuer
from fhir_api.smart.verification import Trust, verified
from healthvision.settings import Settings

DISCOVERY_PATHS = tuple(f"{base}/.well-known/smart-configuration" for base in ("", "/fhir"))
"""Below the FHIR base, as the standard wants it, and below the root, where some look."""


def facade_of(
    settings: Settings,
    api: Api,
    issuer: Issuer | None,
    trusts: Mapping[str, Trust],
    authenticate: Authenticate,
) -> Facade | None:
    """``trusts`` as ``healthvision.trust.trusted`` says; of them only the issuer's tokens come through the façade."""
    if issuer is None or not settings.fhir_url:
        return None
    return Facade(
        api=api,
        issuer=issuer,
        authenticate=authenticate,
        verify=partial(
            verified,
            trusted={issuer.url: trusts[issuer.url]},
            skew_s=settings.oidc_clock_skew_s,
        ),
        public_url=settings.public_url,
        client_id=settings.smart_client_id,
        client_secret=settings.smart_client_secret,
        launch_clients=frozenset(settings.launch_clients.split(",")) - {""},
        failures=Rate(settings.failure_rate),
    )


def discovery_app(facade: Facade | None) -> Application:
    """The application at ``DISCOVERY_PATHS``."""
    answer = discovery(facade)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await answer(Request(scope)))(scope, receive, send)

    return app
