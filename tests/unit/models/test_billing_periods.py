"""Billing periods for every start: months of 28 to 31 days, leap years, and time zones with their changes of clocks."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from models.billing.periods import FREE_PERIOD, BillingCycle, PlanPhase, free_cycle, merged_periods

ZONES = st.sampled_from([ZoneInfo(name) for name in ("UTC", "Asia/Seoul", "America/New_York", "Australia/Lord_Howe")])
#: Instants as a local clock in one of the zones reads them, the hours that occur twice or never included.
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31), timezones=ZONES)
NUMBERS = st.integers(-40, 40)


def a_month_later(start: datetime, months: int = 1) -> datetime:
    """The end that Stripe gives a period of `months` that starts at `start`."""
    begin = start.astimezone(UTC)
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    day = min(begin.day, calendar.monthrange(year, month + 1)[1])
    return begin.replace(year=year, month=month + 1, day=day)


@given(INSTANTS, st.sampled_from([1, 12]), NUMBERS)
def test_paid_periods_are_months_without_gap_and_overlap(start: datetime, months: int, number: int) -> None:
    cycle = BillingCycle(start, a_month_later(start, months))
    begin, end = cycle.period(number)
    assert end == cycle.period(number + 1)[0]
    assert timedelta(days=28) <= end - begin <= timedelta(days=31)
    # On the day of the start, or on the last day of a month without that day.
    days = calendar.monthrange(begin.year, begin.month)[1]
    assert begin.day == min(start.astimezone(UTC).day, days)
    assert begin.time() == start.astimezone(UTC).time()


@given(INSTANTS, NUMBERS)
def test_free_periods_are_thirty_days_whatever_the_clocks_do(joined: datetime, number: int) -> None:
    begin, end = free_cycle(joined).period(number)
    assert end.astimezone(UTC) - begin.astimezone(UTC) == FREE_PERIOD
    assert (begin.astimezone(UTC) - joined.astimezone(UTC)) % FREE_PERIOD == timedelta(0)


@given(INSTANTS, INSTANTS, st.booleans())
def test_every_moment_is_in_exactly_one_period(start: datetime, moment: datetime, is_free: bool) -> None:
    cycle = free_cycle(start) if is_free else BillingCycle(start, a_month_later(start))
    moment = moment.astimezone(UTC)
    number = cycle.period_number_at(moment)
    begin, end = cycle.period(number)
    assert begin <= moment < end
    assert cycle.period_number_at(begin.astimezone(UTC)) == number
    assert cycle.period_number_at(end.astimezone(UTC)) == number + 1


@given(INSTANTS, st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(0, 90))
def test_the_history_has_neither_gaps_nor_overlaps(joined: datetime, lengths: list[int], rest: int) -> None:
    """Free and paid phases in turn, each as long as `lengths` says in days."""
    joined = joined.astimezone(UTC)
    phases, since = [], joined
    for i, length in enumerate(lengths):
        until = since + timedelta(days=length)
        cycle = BillingCycle(since, a_month_later(since)) if i % 2 else free_cycle(joined)
        phases.append(PlanPhase(cycle, since, until, cuts_first=i % 2 == 0))
        since = until
    phases.append(PlanPhase(free_cycle(joined), since, None, cuts_first=True))
    now = since + timedelta(days=rest)
    periods = merged_periods(phases[::-1], now, 1_000)
    assert all(newer[0] == older[1] for newer, older in pairwise(periods))
    assert periods[0][0] <= now < periods[0][1]
    assert periods[-1][0] == joined
    assert all(begin < end for begin, end in periods)
