"""Rules about alerts and dashboards: they query exported metrics, and every alert has a page in the runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql

from cluster.jobs.database_metrics import DATABASE_GAUGES
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import ROOT, Document, label, of_kind
from telemetry.metrics import REGISTRY

RULES = {
    "promql": "every expression of an alert or a dashboard is PromQL",
    "metric-known": "every queried metric is exported by us, recorded by a rule, or a known metric of another exporter",
    "metric-label": "queries use labels and values that our metrics have",
    "metric-shown": "every metric of ours is on a dashboard",
    "alert-page": "every alert has a severity, a summary and a page in the runbook",
    "dashboard": "dashboards are JSON, found by Grafana's sidecar, and leave the data source to the reader",
}
#: Metrics that KubeRay 1.7, kube-state-metrics, the kubelet, and the exporters of nodes, PostgreSQL, Redis and the
#: public address export.
FOREIGN = {
    "up",
    "kuberay_service_condition_ready",
    "kuberay_service_condition_upgrade_in_progress",
    "kube_pod_status_ready",
    "kube_pod_status_phase",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_resource_limits",
    "kube_cronjob_status_last_successful_time",
    "container_memory_working_set_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "pg_up",
    "pg_database_size_bytes",
    "pg_stat_database_deadlocks",
    "pg_stat_database_xact_commit",
    "pg_stat_database_xact_rollback",
    "redis_up",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "redis_connected_clients",
    "redis_evicted_keys_total",
    "probe_success",
    "probe_duration_seconds",
    "probe_ssl_earliest_cert_expiry",
}
#: Labels that Ray and the scrape add to all our series.
_ADDED_LABELS = {"le", "job", "ray_cluster", "ray_group", "component", "WorkerId", "NodeAddress"}
_SEVERITIES = {"critical", "warning", "info", "none"}
_RUNBOOK = "docs/runbook.md"


def exported_series() -> dict[str, dict[str, frozenset[str]]]:
    """Series name -> its labels and the values of each; an empty set allows every value."""
    series: dict[str, dict[str, frozenset[str]]] = {}
    for name, instrument in REGISTRY.instruments.items():
        suffixes = ("_bucket", "_sum", "_count") if instrument.kind == "histogram" else ("",)
        for suffix in suffixes:
            # Ray's agent adds its prefix to the metrics of processes.
            series[f"ray_{name}{suffix}"] = dict(instrument.label_values)
    for gauge in DATABASE_GAUGES:
        columns = zip(*gauge.label_values, strict=True)
        series[gauge.name] = dict(zip(gauge.labels, map(frozenset, columns), strict=True))
    return series


def check(documents: list[Document]) -> Iterator[Finding]:
    """The findings about every PrometheusRule and dashboard. Overlays without monitoring have neither."""
    rules = [
        (label(document), rule)
        for document in of_kind(documents, "PrometheusRule")
        for group in document["spec"]["groups"]
        for rule in group["rules"]
    ]
    recorded = {rule["record"]: metrics_of(rule["expr"]) for _, rule in rules if "record" in rule}
    yield from _rules(rules, recorded)
    dashboards = [d for d in of_kind(documents, "ConfigMap") if any(f.endswith(".json") for f in d.get("data", {}))]
    shown: set[str] = set()
    for document in dashboards:
        yield from _dashboard(document, recorded, shown)
    if dashboards:
        yield from _not_shown(shown, recorded)


def _rules(rules: list[tuple[str, Document]], recorded: Mapping[str, list[str]]) -> Iterator[Finding]:
    headings = _headings((ROOT / _RUNBOOK).read_text()) if (ROOT / _RUNBOOK).exists() else set()
    for document_label, rule in rules:
        where = f"{document_label} {rule.get('alert') or rule.get('record')}"
        yield from _expression(where, rule["expr"], recorded)
        if "alert" in rule:
            yield from _alert(where, rule, headings)


def _dashboard(document: Document, recorded: Mapping[str, list[str]], shown: set[str]) -> Iterator[Finding]:
    """The findings about one dashboard; adds the series of its queries to `shown`."""
    if document["metadata"].get("labels", {}).get("grafana_dashboard") != "1":
        text = 'label grafana_dashboard: "1" is missing: Grafana would not load it'
        yield Finding("dashboard", label(document), text)
    for file, content in document["data"].items():
        where = f"{label(document)} {file}"
        try:
            dashboard = json.loads(content)
        except json.JSONDecodeError as error:
            yield Finding("dashboard", where, f"is no JSON: {error}")
            continue
        for title, source, expression in queries(dashboard):
            if source != "${datasource}":
                text = f"queries data source {source!r}: write ${{datasource}}, the data source of the reader"
                yield Finding("dashboard", f"{where} {title}", text)
            yield from _expression(f"{where} {title}", expression, recorded)
            shown |= set(metrics_of(expression))


def _not_shown(shown: set[str], recorded: Mapping[str, list[str]]) -> Iterator[Finding]:
    visible = shown | {metric for name, metrics in recorded.items() if name in shown for metric in metrics}
    for name in sorted(set(REGISTRY.instruments) | {gauge.name for gauge in DATABASE_GAUGES}):
        if not visible & {name, *(f"ray_{name}{suffix}" for suffix in ("", "_bucket", "_sum", "_count"))}:
            yield Finding("metric-shown", "the dashboards", f"{name} is exported but not on a dashboard: add a panel")


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(title, data source, expression) of every panel and annotation."""
    for panel in dashboard.get("panels", []):
        for target in panel.get("targets", []):
            yield panel.get("title", ""), target.get("datasource", {}).get("uid", ""), target.get("expr", "")
    for note in dashboard.get("annotations", {}).get("list", []):
        if "expr" in note:
            yield note.get("name", ""), note.get("datasource", {}).get("uid", ""), note["expr"]


