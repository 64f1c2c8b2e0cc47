"""Date entries (https://hl7.org/fhir/R4/search.html#date)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_api.search.dates import OPEN_HIGH_US, OPEN_LOW_US
from fhir_api.search.extract import entries_of
from store.entries import DateEntry

BASE = "https://our.example/fhir"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def interval(effective: dict[str, Any]) -> tuple[datetime, datetime]:
    (entry,) = dates({"resourceType": "Observation", **effective}, "date")
    return EPOCH + timedelta(microseconds=entry[0]), EPOCH + timedelta(microseconds=entry[1])


def dates(resource: dict[str, Any], param: str) -> list[tuple[int, int]]:
    found = entries_of(resource["resourceType"], resource, BASE)
    return [(e.low_us, e.high_us) for e in found if isinstance(e, DateEntry) and e.param == param]


def test_a_date_covers_what_its_precision_says() -> None:
    assert interval({"effectiveDateTime": "2013"}) == (
        datetime(2013, 1, 1, tzinfo=UTC),
        datetime(2014, 1, 1, tzinfo=UTC),
    )
    assert interval({"effectiveDateTime": "2012-02"}) == (
        datetime(2012, 2, 1, tzinfo=UTC),
        datetime(2012, 3, 1, tzinfo=UTC),
    )
    assert interval({"effectiveDateTime": "2013-12-31"}) == (
        datetime(2013, 12, 31, tzinfo=UTC),
        datetime(2014, 1, 1, tzinfo=UTC),
    )


def test_a_time_is_read_in_its_zone_and_covers_one_second() -> None:
    low, high = interval({"effectiveDateTime": "2013-01-14T10:00:30+05:30"})
    assert low == datetime(2013, 1, 14, 4, 30, 30, tzinfo=UTC)
    assert high - low == timedelta(seconds=1)


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the zone is drawn beside it
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_an_instant_of_any_zone_is_the_microsecond_it_names(moment: datetime) -> None:
    text = moment.isoformat(timespec="microseconds")
    low = us(moment)
    assert dates({"resourceType": "Observation", "effectiveInstant": text}, "date") == [
        (low, low + 1)
    ]


@given(st.dates(max_value=date(9999, 12, 30)))
def test_any_day_ends_where_the_next_begins(day: date) -> None:
    (today,) = dates({"resourceType": "Patient", "birthDate": day.isoformat()}, "birthdate")
    (tomorrow,) = dates(
        {"resourceType": "Patient", "birthDate": (day + timedelta(days=1)).isoformat()}, "birthdate"
    )
    assert today[1] == tomorrow[0]
    assert today[1] - today[0] == 24 * 3600 * 1_000_000


def test_a_period_goes_from_the_begin_of_its_start_to_the_end_of_its_end() -> None:
    low, high = interval({"effectivePeriod": {"start": "2013-01-01", "end": "2013-01-31"}})
    assert (low, high) == (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))


def test_a_period_without_an_end_is_open_there() -> None:
    """'the missing end is treated as the greatest possible date'"""
    started = {"resourceType": "Observation", "effectivePeriod": {"start": "2013"}}
    ended = {"resourceType": "Observation", "effectivePeriod": {"end": "2013"}}
    empty = {"resourceType": "Observation", "effectivePeriod": {"id": "a"}}
    assert dates(started, "date") == [(us(datetime(2013, 1, 1, tzinfo=UTC)), OPEN_HIGH_US)]
    assert dates(ended, "date") == [(OPEN_LOW_US, us(datetime(2014, 1, 1, tzinfo=UTC)))]
    assert dates(empty, "date") == []


def test_a_timing_is_its_outer_limits() -> None:
    """'the specified scheduling details are ignored and only the outer limits matter'"""
    low, high = interval({"effectiveTiming": {"event": ["2013-03-24", "2013-01-31"]}})
    assert (low, high) == (datetime(2013, 1, 31, tzinfo=UTC), datetime(2013, 3, 25, tzinfo=UTC))
    bounds = {
        "repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}, "frequency": 1}
    }
    assert interval({"effectiveTiming": bounds}) == (low, high)


def test_a_date_that_the_calendar_does_not_have_is_not_indexed() -> None:
    assert dates({"resourceType": "Patient", "birthDate": "2013-02-30"}, "birthdate") == []
