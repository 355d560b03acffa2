"""Every alert fires when it should and clears afterwards, as Prometheus itself evaluates the rules."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.checks.manifests import KUBERAY

SPEC: dict[str, Any] = yaml.safe_load((KUBERAY / "components/monitoring/prometheusrule.yaml").read_text())["spec"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not here; it is in Debian's package prometheus"
)

REQUESTS = 'ray_trailmind_http_requests_total{WorkerId="a", method="GET", route="/v1/sessions", status="%s"}'
SECONDS = 'ray_trailmind_http_request_seconds_bucket{route="/v1/sessions", le="%s"}'
MAP_SECONDS = 'ray_trailmind_map_seconds_bucket{le="%s"}'
CALLS = 'ray_trailmind_ai_calls_total{provider="openai", outcome="%s"}'
MAPS = 'ray_trailmind_maps_total{outcome="%s"}'
READY = 'kuberay_service_condition_%s{namespace="trailmind", name="trailmind", condition="%s"}'
PROBE = 'probe_%s{job="trailmind-public"}'
POD = 'namespace="trailmind", pod="trailmind-x-serve-worker-1"'


@dataclass(frozen=True)
class Scenario:
    """What is scraped each minute (promtool's notation), when the alert fires by it, and when it does not any more."""

    alert: str
    series: dict[str, str]
    fires_at_min: int
    clear_at_min: int | None


SCENARIOS = [
    Scenario("TrailmindApiDown", {'up{job="trailmind/trailmind-application"}': "1x5 0x5 1x10"}, 8, 14),
    Scenario("TrailmindErrorBudgetBurnsFast", {REQUESTS % 200: "0+95x150", REQUESTS % 500: "0+5x90 450+0x60"}, 70, 100),
    Scenario(
        "TrailmindErrorBudgetBurns", {REQUESTS % 200: "0+990x200", REQUESTS % 503: "0+10x120 1200+0x80"}, 100, 170
    ),
    Scenario("TrailmindApiErrors", {REQUESTS % 200: "0+95x60", REQUESTS % 500: "0+5x30 150+0x30"}, 20, 45),
    Scenario(
        "TrailmindApiSlow",
        {
            REQUESTS % 200: "0+100x60",
            SECONDS % "0.5": "0+10x30 400+100x30",
            SECONDS % "1.0": "0+100x60",
            SECONDS % "+Inf": "0+100x60",
        },
        25,
        50,
    ),
    Scenario(
        "TrailmindLoginsRefused",
        {
            'ray_trailmind_http_requests_total{route="/v1/auth/login", status="401"}': "0+120x30 3600+0x30",
        },
        20,
        45,
    ),
    Scenario("TrailmindCommitsFail", {'ray_trailmind_flush_failures_total{writer="shard"}': "0+1x20 20+0x20"}, 12, 30),
    Scenario("TrailmindShardsUnavailable", {"ray_trailmind_shard_fallbacks_total": "0+1x30 30+0x20"}, 20, 45),
    Scenario(
        "TrailmindDatabaseConnections",
        {"trailmind_database_clients": "90x30 10x20", "trailmind_database_client_limit": "100x50"},
        15,
        35,
    ),
    Scenario(
        "TrailmindNoWorker",
        {
            'trailmind_jobs_oldest_pending_seconds{queue="maps"}': "0+60x10 0x20",
            'trailmind_jobs_running{queue="maps"}': "0x30",
        },
        8,
        15,
    ),
    Scenario("TrailmindBacklog", {'trailmind_jobs_pending{queue="maps"}': "150x30 5x20"}, 20, 40),
    Scenario("TrailmindJobsDead", {'trailmind_jobs_dead{queue="maps"}': "2x10 0x10"}, 5, 15),
    Scenario("TrailmindWebhooksDelayed", {"trailmind_webhooks_oldest_seconds": "0+60x20 0x10"}, 18, 25),
    Scenario("TrailmindBillingDrift", {"ray_trailmind_billing_drift_total": "0x10 2x200"}, 30, 180),
    Scenario(
        "TrailmindMailsBounce",
        {
            'ray_trailmind_mails_total{outcome="bounced"}': "0+1x60 60+0x120",
            'ray_trailmind_mails_total{outcome="sent"}': "0+4x180",
        },
        40,
        130,
    ),
    Scenario("TrailmindPaymentDisputed", {"trailmind_disputed_customers": "0x5 1x10 0x10"}, 10, 20),
    Scenario("TrailmindMapsFail", {MAPS % "failed": "0+1x60 60+0x120", MAPS % "made": "0+4x180"}, 40, 130),
    Scenario(
        "TrailmindMapsSlow",
        {
            MAP_SECONDS % "30.0": "0+1x40 45+10x60",
            MAP_SECONDS % "60.0": "0+10x100",
            MAP_SECONDS % "+Inf": "0+10x100",
        },
        30,
        75,
    ),
    Scenario("TrailmindProviderFails", {CALLS % "failed": "0+2x40 80+0x60", CALLS % "ok": "0+2x100"}, 30, 70),
    Scenario(
        "TrailmindQuotaShort",
        {'ray_trailmind_provider_refusals_total{provider="openai", model="m"}': "0+1x60 60+0x40"},
        50,
        90,
    ),
    Scenario("TrailmindUnreachable", {PROBE % "success": "1x5 0x10 1x10"}, 12, 18),
    Scenario("TrailmindCertificateExpires", {PROBE % "ssl_earliest_cert_expiry": "864000x80 7776000x20"}, 70, 85),
    Scenario("TrailmindPostgresDown", {"pg_up": "1x5 0x10 1x10"}, 10, 18),
    Scenario("TrailmindRedisDown", {"redis_up": "1x5 0x10 1x10"}, 12, 18),
    Scenario(
        "TrailmindRedisMemory",
        {"redis_memory_used_bytes": "95x30 10x20", "redis_memory_max_bytes": "100x50"},
        20,
        35,
    ),
    Scenario(
        "TrailmindDiskFull",
        {
            'node_filesystem_avail_bytes{instance="a", mountpoint="/", fstype="ext4"}': "5x30 50x20",
            'node_filesystem_size_bytes{instance="a", mountpoint="/", fstype="ext4"}': "100x50",
            'node_filesystem_avail_bytes{instance="a", mountpoint="/run", fstype="tmpfs"}': "0x50",
            'node_filesystem_size_bytes{instance="a", mountpoint="/run", fstype="tmpfs"}': "100x50",
        },
        20,
        35,
    ),
    Scenario(
        "TrailmindExporterDown",
        {"pg_up": "1x50", "redis_up": "1x5 _x25 1x20", PROBE % "success": "1x50"},
        25,
        35,
    ),
    Scenario(
        "TrailmindSpend",
        {'ray_trailmind_ai_cost_microdollars_total{provider="openai"}': "0+1000000x100 100000000+0x1500"},
        90,
        1550,
    ),
    Scenario(
        "TrailmindQuotaDenials", {'ray_trailmind_quota_denials_total{what="tokens"}': "0+3x120 360+0x120"}, 100, 230
    ),
    Scenario(
        "TrailmindHeadDown",
        {'up{job="trailmind/trailmind-ray-head", component="service"}': "1x5 0x10 1x10"},
        12,
        20,
    ),
    Scenario("TrailmindServiceNotReady", {READY % ("ready", "false"): "1x10 stale"}, 5, 15),
    Scenario("TrailmindUpgradeStuck", {READY % ("upgrade_in_progress", "true"): "1x50 stale"}, 40, 55),
    Scenario(
        "TrailmindZombieNode",
        {
            f'kube_pod_status_ready{{{POD}, condition="true"}}': "0x30 1x10",
            f'kube_pod_status_phase{{{POD}, phase="Running"}}': "1x40",
        },
        15,
        35,
    ),
    Scenario("TrailmindRestarts", {f"kube_pod_container_status_restarts_total{{{POD}}}": "0+1x10 10+0x30"}, 10, 35),
    Scenario(
        "TrailmindHeadMemory",
        {
            'container_memory_working_set_bytes{namespace="trailmind", pod="h", container="ray-head"}': "90x40 10x10",
            'kube_pod_container_resource_limits{namespace="trailmind", pod="h", container="ray-head",'
            ' resource="memory"}': "100x50",
        },
        30,
        45,
    ),
    Scenario(
        "TrailmindNightlyRunMissing",
        {
            "kube_cronjob_status_last_successful_time"
            '{namespace="trailmind", cronjob="trailmind-regenerate"}': "0x1600 96000x100"
        },
        1580,
        1630,
    ),
    Scenario(
        "TrailmindBackupOld",
        {
            "kube_cronjob_status_last_successful_time"
            '{namespace="trailmind", cronjob="trailmind-backup"}': "0x1600 96000x100"
        },
        1580,
        1630,
    ),
    Scenario("TrailmindWatchdog", {"up": "1x5"}, 2, None),
]


def test_every_alert_has_a_scenario() -> None:
    alerts = [rule["alert"] for group in SPEC["groups"] for rule in group["rules"] if "alert" in rule]
    assert sorted(alerts) == sorted(scenario.alert for scenario in SCENARIOS)


@needs_promtool
def test_alerts_fire_and_clear(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    promtool("check", "rules", tmp_path / "rules.yaml")
    for name, long, every in (("short", False, "1m"), ("long", True, "10m")):
        tests = [promtool_test(scenario) for scenario in SCENARIOS if (scenario.fires_at_min > 1000) == long]
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": tests}))
        promtool("test", "rules", file)


@needs_promtool
def test_a_scenario_that_fails_is_reported(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    quiet = Scenario("TrailmindBacklog", {'trailmind_jobs_pending{queue="maps"}': "5x40"}, 20, None)
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [promtool_test(quiet)]}))
    with pytest.raises(AssertionError, match="TrailmindBacklog"):
        promtool("test", "rules", file)


