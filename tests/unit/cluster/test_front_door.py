"""The rules that the front door gets, on the template of the installed Ray."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cluster.front_door import (
    FrontDoor,
    FrontDoorError,
    edit_configuration,
    fit_connections,
    front_door_from_environment,
    front_door_key,
    main,
)

RAY_TEXT = """global
    stats socket /run/s mode 666 level admin expose-fd listeners
defaults
    mode http
    errorfile 502 /run/500.http
frontend prometheus
    bind :9101
    http-request use-service prometheus-exporter if { path /metrics }
frontend http_frontend
    bind 0.0.0.0:8000
    use_backend trailmind if is_trailmind
    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path '%[path]' not found. Ping /-/routes."
listen stats
  bind *:8404
  stats enable
"""
KEY = "k" * 32


def edited(door: FrontDoor, tmp_path: Path, text: str = RAY_TEXT, **options: bool) -> list[str]:
    return [line.strip() for line in edit_configuration(text, door, tmp_path, **options).splitlines()]


def test_without_proxies_every_forwarded_address_is_removed(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY), tmp_path)
    start = lines.index("http-request del-header X-Forwarded-For")
    assert lines[start + 1 : start + 3] == [
        "http-request add-header X-Forwarded-For %[src]",
        f"http-request set-header X-Trailmind-Front-Door {KEY}",
    ]


def test_proxies_keep_what_they_forward_and_have_no_connection_limit(tmp_path: Path) -> None:
    lines = edited(FrontDoor(KEY, ("10.0.0.0/8", "fd00::/8"), 20), tmp_path)
    assert "acl is_proxy src 10.0.0.0/8 fd00::/8" in lines
    assert "http-request del-header X-Forwarded-For if !is_proxy" in lines
    assert "tcp-request connection reject if !is_proxy { sc0_conn_cur gt 20 }" in lines


def test_statistics_are_removed_and_metrics_only_kept_on_request(tmp_path: Path) -> None:
    assert [line for line in edited(FrontDoor(KEY), tmp_path) if "bind" in line] == ["bind 0.0.0.0:8000"]
    with_metrics = edited(FrontDoor(KEY, on_loopback=True, has_metrics=True), tmp_path)
    assert [line for line in with_metrics if "bind" in line] == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000"]
    assert "stats socket /run/s mode 600 level admin expose-fd listeners" in with_metrics


def test_connections_fit_the_open_files() -> None:
    text = "global\n    maxconn 10000\n    log x\n"
    assert fit_connections(text, 65536) == (text, None)
    assert fit_connections(text, 20_000) == ("global\n    maxconn 7960\n    log x\n", 7960)
    lowered, _ = fit_connections(text, 20_000)
    assert fit_connections(lowered, 20_000) == (lowered, None)
    assert fit_connections(text, 50)[1] == 10


def test_a_repeated_edit_changes_nothing(tmp_path: Path) -> None:
    once = edit_configuration(RAY_TEXT, FrontDoor(KEY), tmp_path)
    assert edit_configuration(once, FrontDoor(KEY), tmp_path) == once


def test_a_configuration_without_the_frontend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrontDoorError, match="http_frontend"):
        edit_configuration(RAY_TEXT.replace("http_frontend", "http"), FrontDoor(KEY), tmp_path)


def test_the_environment_declares_the_door() -> None:
    variables = {
        "TRAILMIND_SECRET_KEY": "signing",
        "TRAILMIND_TRUSTED_PROXIES": "10.1.2.3, 10.2.0.0/16",
        "TRAILMIND_CONNECTIONS_PER_ADDRESS": "9",
    }
    door = front_door_from_environment(variables, on_loopback=False, has_metrics=True)
    assert door == FrontDoor(front_door_key("signing"), ("10.1.2.3/32", "10.2.0.0/16"), 9, False, True)
    variables["TRAILMIND_TRUSTED_PROXIES"] = "none"
    assert front_door_from_environment(variables, on_loopback=True, has_metrics=True).trusted_proxies == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAILMIND_SECRET_KEY", ""),
        ("TRAILMIND_TRUSTED_PROXIES", "the-ingress"),
        ("TRAILMIND_CONNECTIONS_PER_ADDRESS", "many"),
    ],
)
def test_an_invalid_declaration_names_its_variable(name: str, value: str) -> None:
    variables = {"TRAILMIND_SECRET_KEY": "signing", name: value}
    with pytest.raises(FrontDoorError, match=name):
        front_door_from_environment(variables, on_loopback=True, has_metrics=False)


def test_only_the_owner_reads_the_file_with_the_key(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(RAY_TEXT)
    path.chmod(0o666)
    main([os.fspath(path), "--loopback"], {"TRAILMIND_SECRET_KEY": "signing"})
    assert front_door_key("signing") in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
