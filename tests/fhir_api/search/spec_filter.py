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
        "general-practitioner": (
            "reference",
            lambda r: [v for g in r.get("generalPractitioner", []) for v in reference(g)],
        ),
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
        "component-value-quantity": (
            "quantity",
            lambda r: [
                amount(c["valueQuantity"]) for c in r.get("component", []) if "valueQuantity" in c
            ],
        ),
    },
    "RiskAssessment": {
        **ALL,
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


def matches(resource: Resource, name: str, text: str, now: datetime) -> bool:
    """Whether the resource meets the criterion ``name=text`` (https://hl7.org/fhir/R4/search.html#combining)."""
    code, _, modifier = name.partition(":")
    if code == "_id":
        return (resource["id"] in text.split(",")) != (modifier == "not")
    kind, values_of = PARAMETERS[resource["resourceType"]][code]
    values = values_of(resource)
    if modifier == "missing":
        return (not values) == (text == "true")
    tests: dict[str, Callable[[Any, str], bool]] = {
        "string": lambda v, t: string_matches(v, modifier, t),
        "token": lambda v, t: token_matches(v, modifier if modifier != "not" else None, t),
        "reference": lambda v, t: reference_matches(v, modifier, t),
        "uri": lambda v, t: uri_matches(v, modifier, t),
        "date": lambda v, t: date_matches(v, t, now),
        "number": number_matches,
        "quantity": quantity_matches,
    }
    found = any(tests[kind](value, part) for value in values for part in split_raw(text))
    return found != (modifier == "not")


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
    resources: Sequence[Resource], criteria: Sequence[tuple[str, str]], sort: str, now: datetime
) -> list[str]:
    """The ids that match, in order. ``resources`` are in the order of their creation."""
    found = [r for r in resources if all(matches(r, name, text, now) for name, text in criteria)]
    for rule in reversed([rule for rule in sort.split(",") if rule]):
        descending, code = rule.startswith("-"), rule.removeprefix("-")
        keyed = [(sort_value(r, code, descending=descending), r) for r in found]
        with_value = [(key, r) for key, r in keyed if key is not None]
        if descending:  # the sort is stable in reverse, too
            with_value.sort(key=lambda pair: pair[0], reverse=True)
        else:
            with_value.sort(key=lambda pair: pair[0])
        found = [r for _, r in with_value] + [r for key, r in keyed if key is None]
    return [r["id"] for r in found]
