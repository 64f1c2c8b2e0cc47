"""https://hl7.org/fhir/R4/search.html#date"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fhir_api.search.dates import DAY_US, interval_us

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def utc(*parts: int) -> int:
    return us(datetime(*parts, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2013", utc(2013, 1, 1), utc(2014, 1, 1)),
        ("2013-02", utc(2013, 2, 1), utc(2013, 3, 1)),
        ("2012-02", utc(2012, 2, 1), utc(2012, 3, 1)),
        ("2013-01-14", utc(2013, 1, 14), utc(2013, 1, 15)),
        ("2013-12-31", utc(2013, 12, 31), utc(2014, 1, 1)),
        ("2013-01-14T10:00", utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 1)),
        ("2013-01-14T10:00Z", utc(2013, 1, 14, 10), utc(2013, 1, 14, 10, 1)),
        ("2013-01-14T10:00:07+01:00", utc(2013, 1, 14, 9, 0, 7), utc(2013, 1, 14, 9, 0, 8)),
        ("2013-01-14T10:00:07 01:00", utc(2013, 1, 14, 9, 0, 7), utc(2013, 1, 14, 9, 0, 8)),
        ("2013-01-14T23:30:00-05:30", utc(2013, 1, 15, 5), utc(2013, 1, 15, 5, 0, 1)),
        (
            "2013-01-14T10:00:07.25Z",
            utc(2013, 1, 14, 10, 0, 7, 250_000),
            utc(2013, 1, 14, 10, 0, 7, 260_000),
        ),
        (
            "2013-01-14T10:00:07.123456789Z",
            utc(2013, 1, 14, 10, 0, 7, 123_456),
            utc(2013, 1, 14, 10, 0, 7, 123_457),
        ),
    ],
)
def test_a_date_covers_what_its_precision_says(text, low, high):
    assert interval_us(text) == (low, high)


def test_the_last_year_of_the_calendar_ends():
    low, high = interval_us("9999")
    assert high - low == 365 * DAY_US


@pytest.mark.parametrize(
    "text",
    [
        "",
        "13",
        "0000",
        "2013-13",
        "2013-1",
        "2013-02-30",
        "2013-02-29",
        "2013-01-14T10",
        "2013-01-14T24:00",
        "2013-01-14T10:60",
        "2013-01-14 10:00",
        "2013-01-14T10:00+15:00",
        "2013-01-14T10:00:00.Z",
        "today",
        "2013Z",
        "2013-01-14Z",
        "2013-01-14T10:00:00Zx",
        "２０１３",
        "2013-01-14T10:00:00.5z",
        "2013\n",
    ],
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the calendar's own message is as good as ours
        interval_us(text)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the zone comes after
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
)
def test_every_moment_is_in_the_interval_of_its_text_and_the_next_is_not(moment, offset, timespec):
    """Against the standard library's own arithmetic."""
    zone = timezone(timedelta(minutes=offset))
    unit = timedelta(**{timespec: 1})
    local = moment.replace(tzinfo=zone)
    low, high = interval_us(local.isoformat(timespec=timespec))
    assert low <= us(local) < high
    assert high - low == unit // timedelta(microseconds=1)
    assert not low <= us(local + unit) < high


@given(st.dates(), st.dates())
def test_a_day_lies_within_another_dates_interval_just_when_their_texts_agree(one, other):
    assume(one.year < 9999 and other.year < 9999)
    day = interval_us(one.isoformat())
    for length in (4, 7, 10):
        text = other.isoformat()[:length]
        low, high = interval_us(text)
        assert (low <= day[0] and day[1] <= high) == one.isoformat().startswith(text)
