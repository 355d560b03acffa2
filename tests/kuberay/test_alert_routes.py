"""Every alert reaches a receiver, by the routes of Alertmanager as `amtool` evaluates them."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from kuberay.checks.manifests import KUBERAY
from tests.kuberay.test_alerts import SPEC

FOLDER = KUBERAY / "components" / "monitoring" / "alertmanager"
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "alertmanager.yaml").read_text())
AMTOOL = shutil.which("amtool")
needs_amtool = pytest.mark.skipif(
    AMTOOL is None, reason="amtool is not here; it is in Debian's package prometheus-alertmanager"
)
ALERTS = {
    rule["alert"]: rule["labels"]["severity"] for group in SPEC["groups"] for rule in group["rules"] if "alert" in rule
}
RECEIVERS = {"critical": ["page", "chat"], "warning": ["chat"], "info": ["mail"], "none": ["dead-mans-switch"]}


def _amtool(*arguments: str) -> str:
    assert AMTOOL is not None
    done = subprocess.run([AMTOOL, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_amtool
def test_alertmanager_accepts_the_configuration() -> None:
    assert "SUCCESS" in _amtool("check-config", str(FOLDER / "alertmanager.yaml"))


@needs_amtool
@pytest.mark.parametrize(("alert", "severity"), sorted(ALERTS.items()))
def test_every_alert_has_the_receivers_of_its_severity(alert: str, severity: str) -> None:
    config = f"--config.file={FOLDER / 'alertmanager.yaml'}"
    labels = [f"alertname={alert}", f"severity={severity}"]
    assert _amtool("config", "routes", "test", config, *labels).strip().split(",") == RECEIVERS[severity]


@needs_amtool
def test_an_alert_without_a_severity_is_not_lost() -> None:
    config = f"--config.file={FOLDER / 'alertmanager.yaml'}"
    assert _amtool("config", "routes", "test", config, "alertname=Other").strip() == "mail"


def test_inhibition_names_alerts_that_exist() -> None:
    for rule in CONFIG["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            pattern = matcher.split("=", 1)[1].strip(" ~").strip('"')
            for part in re.split(r"\|(?![^(]*\))", pattern):
                assert any(re.fullmatch(part, alert) for alert in ALERTS), part


def test_no_critical_alert_is_inhibited_by_a_lesser_one() -> None:
    for rule in CONFIG["inhibit_rules"]:
        (source,) = (matcher.split("=")[1].strip() for matcher in rule["source_matchers"])
        assert ALERTS[source] == "critical", source


def test_no_credential_is_in_the_configuration() -> None:
    text = (FOLDER / "alertmanager.yaml").read_text()
    for key in ("smtp_auth_password", "api_url", "routing_key", "service_key"):
        assert f"{key}:" not in text, f"{key} must be a file"
