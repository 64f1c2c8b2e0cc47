"""``/auth``: the endpoints of the façade as one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from fhir_api.asgi import Application, Receive, Scope, Send
from fhir_api.smart import authorize, configuration, introspect, launches, picker, revoke, token
from fhir_api.smart.authorizations import PENDING
from fhir_api.smart.contexts import REFRESH_TOKENS, TOKENS
from fhir_api.smart.facade import Facade
from fhir_api.smart.oauth import Handler, OAuthError, answering, error_answer
from fhir_api.smart.revocation import REVOCATIONS
from fhir_api.smart.sign_in import SIGN_INS

RECORDS = tuple(
    kind.name
    for kind in (launches.LAUNCHES, PENDING, SIGN_INS, TOKENS, REFRESH_TOKENS, REVOCATIONS)
)
"""What authorisation keeps for a while, to be swept."""

Endpoint = Callable[[Facade, Request], Awaitable[Response]]


def auth_app(facade: Facade) -> Application:
    """The application to mount at ``/auth``."""

    def page(path: str, endpoint: Endpoint, *methods: str) -> Route:
        return _route(path, partial(endpoint, facade), methods)

    def json(path: str, endpoint: Endpoint) -> Route:
        return _route(path, answering(partial(endpoint, facade)), ("POST",))

    return Router(
        [
            page("/authorize", authorize.authorize, "GET", "POST"),
            page("/callback", picker.callback, "GET"),
            page("/patient/{id}", picker.show, "GET"),
            page("/patient/{id}", picker.act, "POST"),
            json("/token", token.token),
            json("/introspect", introspect.introspect),
            json("/revoke", revoke.revoke),
            json("/launch", launches.make_launch),
            _route("/style.json", configuration.style, ("GET",)),
        ],
        default=_nothing_here,
        redirect_slashes=False,
    )


def _route(path: str, handler: Handler, methods: tuple[str, ...]) -> Route:
    route = Route(path, handler, methods=list(methods))
    route.methods = set(methods)  # without HEAD: whoever looks at a launch's URL would use it up
    return route


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = error_answer(OAuthError("invalid_request", "There is nothing at this URL."))
    refusal.status_code = 404
    await refusal(scope, receive, send)
