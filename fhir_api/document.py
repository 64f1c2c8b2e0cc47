"""A JSON document as the client sent it: read strictly, kept by its bytes, stamped with id and version.

A resource is parsed once, to look at; what is stored is the client's own bytes, with the top-level members ``id``
and ``meta`` joined in anew. So decimals keep their text, members their order, and nothing legal is lost
(https://hl7.org/fhir/R4/json.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec
import orjson

from fhir_api.errors import Category, FhirError

Tree = dict[str, Any]
"""A JSON object as plain Python values, to look at; decimals are floats here."""

Members = dict[str, bytes | msgspec.Raw]
"""A JSON object's members by name, each value as the bytes that were sent."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""https://hl7.org/fhir/R4/datatypes.html#id"""


def parse(body: bytes, max_depth: int) -> Tree:
    """The document's JSON object.

    Raises:
        FhirError: not UTF-8, not JSON, not an object, a name twice in an object, nested deeper than ``max_depth``.
    """
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        tree = _parse_slowly(body, exc)
    if type(tree) is not dict:
        raise FhirError(Category.STRUCTURE, "The body is not a JSON object.", "http.body")
    if body.count(b"{") + body.count(b"[") > max_depth and depth(tree) > max_depth:
        raise FhirError(
            Category.STRUCTURE, f"The body is nested deeper than {max_depth} levels.", "http.body"
        )
    try:
        again = orjson.dumps(tree)
    except TypeError as exc:
        raise FhirError(
            Category.STRUCTURE, "The body holds text that is no Unicode.", "http.body"
        ) from exc
    if again != body and _string_quotes(again) != _string_quotes(body):
        # A parser keeps the last of two members with one name: the strings that are missing give it away.
        raise FhirError(
            Category.STRUCTURE, "An object of the body has a member twice.", "http.body"
        )
    return tree


def _string_quotes(body: bytes) -> int:
    """How many quotes open or close a string."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"")
        return body.count(b'"') - body.count(b'\\"')
    return body.count(b'"')


def _parse_slowly(body: bytes, refused: orjson.JSONDecodeError) -> Any:  # noqa: ANN401
    """What only the fast parser refuses: numbers beyond a double (1e400), which are legal JSON.

    They are infinite here, and so the validator refuses them with their place: what is stored, all can read.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object_of_pairs,
            parse_constant=_refuse_constant,
            parse_int=_integer,
        )
    except RecursionError as exc:
        raise FhirError(Category.STRUCTURE, "The body is nested too deep.", "http.body") from exc
    except ValueError as exc:
        text = f"The body is not JSON in UTF-8: {refused.msg}."
        raise FhirError(Category.STRUCTURE, text, "http.body") from exc


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> Tree:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise FhirError(
            Category.STRUCTURE, "An object of the body has a member twice.", "http.body"
        )
    return tree


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 19 else float(text)


def depth(tree: Tree) -> int:
    """How many objects and arrays stand inside each other."""
    level: list[Any] = [tree]
    levels = 0
    while level:
        levels += 1
        level = [
            value
            for holder in level
            for value in (holder.values() if type(holder) is dict else holder)
            if type(value) is dict or type(value) is list
        ]
    return levels


def members_of(body: bytes | msgspec.Raw) -> Members:
    """The top-level members of a JSON object that has been parsed before, in order, as bytes."""
    return _members.decode(body)  # type: ignore[return-value]


@lru_cache(maxsize=4096)
def _quoted(name: str) -> bytes:
    return orjson.dumps(name) + b":"


def joined(members: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """The JSON object of these members."""
    parts: list[bytes | msgspec.Raw] = []
    for name, value in members.items():
        # What FHIR calls its elements is short; what a client makes up is not kept.
        parts += (_quoted(name) if len(name) < 64 else orjson.dumps(name) + b":", value, b",")
    if not parts:
        return b"{}"
    parts[-1] = b"}"
    return b"{" + b"".join(parts)


def stamp(body: bytes | msgspec.Raw, id: str, version: int, last_updated: str) -> bytes:
    """The document with its server-assigned ``id``, ``meta.versionId`` and ``meta.lastUpdated``; all else as it was.

    Where the client sent no ``id`` or ``meta``, they follow ``resourceType``.
    """
    sent = members_of(body)
    moment = b'"%s"' % last_updated.encode()
    if "meta" in sent:
        meta = members_of(sent["meta"])
        meta["versionId"] = b'"%d"' % version
        meta["lastUpdated"] = moment
        stamped_meta = joined(meta)
    else:
        stamped_meta = b'{"versionId":"%d","lastUpdated":%s}' % (version, moment)
    ours: Members = {"id": b'"%s"' % id.encode(), "meta": stamped_meta}
    if "id" in sent and "meta" in sent:
        return joined(sent | ours)
    if "resourceType" not in sent:
        return joined({**ours, **sent, **ours})
    stamped: Members = {}
    for name, value in sent.items():
        stamped[name] = ours.get(name, value)
        if name == "resourceType":
            stamped |= {name: value for name, value in ours.items() if name not in sent}
    return joined(stamped)
