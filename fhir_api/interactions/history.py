"""history of a resource, a type or the system (https://hl7.org/fhir/R4/http.html#history).

Pages follow the store-wide order of commits, newest first: a link stays right whatever is written meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

import orjson

from fhir_api.access import Interaction, decide
from fhir_api.api import Api
from fhir_api.document import Members, joined
from fhir_api.errors import Category, FhirError
from fhir_api.http import (
    Request,
    Response,
    etag,
    instant,
    json_response,
    preference,
    query_pairs,
)
from fhir_api.interactions.representation import location, page_content_of
from fhir_api.search.dates import interval_us
from store.interface import HistoryQuery, HistoryRow, Version

PAGE = 100
"""How many versions are read at a time while looking for those that ``_at`` means."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a history request, and the pairs of them that a link repeats."""

    count: int
    kept: tuple[tuple[str, str], ...] = ()
    since_us: int | None = None
    at_us: tuple[int, int] | None = None
    before: int | None = None


async def history(api: Api, request: Request, type: str = "", id: str | None = None) -> Response:
    """200 with a history Bundle.

    Raises:
        FhirError: the instance never existed (404), or a parameter that is not understood (400).
    """
    decide(request.caller, Interaction.HISTORY, type)
    asked = _asked(api, request)
    query = HistoryQuery(types=(type,) if type else (), id=id, since_us=asked.since_us)
    if id is not None and await api.store.read(type, id) is None:
        raise FhirError(Category.NOT_FOUND, f"There is no {type} with this id.", type)
    total = None if asked.at_us else await api.store.history_count(query)
    if asked.at_us:
        rows, more = await _current_during(api, query, asked, asked.at_us)
    elif asked.count:
        page = replace(query, before_sequence=asked.before, limit=asked.count + 1)
        found = await api.store.history(page)
        rows, more = found[: asked.count], len(found) > asked.count
    else:
        rows, more = [], False
    links = [_link(request, "self", asked, asked.before)]
    if more:
        links.append(_link(request, "next", asked, rows[-1].sequence))
    entries = [await _entry(api, request, row.version) for row in rows]
    return json_response(200, _bundle(links, total, entries))


def _asked(api: Api, request: Request) -> Asked:
    values: dict[str, str] = {}
    for name, value in query_pairs(request.query):
        if name in {"_count", "_since", "_at", "_before"}:
            if name in values:
                raise FhirError(Category.INVALID, f"{name} is there twice.", f"http.{name}")
            values[name] = value
        elif name not in {"_format", "_pretty"} and preference(request).strict:
            raise FhirError(Category.INVALID, "A parameter is unknown to history.", "http.url")
    since, at = values.get("_since"), values.get("_at")
    return Asked(
        count=min(_number("_count", values, api.options.page_size), api.options.page_limit),
        kept=tuple((name, value) for name, value in values.items() if name != "_before"),
        since_us=None if since is None else _interval("_since", since)[0],
        at_us=None if at is None else _interval("_at", at),
        before=_number("_before", values, 0) or None,
    )


def _number(name: str, values: dict[str, str], default: int) -> int:
    value = values.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise FhirError(Category.INVALID, f"{name} is not a number.", f"http.{name}")
    return int(value)


def _interval(name: str, value: str) -> tuple[int, int]:
    try:
        return interval_us(value)
    except ValueError as exc:
        raise FhirError(Category.INVALID, f"{name} is not a date or time.", f"http.{name}") from exc


async def _current_during(
    api: Api, query: HistoryQuery, asked: Asked, at_us: tuple[int, int]
) -> tuple[list[HistoryRow], bool]:
    """The versions that were current at some moment of [low, high), newest first."""
    low_us, high_us = at_us
    rows: list[HistoryRow] = []
    before = asked.before
    while True:
        page = replace(query, until_us=high_us, before_sequence=before, limit=PAGE)
        found = await api.store.history(page)
        for row in found:
            if await _was_current(api, row.version, low_us):
                if len(rows) == asked.count:
                    return rows, bool(rows)
                rows.append(row)
        if len(found) < PAGE:
            return rows, False
        before = found[-1].sequence


async def _was_current(api: Api, version: Version, low_us: int) -> bool:
    """Whether a version was current at ``low_us`` or later: nothing had followed it by then."""
    if version.last_updated_us >= low_us:
        return True
    if version.deleted:
        return False
    until = HistoryQuery(types=(version.type,), id=version.id, until_us=low_us + 1, limit=1)
    newest = await api.store.history(until)
    return bool(newest) and newest[0].version.version == version.version


async def _entry(api: Api, request: Request, version: Version) -> bytes:
    name = f"{version.type}/{version.id}"
    created = version.method == "POST" or (version.method == "PUT" and version.version == 1)
    status = "204 No Content" if version.deleted else "201 Created" if created else "200 OK"
    described = {
        "request": {
            "method": version.method,
            "url": version.type if version.method == "POST" else name,
        },
        "response": {
            "status": status,
            "location": location(version),
            "etag": etag(version.version),
            "lastModified": instant(version.last_updated_us),
        },
    }
    members: Members = {"fullUrl": orjson.dumps(f"{request.base_url}/{name}")}
    if not version.deleted:
        members["resource"] = await page_content_of(api, version)
    members |= {key: orjson.dumps(value) for key, value in described.items()}
    return joined(members)


def _link(request: Request, relation: str, asked: Asked, before: int | None) -> dict[str, str]:
    pairs = list(asked.kept)
    if before is not None:
        pairs.append(("_before", str(before)))
    url = "/".join((request.base_url, *request.path))
    return {"relation": relation, "url": f"{url}?{urlencode(pairs)}" if pairs else url}


def _bundle(links: list[dict[str, str]], total: int | None, entries: list[bytes]) -> bytes:
    members: Members = {"resourceType": b'"Bundle"', "type": b'"history"'}
    if total is not None:
        members["total"] = b"%d" % total
    members["link"] = orjson.dumps(links)
    if entries:
        members["entry"] = b"[" + b",".join(entries) + b"]"
    return joined(members)
