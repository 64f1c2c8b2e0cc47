"""``$meta``, ``$meta-add``, ``$meta-delete``: profiles, tags and security labels.

https://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add.html, -meta-delete.html

$meta, at the system, a type, an instance and a version of it:
    return    Meta      what the resource has; or every profile, tag and label of the type or system
$meta-add, $meta-delete, at an instance:
    meta      Meta, 1..1    what to add, or to take away. A coding is known by system and code, a profile by its url
    return    Meta          what the resource has now

What is changed is a new version: who read the one before it can tell from its ETag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import orjson

from fhir_api.access import Caller, Forbidden, Interaction
from fhir_api.api import Api
from fhir_api.definitions.elements import RESOURCE_TYPES
from fhir_api.document import Members, joined, members_of
from fhir_api.errors import Category, FhirError
from fhir_api.http import Request, Response
from fhir_api.interactions.conditional import check_preconditions, require_if_match
from fhir_api.interactions.patch import require_there
from fhir_api.interactions.representation import content_of, version_headers
from fhir_api.interactions.write import (
    Decision,
    build_write,
    decide_and_commit,
    draft,
    version_of,
)
from fhir_api.operations.parameters import parameters_of, parameters_response
from fhir_api.visibility import seen, visible
from fhir_api.visibility.conditions import UPDATED
from fhir_api.visibility.judging import changeable
from store.interface import Commit, QueueAction, QueueChange, Version

LABELS = {"profile": "_profile", "security": "_security", "tag": "_tag"}
"""Members of Meta that these operations are about, and the search parameter that finds each."""
MOST_LABELS = 1000
"""Of one kind and type in ``$meta`` of a type or the system."""

Change = Callable[[list[bytes], list[bytes]], list[bytes]]
"""The labels that are there, the labels that are given → those that are there then."""

_arrays = msgspec.json.Decoder(list[msgspec.Raw])


async def meta(api: Api, request: Request) -> Response:
    """200 with the labels of a resource, a type or everything.

    Raises:
        FhirError: there is no such resource or version (404, 410).
    """
    parameters_of(api, request, frozenset())
    match request.path:
        case (type, id, "$meta"):
            found = await seen(api, request.caller, await api.store.read(type, id))
            current = require_there(found, type)
            return _answer(_meta_of(current), current)
        case (type, id, _, number, "$meta"):
            found = await _version(api, request.caller, type, id, number)
            return _answer(_meta_of(found), found)
        case (type, "$meta"):
            if visible(api, request.caller, type):
                raise Forbidden(request.caller, Interaction.SEARCH, type)
            return _answer(await _labels(api, (type,)))
    # Labels are counted over all resources of a type: who may see some of them only is told of none.
    types = [type for type in sorted(RESOURCE_TYPES) if not visible(api, request.caller, type)]
    return _answer(await _labels(api, types))


async def meta_add(api: Api, request: Request) -> Response:
    """200 with the resource's labels, those of ``meta`` among them."""
    return await _change(api, request, _added)


async def meta_delete(api: Api, request: Request) -> Response:
    """200 with the resource's labels, without those of ``meta``; what is not there is no error."""
    return await _change(api, request, _without)


async def _change(api: Api, request: Request, change: Change) -> Response:
    given = members_of(parameters_of(api, request, frozenset({"meta"})).raw("meta", "valueMeta"))
    type, id = request.path[:2]

    async def decision() -> Decision[Version]:
        stored = await changeable(
            api, request.caller, await api.store.read(type, id), UPDATED, Interaction.UPDATE
        )
        current = require_there(stored, type)
        if_match = request.headers.get("if-match")
        check_preconditions(current, if_match, None, type)
        require_if_match(api, request.caller, current, if_match, type)
        members = members_of(await content_of(api, current))
        kept = members_of(members["meta"])
        before = {name: _items(kept, name) for name in LABELS}
        after = {name: change(before[name], _items(given, name)) for name in LABELS}
        if before == after:
            return Decision(None, current)
        for name, items in after.items():
            kept[name] = b"[" + b",".join(items) + b"]"
            if not items:
                del kept[name]
        members["meta"] = joined(kept)
        resource = draft(api, type, joined(members))
        # A label says nothing about the work: a Task's queue entry stays as it is, its lease too.
        queue = QueueChange(QueueAction.KEEP) if type == "Task" else None
        write = await build_write(
            api,
            resource,
            id,
            current,
            "PUT",
            by=request.caller,
            base_url=request.base_url,
            queue=queue,
        )
        return Decision(Commit(writes=(write,)), version_of(write))

    version = await decide_and_commit(api, decision)
    return _answer(_meta_of(version), version)


def _added(kept: list[bytes], given: list[bytes]) -> list[bytes]:
    known = {_key(item) for item in kept}
    fresh = {_key(item): item for item in given if _key(item) not in known}
    return [*kept, *fresh.values()]


def _without(kept: list[bytes], given: list[bytes]) -> list[bytes]:
    gone = {_key(item) for item in given}
    return [item for item in kept if _key(item) not in gone]


def _key(item: bytes) -> tuple[str, str]:
    value = orjson.loads(item)
    if isinstance(value, dict):
        return value.get("system", ""), value.get("code", "")
    return value, ""


def _items(members: Members, name: str) -> list[bytes]:
    return [bytes(item) for item in _arrays.decode(members.get(name, b"[]"))]


def _meta_of(version: Version) -> bytes:
    return bytes(members_of(version.content)["meta"])


async def _version(api: Api, caller: Caller, type: str, id: str, number: str) -> Version:
    known = number.isascii() and number.isdigit() and len(number) < 19
    found = await api.store.read_version(type, id, int(number)) if known else None
    version = await seen(api, caller, found)
    if version is None:
        raise FhirError(Category.NOT_FOUND, f"There is no such version of this {type}.", type)
    return require_there(version, type)


async def _labels(api: Api, types: Iterable[str]) -> bytes:
    """Every label of the types, each once."""
    found: dict[str, dict[tuple[str | None, str], None]] = {name: {} for name in LABELS}
    for type in types:
        for name, param in LABELS.items():
            for label in await api.store.vocabulary(type, param, MOST_LABELS):
                found[name][label] = None
    answer: dict[str, list[Any]] = {}
    for name, labels in found.items():
        if labels:
            answer[name] = [_shown(name, *label) for label in labels]
    return orjson.dumps(answer)


def _shown(name: str, system: str | None, code: str) -> Any:  # noqa: ANN401 - a canonical or a Coding
    if name == "profile":
        return code
    return {"system": system, "code": code} if system else {"code": code}


def _answer(found: bytes, version: Version | None = None) -> Response:
    """The Meta as ``return``; an empty one has no value to be one of."""
    parameters = [{"name": "return", "valueMeta": msgspec.Raw(found)}] if found != b"{}" else []
    response = parameters_response(parameters)
    return response.adding(*version_headers(version)) if version else response