def metrics_of(expression: str) -> list[str]:
    """The names of the series that an expression selects; none when it does not parse."""
    try:
        return [node.name for node in _nodes(expression) if isinstance(node, promql.VectorSelector) and node.name]
    except ValueError:
        return []


def _nodes(expression: str) -> list[Any]:
    nodes: list[Any] = []
    promql.walk(promql.parse(expression), nodes.append)
    return nodes


def _expression(where: str, expression: str, recorded: Mapping[str, list[str]]) -> Iterator[Finding]:
    try:
        nodes = _nodes(expression)
    except ValueError as error:
        yield Finding("promql", where, f"{error}: {expression}")
        return
    known = exported_series()
    ours: dict[str, frozenset[str]] = {}
    for node in nodes:
        if not isinstance(node, promql.VectorSelector):
            continue
        if node.name in known:
            ours |= known[node.name]
            for matcher in node.matchers.matchers:
                yield from _matcher(where, node.name, matcher, known[node.name])
        elif node.name not in recorded and node.name not in FOREIGN:
            hint = f"; metrics of processes are called ray_{node.name}" if f"ray_{node.name}" in known else ""
            yield Finding("metric-known", where, f"no exporter has {node.name}{hint}")
    for node in nodes:
        if isinstance(node, promql.AggregateExpr) and node.modifier and _is_ours(node, known):
            for name in set(node.modifier.labels) - set(ours) - _ADDED_LABELS:
                yield Finding("metric-label", where, f"groups by {name}, which none of its metrics has")


def _is_ours(node: Any, known: dict[str, Any]) -> bool:
    return all(name in known for name in metrics_of(str(node)))


def _matcher(where: str, name: str, matcher: Any, labels: dict[str, frozenset[str]]) -> Iterator[Finding]:
    if matcher.name not in labels:
        if matcher.name not in _ADDED_LABELS:
            yield Finding("metric-label", where, f"{name} has no label {matcher.name}, only {', '.join(labels)}")
        return
    allowed = labels[matcher.name]
    # Only a plain alternation of values can be checked, and only against a fixed set.
    if allowed and re.fullmatch(r"[\w|/.-]+", matcher.value):
        for value in set(matcher.value.split("|")) - allowed:
            text = f"{name} never has {matcher.name}={value}, only {', '.join(sorted(allowed))}"
            yield Finding("metric-label", where, text)


def _alert(where: str, rule: Document, headings: set[str]) -> Iterator[Finding]:
    severity, notes = rule.get("labels", {}).get("severity"), rule.get("annotations", {})
    if severity not in _SEVERITIES:
        yield Finding("alert-page", where, f"severity is {severity}; it must be {', '.join(sorted(_SEVERITIES))}")
    if not notes.get("summary"):
        yield Finding("alert-page", where, "has no summary: write one sentence for the engineer on call")
    page, _, anchor = notes.get("runbook_url", "").partition("#")
    if not page.endswith(_RUNBOOK) or anchor not in headings:
        yield Finding("alert-page", where, f"write a heading {rule['alert']} in {_RUNBOOK} and point runbook_url there")


def _headings(markdown: str) -> set[str]:
    # The anchors of GitHub; ours are single words.
    return {heading.strip().lower() for heading in re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)}
