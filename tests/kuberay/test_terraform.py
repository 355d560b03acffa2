"""The Terraform rules: the configuration passes, and each broken sample leads to a finding that names the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kuberay.checks.terraform_rules import (
    RULES,
    TERRAFORM,
    check,
    check_blocks,
    check_environment,
    read_file,
    read_root,
)

AWS = TERRAFORM / "aws"

#: rule, file, what is replaced, by what, a part of the message.
BROKEN = [
    ("tf-type", "aws/main.tf", '"aws_kms_alias"', '"aws_kms_allias"', "no aws_kms_allias"),
    ("tf-type", "aws/edge.tf", 'data "aws_route53_zone"', 'data "aws_route53_zones"', "no data.aws_route53_zones"),
    ("tf-argument", "aws/main.tf", "enable_key_rotation ", "enable_key_rotations ", "has no such argument"),
    ("tf-argument", "aws/stores.tf", "multi_az_enabled", "multi_a_z_enabled", "did you mean multi_az_enabled?"),
    ("tf-argument", "aws/mail.tf", "tls_policy", "tls", "delivery_options tls: has no such argument"),
    ("tf-argument", "aws/alarms.tf", "threshold_type ", "threshold_kind ", "notification threshold_kind"),
    ("tf-argument", "aws/stores.tf", "password_wo  ", "master_password  ", "master_password: has no such argument"),
    ("tf-required", "aws/stores.tf", "  description          = each.value\n", "", "description: is required"),
    ("tf-required", "aws/mail.tf", "      topic_arn = aws_sns_topic.bounces.arn\n", "", "topic_arn: is required"),
    ("tf-module", "aws/network.tf", '"6.6.0"', '"6.7.0"', "recorded is 6.6.0"),
    ("tf-module", "aws/network.tf", '  version = "6.6.0"\n', "", "without a version"),
    ("tf-reference", "aws/outputs.tf", "var.vpc_cidr", "var.vpc_cdir", "var.vpc_cdir: no such variable"),
    ("tf-reference", "aws/versions.tf", "local.tags", "local.tag", "no such local value"),
    ("tf-reference", "aws/network.tf", "module.cluster.node", "module.clusters.node", "no such module"),
    ("tf-reference", "aws/outputs.tf", "module.network.vpc_id", "module.network.vpc", "no such output"),
    (
        "tf-reference",
        "aws/mail.tf",
        "aws_sns_topic.bounces.arn\n    }",
        "aws_sns_topic.bounce.arn\n    }",
        "no such resource",
    ),
    (
        "tf-reference",
        "aws/storage.tf",
        "aws_s3_bucket.private[each.key].id",
        "aws_s3_bucket.private[each.key].ide",
        "no such attribute",
    ),
    ("tf-reference", "aws/secrets.tf", '"ray"].result', '"ray"].results', "no such attribute"),
    ("tf-variable", "aws/variables.tf", 'variable "host"', 'variable "unused" {\n}\n\nvariable "host"', "is not used"),
    (
        "tf-variable",
        "aws/variables.tf",
        'variable "host"',
        'variable "unused" {\n}\n\nvariable "host"',
        "no description",
    ),
    ("tf-secret", "aws/secrets.tf", "secret_string_wo =", "secret_string    =", "use secret_string_wo"),
    ("tf-secret", "aws/stores.tf", "auth_token_wo  ", "auth_token  ", "use auth_token_wo"),
    ("tf-version", "aws/versions.tf", '"~> 6.28"', '">= 6.28"', "provider aws"),
    ("tf-version", "cluster/main.tf", '"1.7.0"', '"~> 1.7"', "name one exactly"),
]
#: rule, what is replaced in prod.tfvars, by what, a part of the message.
BROKEN_ENVIRONMENTS = [
    ("tf-environment", "nat_per_zone ", "nat_per_area ", "nat_per_area: there is no such variable"),
    ("tf-environment", "nat_per_zone ", "nat_per_area ", "nat_per_zone: is missing"),
    ("tf-environment", "  multi_az ", "  multi_zone ", "database.multi_zone: there is no such field"),
    ("tf-environment", "  multi_az ", "  multi_zone ", "database.multi_az: is missing"),
    ("tf-syntax", "database = {", "database = [", "prod.tfvars"),
]


def test_the_configuration_passes() -> None:
    assert [str(finding) for finding in check()] == []


@pytest.mark.parametrize(("rule", "name", "good", "bad", "sentence"), BROKEN)
def test_a_broken_configuration_is_refused(rule: str, name: str, good: str, bad: str, sentence: str) -> None:
    broken = TERRAFORM / name
    blocks = [block for file in sorted(broken.parent.glob("*.tf")) if file != broken for block in read_file(file)]
    text = broken.read_text()
    assert good in text
    findings = list(check_blocks([*blocks, *read_file(broken, text.replace(good, bad, 1))]))
    assert any(finding.rule == rule and sentence in str(finding) for finding in findings), list(map(str, findings))


@pytest.mark.parametrize(("rule", "good", "bad", "sentence"), BROKEN_ENVIRONMENTS)
def test_a_broken_environment_is_refused(rule: str, good: str, bad: str, sentence: str) -> None:
    text = (TERRAFORM / "environments" / "prod.tfvars").read_text()
    assert good in text
    findings = list(check_environment(read_root(AWS), "prod.tfvars", text.replace(good, bad, 1)))
    assert any(finding.rule == rule and sentence in str(finding) for finding in findings), list(map(str, findings))


def test_a_file_that_does_not_parse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "versions.tf").write_text('resource "aws_kms_key" "data" {')
    assert [finding.rule for finding in check(tmp_path)] == ["tf-syntax"]


def test_an_unformatted_file_is_refused(tmp_path: Path) -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "versions.tf").write_text("locals {\n  a = 1\n  long = 2\n}\n")
    assert [finding.rule for finding in check(tmp_path)] == ["tf-format"]


def test_every_rule_has_a_broken_sample() -> None:
    assert {rule for rule, *_ in [*BROKEN, *BROKEN_ENVIRONMENTS]} | {"tf-format"} == set(RULES)
