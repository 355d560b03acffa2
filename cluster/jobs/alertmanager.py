"""Reads the alerts that fire from Alertmanager's API."""

from __future__ import annotations

from datetime import datetime

import httpx2

from models.schemas.status import AlertStatus

_TIMEOUT_S = 5.0
_WATCHDOG = "TrailmindWatchdog"


async def firing_alerts(url: str) -> list[AlertStatus]:
    """The alerts that fire and are neither silenced nor inhibited, without the watchdog, which always does.

    Raises httpx2.HTTPError, and ValueError for an answer that is not Alertmanager's.
    """
    async with httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        response = await client.get(
            f"{url.rstrip('/')}/api/v2/alerts", params={"active": "true", "silenced": "false", "inhibited": "false"}
        )
        response.raise_for_status()
        found = response.json()
    try:
        alerts = [
            AlertStatus(
                name=alert["labels"]["alertname"],
                severity=alert["labels"].get("severity", "none"),
                since=datetime.fromisoformat(alert["startsAt"]),
                summary=alert.get("annotations", {}).get("summary", ""),
            )
            for alert in found
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("not an answer of Alertmanager") from error
    return [alert for alert in alerts if alert.name != _WATCHDOG]
