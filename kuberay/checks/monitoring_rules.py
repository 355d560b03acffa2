"""Rules about alerts and dashboards: each asks for numbers that somebody exports, and says what to do about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from cluster.jobs.database_metrics import DATABASE_GAUGES
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import ROOT, Document, label, of_kind
from telemetry.metrics import REGISTRY

RULES = {
    "promql": "every expression of an alert or a dashboard is PromQL",
    "metric-known": "every metric asked for is exported by us, recorded by a rule, or a known one of somebody else's",
    "metric-label": "labels asked of our metrics are ones they have, with values they take",
    "metric-shown": "every metric of ours is on a dashboard",
    "alert-page": "every alert has a severity, a summary and a page in the runbook",
    "dashboard": "dashboards are JSON, found by Grafana's sidecar, and leave the data source to whoever looks",
}
#: Metrics of others, as KubeRay 1.7, kube-state-metrics and the kubelet export them.
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
}
#: What Ray and the scrape put on every series of ours.
_ADDED_LABELS = {"le", "job", "ray_cluster", "ray_group", "component", "WorkerId", "NodeAddress"}
_SEVERITIES = {"critical", "warning", "info", "none"}
_RUNBOOK = "docs/runbook.md"


def exported() -> dict[str, dict[str, frozenset[str]]]:
    """Series name -> its labels and the values each can take (none named: anything)."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for name, metric in REGISTRY.instruments.items():
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        for suffix in suffixes:
            # Ray's agent puts its own prefix before what processes count.
            found[f"ray_{name}{suffix}"] = dict(metric.label_values)
    for gauge in DATABASE_GAUGES:
        found[gauge.name] = {gauge.label: frozenset(gauge.label_values)} if gauge.label else {}
    return found


def check(documents: list[Document]) -> Iterator[Finding]:
    """Every PrometheusRule and every dashboard. Overlays without monitoring have neither."""
    headings = _headings((ROOT / _RUNBOOK).read_text()) if (ROOT / _RUNBOOK).exists() else set()
    recorded = {
        rule["record"]
        for document in of_kind(documents, "PrometheusRule")
        for group in document["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    for document in of_kind(documents, "PrometheusRule"):
        for group in document["spec"]["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule.get("record")
                where = f"{label(document)} {name}"
                yield from _expression(where, rule["expr"], recorded)
                if "alert" in rule:
                    yield from _page(where, rule, headings)
    shown: set[str] = set()
    dashboards = [d for d in of_kind(documents, "ConfigMap") if any(f.endswith(".json") for f in d.get("data", {}))]
    for document in dashboards:
        if document["metadata"].get("labels", {}).get("grafana_dashboard") != "1":
            yield Finding("dashboard", label(document), 'label grafana_dashboard: "1" is missing: nobody would load it')
        for file, text in document["data"].items():
            where = f"{label(document)} {file}"
            try:
                dashboard = json.loads(text)
            except json.JSONDecodeError as error:
                yield Finding("dashboard", where, f"is no JSON: {error}")
                continue
            for title, source, expression in queries(dashboard):
                if source != "${datasource}":
                    text = f"asks data source {source!r}: write ${{datasource}}, the reader's choice"
                    yield Finding("dashboard", f"{where} {title}", text)
                yield from _expression(f"{where} {title}", expression, recorded)
                shown |= set(metrics_of(expression))
    if dashboards:
        shown |= {
            metric
            for document in of_kind(documents, "PrometheusRule")
            for group in document["spec"]["groups"]
            for rule in group["rules"]
            if rule.get("record") in shown
            for metric in metrics_of(rule["expr"])
        }
        for name in sorted(set(REGISTRY.instruments) | {g.name for g in DATABASE_GAUGES}):
            if not shown & {name, *(f"ray_{name}{suffix}" for suffix in ("", "_bucket", "_sum", "_count"))}:
                yield Finding("metric-shown", "the dashboards", f"{name} is counted and nobody can see it: add a panel")


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(title, data source, expression) of every panel and annotation."""
    for panel in dashboard.get("panels", []):
        for target in panel.get("targets", []):
            yield panel.get("title", ""), target.get("datasource", {}).get("uid", ""), target.get("expr", "")
    for note in dashboard.get("annotations", {}).get("list", []):
        if "expr" in note:
            yield note.get("name", ""), note.get("datasource", {}).get("uid", ""), note["expr"]


def metrics_of(expression: str) -> list[str]:
    """The names of the series an expression selects; none when it does not parse."""
    try:
        return [node.name for node in _nodes(expression) if isinstance(node, promql.VectorSelector) and node.name]
    except ValueError:
        return []


def _nodes(expression: str) -> list[Any]:
    found: list[Any] = []
    promql.walk(promql.parse(expression), found.append)
    return found


def _expression(where: str, expression: str, recorded: set[str]) -> Iterator[Finding]:
    try:
        nodes = _nodes(expression)
    except ValueError as error:
        yield Finding("promql", where, f"{error}: {expression}")
        return
    known = exported()
    ours: dict[str, frozenset[str]] = {}
    for node in nodes:
        if not isinstance(node, promql.VectorSelector):
            continue
        if node.name in known:
            ours |= known[node.name]
            for matcher in node.matchers.matchers:
                yield from _matcher(where, node.name, matcher, known[node.name])
        elif node.name not in recorded | FOREIGN:
            hint = f"; processes' numbers are called ray_{node.name}" if f"ray_{node.name}" in known else ""
            yield Finding("metric-known", where, f"nobody exports {node.name}{hint}")
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
    # Only a plain choice of values can be held against them, and only where they are fixed.
    if allowed and re.fullmatch(r"[\w|/.-]+", matcher.value):
        for value in set(matcher.value.split("|")) - allowed:
            text = f"{name} never has {matcher.name}={value}, only {', '.join(sorted(allowed))}"
            yield Finding("metric-label", where, text)


def _page(where: str, rule: Document, headings: set[str]) -> Iterator[Finding]:
    severity, notes = rule.get("labels", {}).get("severity"), rule.get("annotations", {})
    if severity not in _SEVERITIES:
        yield Finding("alert-page", where, f"severity is {severity}; it is {', '.join(sorted(_SEVERITIES))}")
    if not notes.get("summary"):
        yield Finding("alert-page", where, "has no summary: whoever is woken wants one sentence")
    page, _, anchor = notes.get("runbook_url", "").partition("#")
    if not page.endswith(_RUNBOOK) or anchor not in headings:
        yield Finding("alert-page", where, f"write a heading {rule['alert']} in {_RUNBOOK} and point runbook_url there")


def _headings(markdown: str) -> set[str]:
    # As GitHub makes anchors of them; ours are single words.
    return {found.strip().lower() for found in re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)}
