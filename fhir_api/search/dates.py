"""Dates as the intervals that their precision covers (https://hl7.org/fhir/R4/search.html#date).

'2013-01-14' covers that whole day, '2013-01-14T10:00' that minute. Intervals are [low, high) in microseconds since
1970 UTC, so every comparison of the specification is one of integers. A time without a time zone is UTC.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from functools import lru_cache

OPEN_LOW_US = -(2**62)
OPEN_HIGH_US = 2**62
"""The ends of a Period that has no start or no end."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 24 * 60 * MINUTE_US

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12][0-9]|3[01])"
    r"(?:T(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9]|60)(?:\.(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>Z|[+ -](?:0[0-9]|1[0-3]):[0-5][0-9]|[+ -]14:00)?)?)?)?"
)


@lru_cache(maxsize=4096)
def interval_us(text: str) -> tuple[int, int]:
    """The [low, high) that a date, dateTime or instant covers, in microseconds since 1970 UTC.

    A blank before the time zone counts as '+': that is what an unescaped '+' in a URL decodes to.

    Raises:
        ValueError: not a FHIR date, or a day that the calendar does not have.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a FHIR date")
    year, month, day = int(match["year"]), match["month"], match["day"]
    if month is None:
        return _day_us(year, 1, 1), _day_us(year, 12, 31) + DAY_US
    if day is None:
        days = monthrange(year, int(month))[1]
        low = _day_us(year, int(month), 1)
        return low, low + days * DAY_US
    low = _day_us(year, int(month), int(day))
    if match["hour"] is None:
        return low, low + DAY_US
    low += (int(match["hour"]) * 60 + int(match["minute"])) * MINUTE_US - _offset_us(match["zone"])
    if match["second"] is None:
        return low, low + MINUTE_US
    low += int(match["second"]) * SECOND_US
    fraction = match["fraction"]
    if fraction is None:
        return low, low + SECOND_US
    # Finer than a microsecond is more than the index keeps.
    digits = fraction[:6]
    width = 10 ** (6 - len(digits))
    low += int(digits) * width
    return low, low + width


def _day_us(year: int, month: int, day: int) -> int:
    return (date(year, month, day).toordinal() - _EPOCH_DAY) * DAY_US


def _offset_us(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return (-minutes if zone[0] == "-" else minutes) * MINUTE_US
