"""``healthvision token``: signed tokens of the deployment's own, for whoever has no authorization server."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import jwt
import typer

from fhir_api.roles import ROLES
from fhir_api.smart import revocation
from fhir_api.smart.callers import RESERVED, relative_user
from fhir_api.smart.claims import MOST_TOKEN_BYTES, read_token
from fhir_api.smart.local import Grant
from fhir_api.smart.refusals import TokenRefused
from fhir_api.smart.scopes import Level, resource_scope
from healthvision.keys import deployment_key, is_deployment
from healthvision.settings import Settings
from healthvision.trust import local_issuer
from store.errors import StoreError
from store.sqlite import SqliteStore

LONGEST_S = 366 * 24 * 3600
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_LIFETIME = re.compile(r"([0-9]{1,8})([smhd])")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_CLIENT = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_PURPOSE = re.compile(r"[A-Z]{2,16}")


def grant_of(
    *,
    client: str,
    scope: str,
    expires: str,
    roles: list[str],
    user: str,
    patient: str,
    encounter: str,
    purpose: str,
) -> Grant:
    """What the options of ``token create`` ask for.

    Raises:
        typer.BadParameter: one of them is wrong, or would grant nothing.
    """
    scopes = []
    for word in scope.split():
        parsed = resource_scope(word)
        if parsed is None:
            raise _bad(
                "--scope", "each is like patient/*.rs, user/Observation.cruds or system/*.read"
            )
        scopes.append(parsed)
    if not scopes:
        raise _bad("--scope", "names at least one")
    if not patient and any(one.level is Level.PATIENT for one in scopes):
        raise _bad("--patient", "is needed: patient/ scopes grant nothing without one")
    if unknown := sorted(set(roles) - ROLES):
        raise _bad("--role", f"there is no {unknown[0]}; there are {', '.join(sorted(ROLES))}")
    if not _CLIENT.fullmatch(client) or client in RESERVED:
        raise _bad("--client", "is letters, digits and ._- and none of the deployment's own names")
    if user and not relative_user(user, ""):
        raise _bad("--user", "is like Practitioner/1 or Patient/2")
    for option, id in (("--patient", patient), ("--encounter", encounter)):
        if id and not _ID.fullmatch(id):
            raise _bad(option, "is the id of a resource, without its type")
    if purpose and not _PURPOSE.fullmatch(purpose):
        raise _bad("--purpose", "is a code of v3-PurposeOfUse, such as TREAT")
    return Grant(
        client,
        tuple(scopes),
        _lifetime_s(expires),
        frozenset(roles),
        user,
        patient,
        encounter,
        purpose,
    )


def create(settings: Settings, grant: Grant) -> int:
    """Prints the token, and nothing else, on standard output. 2 where this is not a deployment that could take it."""
    if not settings.fhir_url:
        typer.echo(
            "HEALTHVISION_BASE_URL: must be set where the server listens on every address: it names the issuer.",
            err=True,
        )
        return 2
    if not is_deployment(settings.data_dir):
        return _no_deployment(settings)
    issuer = local_issuer(settings, deployment_key(settings.data_dir))
    assert issuer is not None, "its address is known"
    typer.echo(issuer.token(grant))
    return 0


def show() -> int:
    """Prints what the token on standard input says. Whether that is true is for a server to tell."""
    try:
        said = jwt.decode_complete(_piped(), options={"verify_signature": False})
    except jwt.PyJWTError:
        typer.echo("Standard input holds no token.", err=True)
        return 1
    typer.echo(json.dumps({"header": said["header"], "claims": said["payload"]}, indent=2))
    return 0


def revoke(settings: Settings, jti: str | None) -> int:
    """Ends the token with that id, or the one on standard input. 1 where it could not be done."""
    if not is_deployment(settings.data_dir):
        return _no_deployment(settings)
    now_s = time.time()
    expires_s = now_s + LONGEST_S
    if jti is None:
        try:
            claims = read_token(_piped()).claims
        except TokenRefused:
            typer.echo("Standard input holds no access token.", err=True)
            return 1
        jti, expires_s = claims.jti, claims.exp
    try:
        asyncio.run(_revoke(settings, jti, expires_s, now_s))
    except StoreError as error:
        typer.echo(f"The token is still good: {error}.", err=True)
        return 1
    typer.echo("Revoked.", err=True)
    return 0


async def _revoke(settings: Settings, jti: str, expires_s: float, now_s: float) -> None:
    store = SqliteStore.open(settings.data_dir)
    try:
        await revocation.revoke(store, jti, round(expires_s * 1e6), round(now_s * 1e6))
    finally:
        await store.close()


def _piped() -> str:
    return sys.stdin.read(MOST_TOKEN_BYTES + 2).strip()


def _no_deployment(settings: Settings) -> int:
    typer.echo(
        f"{settings.data_dir}: no server has run on this data folder; name another with --data-dir.",
        err=True,
    )
    return 2


def _lifetime_s(text: str) -> int:
    match = _LIFETIME.fullmatch(text)
    seconds = int(match[1]) * _UNITS_S[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_S:
        raise _bad("--expires", "is like 45s, 30m, 1h or 7d, a year at most")
    return seconds


def _bad(option: str, sentence: str) -> typer.BadParameter:
    return typer.BadParameter(sentence, param_hint=option)
