"""Optional mails arrive by day, in the reader's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: Local times between which no optional mail is sent.
QUIET_FROM: Final = time(22)
QUIET_UNTIL: Final = time(8)
#: Where a user is assumed to live until a client has told the time zone.
_DEFAULT_ZONES = {"ko": "Asia/Seoul"}


@cache
def zone_of(time_zone: str | None, language: str) -> ZoneInfo:
    """The user's time zone; one that this machine does not know counts as unknown."""
    try:
        return ZoneInfo(time_zone or _DEFAULT_ZONES.get(language, "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(_DEFAULT_ZONES.get(language, "UTC"))


def next_quiet_end(now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours around `now` end; None by day. Right on the days on which clocks change."""
    local = now.astimezone(zone)
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return None
    day = local.date() + timedelta(days=1) if local.time() >= QUIET_FROM else local.date()
    return datetime.combine(day, QUIET_UNTIL, zone).astimezone(UTC)
