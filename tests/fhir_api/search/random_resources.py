"""Random resources from small vocabularies, so that searches find some of them and not all, and random searches."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.fhir_api.search.spec_filter import BASE, CLINICAL, PARAMETERS, Resource

NAMES = [
    "Müller",
    "Muller",
    "MÜLLERIN",
    "van den Berg",
    "Van  Den berg",
    "O'Neil, Jr",
    "Łoś",
    "Smith|Jones",
]
NAMES += ["a\\b", "Straße", "strasse", "$mith", "li"]
SYSTEMS = [None, "http://a.org", "urn:b|c"]
CODES = ["x", "X", "y|z", "a,b", "true", "xy"]
TEXTS = ["Blood pressure", "blut druck", "Müde"]
IDS = ["1", "2", "3"]
REFERENCES = [
    "Patient/1",
    "Patient/2",
    "Group/1",
    f"{BASE}/Patient/2",
    "http://other.org/fhir/Patient/1",
]
REFERENCES += ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "Patient/3"]
STORED_IDS = [f"r{number}" for number in range(12)]
"""What refers to a resource that is there refers to one of these: several to each, and in circles."""
STATUSES = ["active", "recurrence", "relapse", "inactive", "remission", "resolved"]
NUMBERS = [
    "0",
    "5",
    "5.0",
    "5.4",
    "5.35",
    "5.45",
    "-5",
    "100",
    "99.5",
    "100.5",
    "0.05",
    "1200",
    "95",
    "105",
]
URIS = [
    "http://a.org/x",
    "http://a.org/x/y",
    "http://a.org/xy",
    "http://a.org",
    "urn:oid:1.2",
    "http://A.org/x",
]
STORED_DATES = [
    "2020",
    "2019-12",
    "2020-02",
    "2020-02-29",
    "2020-03-01",
    "2020-02-29T23:59:59Z",
    "2019-12-31",
]
STORED_DATES += [
    "2020-02-29T23:59:59.5Z",
    "2020-03-01T01:00:00+01:00",
    "2020-03-01T00:00:00.000Z",
    "2021",
]
STORED_DATES += ["2020-03-01T04:30:00-05:30"]
DATES = [*STORED_DATES, "2020-02-29T23:59", "2020-02-29T23:59:59", "2020-03-01T00:59+01:00"]
"""A search may leave out seconds and time zone; a resource may not."""
PART = {"system": "http://c.org"}
"""Of a component's code: it may not be that of the Observation (obs-7)."""
PERCENT = {"system": "http://unitsofmeasure.org", "code": "%"}
PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


