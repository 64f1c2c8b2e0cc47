"""Search as the specification words it, over plain JSON in memory: what the index is compared with.

Written from https://hl7.org/fhir/R4/search.html alone, with the standard library's own dates and decimals; nothing of
``fhir_api`` is used. Each parameter of ``PARAMETERS`` says in Python where its values are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]

INFINITE = Decimal("Infinity")
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
BASE = "http://example.org/fhir"
GRAMS = {"g": Decimal(1), "mg": Decimal("0.001"), "ug": Decimal("0.000001"), "kg": Decimal(1000)}
"""What units of UCUM are in the same base unit."""
SPECIAL_VALUES = "http://terminology.hl7.org/CodeSystem/special-values"


@dataclass(frozen=True)
class Token:
    system: str | None
    code: str | None
    texts: tuple[str, ...] = ()
    type: str | None = None


@dataclass(frozen=True)
class Reference:
    target: str | None
    identifier: str | None = None


@dataclass(frozen=True)
class Amount:
    low: Decimal
    high: Decimal
    system: str | None = None
    code: str | None = None
    unit: str | None = None


Span = tuple[datetime, datetime]
World = dict[str, dict[str, Resource]]
"""All resources: type → id → resource, in the order of creation."""


# ------------------------------------------------------------------ values of elements


def tokens(concept: Resource | None) -> list[Token]:
    """A CodeableConcept; its text speaks for the codings that have no display of their own."""
    if not concept:
        return []
    text = (concept["text"],) if "text" in concept else ()
    found = [
        Token(c.get("system"), c.get("code"), (c["display"],) if "display" in c else text)
        for c in concept.get("coding", [])
    ]
    if text and not any(text == token.texts for token in found):
        found.append(Token(None, None, text))
    return found


def identifier_token(identifier: Resource) -> Token:
    kind = identifier.get("type", {}).get("coding", [{}])[0]
    name = f"{kind.get('system', '')}|{kind['code']}" if "code" in kind else None
    return Token(identifier.get("system"), identifier["value"], (), name)


def reference(value: Resource | None) -> list[Reference]:
    if not value:
        return []
    identifier = value.get("identifier")
    text = f"{identifier.get('system', '')}|{identifier['value']}" if identifier else None
    target = value.get("reference")
    if target and target.startswith(BASE + "/"):
        target = target[len(BASE) + 1 :]
    # A display alone is nothing to search by.
    return [Reference(target, text)] if target or text else []


def patients_only(values: list[Reference]) -> list[Reference]:
    return [v for v in values if v.target and re.search(r"(^|/)Patient/[^/]+$", v.target)]


def span(text: str) -> Span:
    """The time that a date covers, by its precision."""
    match = re.fullmatch(
        r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
        text,
    )
    assert match, text
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if month is None:
        return datetime(int(year), 1, 1, tzinfo=UTC), datetime(int(year) + 1, 1, 1, tzinfo=UTC)
    start = datetime(int(year), int(month), int(day or 1), tzinfo=UTC)
    if day is None:
        return start, (start + timedelta(days=31)).replace(day=1)
    if hour is None:
        return start, start + timedelta(days=1)
    offset = timedelta()
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])) * (
            -1 if zone[0] == "-" else 1
        )
    start = start.replace(
        hour=int(hour),
        minute=int(minute),
        second=int(second or 0),
        microsecond=int((fraction or "0").ljust(6, "0")[:6]),
        tzinfo=timezone(offset),
    )
    if second is None:
        return start, start + timedelta(minutes=1)
    if fraction is None:
        return start, start + timedelta(seconds=1)
    return start, start + timedelta(microseconds=10 ** (6 - len(fraction[:6])))


def period(value: Resource) -> Span:
    return (
        span(value["start"])[0] if "start" in value else FIRST,
        span(value["end"])[1] if "end" in value else LAST,
    )


def amount(value: Resource) -> Amount:
    number = Decimal(str(value["value"]))
    low = -INFINITE if value.get("comparator") in ("<", "<=") else number
    high = INFINITE if value.get("comparator") in (">", ">=") else number
    return Amount(low, high, value.get("system"), value.get("code"), value.get("unit"))


def number_range(value: Resource) -> Amount:
    return Amount(
        Decimal(str(value["low"]["value"])) if "low" in value else -INFINITE,
        Decimal(str(value["high"]["value"])) if "high" in value else INFINITE,
    )


def names(patient: Resource, *parts: str) -> list[str]:
    found: list[str] = []
    for name in patient.get("name", []):
        for part in parts:
            value = name.get(part, [])
            found += [value] if isinstance(value, str) else value
    return found


def references(values: list[Resource] | None) -> list[Reference]:
    return [found for value in values or [] for found in reference(value)]


def quantities(values: Sequence[Resource]) -> list[Amount]:
    return [amount(value["valueQuantity"]) for value in values if "valueQuantity" in value]


def pairs_in(elements: Sequence[Resource]) -> list[tuple[list[Token], list[Amount]]]:
    """Of each element that has both its code and its quantity: the parts of a composite."""
    return [
        (tokens(element["code"]), quantities([element]))
        for element in elements
        if "valueQuantity" in element
    ]


Values = Callable[[Resource], list[Any]]

ALL: dict[str, tuple[str, Values]] = {
    "_tag": (
        "token",
        lambda r: [t for c in r.get("meta", {}).get("tag", []) for t in tokens({"coding": [c]})],
    ),
    "_profile": ("uri", lambda r: r.get("meta", {}).get("profile", [])),
    "_source": ("uri", lambda r: [r["meta"]["source"]] if "source" in r.get("meta", {}) else []),
}

PARAMETERS: dict[str, dict[str, tuple[str, Values]]] = {
    "Patient": {
        **ALL,
        "family": ("string", lambda r: names(r, "family")),
        "given": ("string", lambda r: names(r, "given")),
        "name": ("string", lambda r: names(r, "family", "given", "text")),
        "identifier": ("token", lambda r: [identifier_token(i) for i in r.get("identifier", [])]),
        "gender": (
            "token",
            lambda r: (
                [Token("http://hl7.org/fhir/administrative-gender", r["gender"])]
                if "gender" in r
                else []
            ),
        ),
        "active": (
            "token",
            lambda r: [Token(SPECIAL_VALUES, str(r["active"]).lower())] if "active" in r else [],
        ),
        "birthdate": ("date", lambda r: [span(r["birthDate"])] if "birthDate" in r else []),
        "general-practitioner": ("reference", lambda r: references(r.get("generalPractitioner"))),
        "organization": ("reference", lambda r: reference(r.get("managingOrganization"))),
        "link": ("reference", lambda r: references([k["other"] for k in r.get("link", [])])),
    },
    "Observation": {
        **ALL,
        "code": ("token", lambda r: tokens(r["code"])),
        "category": ("token", lambda r: [t for c in r.get("category", []) for t in tokens(c)]),
        "subject": ("reference", lambda r: reference(r.get("subject"))),
        "patient": ("reference", lambda r: patients_only(reference(r.get("subject")))),
        "date": (
            "date",
            lambda r: (
                [span(r["effectiveDateTime"])]
                if "effectiveDateTime" in r
                else [period(r["effectivePeriod"])]
                if "effectivePeriod" in r
                else []
            ),
        ),
        "value-quantity": (
            "quantity",
            lambda r: [amount(r["valueQuantity"])] if "valueQuantity" in r else [],
        ),
        "component-value-quantity": ("quantity", lambda r: quantities(r.get("component", []))),
        "has-member": ("reference", lambda r: references(r.get("hasMember"))),
        "performer": ("reference", lambda r: references(r.get("performer"))),
        "code-value-quantity": ("composite", lambda r: pairs_in([r])),
        "component-code-value-quantity": (
            "composite",
            lambda r: pairs_in(r.get("component", [])),
        ),
        "combo-code-value-quantity": (
            "composite",
            lambda r: pairs_in([r, *r.get("component", [])]),
        ),
    },
    "Organization": {
        **ALL,
        "name": ("string", lambda r: [r["name"], *r.get("alias", [])]),
        "partof": ("reference", lambda r: reference(r.get("partOf"))),
    },
    "Condition": {
        **ALL,
        "clinical-status": ("token", lambda r: tokens(r.get("clinicalStatus"))),
        "subject": ("reference", lambda r: reference(r.get("subject"))),
        "patient": ("reference", lambda r: patients_only(reference(r.get("subject")))),
        "asserter": ("reference", lambda r: reference(r.get("asserter"))),
        "onset-date": (
            "date",
            lambda r: (
                [span(r["onsetDateTime"])]
                if "onsetDateTime" in r
                else [period(r["onsetPeriod"])]
                if "onsetPeriod" in r
                else []
            ),
        ),
    },
    "RiskAssessment": {
        **ALL,
        "subject": ("reference", lambda r: reference(r.get("subject"))),
        "probability": (
            "number",
            lambda r: [
                number_range(p["probabilityRange"])
                if "probabilityRange" in p
                else Amount(
                    Decimal(str(p["probabilityDecimal"])), Decimal(str(p["probabilityDecimal"]))
                )
                for p in r.get("prediction", [])
                if "probabilityRange" in p or "probabilityDecimal" in p
            ],
        ),
        "date": (
            "date",
            lambda r: [span(r["occurrenceDateTime"])] if "occurrenceDateTime" in r else [],
        ),
    },
    "ValueSet": {
        **ALL,
        "url": ("uri", lambda r: [r["url"]] if "url" in r else []),
        "version": ("token", lambda r: [Token(None, r["version"])] if "version" in r else []),
        "title": ("string", lambda r: [r["title"]] if "title" in r else []),
    },
}

COMPARTMENT = {
    "Observation": ("subject", "performer"),
    "Condition": ("patient", "asserter"),
    "RiskAssessment": ("subject",),
    "Patient": ("link",),
}
"""Of a patient (https://hl7.org/fhir/R4/compartmentdefinition-patient.html): type → parameters that lead to it."""

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
BROADER = {
    "recurrence": "active",
    "relapse": "active",
    "remission": "inactive",
    "resolved": "inactive",
}
"""https://hl7.org/fhir/R4/codesystem-condition-clinical.html"""


# ------------------------------------------------------------------ one value against one criterion


def fold(text: str) -> str:
    apart = unicodedata.normalize("NFD", text.casefold())
    return " ".join("".join(c for c in apart if unicodedata.category(c) != "Mn").split())


def cut(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash precedes, the escapes taken out."""
    parts, escaped = [""], False
    for character in text:
        if escaped:
            parts[-1] += character if character in "\\,|$" else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == separator:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def split_raw(text: str) -> list[str]:
    return re.findall(r"(?:\\.|[^,\\])+", text)


def prefix_of(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", text)
    assert match
    return match[1] or "eq", match[2]


def implied(text: str) -> tuple[Decimal, Decimal]:
    number = Decimal(text)
    half = Decimal(5) * Decimal(10) ** (number.as_tuple().exponent - 1)
    return number - half, number + half


def string_matches(value: str, modifier: str | None, text: str) -> bool:
    text = cut(text, "\0")[0]
    if modifier == "exact":
        return value == text
    if modifier == "contains":
        return fold(text) in fold(value)
    return fold(value).startswith(fold(text))


def token_matches(value: Token, modifier: str | None, text: str) -> bool:
    if modifier in ("in", "not-in"):
        return value.system == CLINICAL and value.code in {*BROADER, *BROADER.values()}
    if modifier in ("below", "above"):
        _, code = text.split("|")
        narrow, broad = (value.code, code) if modifier == "below" else (code, value.code)
        return value.system == CLINICAL and (narrow == broad or BROADER.get(narrow) == broad)
    if modifier == "text":
        return any(fold(t).startswith(fold(cut(text, "\0")[0])) for t in value.texts)
    parts = cut(text, "|")
    if modifier == "of-type":
        return value.type == f"{parts[0]}|{parts[1]}" and value.code == parts[2]
    if len(parts) == 1:
        return value.code == parts[0]
    system, code = parts
    return (not code or value.code == code) and (value.system or "") == system


def reference_matches(value: Reference, modifier: str | None, text: str) -> bool:
    if modifier == "identifier":
        return value.identifier == "|".join(cut(text, "|"))
    if value.target is None:
        return False
    text = text.removeprefix(BASE + "/")
    if modifier:
        return value.target == f"{modifier}/{text.removeprefix(modifier + '/')}"
    if "/" in text or ":" in text:
        return value.target == text
    return re.fullmatch(rf"[A-Z][A-Za-z]+/{re.escape(text)}", value.target) is not None


def uri_matches(value: str, modifier: str | None, text: str) -> bool:
    if modifier == "below":
        return (value + "/").startswith(text.rstrip("/") + "/")
    if modifier == "above":
        return (text + "/").startswith(value.rstrip("/") + "/")
    return value == text


def date_matches(value: Span, text: str, now: datetime) -> bool:
    prefix, text = prefix_of(text)
    low, high = span(text)
    start, end = value
    within = low <= start and end <= high
    if prefix == "ap":
        tenth = abs(now - low) / 10
        return start < high + tenth and end > low - tenth
    return {
        "eq": within,
        "ne": not within,
        "gt": end > high,
        "lt": start < low,
        "ge": end > high or within,
        "le": start < low or within,
        "sa": start >= high,
        "eb": end <= low,
    }[prefix]


def number_matches(value: Amount, text: str, unit: Decimal = Decimal(1)) -> bool:
    """``unit``: what a 1 of the text is, in the unit of the value."""
    prefix, text = prefix_of(text)
    number, low, high = (x * unit for x in (Decimal(text), *implied(text)))
    within = low <= value.low and value.high < high
    if prefix == "ap":
        tenth = abs(number) / 10
        near = value.low <= number + tenth and value.high >= number - tenth
        return near or (value.low < high and value.high >= low)
    return {
        "eq": within,
        "ne": not within,
        "gt": value.high > number,
        "lt": value.low < number,
        "ge": value.high >= number,
        "le": value.low <= number,
        "sa": value.low > number,
        "eb": value.high < number,
    }[prefix]


def quantity_matches(value: Amount, text: str) -> bool:
    parts = cut(text, "|")
    if len(parts) == 3:
        _, system, code = parts
        if system and value.system != system:
            return False
        if system and value.code in GRAMS and code in GRAMS:
            return number_matches(value, parts[0], GRAMS[code] / GRAMS[value.code])
        if code and code not in ((value.code,) if system else (value.code, value.unit)):
            return False
    return number_matches(value, parts[0])


def composite_matches(value: tuple[list[Token], list[Amount]], text: str) -> bool:
    """Both parts hold in one element."""
    code, quantity = re.findall(r"(?:\\.|[^$\\])+", text)
    return any(token_matches(token, None, code) for token in value[0]) and any(
        quantity_matches(amount, quantity) for amount in value[1]
    )


def targets(resource: Resource, code: str) -> set[str]:
    return {v.target for v in PARAMETERS[resource["resourceType"]][code][1](resource)}


def referred_to(resource: Resource, code: str, world: World) -> list[Resource]:
    """The resources that are there and that the resource refers to under a parameter."""
    pairs = [target.split("/") for target in targets(resource, code) if target]
    return [world[p[0]][p[1]] for p in pairs if len(p) == 2 and p[1] in world.get(p[0], ())]


def matches(resource: Resource, name: str, text: str, now: datetime, world: World) -> bool:
    """Whether the resource meets the criterion ``name=text`` (https://hl7.org/fhir/R4/search.html#combining)."""
    if name.startswith("_has:"):
        _, type, code, rest = name.split(":", 3)
        place = f"{resource['resourceType']}/{resource['id']}"
        return any(
            place in targets(other, code) and matches(other, rest, text, now, world)
            for other in world[type].values()
        )
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    if dot:
        return any(
            matches(target, rest, text, now, world)
            for target in referred_to(resource, code, world)
            if modifier in ("", target["resourceType"])
        )
    if code == "_id":
        return (resource["id"] in text.split(",")) != (modifier == "not")
    kind, values_of = PARAMETERS[resource["resourceType"]][code]
    values = values_of(resource)
    if modifier == "missing":
        return (not values) == (text == "true")
    if kind == "reference" and modifier in ("below", "above"):
        within = set().union(*(tree(root, modifier, world) for root in split_raw(text)))
        return any(value.target in within for value in values)
    plain = modifier if modifier != "not" else None
    tests: dict[str, Callable[[Any, str], bool]] = {
        "string": lambda v, t: string_matches(v, modifier, t),
        "token": lambda v, t: token_matches(v, plain, t),
        "reference": lambda v, t: reference_matches(v, modifier, t),
        "uri": lambda v, t: uri_matches(v, modifier, t),
        "date": lambda v, t: date_matches(v, t, now),
        "number": number_matches,
        "quantity": quantity_matches,
        "composite": composite_matches,
    }
    found = any(tests[kind](value, part) for value in values for part in split_raw(text))
    return found != (modifier in ("not", "not-in"))


def tree(root: str, modifier: str, world: World) -> set[str]:
    """What is part of an Organization, or what it is part of, over all steps; it is among them."""
    links = {
        (f"Organization/{id}", target)
        for id, organization in world["Organization"].items()
        for target in targets(organization, "partof")
    }
    if modifier == "above":
        links = {(target, part) for part, target in links}
    found = {root}
    while more := {part for part, whole in links if whole in found} - found:
        found |= more
    return found


def is_member(resource: Resource, patient: str, world: World) -> bool:
    """Whether the resource is in the compartment of the patient with this id."""
    type = resource["resourceType"]
    if type not in COMPARTMENT:
        return False
    return (type == "Patient" and resource["id"] == patient) or any(
        value.target == f"Patient/{patient}"
        for code in COMPARTMENT[type]
        for value in PARAMETERS[type][code][1](resource)
    )


# ------------------------------------------------------------------ includes


def included(
    matches: Sequence[Resource], includes: Sequence[tuple[str, str]], world: World
) -> set[tuple[str, str]]:
    """Type and id of what the includes add to a page (https://hl7.org/fhir/R4/search.html#include)."""
    page = {(r["resourceType"], r["id"]) for r in matches}
    found = set(page)
    frontier, first = list(matches), True
    while frontier:
        added = []
        for name, value in includes:
            if first or name.endswith(":iterate"):
                for other in _led_to(frontier, name, value, world):
                    key = (other["resourceType"], other["id"])
                    if key not in found:
                        found.add(key)
                        added.append(other)
        frontier, first = added, False
    return found - page


def _led_to(start: Sequence[Resource], name: str, value: str, world: World) -> list[Resource]:
    source, code, target = (*value.split(":"), "", "")[:3] if value != "*" else ("", "*", "")
    reverse = name.startswith("_rev")
    begun = {id(resource) for resource in start}
    sources = [r for of in world.values() for r in of.values()] if reverse else start
    return [
        one if reverse else other
        for one in sources
        if source in ("", one["resourceType"])
        for each in (reference_codes(one["resourceType"]) if code == "*" else [code])
        for other in referred_to(one, each, world)
        if target in ("", other["resourceType"]) and (not reverse or id(other) in begun)
    ]


def reference_codes(type: str) -> list[str]:
    return [code for code, (kind, _) in PARAMETERS[type].items() if kind == "reference"]


# ------------------------------------------------------------------ order


def sort_value(resource: Resource, code: str, *, descending: bool) -> Any:
    """The least value when ascending, the greatest when descending; None: there is none."""
    if code == "_id":
        return resource["id"]
    kind, values_of = PARAMETERS[resource["resourceType"]][code]
    values = values_of(resource)
    if kind in ("number", "quantity"):
        keys = [value.high if descending else value.low for value in values]
    elif kind == "date":
        keys = [value[1] if descending else value[0] for value in values]
    elif kind == "string":
        keys = [fold(value) for value in values]
    elif kind == "token":
        keys = [value.code or "" for value in values]
    elif kind == "reference":
        keys = [v.target if ":" in v.target else v.target.split("/")[1] for v in values if v.target]
    else:
        keys = values
    return (max if descending else min)(keys, default=None)


def search(
    resources: Sequence[Resource],
    criteria: Sequence[tuple[str, str]],
    sort: str,
    now: datetime,
    world: World,
) -> list[Resource]:
    """Those that match, in order. ``resources`` are in the order of their creation."""
    found = [
        r for r in resources if all(matches(r, name, text, now, world) for name, text in criteria)
    ]
    for rule in reversed([rule for rule in sort.split(",") if rule]):
        descending, code = rule.startswith("-"), rule.removeprefix("-")
        keyed = [(sort_value(r, code, descending=descending), r) for r in found]
        with_value = [(key, r) for key, r in keyed if key is not None]
        if descending:  # the sort is stable in reverse, too
            with_value.sort(key=lambda pair: pair[0], reverse=True)
        else:
            with_value.sort(key=lambda pair: pair[0])
        found = [r for _, r in with_value] + [r for key, r in keyed if key is None]
    return found
