"""Links between the entries of a transaction, replaced in a resource's bytes by where their targets came to be.

https://hl7.org/fhir/R4/http.html#trules: the server replaces every matching link of the Bundle: references, elements
of type uri, url, oid, uuid and canonical, and ``<a href>`` and ``<img src>`` of the narrative. Other text that looks the
same (``Identifier.value``) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import orjson

from fhir_api.definitions.elements import RESOURCE_TYPES, TYPES, properties_of
from fhir_api.errors import Category, FhirError

LINK_TYPES = frozenset({"uri", "url", "canonical", "oid", "uuid"})

_MEMBER: Final = re.compile(rb'"([A-Za-z]+)"(\s*:\s*)("[^"\\]*"|\[[^\[\]{}]*\])')
"""A member whose value is a string without escapes, or an array of plain values."""
_STRING: Final = re.compile(rb'"[^"\\]*"')
_REFERENCE: Final = re.compile(rb'"reference"(\s*:\s*)("(?:[^"\\]|\\.)*")')
_ATTRIBUTE: Final = re.compile(rb"""(\b(?:href|src)\s*=\s*)(\\"|')([^"'\\]*)(\\"|')""")
_CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?(.+)", re.DOTALL)
_FEW = 16


@cache
def _link_names() -> frozenset[bytes]:
    """The JSON members that hold a link in some type."""
    names = {
        name
        for type in TYPES
        for name, property in properties_of(type).items()
        if property.type in LINK_TYPES
    }
    return frozenset(name.encode() for name in (names - {"fullUrl"}) | {"reference"})


@cache
def _canonical_names() -> frozenset[bytes]:
    """The members that hold nothing but canonical URLs, which are absolute."""
    types: dict[str, set[str]] = {}
    for type in TYPES:
        for name, property in properties_of(type).items():
            types.setdefault(name, set()).add(property.type)
    return frozenset(name.encode() for name, found in types.items() if found == {"canonical"})


def replace_links(body: bytes, links: Mapping[bytes, bytes], base: bytes) -> bytes:
    """The resource with every link that is a key of ``links`` replaced by its value, a canonical one below ``base``.

    Keys and values are the text between the quotes, which needs no escape in JSON.
    """
    if len(links) <= _FEW:
        present = [link for link in links if link in body]
        if not present:
            return body
        if all(_only_references(body, link) for link in present):
            for link in present:
                body = body.replace(b'"reference":"%s"' % link, b'"reference":"%s"' % links[link])
            return body
    return _replace_members(body, links, base)


def _only_references(body: bytes, link: bytes) -> bool:
    """Whether the link stands nowhere but in compact ``"reference":"…"``."""
    return body.count(link) == body.count(b'"reference":"%s"' % link)


def _replace_members(body: bytes, links: Mapping[bytes, bytes], base: bytes) -> bytes:
    names, canonicals = _link_names(), _canonical_names()

    def string(match: re.Match[bytes]) -> bytes:
        target = links.get(match[0][1:-1])
        return match[0] if target is None else b'"%s"' % target

    def absolute(match: re.Match[bytes]) -> bytes:
        target = links.get(match[0][1:-1])
        return match[0] if target is None else b'"%s/%s"' % (base, target)

    def member(match: re.Match[bytes]) -> bytes:
        if match[1] not in names:
            return match[0]
        replaced = _STRING.sub(absolute if match[1] in canonicals else string, match[3])
        return b'"%s"%s%s' % (match[1], match[2], replaced)

    def attribute(match: re.Match[bytes]) -> bytes:
        target = links.get(match[3])
        return match[0] if target is None else match[1] + match[2] + target + match[4]

    body = _MEMBER.sub(member, body)
    if b"<a" in body or b"<img" in body:
        body = _ATTRIBUTE.sub(attribute, body)
    return body


def conditional_references(body: bytes) -> list[tuple[str, str, str]]:
    """(as written, type, criteria) of every reference that is a search: ``Patient?identifier=x``.

    https://hl7.org/fhir/R4/http.html#trules
    """
    if b"?" not in body:
        return []
    found = []
    for text in dict.fromkeys(_references(body)):
        match = _CONDITIONAL.fullmatch(text)
        if match and match[1] in RESOURCE_TYPES:
            found.append((text, match[1], match[2]))
    return found


def replace_references(body: bytes, targets: Mapping[str, str]) -> bytes:
    """The resource with every ``Reference.reference`` that is a key replaced by its value, whatever its escapes."""

    def reference(match: re.Match[bytes]) -> bytes:
        target = targets.get(orjson.loads(match[2]))
        return match[0] if target is None else b'"reference"%s"%s"' % (match[1], target.encode())

    return _REFERENCE.sub(reference, body)


def require_no_placeholder(body: bytes) -> None:
    """Raises FhirError where a reference names an entry by ``urn:uuid:`` that the Bundle does not have."""
    if b"urn:uuid:" not in body:
        return
    if any(text.startswith("urn:uuid:") for text in _references(body)):
        text = "A reference names a urn:uuid that no entry of the Bundle has as its fullUrl."
        raise FhirError(Category.UNPROCESSABLE, text)


def _references(body: bytes) -> Iterator[str]:
    for match in _REFERENCE.finditer(body):
        yield orjson.loads(match[2])
