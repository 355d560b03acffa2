"""The outputs of Terraform reach the production overlay, and every value of it comes from there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kuberay.checks.terraform_rules import TERRAFORM, read_root
from kuberay.overlay_values import OVERLAY, VALUES, OverlayError, overlay_files, read_values, write_values

NEW = {
    "backup_bucket": "maps-backups-210987654321",
    "region": "eu-central-1",
    "host": "maps.example.org",
    "vpc_cidr": "10.9.0.0/16",
    "service_cidr": "172.30.0.0/16",
    "certificate_arn": "arn:aws:acm:eu-central-1:210987654321:certificate/abc",
    "web_acl_arn": "arn:aws:wafv2:eu-central-1:210987654321:regional/webacl/x/y",
    "gcs_address": "master.trailmind-gcs.abc.euc1.cache.amazonaws.com",
    "image_repository": "210987654321.dkr.ecr.eu-central-1.amazonaws.com/trailmind",
    "secret_name": "maps-eu/application",
    "providers_secret": "maps-eu/providers",
}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    copy = tmp_path / "eks"
    shutil.copytree(OVERLAY, copy)
    return copy


def test_terraform_gives_exactly_the_values_of_the_overlay() -> None:
    (output,) = [b for b in read_root(TERRAFORM / "aws") if (b.kind, b.labels) == ("output", ("overlay",))]
    assert {key for key in output.body["value"] if not key.startswith("__")} == read_values().keys()


def test_every_value_is_used() -> None:
    text = "".join(file.read_text() for file in overlay_files())
    assert [name for name, value in read_values().items() if value not in text] == []


def test_new_values_replace_the_old_ones_everywhere(overlay: Path) -> None:
    old = read_values(overlay)
    assert write_values(NEW, overlay) == sorted(NEW)
    text = "".join(file.read_text() for file in overlay_files(overlay))
    assert [name for name, value in NEW.items() if value not in text] == []
    assert [name for name, value in old.items() if value in text] == []
    assert json.loads((overlay / VALUES).read_text()) == NEW


def test_a_repeat_changes_nothing_and_old_values_come_back(overlay: Path) -> None:
    before = {file.name: file.read_text() for file in overlay_files(overlay)}
    old = read_values(overlay)
    assert write_values(old, overlay) == []
    write_values(NEW, overlay)
    write_values(old, overlay)
    assert {file.name: file.read_text() for file in overlay_files(overlay)} == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"host": ""}, "host is empty"),
        ({"host": NEW["gcs_address"]}, "two values are equal"),
        ({"surplus": "1"}, "expected the values backup_bucket"),
    ],
)
def test_values_that_cannot_be_written_change_nothing(overlay: Path, change: dict[str, str], sentence: str) -> None:
    before = [file.read_text() for file in overlay_files(overlay)]
    with pytest.raises(OverlayError, match=sentence):
        write_values({**NEW, **change}, overlay)
    assert [file.read_text() for file in overlay_files(overlay)] == before