class Maker:
    """Makes resources; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def maybe(self, value: Any, chance: float = 0.7) -> Any:
        return value if self.random.random() < chance else None

    def some(self, make: Callable[[], Any], most: int = 3) -> list[Any] | None:
        return [make() for _ in range(self.random.randint(0, most))] or None

    def pick(self, values: list[Any]) -> Any:
        return self.random.choice(values)

    def resource(self, type: str, id: str) -> Resource:
        made = {"resourceType": type, "id": id, "meta": self.meta(), **getattr(self, type)()}
        return without_nothing(made)

    def meta(self) -> Resource:
        return {
            "profile": self.some(lambda: self.pick(URIS), 2),
            "source": self.maybe(self.pick(URIS), 0.3),
            "tag": self.some(self.coding, 2),
        }

    def coding(self) -> Resource:
        return {
            "system": self.pick(SYSTEMS),
            "code": self.pick(CODES),
            "display": self.maybe(self.pick(TEXTS), 0.5),
        }

    def concept(self) -> Resource:
        return {"coding": self.some(self.coding, 2), "text": self.maybe(self.pick(TEXTS))} | (
            {"text": "always"} if self.random.random() < 0.3 else {}
        )

    def identifier(self) -> Resource:
        kind = {"coding": [{"system": "http://t.org", "code": self.pick(["MR", "ACSN"])}]}
        return {"system": self.pick(SYSTEMS), "value": self.pick(CODES), "type": self.maybe(kind)}

    def reference(self) -> Resource:
        return {
            "reference": self.maybe(self.pick(REFERENCES), 0.9),
            "identifier": self.maybe(
                {"system": self.pick(SYSTEMS), "value": self.pick(CODES)}, 0.3
            ),
            "display": "somebody",
        }

    def stored(self, type: str) -> Resource:
        return {"reference": f"{type}/{self.pick(STORED_IDS)}"}

    def number(self) -> float:
        return float(self.pick(NUMBERS))

    def amount(self) -> float:
        """A number, or a thousand or million times as much, so that other units say the same."""
        return float(Decimal(self.pick(NUMBERS)).scaleb(self.pick([-6, -3, 0, 0, 3, 6])))

    def quantity(self) -> Resource:
        unit = self.pick(
            [
                {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"},
                {"system": "http://unitsofmeasure.org", "code": "g"},
                {"system": "http://unitsofmeasure.org", "code": "ug"},
                {"system": "http://unitsofmeasure.org", "code": "mL"},
                {"unit": "mg"},
                {},
            ]
        )
        return {
            "value": self.amount(),
            "comparator": self.maybe(self.pick(["<", "<=", ">", ">="]), 0.2),
            **unit,
        }

    def period(self) -> Resource:
        days = [d for d in STORED_DATES if len(d) in (4, 7, 10)]
        start, end = sorted(self.random.sample(days, 2))
        if end.startswith(start):  # per-1: it must be certain which of the two is earlier
            return {"start": start}
        return {"start": self.maybe(start, 0.8), "end": self.maybe(end, 0.8)}

    def human_name(self) -> Resource:
        return {
            "family": self.maybe(self.pick(NAMES)),
            "given": self.some(lambda: self.pick(NAMES), 2),
            "text": self.pick(NAMES),
        }

    def Patient(self) -> Resource:
        return {
            "identifier": self.some(self.identifier),
            "active": self.maybe(self.pick([True, False])),
            "name": self.some(self.human_name),
            "gender": self.maybe(self.pick(["male", "female"])),
            "birthDate": self.maybe(self.pick([d for d in STORED_DATES if "T" not in d])),
            "generalPractitioner": self.some(
                lambda: {
                    "reference": self.pick(
                        ["Practitioner/1", "Organization/1", "Practitioner/2", "Organization/r1"]
                    )
                }
            ),
            "managingOrganization": self.maybe(self.stored("Organization")),
            "link": self.some(lambda: {"other": self.stored("Patient"), "type": "seealso"}, 2),
        }

    def Observation(self) -> Resource:
        when: Resource = {"effectiveDateTime": self.pick(STORED_DATES)}
        if self.random.random() < 0.5:
            when = {"effectivePeriod": self.period()} if self.random.random() < 0.8 else {}
        return {
            "status": "final",
            "code": self.concept() | {"text": self.pick(TEXTS)},
            "category": self.some(self.concept),
            "subject": self.maybe(self.pick([self.reference(), self.stored("Patient")]), 0.9),
            "performer": self.some(lambda: self.stored(self.pick(["Patient", "Organization"])), 2),
            "hasMember": self.some(lambda: self.stored("Observation"), 2),
            "valueQuantity": self.maybe(self.quantity()),
            "component": self.some(
                lambda: {
                    "code": {"coding": [self.coding() | PART], "text": "part"},
                    "valueQuantity": self.maybe(self.quantity(), 0.9),
                }
            ),
            **when,
        }

    def RiskAssessment(self) -> Resource:
        def prediction() -> Resource:
            if self.random.random() < 0.6:
                return {"probabilityDecimal": min(self.number(), 100.0)}  # ras-2
            low, high = sorted([self.number(), self.number()])
            return {
                "probabilityRange": {
                    "low": {"value": low, **PERCENT},
                    "high": self.maybe({"value": high, **PERCENT}),
                }
            }

        return {
            "status": "final",
            "subject": self.stored(self.pick(["Patient", "Group"])),
            "occurrenceDateTime": self.maybe(self.pick(STORED_DATES)),
            "prediction": self.some(prediction),
        }

    def Organization(self) -> Resource:
        return {
            "name": self.pick(NAMES),
            "alias": self.some(lambda: self.pick(NAMES), 2),
            "partOf": self.maybe(self.stored("Organization")),
        }

    def Condition(self) -> Resource:
        status = {"coding": [{"system": CLINICAL, "code": self.pick(STATUSES)}]}
        onset: Resource = {"onsetDateTime": self.pick(STORED_DATES)}
        if self.random.random() < 0.5:
            onset = {"onsetPeriod": self.period()}
        return {
            "clinicalStatus": self.maybe(status, 0.8),
            "subject": self.stored(self.pick(["Patient", "Patient", "Group"])),
            "asserter": self.maybe(self.stored("Patient"), 0.4),
            **onset,
        }

    def ValueSet(self) -> Resource:
        return {
            "status": "draft",
            "url": self.maybe(self.pick(URIS)),
            "version": self.maybe(self.pick(CODES)),
            "title": self.maybe(self.pick(NAMES)),
        }


def without_nothing(value: Any) -> Any:
    """No nulls and no empty objects or arrays: JSON in FHIR has neither."""
    if isinstance(value, dict):
        parts = {key: without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in parts.items() if item is not None} or None
    if isinstance(value, list):
        return [part for item in value if (part := without_nothing(item)) is not None] or None
    return value


# ------------------------------------------------------------------ searches


def escape(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, "\\" + character)
    return text


prefixes = st.sampled_from(PREFIXES)
codes = st.sampled_from(CODES).map(escape)
systems = st.sampled_from([s for s in SYSTEMS if s]).map(escape)
token_values = st.one_of(
    codes,
    st.builds("{}|{}".format, systems, codes),
    st.builds("|{}".format, codes),
    st.builds("{}|".format, systems),
    st.sampled_from(["male", "female", "http://hl7.org/fhir/administrative-gender|male"]),
)
pieces = st.builds(
    lambda text, start, end: escape(text[start : start + end]) or "m",
    st.sampled_from(NAMES + TEXTS),
    st.integers(0, 3),
    st.integers(1, 12),
)
references = st.one_of(st.sampled_from(IDS), st.sampled_from(REFERENCES))
amounts = st.builds("{}{}".format, prefixes, st.sampled_from(NUMBERS))
quantities = st.builds(
    "{}{}".format,
    amounts,
    st.sampled_from(
        [
            "",
            "||mg",
            "||milligram",
            "||",
            "|http://unitsofmeasure.org|",
            *(
                f"|http://unitsofmeasure.org|{code}"
                for code in ("mg", "g", "ug", "kg", "m", "mL", "no unit")
            ),
        ]
    ),
)

VALUES: dict[tuple[str, str], st.SearchStrategy[str]] = {
    ("string", ""): pieces,
    ("string", "exact"): st.sampled_from(NAMES).map(escape),
    ("string", "contains"): pieces,
    ("token", ""): token_values,
    ("token", "not"): token_values,
    ("token", "text"): pieces,
    ("token", "of-type"): st.builds(
        "http://t.org|{}|{}".format, st.sampled_from(["MR", "ACSN"]), codes
    ),
    ("reference", ""): references,
    ("reference", "Patient"): st.sampled_from(IDS),
    ("reference", "identifier"): st.one_of(
        st.builds("{}|{}".format, systems, codes), st.builds("|{}".format, codes)
    ),
    ("uri", ""): st.sampled_from(URIS),
    ("uri", "below"): st.sampled_from([*URIS, "http://a.org/"]),
    ("uri", "above"): st.sampled_from([*URIS, "http://a.org/x/y/z"]),
    ("date", ""): st.builds("{}{}".format, prefixes, st.sampled_from(DATES)),
    ("number", ""): amounts,
    ("quantity", ""): quantities,
    ("composite", ""): st.builds("{}${}".format, token_values, quantities),
}
CLINICAL_VALUES = {
    "": st.sampled_from([*STATUSES, f"{CLINICAL}|active", "active,resolved"]),
    "not": st.sampled_from(STATUSES),
    "below": st.sampled_from(STATUSES).map(f"{CLINICAL}|{{}}".format),
    "above": st.sampled_from(STATUSES).map(f"{CLINICAL}|{{}}".format),
    "in": st.just("http://hl7.org/fhir/ValueSet/condition-clinical"),
    "not-in": st.just("http://hl7.org/fhir/ValueSet/condition-clinical"),
}
LINKS: dict[str, list[tuple[str, str]]] = {
    "Patient": [("organization", "Organization"), ("link", "Patient")],
    "Observation": [
        ("subject", "Patient"),
        ("patient", "Patient"),
        ("performer", "Patient"),
        ("performer", "Organization"),
        ("has-member", "Observation"),
    ],
    "RiskAssessment": [("subject", "Patient")],
    "Condition": [("subject", "Patient"), ("asserter", "Patient")],
    "Organization": [("partof", "Organization")],
    "ValueSet": [],
}
"""Type → reference parameters and what they lead to."""


@st.composite
def criteria(draw: st.DrawFn, type: str, steps: int = 2) -> tuple[str, str]:
    """One criterion on a type: name with chain and modifier, and values with commas."""
    way = draw(st.integers(0, 9)) if steps else 9
    if way < 2 and LINKS[type]:
        code, target = draw(st.sampled_from(LINKS[type]))
        name, value = draw(criteria(target, steps - 1))
        typed = draw(st.booleans()) or len({t for c, t in LINKS[type] if c == code}) > 1
        return f"{code}{f':{target}' if typed else ''}.{name}", value
    sources = [(of, code) for of, links in LINKS.items() for code, to in links if to == type]
    if way < 4 and sources:
        source, code = draw(st.sampled_from(sources))
        name, value = draw(criteria(source, steps - 1))
        return f"_has:{source}:{code}:{name}", value
    return draw(simple_criteria(type))


@st.composite
def simple_criteria(draw: st.DrawFn, type: str) -> tuple[str, str]:
    code = draw(st.sampled_from([*PARAMETERS[type], "_id"]))
    if code == "_id":
        name = draw(st.sampled_from(["_id", "_id:not"]))
        return name, ",".join(
            draw(st.lists(st.sampled_from(["r1", "r2", "r30", "no"]), min_size=1))
        )
    kind = PARAMETERS[type][code][0]
    if draw(st.integers(0, 9)) == 0:
        return f"{code}:missing", draw(st.sampled_from(["true", "false"]))
    if code == "clinical-status":
        modifier = draw(st.sampled_from(sorted(CLINICAL_VALUES)))
        return f"{code}:{modifier}" if modifier else code, draw(CLINICAL_VALUES[modifier])
    if code in {"organization", "partof"} and draw(st.integers(0, 2)) == 0:
        roots = st.sampled_from(STORED_IDS).map("Organization/{}".format)
        return f"{code}:{draw(st.sampled_from(['below', 'above']))}", draw(roots)
    modifiers = [modifier for of, modifier in VALUES if of == kind]
    if code != "identifier" and "of-type" in modifiers:
        modifiers.remove("of-type")
    modifier = draw(st.sampled_from(modifiers))
    values = draw(st.lists(VALUES[kind, modifier], min_size=1, max_size=3))
    return f"{code}:{modifier}" if modifier else code, ",".join(values)


@st.composite
def includes(draw: st.DrawFn, type: str) -> list[tuple[str, str]]:
    """``_include`` and ``_revinclude`` that a search of a type may have."""
    forward = [f"{type}:{code}" for code, _ in LINKS[type]]
    forward += [f"{type}:{code}:{target}" for code, target in LINKS[type]]
    backward = [f"{of}:{code}" for of, links in LINKS.items() for code, to in links if to == type]
    anywhere = [f"{of}:{code}" for of, links in LINKS.items() for code, _ in links]
    choices = [
        ("_include", value) for value in [*forward, *([f"{type}:*"] if forward else []), "*"]
    ]
    choices += [("_revinclude", value) for value in [*backward, "Observation:*", "*"]]
    choices += [("_include:iterate", value) for value in [*anywhere, "*"]]
    choices += [("_revinclude:iterate", value) for value in anywhere]
    return draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3, unique=True))


@st.composite
def searches(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]], str, int]:
    """Type, criteria, sort and page size."""
    type = draw(st.sampled_from(sorted(PARAMETERS)))
    asked = draw(st.lists(criteria(type), max_size=3))
    sortable = [code for code, (kind, _) in PARAMETERS[type].items() if kind != "composite"]
    rules = st.builds(
        "{}{}".format, st.sampled_from(["", "-"]), st.sampled_from([*sortable, "_id"])
    )
    sort = ",".join(draw(st.lists(rules, max_size=2)))
    return type, asked, sort, draw(st.integers(1, 40))
