"""The configuration of log collection: few labels, retention that is applied, names that our logs and settings have.

Alloy's own parser is no package that can be installed here, so the syntax is not checked, only what is referred to.
"""

from __future__ import annotations

import re

import yaml

from kuberay.checks.manifests import KUBERAY
from telemetry.logs import CONTEXT_IDS

FOLDER = KUBERAY / "components" / "logs"
CONFIG = (FOLDER / "config.alloy").read_text()
#: Labels with few values; each combination of values is a stream of its own.
BOUNDED = {"namespace", "container", "ray_group", "level"}


def block(name: str) -> str:
    """The text of the first block `name` with its braces balanced."""
    start = CONFIG.index(name)
    depth = 0
    for position in range(CONFIG.index("{", start), len(CONFIG)):
        depth += {"{": 1, "}": -1}.get(CONFIG[position], 0)
        if depth == 0:
            return CONFIG[start : position + 1]
    raise AssertionError(f"{name} is not closed")


def test_labels_have_few_values() -> None:
    labels = set(re.findall(r'target_label\s*=\s*"(\w+)"', CONFIG)) | set(
        re.findall(r'(\w+)\s*=\s*""', block("stage.labels"))
    )
    assert labels == BOUNDED


def test_the_ids_of_our_logs_are_searchable() -> None:
    metadata = set(re.findall(r'(\w+)\s*=\s*""', block("stage.structured_metadata")))
    assert metadata == {*CONTEXT_IDS, "event"}
    parsed = dict(re.findall(r'(\w+)\s*=\s*"(\w+)"', block("stage.json")))
    assert metadata | {"level", "timestamp"} == parsed.keys()
    assert all(name == field for name, field in parsed.items())


def test_every_component_that_is_referred_to_exists() -> None:
    defined = {f"{kind}.{name}" for kind, name in re.findall(r'^([a-z0-9_.]+) "(\w+)" \{', CONFIG, re.MULTILINE)}
    code = re.sub(r'//.*|"[^"\n]*"', "", CONFIG)
    used = set(re.findall(r"((?:loki|discovery|otelcol)\.[a-z0-9_.]+)\.(?:receiver|targets|output|input)\b", code))
    assert used <= defined, used - defined
    assert len(used) >= 6
    assert CONFIG.count("{") == CONFIG.count("}")


def test_loki_deletes_old_logs() -> None:
    loki = yaml.safe_load((FOLDER / "loki-values.yaml").read_text())["loki"]
    assert loki["compactor"]["retention_enabled"] is True
    assert loki["compactor"]["delete_request_store"] == loki["storage"]["type"]
    assert re.fullmatch(r"\d+h", loki["limits_config"]["retention_period"])
    assert loki["limits_config"]["allow_structured_metadata"] is True


def test_our_pods_may_send_spans_to_the_port_that_alloy_opens() -> None:
    policy = yaml.safe_load((FOLDER / "networkpolicy.yaml").read_text())
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    values = yaml.safe_load((FOLDER / "alloy-values.yaml").read_text())
    assert {port["port"] for port in values["alloy"]["extraPorts"]} == ports
    assert all(f'endpoint = "0.0.0.0:{port}"' in CONFIG for port in ports)
