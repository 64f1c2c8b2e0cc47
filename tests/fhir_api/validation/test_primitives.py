"""Values of primitive types (https://hl7.org/fhir/R4/datatypes.html#primitive)."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_api.definitions.elements import PRIMITIVES
from fhir_api.validation.primitives import CHECKS, MAX_STRING_LENGTH

LEGAL: dict[str, list[Any]] = {
    "base64Binary": ["aGk=", "aGkh", "aG\nkh", " aGkh "],
    "boolean": [True, False],
    "canonical": ["http://a.example/b|1.0", "#c"],
    "code": ["a", "a b", "final", "ü"],
    "date": ["2024", "2024-02", "2024-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": [
        "2024",
        "2024-02",
        "2024-02-29",
        "2024-02-29T23:59:60Z",
        "2024-02-29T00:00:00.123456789-14:00",
    ],
    "decimal": [0, -1, 1.10, 1e100, 10**30],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.1+13:59"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["*a*", "a\n\nb"],
    "oid": ["urn:oid:1.2.840.10008", "urn:oid:2.0"],
    "positiveInt": [1, 2**31 - 1],
    "string": [
        "a",
        " a ",
        "a\nb",
        "\ta\r\n",
        "a\u00a0b\u2028",
        "\u00e4",
        "\U0001f600",
        "x" * MAX_STRING_LENGTH,
    ],
    "time": ["00:00:00", "23:59:60", "12:30:00.5"],
    "unsignedInt": [0, 2**31 - 1],
    "uri": ["http://a.example", "urn:oid:1.2.3", "a/b?c#d", "mailto:a@b.example"],
    "url": ["http://a.example/%20"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">a</div>'],
}
ILLEGAL: dict[str, list[Any]] = {
    "base64Binary": ["", "a", "aGk", "aGk=aGk=", "a$==", "ä===", 5],
    "boolean": ["true", 1, 0, "", []],
    "canonical": ["", "a b", 1],
    "code": ["", " ", " a", "a ", "a  b", "a\u00a0\u00a0b", 1],
    "date": [
        "",
        "24",
        "2024-2-1",
        "2024-13",
        "2024-02-30",
        "2023-02-29",
        "0000",
        "2024-01-01T00:00:00Z",
        2024,
    ],
    "dateTime": [
        "2024-02-29T10:00Z",
        "2024-02-29T10:00:00",
        "2024-02-30T10:00:00Z",
        "2024-02-29T24:00:00Z",
        "2024-02-29T10:00:00+15:00",
        "2024-02-29t10:00:00z",
        "2024-02-29 10:00:00Z",
        "2024T10:00:00Z",
        "2024-02-29T10:00:00Z\n",
    ],
    "decimal": ["1.0", True, "", float("inf"), float("nan")],
    "id": ["", "a b", "a_b", "x" * 65, "ä", "a\n", 1],
    "instant": ["2024", "2024-02-29", "2024-02-29T10:00:00", "2023-02-29T10:00:00Z"],
    "integer": [2**31, -(2**31) - 1, 1.0, 1.5, "1", True],
    "markdown": ["", "  \n", "a\x0cb", 1],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1.", "urn:oid:"],
    "positiveInt": [0, -1, 1.0, "1"],
    "string": [
        "",
        " ",
        "\t\n",
        "a\x00b",
        "\x1f",
        "\x08\n",
        1,
        True,
        [],
        {},
        "x" * (MAX_STRING_LENGTH + 1),
    ],
    "time": ["24:00:00", "10:00", "10:00:00Z", "1:00:00", ""],
    "unsignedInt": [-1, 2**31],
    "uri": [
        "http://a.example/\x01",
        "urn:uuid:1",
        "urn:oid:1.02",
        "",
        "a b",
        "a\u00a0b",
        " a",
        "a\n",
        1,
        {"a": 1},
    ],
    "url": ["", "http://a example"],
    "uuid": [
        "c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
        "urn:uuid:1",
    ],
    "xhtml": ["", "a", 1, "<div>a</div>"],
}


def test_every_primitive_type_of_r4_has_a_check() -> None:
    assert CHECKS.keys() == PRIMITIVES.keys() == LEGAL.keys() == ILLEGAL.keys()


@pytest.mark.parametrize(
    ("type_", "value"), [(t, v) for t, values in LEGAL.items() for v in values], ids=repr
)
def test_a_legal_value_passes(type_: str, value: Any) -> None:
    assert CHECKS[type_](value) is None


@pytest.mark.parametrize(
    ("type_", "value"), [(t, v) for t, values in ILLEGAL.items() for v in values], ids=repr
)
def test_an_illegal_value_is_a_problem_that_does_not_repeat_it(type_: str, value: Any) -> None:
    problem = CHECKS[type_](value)
    assert problem is not None
    assert problem.code in {"value", "structure", "too-long", "invalid", "invariant"}
    if isinstance(value, str) and len(value) > 10:
        assert value not in problem.text


@given(st.dates())
def test_every_day_of_the_calendar_is_a_date(day: date) -> None:
    assert CHECKS["date"](day.isoformat()) is None
    assert CHECKS["dateTime"](day.isoformat()) is None


@given(
    st.datetimes(
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
    )
)
def test_every_moment_with_a_zone_is_a_date_time_and_an_instant(moment: datetime) -> None:
    text = moment.isoformat()
    assert CHECKS["dateTime"](text) is None
    assert CHECKS["instant"](text) is None
    assert CHECKS["dateTime"](moment.replace(tzinfo=None).isoformat()) is not None


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(1, 31))
def test_a_day_is_legal_exactly_if_the_calendar_has_it(year: int, month: int, day: int) -> None:
    try:
        date(year, month, day)
        exists = True
    except ValueError:
        exists = False
    assert (CHECKS["date"](f"{year:04}-{month:02}-{day:02}") is None) == exists


@given(st.binary(min_size=1))
def test_all_bytes_can_be_base64(content: bytes) -> None:
    assert CHECKS["base64Binary"](base64.b64encode(content).decode()) is None


@given(
    st.text()
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.lists(st.integers(), max_size=2)
)
def test_no_value_makes_a_check_fail_of_itself(value: Any) -> None:
    for check in CHECKS.values():
        problem = check(value)
        assert problem is None or problem.text
