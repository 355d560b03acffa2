"""Optional mails wait for the morning where their reader lives, also on the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.mail.quiet_hours import next_quiet_end, zone_of

ZONES = ("Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC")


@pytest.mark.parametrize(
    ("now", "zone", "end"),
    [
        ("2026-11-28T03:00Z", "Asia/Seoul", None),  # noon
        ("2026-11-28T13:30Z", "Asia/Seoul", "2026-11-28T23:00Z"),  # half past ten in the evening
        ("2026-11-28T20:00Z", "Asia/Seoul", "2026-11-28T23:00Z"),  # five in the morning
        ("2026-11-28T23:00Z", "Asia/Seoul", None),  # eight
        ("2026-03-08T04:00Z", "America/New_York", "2026-03-08T12:00Z"),  # the night without 2 to 3 o'clock
        ("2026-11-01T03:00Z", "America/New_York", "2026-11-01T13:00Z"),  # the night with 1 to 2 o'clock twice
    ],
)
def test_the_end_of_the_night(now: str, zone: str, end: str | None) -> None:
    moment = datetime.fromisoformat(now)
    assert next_quiet_end(moment, zone_of(zone, "en")) == (datetime.fromisoformat(end) if end else None)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)), st.sampled_from(ZONES)
)  # fmt: skip
def test_a_mail_never_waits_longer_than_a_night_and_arrives_by_day(now: datetime, zone: str) -> None:
    end = next_quiet_end(now, zone_of(zone, "en"))
    if end is not None:
        assert timedelta(0) < end - now <= timedelta(hours=11)
        assert next_quiet_end(end, zone_of(zone, "en")) is None


def test_an_unknown_zone_is_that_of_the_language() -> None:
    assert zone_of("Mars/Olympus", "ko").key == "Asia/Seoul"
    assert zone_of(None, "en").key == "UTC"
