"""What somebody might send who wants to know of the second patient: every interaction, every operation, at random."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

from fhir_api.operations.registry import Level, operations
from fhir_api.search.parameters import parameters_of
from tests.adversary.records import MOVED, OTHERS, OWN, SECRET, SHARED, Resource
from tests.fhir_api.client import bundle, entry

JSON_PATCH = "application/json-patch+json"
FHIR_JSON = "application/fhir+json"

TYPES = tuple(sorted({one["resourceType"] for one in [*OTHERS, *OWN, *SHARED]}))
VALUES: dict[str, tuple[str, ...]] = {
    "token": (f"urn:mrn|{SECRET}-1", "urn:mrn|", f"{SECRET}-1", "http://loinc.org|8867-4", "final", "preliminary", "active", "other",
              "urn:dicom:uid|urn:oid:1.2.3.98", "true", "b", "o-b"),
    "string": (SECRET, SECRET[:5], f"{SECRET}-given", "Doctor", "Clinic"),
    "reference": ("Patient/b", "b", "http://fhir.test/fhir/Patient/b", "Patient/a", "Observation/o-b", "ImagingStudy/s-b", "Encounter/e-b",
                  "Organization/org", "Practitioner/doc", "Observation/o-a", "Group/g-b"),
    "date": ("1975-05-05", "ge1970", "lt1990", "sa2024-06", "2024-09-09", "gt2026-01-01T00:00:30Z"),
    "quantity": ("gt90", "97", "97||/min"),
    "number": ("gt0", "1"),
    "uri": ("urn:x", "http://fhir.test/fhir"),
}  # fmt: skip
"""By type of search parameter: what the second patient's record has, mostly."""
MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": ("", "", "", ":not", ":text", ":missing"),
    "string": ("", "", ":exact", ":contains", ":missing"),
    "reference": ("", "", "", ":missing", ":Patient", ":identifier"),
}
CHAINS: tuple[tuple[str, str], ...] = (
    ("Observation", f"subject:Patient.name={SECRET}"),
    ("Observation", "patient.birthdate=1975-05-05"),
    ("Observation", f"performer:Practitioner._has:Patient:general-practitioner:name={SECRET}"),
    ("Observation", "_has:Observation:derived-from:_id=joint-b"),
    ("Observation", "_has:Observation:derived-from:status=final"),
    ("Observation", f"_has:DiagnosticReport:result:identifier=urn:mrn|{SECRET}-1"),
    ("Observation", "_list=l-b"),
    ("Observation", f"_tag=urn:tag|{SECRET}"),
    ("Patient", f"_has:Observation:subject:identifier=urn:mrn|{SECRET}-1"),
    ("Patient", "_has:Observation:patient:value-quantity=gt90"),
    ("Patient", "_has:Group:member:_id=g-b"),
    ("Patient", f"organization._has:Patient:organization:name={SECRET}"),
    ("Organization", f"_has:Patient:organization:name={SECRET}"),
    ("Organization", "_has:Patient:organization:birthdate=1975-05-05"),
    ("Organization", f"_has:Patient:organization:_has:Observation:subject:code:text={SECRET}"),
    ("Practitioner", "_has:Patient:general-practitioner:birthdate=1975-05-05"),
    ("Practitioner", f"_has:Observation:performer:identifier=urn:mrn|{SECRET}-1"),
    ("Practitioner", "_has:Observation:focus:status=final"),
    ("Practitioner", "_has:Provenance:agent:patient=b"),
    ("DiagnosticReport", "result.value-quantity=gt90"),
    ("DiagnosticReport", f"result.code:text={SECRET}"),
    ("Task", "focus:ImagingStudy.patient=b"),
    ("Task", f"patient.name={SECRET}"),
    ("ImagingStudy", f"_has:Task:focus:identifier=urn:mrn|{SECRET}-1"),
    ("ImagingStudy", "encounter._id=e-b"),
    ("Device", f"patient.name={SECRET}"),
)
"""A type and a criterion that looks at the second patient's from there, through references forwards and back."""
SHAPES = (
    "_total=accurate", "_total=estimate", "_summary=count", "_summary=true", "_summary=text", "_elements=id", "_elements=subject,code",
    "_count=1", "_count=2", "_count=0", "_count=1000", "_sort=-_lastUpdated", "_sort=_id", "_sort=birthdate", "_sort=-name",
    "_sort=code,-date", "_include=*", "_revinclude=*", "_include=Observation:subject", "_include:iterate=DiagnosticReport:result",
    "_revinclude=Observation:derived-from", "_revinclude=Patient:organization", "_revinclude:iterate=Observation:subject",
    "_revinclude=Patient:general-practitioner", "_include=Task:focus", "_type=Patient,Observation", "_contained=both",
)  # fmt: skip
CONDITIONS = (
    f"identifier=urn:mrn|{SECRET}-1", "_id=o-b", "_id=b", "subject=Patient/b", f"name={SECRET}", "patient=b", "status=final",
    f"subject:Patient.name={SECRET}", "value-quantity=gt90", "_tag=urn:tag|" + SECRET,
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {}, {}, {}, {"if_none_match": 'W/"1"'}, {"if_none_match": "*"}, {"if_match": 'W/"1"'}, {"if_match": 'W/"2"'},
    {"if_modified_since": "Thu, 01 Jan 2026 00:00:10 GMT"}, {"prefer": "return=minimal"}, {"prefer": "handling=strict"},
    {"prefer": "return=OperationOutcome"}, {"accept": "application/fhir+xml"}, {"accept": "text/html"}, {"range": "bytes=0-3"},
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One request. ``kind`` is its row in the table."""

    kind: str
    method: str
    url: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Attempts:
    """Makes attempts, the same ones for the same seed. ``links``: pages that somebody else was shown."""

    def __init__(self, random: Random, links: tuple[str, ...]) -> None:
        self._random = random
        self._links = links

    def next(self) -> Attempt:
        makers: dict[str, tuple[int, Callable[[], Attempt]]] = {
            "read": (12, self._read),
            "history": (8, self._history),
            "search": (30, self._search),
            "compartment": (6, self._compartment),
            "another's page": (2, self._anothers_page),
            "operation": (12, self._operation),
            "create": (8, self._create),
            "update": (8, self._update),
            "patch": (6, self._patch),
            "delete": (4, self._delete),
            "conditional": (10, self._conditional),
            "Bundle": (8, self._bundle),
        }
        weights = [weight for weight, _ in makers.values()]
        kind = self._random.choices(list(makers), weights)[0]
        made = makers[kind][1]()
        headers = {**self._random.choice(HEADERS), **made.headers}
        return Attempt(kind, made.method, made.url, made.body, headers)

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _resource(self) -> Resource:
        """Mostly the second patient's."""
        random = self._random.random()
        if self._random.random() < 0.03:
            return MOVED
        return self._random.choice(OTHERS if random < 0.7 else OWN if random < 0.9 else SHARED)

    def _place(self) -> str:
        """The URL of something that may be there."""
        one = self._resource()
        id = one["id"] if self._random.random() < 0.92 else self._pick("absent", "o-b.", "O-B")
        return f"{one['resourceType']}/{id}"

    def _ask(self, method: str, url: str, body: Any = None, **headers: str) -> Attempt:
        return Attempt("", method, url, body, headers)

    def _read(self) -> Attempt:
        version = self._pick("", "", "", "/_history/1", "/_history/2", "/_history/3")
        shape = self._pick("", "", "?_elements=subject", "?_summary=text", "?_format=xml")
        return self._ask(self._pick("GET", "GET", "HEAD"), self._place() + version + shape)

    def _history(self) -> Attempt:
        place = self._pick(self._place() + "/", self._pick(*TYPES) + "/", "")
        query = self._pick(
            "",
            "?_count=1",
            "?_count=3",
            "?_since=2026-01-01T00:00:20Z",
            "?_at=2026-01-01T00:00:30Z",
        )
        return self._ask("GET", f"{place}_history{query}")

    def _query(self, type: str) -> str:
        pairs = []
        while not pairs or self._random.random() < 0.55:
            which = self._random.random()
            if which < 0.4:
                pairs.append(self._pair(type))
            else:
                pairs.append(self._pick(*SHAPES))
        return "&".join(pairs)

    def _pair(self, type: str) -> str:
        known = parameters_of(type)
        code = self._pick(*known)
        kind = known[code].type
        if kind not in VALUES:
            return f"_id={self._pick('b', 'o-b', 'a')}"
        modifier = self._pick(*MODIFIERS.get(kind, ("", "", ":missing")))
        value = self._pick("true", "false") if modifier == ":missing" else self._pick(*VALUES[kind])
        return f"{code}{modifier}={quote(value)}"

    def _search(self) -> Attempt:
        type, query = self._pick(*TYPES), ""
        if self._random.random() < 0.4:
            type, query = self._random.choice(CHAINS)
        if not query or self._random.random() < 0.3:
            query = "&".join(filter(None, (query, self._query(type))))
        if self._random.random() < 0.2:
            form = query.encode()
            return self._ask(
                "POST",
                self._pick(f"{type}/_search", "_search"),
                form,
                content_type="application/x-www-form-urlencoded",
            )
        if self._random.random() < 0.15:
            return self._ask("GET", f"?_type={type},Patient&{query}")
        return self._ask("GET", f"{type}?{query}")

    def _compartment(self) -> Attempt:
        compartment = self._pick(
            "Patient/b",
            "Patient/b",
            "Patient/a",
            "Encounter/e-b",
            "Device/dev-b",
            "Practitioner/doc",
            "RelatedPerson/rp-b",
        )
        type = self._pick(
            "*", "Observation", "Task", "ImagingStudy", "DiagnosticReport", "Encounter"
        )
        query = self._pick("", f"?{self._pick(*SHAPES)}", f"?{self._random.choice(CHAINS)[1]}")
        return self._ask("GET", f"{compartment}/{type}{query}")

    def _anothers_page(self) -> Attempt:
        return self._ask("GET", self._pick(*self._links))

    def _operation(self) -> Attempt:
        operation = self._random.choice(list(operations().values()))
        level = self._random.choice(sorted(operation.levels, key=lambda one: one.value))
        one = self._resource()
        types = operation.types
        type = one["resourceType"] if types is None else self._pick(*sorted(types))
        id = self._pick("b", "t-b", one["id"])
        url = {
            Level.SYSTEM: f"${operation.name}",
            Level.TYPE: f"{type}/${operation.name}",
            Level.INSTANCE: f"{type}/{id}/${operation.name}",
            Level.VERSION: f"{type}/{id}/_history/1/${operation.name}",
        }[level]
        if self._random.random() < 0.5 and not operation.changes_state:
            query = self._pick(
                "",
                "?_type=Observation",
                "?_since=2026-01-01T00:00:20Z",
                "?_count=1",
                "?mode=delete",
                "?mode=update",
            )
            return self._ask("GET", url + query)
        return self._ask("POST", url, self._parameters(operation.name, one))

    def _parameters(self, name: str, one: Resource) -> Resource:
        value: dict[str, list[dict[str, Any]]] = {
            "validate": [{"name": "resource", "resource": self._draft(one)}],
            "meta-add": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "y"}]}}],
            "meta-delete": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:tag", "code": SECRET}]}}],
            "claim": [{"name": "worker", "valueString": "w"}, {"name": "wait", "valueInteger": 0}],
        }  # fmt: skip
        parameter = value.get(name, [{"name": "worker", "valueString": "w"}])
        return {"resourceType": "Parameters", "parameter": parameter}

    def _draft(self, one: Resource) -> Resource:
        """The resource, moved to the first patient or left with the second, as if it were new or as it is."""
        draft = deepcopy(one)
        if self._random.random() < 0.6:
            for member in ("subject", "patient", "for"):
                if isinstance(draft.get(member), dict):
                    draft[member] = {
                        "reference": self._pick(
                            "Patient/a",
                            "Patient/a",
                            "Patient/b",
                            f"Patient?identifier=urn:mrn|{SECRET}-1",
                        )
                    }
        if self._random.random() < 0.3:
            draft["extension"] = [{"url": "urn:x", "valueReference": {"reference": self._place()}}]
        return draft

    def _create(self) -> Attempt:
        draft = self._draft(self._resource())
        draft.pop("id")
        headers = {}
        if self._random.random() < 0.4:
            headers["if_none_exist"] = self._pick(*CONDITIONS)
        return self._ask("POST", draft["resourceType"], draft, **headers)

    def _update(self) -> Attempt:
        draft = self._draft(self._resource())
        if self._random.random() < 0.3:
            draft["id"] = self._pick("o-b", "b", "absent", "t-b")
        return self._ask("PUT", f"{draft['resourceType']}/{draft['id']}", draft)

    def _patches(self) -> tuple[Any, str]:
        test = self._pick("/subject/reference", "/id", "/status", "/meta/versionId")
        operation = self._random.choice(
            (
                {"op": "test", "path": test, "value": self._pick("Patient/b", "b", "final", "1", "2")},
                {"op": "replace", "path": "/subject", "value": {"reference": self._pick("Patient/a", "Patient/b")}},
                {"op": "add", "path": "/language", "value": "en"},
            )
        )  # fmt: skip
        return [operation], JSON_PATCH

    def _patch(self) -> Attempt:
        body, content_type = self._patches()
        return self._ask("PATCH", self._place(), body, content_type=content_type)

    def _delete(self) -> Attempt:
        return self._ask("DELETE", self._place())

    def _conditional(self) -> Attempt:
        draft = self._draft(self._resource())
        url = f"{draft['resourceType']}?{self._pick(*CONDITIONS)}"
        match self._pick("PUT", "PUT", "DELETE", "PATCH"):
            case "PUT":
                if self._random.random() < 0.6:
                    draft.pop("id")
                return self._ask("PUT", url, draft)
            case "PATCH":
                body, content_type = self._patches()
                return self._ask("PATCH", url, body, content_type=content_type)
            case _:
                return self._ask("DELETE", url)

    def _bundle(self) -> Attempt:
        makers = (
            self._read,
            self._search,
            self._create,
            self._update,
            self._delete,
            self._conditional,
            self._history,
        )
        entries = []
        for _ in range(self._random.randint(1, 4)):
            one = self._random.choice(makers)()
            body = one.body if isinstance(one.body, dict) else None
            if one.method in {"GET", "DELETE"} or body is not None:
                conditions = (
                    {"ifNoneExist": one.headers["if_none_exist"]}
                    if "if_none_exist" in one.headers
                    else {}
                )
                entries.append(entry(one.method, one.url, body, **conditions))
        return self._ask("POST", "", bundle(self._pick("batch", "transaction"), *entries))
