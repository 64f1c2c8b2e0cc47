"""history of a resource, a type or the system (https://hl7.org/fhir/R4/http.html#history).

Pages follow the store-wide order of commits, newest first: a link stays right whatever is written meanwhile.

Who may see only some resources is shown only versions whose own content is theirs to see. No index holds old content, so
versions are looked at one by one: a page looks at so many, and then is as long as it is; it has no total, and its link
is sealed, because numbers would tell of what others wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

import orjson

from fhir_api.access import Caller, Forbidden, Interaction, decide
from fhir_api.api import Api
from fhir_api.definitions.elements import RESOURCE_TYPES
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
from fhir_api.search.links import seal, unseal
from fhir_api.visibility.conditions import READ, SEARCHED, visible
from fhir_api.visibility.judging import sees
from store.interface import HistoryQuery, HistoryRow, Version
from store.query import NOTHING_MEETS, Cursor

PAGE = 100
"""How many versions are read at a time while looking for those that ``_at`` means, or that may be seen."""
MOST_LOOKS = 100
"""Such reads of one request, where others' versions are among them."""

Shown = Callable[[Version], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a history request, and the pairs of them that a link repeats."""

    count: int
    kept: tuple[tuple[str, str], ...] = ()
    since_us: int | None = None
    at_us: tuple[int, int] | None = None
    before: int | None = None
    cut: bool = False
    """Whether the caller may see only some of it."""


async def history(api: Api, request: Request, type: str = "", id: str | None = None) -> Response:
    """200 with a history Bundle.

    Raises:
        FhirError: the instance never existed (404), or a parameter that is not understood (400).
    """
    interaction = Interaction.HISTORY if id is None else Interaction.HISTORY_INSTANCE
    decide(request.caller, interaction, type)
    letters = SEARCHED if id is None else READ
    types = (type,) if type else _types(api, request.caller)
    cut = any(visible(api, request.caller, one, letters) for one in types)
    asked = _asked(api, request, cut=cut)
    query = HistoryQuery(types=types, id=id, since_us=asked.since_us)
    shown = partial(sees, api, request.caller, letters=letters) if cut else None
    if id is not None and not await _is_there(api, query, shown):
        raise FhirError(Category.NOT_FOUND, f"There is no {type} with this id.", type)
    total = None if asked.at_us or cut else await api.store.history_count(query)
    if asked.at_us:
        rows, more = await _current_during(api, query, asked, asked.at_us, shown)
    elif shown:
        rows, more = await _shown(api, query, asked, shown)
    elif asked.count:
        page = replace(query, before_sequence=asked.before, limit=asked.count + 1)
        found = await api.store.history(page)
        rows = found[: asked.count]
        more = rows[-1].sequence if len(found) > asked.count else None
    else:
        rows, more = [], None
    links = [_link(api, request, "self", asked, asked.before)]
    if more:
        links.append(_link(api, request, "next", asked, more))
    entries = [await _entry(api, request, row.version) for row in rows]
    shown_versions = tuple(row.version for row in rows)
    return json_response(200, _bundle(links, total, entries), shown=shown_versions)


def _types(api: Api, caller: Caller) -> tuple[str, ...]:
    """The types of which the caller may see history. (): of all.

    Raises:
        Forbidden: there are none.
    """
    types = tuple(
        type
        for type in sorted(RESOURCE_TYPES)
        if visible(api, caller, type, SEARCHED) != NOTHING_MEETS
    )
    if not types:
        raise Forbidden(caller, Interaction.HISTORY, "")
    return () if len(types) == len(RESOURCE_TYPES) else types


async def _is_there(api: Api, query: HistoryQuery, shown: Shown | None) -> bool:
    """Whether the instance ever was, for all that the caller can know."""
    assert query.id is not None
    current = await api.store.read(query.types[0], query.id)
    if current is None or shown is None:
        return current is not None
    if await shown(current):
        return True
    whole = Asked(count=1)
    rows, _ = await _shown(api, replace(query, since_us=None), whole, shown)
    return bool(rows)


async def _shown(
    api: Api, query: HistoryQuery, asked: Asked, shown: Shown
) -> tuple[list[HistoryRow], int | None]:
    """As many of the versions as are asked for and may be seen, newest first, and where to go on."""
    rows: list[HistoryRow] = []
    before = asked.before
    for _ in range(MOST_LOOKS if query.id is None else MOST_LOOKS * PAGE):
        if len(rows) == asked.count:
            return rows, before if rows else None
        found = await api.store.history(replace(query, before_sequence=before, limit=PAGE))
        for row in found:
            before = row.sequence
            if await shown(row.version):
                rows.append(row)
                if len(rows) == asked.count:
                    break
        else:
            if len(found) < PAGE:
                return rows, None
        await asyncio.sleep(0)
    return rows, before


def _asked(api: Api, request: Request, *, cut: bool) -> Asked:
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
        before=_before(api, request, values, cut=cut),
        cut=cut,
    )


def _before(api: Api, request: Request, values: dict[str, str], *, cut: bool) -> int | None:
    if not cut or "_before" not in values:
        return _number("_before", values, 0) or None
    place = "/".join(request.path)
    _, cursor = unseal(api.options.cursor_key, place, values["_before"])
    return cursor.position if cursor else None


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
    api: Api, query: HistoryQuery, asked: Asked, at_us: tuple[int, int], shown: Shown | None
) -> tuple[list[HistoryRow], int | None]:
    """The versions that were current at some moment of [low, high), newest first."""
    low_us, high_us = at_us
    rows: list[HistoryRow] = []
    before = asked.before
    while True:
        page = replace(query, until_us=high_us, before_sequence=before, limit=PAGE)
        found = await api.store.history(page)
        for row in found:
            if shown is not None and not await shown(row.version):
                continue
            if await _was_current(api, row.version, low_us):
                if len(rows) == asked.count:
                    return rows, rows[-1].sequence if rows else None
                rows.append(row)
        if len(found) < PAGE:
            return rows, None
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


def _link(
    api: Api, request: Request, relation: str, asked: Asked, before: int | None
) -> dict[str, str]:
    pairs = list(asked.kept)
    if before is not None:
        place = "/".join(request.path)
        text = (
            seal(api.options.cursor_key, place, [], Cursor((), before))
            if asked.cut
            else str(before)
        )
        pairs.append(("_before", text))
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
