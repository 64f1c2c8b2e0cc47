"""The searchset Bundle, joined from bytes: stored resources go in as they are.

https://hl7.org/fhir/R4/bundle.html#searchset
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec
import orjson

from fhir_api.errors import Issue, outcome_bytes
from fhir_api.search.grammar import Pairs

_READABLE = ":/|,$-._~*@"
"""Characters that a query may hold as they are (RFC 3986, section 3.4)."""
_ALL_READABLE = re.compile(r"[A-Za-z0-9:/|,$\-._~*@]*")


class Entry(msgspec.Struct, frozen=True):
    """A resource of the page: ``content`` is its JSON, ``mode`` why it is there (match or include)."""

    type: str
    id: str
    content: bytes
    mode: str


def searchset(
    base_url: str,
    links: Sequence[tuple[str, str]],
    total: int | None,
    entries: Iterable[Entry],
    warnings: Sequence[Issue],
) -> bytes:
    """The Bundle as JSON.

    Args:
        base_url: of the server, without a trailing slash.
        links: relation and absolute URL, in order.
        total: how many match in all pages; None: not said.
        entries: matches first, then includes.
        warnings: what was ignored; they become an entry with the mode ``outcome``.
    """
    quoted_base = orjson.dumps(base_url)[:-1]
    parts = [b'{"resourceType":"Bundle","type":"searchset"']
    if total is not None:
        parts.append(b',"total":%d' % total)
    relations = [{"relation": relation, "url": url} for relation, url in links]
    parts += (b',"link":', orjson.dumps(relations))
    separator = b',"entry":['
    for entry in entries:
        parts += (
            separator,
            b'{"fullUrl":%b/%b/%b","resource":'
            % (quoted_base, entry.type.encode(), entry.id.encode()),
            entry.content,
            b',"search":{"mode":"%b"}}' % entry.mode.encode(),
        )
        separator = b","
    if warnings:
        outcome = outcome_bytes(warnings)
        # It has no place of its own; the same page has the same identity for it.
        identity = uuid5(NAMESPACE_URL, outcome.decode()).urn
        parts += (
            separator,
            b'{"fullUrl":"%b","resource":' % identity.encode(),
            outcome,
            b',"search":{"mode":"outcome"}}',
        )
        separator = b","
    parts.append(b"]}" if separator == b"," else b"}")
    return b"".join(parts)


def search_url(base_url: str, place: str, pairs: Pairs) -> str:
    """The URL of a search at a place below the base: what a self link says was really done."""
    url = f"{base_url}/{place}" if place else base_url
    if not pairs:
        return url
    return f"{url}?{'&'.join(f'{_quoted(name)}={_quoted(value)}' for name, value in pairs)}"


def _quoted(text: str) -> str:
    return text if _ALL_READABLE.fullmatch(text) else quote(text, _READABLE)
