"""Makes and mends a realm until it is as wanted; says what it did, or would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from healthvision.keycloak.admin import RealmAdmin, Representation
from healthvision.keycloak.realm import (
    ROLES,
    ClientWanted,
    Site,
    client_scopes_wanted,
    clients_wanted,
    realm_wanted,
    user_attribute_wanted,
)


class Verb(StrEnum):
    """What happens to an object of the realm."""

    MAKE = "make"
    MEND = "mend"


@dataclass(frozen=True, slots=True)
class Change:
    """One object that is made, or members of one that are mended. It tells names, never values."""

    verb: Verb
    kind: str
    name: str
    members: tuple[str, ...] = ()


def bootstrap(admin: RealmAdmin, site: Site, *, dry_run: bool = False) -> list[Change]:
    """Brings the realm to what ``realm`` says of it. A second run changes nothing.

    Raises:
        KeycloakError: Keycloak cannot be reached, or refuses. What was done until then stays, and may be repeated.
    """
    work = _Work(admin, dry_run)
    work.realm()
    work.user_attribute()
    work.roles()
    work.client_scopes(site)
    for client in clients_wanted(site):
        work.client(client)
    return work.changes


def differing(wanted: object, found: object, path: str = "") -> list[str]:
    """Paths of the members of ``wanted`` that ``found`` lacks or has otherwise. Lists are compared as sets."""
    if isinstance(wanted, Mapping):
        there = found if isinstance(found, Mapping) else {}
        return [
            one
            for name, value in wanted.items()
            for one in differing(value, there.get(name), f"{path}.{name}" if path else name)
        ]
    if isinstance(wanted, list) and isinstance(found, list):
        same = sorted(map(str, wanted)) == sorted(map(str, found))
    else:
        same = wanted == found
    return [] if same else [path]


def merged(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Representation:
    """``found`` with the members of ``wanted`` in their places."""
    result = dict(found)
    for name, value in wanted.items():
        before = result.get(name)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[name] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


@dataclass(slots=True)
class _Work:
    """One run. In a dry run nothing is written, so what follows from what would be made is told as well."""

    admin: RealmAdmin
    dry_run: bool
    changes: list[Change] = field(default_factory=list)

    def realm(self) -> None:
        wanted = realm_wanted(self.admin.realm)
        found = self.admin.get()
        if found is None:
            if self._make("realm", self.admin.realm):
                self.admin.create(wanted)
        elif self._mend("realm", self.admin.realm, differing(wanted, found)):
            self.admin.put("", wanted)

    def user_attribute(self) -> None:
        wanted = user_attribute_wanted()
        name = str(wanted["name"])
        profile = self.admin.get("users/profile") or {}
        attributes = list(profile.get("attributes", ()))
        place = next((n for n, one in enumerate(attributes) if one["name"] == name), None)
        if place is None:
            if self._make("user attribute", name):
                self.admin.put("users/profile", {**profile, "attributes": [*attributes, wanted]})
        elif self._mend("user attribute", name, differing(wanted, attributes[place])):
            attributes[place] = merged(attributes[place], wanted)
            self.admin.put("users/profile", {**profile, "attributes": attributes})

    def roles(self) -> None:
        found = {role["name"] for role in self.admin.get("roles") or ()}
        for name, description in ROLES.items():
            if name not in found and self._make("role", name):
                self.admin.post("roles", {"name": name, "description": description})

    def client_scopes(self, site: Site) -> None:
        found = {scope["name"]: scope for scope in self.admin.get("client-scopes") or ()}
        for wanted in client_scopes_wanted(site):
            name = wanted["name"]
            there = found.get(name)
            if there is None:
                if self._make("client scope", name):
                    self.admin.post("client-scopes", wanted)
                continue
            own = {key: value for key, value in wanted.items() if key != "protocolMappers"}
            path = f"client-scopes/{there['id']}"
            if self._mend("client scope", name, differing(own, there)):
                self.admin.put(path, merged(there, own))
            for mapper in wanted.get("protocolMappers", ()):
                self._mapper(name, path, mapper, there.get("protocolMappers", ()))

    def _mapper(
        self, scope: str, path: str, wanted: Representation, there: Iterable[Representation]
    ) -> None:
        found = next((one for one in there if one["name"] == wanted["name"]), None)
        name = f"{wanted['name']} of {scope}"
        models = f"{path}/protocol-mappers/models"
        if found is None:
            if self._make("mapper", name):
                self.admin.post(models, wanted)
        elif self._mend("mapper", name, differing(wanted, found)):
            self.admin.put(f"{models}/{found['id']}", merged(found, wanted))

    def client(self, wanted: ClientWanted) -> None:
        found = self._client(wanted.id)
        if found is None:
            if not self._make("client", wanted.id):
                return
            self.admin.post(
                "clients",
                {
                    **wanted.representation,
                    "defaultClientScopes": list(wanted.default_scopes),
                    "optionalClientScopes": list(wanted.optional_scopes),
                },
            )
            found = self._client(wanted.id) or {}
        elif self._mend("client", wanted.id, differing(wanted.representation, found)):
            self.admin.put(f"clients/{found['id']}", merged(found, wanted.representation))
        path = f"clients/{found['id']}"
        self._scopes_of(wanted, found, path)
        mappings = f"{path}/scope-mappings/realm"
        self._roles_at(mappings, "roles in tokens of client", wanted.id, wanted.roles)
        if wanted.service_roles:
            account = self.admin.get(f"{path}/service-account-user") or {}
            where = f"users/{account.get('id', '')}/role-mappings/realm"
            self._roles_at(where, "roles of service", wanted.id, wanted.service_roles)

    def _client(self, id: str) -> Representation | None:
        return next(iter(self.admin.get("clients", clientId=id) or ()), None)

    def _scopes_of(self, wanted: ClientWanted, found: Representation, path: str) -> None:
        """Gives the client what scopes it lacks. Those that somebody has added stay."""
        kinds = ("default", "optional")
        has = {kind: set(found.get(f"{kind}ClientScopes", ())) for kind in kinds}
        ids: dict[str, str] = {}
        for kind, other, names in (
            ("default", "optional", wanted.default_scopes),
            ("optional", "default", wanted.optional_scopes),
        ):
            lacking = [name for name in names if name not in has[kind]]
            if not self._mend(f"{kind} scopes of client", wanted.id, lacking):
                continue
            ids = ids or {scope["name"]: scope["id"] for scope in self.admin.get("client-scopes")}
            for name in lacking:
                if name in has[other]:
                    self.admin.delete(f"{path}/{other}-client-scopes/{ids[name]}")
                self.admin.put(f"{path}/{kind}-client-scopes/{ids[name]}")

    def _roles_at(self, path: str, kind: str, name: str, wanted: Sequence[str]) -> None:
        found = {role["name"] for role in (self.admin.get(path) or ())}
        lacking = [role for role in wanted if role not in found]
        if self._mend(kind, name, lacking):
            roles = [role for role in self.admin.get("roles") if role["name"] in lacking]
            self.admin.post(path, roles)

    def _make(self, kind: str, name: str) -> bool:
        """Takes note; whether it is to be done now."""
        self.changes.append(Change(Verb.MAKE, kind, name))
        return not self.dry_run

    def _mend(self, kind: str, name: str, members: Sequence[str]) -> bool:
        if members:
            self.changes.append(Change(Verb.MEND, kind, name, tuple(members)))
        return bool(members) and not self.dry_run
