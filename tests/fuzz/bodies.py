"""Bodies at random: valid resources, spoiled ones, bytes that are nothing; in JSON and XML, packed rightly and wrongly."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import brotli

from fhir_api.errors import FhirError
from fhir_api.formats.xml_writer import xml_of
from tests.fhir_api.client import bundle, entry, observation, patient

JSON, XML = "application/fhir+json", "application/fhir+xml"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b</p></div>'
LONGEST_EXAMPLE = 8_000

SEEDS: tuple[dict[str, Any], ...] = (
    patient(id="a", name=[{"family": "A", "given": ["B", "C"]}], gender="male", birthDate="1970-02-03"),
    patient("2", id="b", text={"status": "generated", "div": DIV}, active=True),
    patient("3", contained=[{"resourceType": "Organization", "id": "o", "name": "x"}],
            managingOrganization={"reference": "#o"}),
    observation("Patient/a", id="o", valueQuantity={"value": 1.10, "system": "http://unitsofmeasure.org",
                "code": "mg"}, effectiveDateTime="2024-01-01T10:00:00Z"),
    observation("urn:uuid:8ba1e5a0-5a5a-4a5a-9a5a-5a5a5a5a5a5a", component=[{"code": {"text": "x"}, "valueString": "y"}]),
    {"resourceType": "Task", "id": "a", "status": "requested", "intent": "order", "for": {"reference": "Patient/a"}},
    {"resourceType": "ImagingStudy", "id": "a", "status": "available", "subject": {"reference": "Patient/a"},
     "series": [{"uid": "1.2.3", "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM",
                                              "code": "CT"}}]},
    {"resourceType": "Binary", "id": "a", "contentType": "text/plain", "data": "aGVsbG8="},
    {"resourceType": "Encounter", "id": "a", "status": "planned", "class": {"code": "AMB"},
     "subject": {"reference": "Patient/a"}},
    {"resourceType": "SearchParameter", "id": "s", "url": "http://x.test/SearchParameter/s", "name": "S",
     "status": "active", "description": "x", "code": "shade", "base": ["Patient"], "type": "string",
     "expression": "Patient.name.family | Patient.extension.where(url = 'x').value"},
    {"resourceType": "ValueSet", "id": "v", "url": "http://x.test/ValueSet/v", "status": "active",
     "compose": {"include": [{"system": "http://x.test/cs", "concept": [{"code": "a"}]}]}},
    {"resourceType": "StructureDefinition", "id": "p", "url": "http://x.test/StructureDefinition/p", "name": "P",
     "status": "active", "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
     "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
     "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]}},
)  # fmt: skip

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", " ", "\x00", "\x7f", "é", "𝄞", "\ufffe", "a" * 5000,
    "Patient/a", "Patient/", "/", "#", "#x", "http://x.test/Patient/a", "urn:uuid:8ba1e5a0-5a5a-4a5a-9a5a-5a5a5a5a5a5a", "urn:oid:1.2", "2024-02-30",
    "0000", "2024-01-01T25:00:00Z", "9999-12-31", "|", "\\", "$", "${jndi:ldap://x}", "' OR 1=1 --", "<script>",
    "%s%n", "../../etc/passwd", "javascript:alert(1)", [], {}, [None], [[]], [{}], {"x": {}}, {"id": "a"},
    {"extension": [{}]}, {"extension": [{"url": "x", "valueCode": "y"}]}, {"resourceType": "Patient"},
    {"reference": "Patient?identifier=urn:test|1"}, {"resourceType": "Nonsense"}, ["a", None, "b"],
)  # fmt: skip
"""What an element may be replaced with."""

PATCHES: tuple[Any, ...] = (
    *([{"op": "add", "path": "/active", "value": value}] for value in (True, False) * 4),
    *([{"op": "add", "path": "/language", "value": value}] for value in ("de", "fy", "en") * 3),
    [{"op": "replace", "path": "/name/0/given/0", "value": "X"}],
    [{"op": "remove", "path": "/identifier/-"}],
    [{"op": "test", "path": "/id", "value": "a"}],
    [{"op": "move", "from": "/name", "path": "/x"}],
    [{"op": "copy", "from": "/name/0", "path": "/name/-"}],
    [{"op": "copy", "from": "", "path": "/contained"}] * 12,
    [{"op": "add", "path": "/~2/é//", "value": {}}],
    [{"op": "x"}],
    [],
    {},
    None,
)
FHIRPATH_PATCHES: tuple[Any, ...] = tuple(
    {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": path},
                    {"name": "value", "valueString": "A"},
                ],
            }
        ],
    }
    for path in ("Patient.name[0].family", "Patient.identifier[0].value", "Observation.code.text")
) * 20 + tuple(
    {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": kind},
                    {"name": "path", "valueString": path},
                    {"name": "name", "valueString": "birthDate"},
                    {"name": "index", "valueInteger": 0},
                    {"name": "value", "valueDate": "1970-01-01"},
                ],
            }
        ],
    }
    for kind in ("add", "insert", "delete", "replace", "move", "x")
    for path in ("Patient", "Patient.name[0].given", "Patient.name.where(use='x')", "((((", "'a'.repeat($this)")
)  # fmt: skip

PARAMETER_NAMES = (
    "resource", "mode", "profile", "meta", "worker", "analysis", "wait", "limit", "lease", "start", "end", "_since",
    "_type", "_count", "text", "percent", "reason", "attempt", "operation", "x", "",
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """Bytes, what they are said to be, and how they are said to be packed."""

    content: bytes
    content_type: str | None = JSON
    encoding: str | None = None


class Bodies:
    """Makes bodies. ``examples`` are official resources, where they can be had."""

    def __init__(self, random: Random, examples: list[dict[str, Any]]) -> None:
        self._random = random
        self._examples = examples

    def resource(self) -> dict[str, Any]:
        """A resource that is mostly valid."""
        pool = self._examples if self._examples and self._random.random() < 0.5 else SEEDS
        return copy.deepcopy(self._random.choice(pool))

    def spoiled(self) -> Any:
        """A resource in which one to three things are not as they should be."""
        tree: Any = {"root": self.resource()}
        for _ in range(self._random.randint(1, 3)):
            self._spoil(tree)
        return tree["root"]

    def _spoil(self, tree: Any) -> None:
        places: list[tuple[Any, Any]] = []
        level = [tree]
        while level:
            holder = level.pop()
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            for key in keys:
                places.append((holder, key))
                if isinstance(holder[key], dict | list):
                    level.append(holder[key])
        holder, key = self._random.choice(places[1:] or places)
        match self._random.randrange(5):
            case 0 if holder is not tree:
                del holder[key]
            case 1 if isinstance(holder, dict) and holder is not tree:
                holder[
                    self._random.choice(("x", "_" + str(key), "valueString", "é", "", "a" * 300))
                ] = holder.pop(key)
            case 2:
                holder[key] = [holder[key]] * self._random.choice((1, 2, 200))
            case _:
                holder[key] = copy.deepcopy(self._random.choice(NASTY))

    def parameters(self) -> dict[str, Any]:
        chosen = [
            {
                "name": self._random.choice(PARAMETER_NAMES),
                **self._random.choice(
                    (
                        {"valueString": "x"},
                        {"valueCode": "create"},
                        {"valueInteger": self._random.choice((-1, 0, 1, 10**12))},
                        {"valueBoolean": True},
                        {"valueUri": "http://hl7.org/fhir/StructureDefinition/Patient"},
                        {"valueCanonical": "http://x.test/StructureDefinition/p"},
                        {"valueMeta": {"tag": [{"system": "urn:x", "code": "t"}]}},
                        {"valueReference": {"reference": "Patient/a"}},
                        {"resource": self.resource()},
                        {"part": [{"name": "x", "valueCode": "y"}]},
                        {},
                    )
                ),
            }
            for _ in range(self._random.randint(0, 4))
        ]
        # A long poll is no hang, so it is kept short.
        brief = {"name": "wait", "valueInteger": 0}
        return {"resourceType": "Parameters", "parameter": [*chosen, brief] if chosen else []}

    def bundle(self, url: Callable[[], str]) -> dict[str, Any]:
        entries = [self._entry(url) for _ in range(self._random.choice((0, 1, 1, 2, 3, 6)))]
        kind = self._random.choice(("batch", "transaction") * 5 + ("collection", "x"))
        return bundle(kind, *entries)

    def _entry(self, url: Callable[[], str]) -> dict[str, Any]:
        method = self._random.choice(("GET", "POST", "PUT") * 3 + ("HEAD", "DELETE", "PATCH", "X"))
        conditions = {
            name: self._random.choice(('W/"1"', "*", "identifier=urn:test|1", "x", ""))
            for name in ("ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince")
            if self._random.random() < 0.04
        }
        simple = self._random.choice(
            ("Patient", "Patient/a", "Patient?identifier=urn:test|1", "Observation")
        )
        resource = self.resource() if self._random.random() < 0.7 else self.spoiled()
        full_url = self._random.choice(
            (None, "urn:uuid:8ba1e5a0-5a5a-4a5a-9a5a-5a5a5a5a5a5a", "http://x.test/Patient/a")
        )
        asked = simple if self._random.random() < 0.6 else url()
        made = entry(
            method,
            asked,
            resource if method in {"POST", "PUT", "PATCH"} else None,
            full_url,
            **conditions,
        )
        if self._random.random() < 0.1:
            made[self._random.choice(("request", "resource", "fullUrl", "x"))] = (
                self._random.choice(NASTY)
            )
        return made

    def patch(self) -> Body:
        if self._random.random() < 0.5:
            return self.packed(_json(self._random.choice(PATCHES)), "application/json-patch+json")
        return self.as_it_is(self._random.choice(FHIRPATH_PATCHES))

    def of(self, tree: Any) -> Body:
        """The tree in JSON or XML, now and then damaged."""
        body = self.as_it_is(tree)
        if self._random.random() < 0.12:
            body = Body(self.damaged(body.content), body.content_type, body.encoding)
        return body

    def as_it_is(self, tree: Any) -> Body:
        """The tree in JSON or XML."""
        if self._random.random() < 0.3 and isinstance(tree, dict):
            try:
                return self.packed(xml_of(_json(tree)), self._random.choice((XML, XML, "text/xml")))
            except (FhirError, AttributeError, TypeError, KeyError, ValueError):
                pass  # what is so spoiled has no XML
        return self.packed(_json(tree), JSON)

    def damaged(self, content: bytes) -> bytes:
        at = self._random.randrange(len(content) + 1)
        match self._random.randrange(8):
            case 0:
                return content[:at]
            case 1:
                return content[:at] + self._random.randbytes(3) + content[at:]
            case 2:
                return (
                    content[:at]
                    + self._random.choice((b"\xff", b"\x00", b"\xed\xa0\x80", b"<!--"))
                    + content[at:]
                )
            case 3:
                return content.replace(b'"', b"", 1)
            case 4:
                return content.replace(b"{", b'{"resourceType":"Patient",', 1)
            case 5:
                return content.replace(b":", b":1e999,", 1)
            case 6:
                return b"[" * self._random.choice((10, 100_000)) + content
            case _:
                return content.replace(b"<", b"<a>" * self._random.choice((10, 50_000)), 1)

    def nonsense(self) -> Body:
        content = self._random.choice(
            (
                b"",
                b"null",
                b"[]",
                b'"x"',
                b"\x00" * 10,
                b"{" * 10_000,
                b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
                b'{"resourceType":"Patient","resourceType":"Patient"}',
                b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 4000 + b"}",
                b'{"resourceType":"Patient","active":NaN}',
                b'{"resourceType":"Patient","language":"\\ud800"}',
                b"\xef\xbb\xbf{}",
                b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>',
                b'<Patient xmlns="http://hl7.org/fhir">' + b"<extension>" * 10_000,
                b'<Patient xmlns="http://hl7.org/fhir" '
                + b" ".join(b'a%d="x"' % n for n in range(2000))
                + b"/>",
                self._random.randbytes(200),
                b"name=x&_count=1&" * 30,
            )
        )
        types = (JSON, XML, "text/plain", "application/x-www-form-urlencoded", "image/png", "x", "", None, "a/b;c",
                 "application/fhir+json; fhirVersion=3.0", "application/json; charset=utf-16",
                 "multipart/form-data; boundary=x", "application/json-patch+json")  # fmt: skip
        return self.packed(content, self._random.choice(types))

    def packed(self, content: bytes, content_type: str | None) -> Body:
        """The content, in one of eight cases under a Content-Encoding, half of those a lie."""
        if self._random.random() > 0.12:
            return Body(content, content_type)
        name, pack = self._random.choice(
            (
                ("gzip", gzip.compress),
                ("deflate", zlib.compress),
                ("br", brotli.compress),
                ("x", bytes),
            )
        )
        if self._random.random() < 0.5:
            lie = self._random.choice(
                (content, pack(content)[:-3], pack(content) + b"x", pack(pack(content)))
            )
            return Body(lie, content_type, name)
        bomb = b" " * 50_000_000 if self._random.random() < 0.02 else b""
        return Body(pack(content + bomb), content_type, name)


def _json(tree: Any) -> bytes:
    return json.dumps(tree).encode()