@needs_promtool
def test_the_share_of_failed_requests_is_zero_before_the_first_one(tmp_path: Path) -> None:
    """A server that never failed exports no series of 5xx; its panel shows 0 %, not "no data"."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    expected = [
        {
            "expr": record,
            "eval_time": "60m",
            "exp_samples": [{"labels": f'{{__name__="{record}"}}', "value": 0}],
        }
        for record in (f"trailmind:http_errors:ratio{window}" for window in ("5m", "30m", "1h", "6h"))
    ]
    healthy = {
        "interval": "1m",
        "input_series": [{"series": REQUESTS % 200, "values": "0+95x60"}],
        "promql_expr_test": expected,
    }
    file = tmp_path / "healthy.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [healthy]}))
    promtool("test", "rules", file)


def promtool_test(scenario: Scenario) -> dict[str, Any]:
    """The scenario as promtool reads it."""
    firing = f'count by (alertname) (ALERTS{{alertname="{scenario.alert}", alertstate="firing"}})'
    sample = {"labels": f'{{alertname="{scenario.alert}"}}', "value": 1}
    expectations: list[dict[str, Any]] = [
        {"expr": firing, "eval_time": f"{scenario.fires_at_min}m", "exp_samples": [sample]}
    ]
    if scenario.clear_at_min is not None:
        expectations.append({"expr": firing, "eval_time": f"{scenario.clear_at_min}m", "exp_samples": []})
    series = [{"series": name, "values": values} for name, values in scenario.series.items()]
    return {"name": scenario.alert, "interval": "1m", "input_series": series, "promql_expr_test": expectations}


def promtool(*arguments: str | Path) -> None:
    """Run it; AssertionError with what it says when it refuses."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
