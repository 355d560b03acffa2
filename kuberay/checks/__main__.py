"""`python -m kuberay.checks [OVERLAY ...]`: every check on every overlay; exit code 1 when one fails.

With `--deploy` the placeholder accounts and names of the example fail too; scripts/deploy.sh runs it first.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from kuberay.checks import (
    drain_rules,
    job_rules,
    monitoring_rules,
    ray_rules,
    reference_rules,
    schemas,
    service_rules,
    settings_rules,
    source_rules,
)
from kuberay.checks.findings import Finding
from kuberay.checks.manifests import KUBERAY, ROOT, Document, RenderError, render
from kuberay.checks.service_rules import strict_yaml

#: Every rule: its name and the sentence that it enforces.
RULES: dict[str, str] = {
    **schemas.RULES,
    **ray_rules.RULES,
    **service_rules.RULES,
    **drain_rules.RULES,
    **job_rules.RULES,
    **settings_rules.RULES,
    **reference_rules.RULES,
    **monitoring_rules.RULES,
    **source_rules.RULES,
}


def overlays(kuberay: Path = KUBERAY) -> list[str]:
    """The names of all overlays."""
    return sorted(p.parent.name for p in kuberay.glob("overlays/*/kustomization.yaml"))


def check_documents(documents: list[Document]) -> list[Finding]:
    """The findings of every rule about rendered documents; after a schema violation the other rules do not run."""
    shape = list(schemas.check(documents))
    # The other rules rely on the shape that the schemas guarantee.
    if any(f.rule in {"document", "crd-schema", "core-schema"} for f in shape):
        return shape
    shape += schemas.check_pods(documents)
    if any(f.rule == "pod-schema" for f in shape):
        return shape
    return [*shape, *check_rules(documents)]


def check_rules(documents: list[Document]) -> list[Finding]:
    """The findings of the rules beyond the schemas, for documents that fit their schemas."""
    environment = settings_rules.environments(documents)
    return [
        *ray_rules.check(documents, importlib.metadata.version("ray")),
        *service_rules.check(documents, environment),
        *drain_rules.check(documents, environment),
        *job_rules.check(documents),
        *settings_rules.check(environment),
        *settings_rules.check_client_address(documents, environment),
        *settings_rules.check_mail(documents, environment),
        *settings_rules.check_idle_group(documents, environment),
        *reference_rules.check(documents),
        *monitoring_rules.check(documents),
    ]


def check_sources(kuberay: Path = KUBERAY) -> Iterator[Finding]:
    """The findings of every rule about source files."""
    yield from source_rules.check_yaml(kuberay)
    yield from source_rules.check_reasons((kuberay / "base" / "rayservice.yaml").read_text())
    yield from source_rules.check_dockerfile(kuberay / "Dockerfile", ROOT / ".dockerignore")
    yield from source_rules.check_scripts([*sorted(kuberay.glob("scripts/*.sh")), kuberay.parent / ".ci" / "run"])
    namespace = strict_yaml((kuberay / "base" / "namespace.yaml").read_text())[0]["metadata"]["name"]
    yield from source_rules.check_operator_values((kuberay / "operator-values.yaml").read_text(), namespace)
    yield from source_rules.check_workflows(kuberay.parent / ".github" / "workflows")


def main(arguments: list[str] | None = None) -> int:
    """Run the checks, print the findings and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kuberay.checks", description=__doc__)
    parser.add_argument("overlays", nargs="*", metavar="OVERLAY", help="an overlay; default: all")
    parser.add_argument("--deploy", action="store_true", help="fail on placeholders of the example")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.overlays) - set(overlays())
    if unknown:
        parser.error(f"there is no overlay {', '.join(sorted(unknown))}, only {', '.join(overlays())}")
    started = time.monotonic()
    results: list[tuple[str, str, list[Finding]]] = [("sources", "", list(check_sources()))]
    for overlay in chosen.overlays or overlays():
        try:
            documents = render(overlay)
        except RenderError as error:
            print(f"overlay {overlay} does not render: {error}")
            return 1
        findings = check_documents(documents)
        if chosen.deploy:
            findings += source_rules.check_placeholders(yaml.safe_dump_all(documents))
        results.append((f"overlay {overlay}", f"{len(documents)} documents", findings))
    for name, size, findings in results:
        print(f"{name:16} {size:14} {'ok' if not findings else f'{len(findings)} failed'}")
        for finding in findings:
            print(f"  {finding}")
    print(f"{len(RULES)} rules in {time.monotonic() - started:.1f} s")
    return int(any(findings for _, _, findings in results))


if __name__ == "__main__":
    sys.exit(main())
