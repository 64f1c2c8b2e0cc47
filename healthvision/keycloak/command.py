"""``healthvision keycloak bootstrap``: what it is told, and how it tells what it did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from fhir_api.definitions.elements import RESOURCE_TYPES
from healthvision.errors import SettingsError
from healthvision.keycloak.admin import Administrator, RealmAdmin
from healthvision.keycloak.bootstrap import Change, bootstrap
from healthvision.keycloak.errors import KeycloakError
from healthvision.keycloak.realm import Site
from healthvision.keycloak.resource_scopes import TYPES
from healthvision.settings import KeycloakSettings, Settings

NAMED_AT_MOST = 3
"""Objects of a kind that are named one by one; of more, how many."""
PRIVATE_MEMBERS = frozenset({"d", "k", "p", "q"})
"""Members of a JWK that only its owner may know (RFC 7518 §6)."""


def bootstrap_realm(
    settings: Settings,
    keycloak: KeycloakSettings,
    more_types: Sequence[str],
    *,
    dry_run: bool,
    console: Console,
    errors: Console,
) -> int:
    """Makes or mends the realm, or tells what would be made.

    Returns:
        The exit code: 0 done, 1 Keycloak refuses or cannot be reached, 2 a setting is wrong.
    """
    try:
        site = site_of(settings, keycloak, more_types)
        administrator = administrator_of(keycloak)
    except SettingsError as error:
        errors.print(f"[red]{error}[/red]", highlight=False)
        return 2
    try:
        with (
            RealmAdmin(keycloak.url, keycloak.realm, administrator) as admin,
            console.status("Asking Keycloak (half a minute where the realm is new)"),
        ):
            changes = bootstrap(admin, site, dry_run=dry_run)
    except KeycloakError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        return 1
    for line in told(changes):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not changes:
        console.print("Nothing to change.", highlight=False)
    elif dry_run:
        console.print("Nothing was changed: this was a dry run.", highlight=False)
    return 0


def administrator_of(keycloak: KeycloakSettings) -> Administrator:
    """Raises SettingsError where there is no secret."""
    secret = keycloak.admin_secret
    if secret is None:
        raise SettingsError(
            "HEALTHVISION_KEYCLOAK_ADMIN_SECRET, or _FILE: the administrator's secret is needed."
        )
    client = keycloak.admin_client
    return Administrator(client or keycloak.admin, secret, is_client=client is not None)


def site_of(settings: Settings, keycloak: KeycloakSettings, more_types: Iterable[str]) -> Site:
    """Raises SettingsError."""
    if not settings.fhir_url:
        raise SettingsError(
            "HEALTHVISION_BASE_URL: the server's address is needed, it is the audience of tokens."
        )
    types = tuple(sorted({*TYPES, *more_types}))
    unknown = [type for type in types if type not in RESOURCE_TYPES]
    if unknown:
        raise SettingsError(f"--type: {unknown[0]} is no resource type of R4.")
    file = keycloak.worker_jwks_file
    return Site(
        fhir_url=settings.fhir_url,
        viewer_redirects=_listed(keycloak.viewer_redirects),
        portal_redirects=_listed(keycloak.portal_redirects),
        portal_secret=keycloak.portal_secret,
        server_secret=settings.smart_client_secret or None,
        worker_jwks=None if file is None else public_keys(file),
        types=types,
    )


def public_keys(file: Path) -> str:
    """The JWK Set in a file, in one spelling.

    Raises:
        SettingsError: it is none, or holds a private key, which must not leave the worker.
    """
    variable = "HEALTHVISION_KEYCLOAK_WORKER_JWKS_FILE"
    try:
        keys = json.loads(file.read_text("utf-8"))["keys"]
        names = [frozenset(key.keys()) for key in keys]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise SettingsError(f"{variable}: {file} is no JWK Set.") from None
    if any(members & PRIVATE_MEMBERS for members in names):
        raise SettingsError(f"{variable}: {file} holds a private key; give the public one.")
    return json.dumps({"keys": keys}, sort_keys=True, separators=(",", ":"))


def told(changes: Iterable[Change]) -> Iterable[str]:
    """One line for each change; many of one kind are counted."""
    for (verb, kind), group in groupby(changes, lambda change: (change.verb, change.kind)):
        alike = list(group)
        if len(alike) > NAMED_AT_MOST and not any(change.members for change in alike):
            names = ", ".join(change.name for change in alike[:NAMED_AT_MOST])
            yield f"{verb} {len(alike)} {kind}s: {names}, …"
            continue
        for change in alike:
            members = change.members[:NAMED_AT_MOST]
            more = ", …" if len(change.members) > len(members) else ""
            yield f"{verb} {kind} {change.name}" + (
                f": {', '.join(members)}{more}" if members else ""
            )


def _listed(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(one for one in value.replace(" ", "").split(",") if one)
