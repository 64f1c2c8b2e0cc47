"""Values of the primitive types (https://hl7.org/fhir/R4/datatypes.html#primitive).

A check takes a JSON value and returns what is wrong with it, or None.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fhir_api.base64_text import decoded
from fhir_api.definitions.elements import PRIMITIVES
from fhir_api.validation.visit import Problem
from fhir_api.validation.xhtml import xhtml

PrimitiveCheck: TypeAlias = Callable[[Any], Problem | None]

MAX_STRING_LENGTH = PRIMITIVES["string"].max_length or 1024 * 1024
_JSON_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_YEAR = "(?!0000)([0-9]{4})"
_MONTH = "(0[1-9]|1[0-2])"
_DAY = "(0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

EMPTY = Problem("value", "A string must not be empty.")
BLANK = Problem("value", "A string must hold more than white space.")
TOO_LONG = Problem(
    "too-long", f"A string must not be longer than {MAX_STRING_LENGTH:,} characters."
)
CONTROL = Problem("value", "A string must not hold control characters.")
NOT_FINITE = Problem("value", "The number is beyond what this server can hold.")
NO_SUCH_DAY = Problem("value", "The calendar has no such day.")


def wrong_json_type(value: object, expected: str) -> Problem:
    """``expected`` stands where ``value`` is something else."""
    found = _JSON_NAMES.get(type(value), "null")
    return Problem("structure", f"This must be {expected}, not {found}.")


def string(value: Any) -> Problem | None:  # noqa: ANN401
    if type(value) is not str:
        return wrong_json_type(value, "a string")
    if not value:
        return EMPTY
    if value.isspace():
        return BLANK
    if len(value) > MAX_STRING_LENGTH:
        return TOO_LONG
    return None if value.isprintable() else _control_character(value)


def _control_character(value: str) -> Problem | None:
    """https://hl7.org/fhir/R4/datatypes.html#string: below U+0020 only tab, line feed and carriage return."""
    return CONTROL if _CONTROL.search(value) else None


def boolean(value: Any) -> Problem | None:  # noqa: ANN401
    return None if type(value) is bool else wrong_json_type(value, "true or false")


def decimal(value: Any) -> Problem | None:  # noqa: ANN401
    if type(value) is int:
        return None
    if type(value) is not float:
        return wrong_json_type(value, "a number")
    return None if math.isfinite(value) else NOT_FINITE


def base64_binary(value: Any) -> Problem | None:  # noqa: ANN401
    if type(value) is not str:
        return wrong_json_type(value, "a string of base64")
    if not value:
        return EMPTY
    try:
        decoded(value)
    except ValueError:  # so is text beyond ASCII
        return Problem("value", "This is not base64.")
    return None


def _whole_number(low: int, high: int) -> PrimitiveCheck:
    out_of_range = Problem("value", f"This must be a whole number from {low} to {high}.")

    def check(value: Any) -> Problem | None:  # noqa: ANN401
        if type(value) is not int:
            if type(value) is float:
                return out_of_range
            return wrong_json_type(value, "a whole number")
        return None if low <= value <= high else out_of_range

    return check


def _pattern(pattern: str, description: str) -> PrimitiveCheck:
    match = re.compile(pattern).fullmatch
    mismatch = Problem("value", f"This is not {description}.")

    def check(value: Any) -> Problem | None:  # noqa: ANN401
        if type(value) is not str:
            return wrong_json_type(value, "a string")
        if not value:
            return EMPTY
        if len(value) > MAX_STRING_LENGTH:
            return TOO_LONG
        if match(value) is None:
            return mismatch
        return None if value.isprintable() else _control_character(value)

    return check


def _calendar(pattern: str, description: str) -> PrimitiveCheck:
    match = re.compile(pattern).fullmatch
    mismatch = Problem("value", f"This is not {description}.")

    def check(value: Any) -> Problem | None:  # noqa: ANN401
        if type(value) is not str:
            return wrong_json_type(value, "a string")
        found = match(value)
        if found is None:
            return mismatch
        year, month, day = found.groups()
        if day is not None and day > "28" and int(day) > monthrange(int(year), int(month))[1]:
            return NO_SUCH_DAY
        return None

    return check


_LIMIT = PRIMITIVES["integer"].max or 2**31 - 1
_LOW = PRIMITIVES["integer"].min or -(2**31)
_OID = r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"
_UUID = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_URI = _pattern(
    rf"(?!urn:(?:oid|uuid):)\S+|{_OID}|{_UUID}",
    "a URI: one has no white space, and what begins with urn:oid: or urn:uuid: is an OID or a UUID",
)

CHECKS: Mapping[str, PrimitiveCheck] = {
    "base64Binary": base64_binary,
    "boolean": boolean,
    "canonical": _pattern(
        rf"#\S+|(?!urn:(?:oid|uuid):)[A-Za-z][A-Za-z0-9+.\-]*:\S+|{_OID}|{_UUID}",
        "a canonical URL: it is absolute, or #id of a contained resource",
    ),
    "code": _pattern(r"\S+(?:\s\S+)*", "a code: no white space at its ends, single spaces inside"),
    "date": _calendar(rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", "a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _calendar(
        rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_TIME}{_ZONE})?)?)?",
        "a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    "decimal": decimal,
    "id": _pattern(r"[A-Za-z0-9\-.]{1,64}", "an id: 1 to 64 letters, digits, '-' and '.'"),
    "instant": _calendar(
        rf"{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}",
        "an instant: YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    "integer": _whole_number(_LOW, _LIMIT),
    "markdown": string,
    "oid": _pattern(_OID, "an OID: urn:oid:1.2.3"),
    "positiveInt": _whole_number(1, _LIMIT),
    "string": string,
    "time": _pattern(_TIME, "a time: hh:mm:ss, without a time zone"),
    "unsignedInt": _whole_number(0, _LIMIT),
    "uri": _URI,
    "url": _URI,
    "uuid": _pattern(_UUID, "a UUID: urn:uuid: and 36 lower-case characters"),
    "xhtml": xhtml,
}
"""Primitive type → its check."""
