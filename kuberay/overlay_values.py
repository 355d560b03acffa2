"""Write the outputs of Terraform into `overlays/eks`: no value is typed twice.

    terraform -chdir=kuberay/terraform/aws output -json overlay | python -m kuberay.overlay_values

`overlays/eks/values.json` holds the values that the overlay's files contain now; every occurrence is replaced by the
new value. In a new checkout they are the placeholders of the example, which `deploy.sh` rejects.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from kuberay.checks.manifests import KUBERAY

OVERLAY = KUBERAY / "overlays" / "eks"
VALUES = "values.json"


class OverlayError(Exception):
    """The values cannot be written; the sentence says why."""


def overlay_files(overlay: Path = OVERLAY) -> list[Path]:
    """The files of the overlay that may contain values."""
    return sorted(file for file in overlay.iterdir() if file.suffix in {".yaml", ".env"})


def read_values(overlay: Path = OVERLAY) -> dict[str, str]:
    """The values that the overlay contains now."""
    values: dict[str, str] = json.loads((overlay / VALUES).read_text(encoding="utf-8"))
    return values


def write_values(new: Mapping[str, str], overlay: Path = OVERLAY) -> list[str]:
    """Replace the overlay's values by `new` and return the names of the changed ones.

    Raises:
        OverlayError: a name is unknown or missing, a value is empty, or two names have one value, so that it would be
            unclear which of them an occurrence is.
    """
    old = read_values(overlay)
    if old.keys() != new.keys():
        raise OverlayError(f"expected the values {', '.join(sorted(old))}; got {', '.join(sorted(new))}")
    if empty := [name for name, value in new.items() if not value or value != str(value).strip()]:
        raise OverlayError(f"{empty[0]} is empty: apply the Terraform configuration first")
    if len(set(new.values())) < len(new):
        raise OverlayError("two values are equal, so a later change could not distinguish them")
    by_value = {value: name for name, value in old.items()}
    # The longest first: the region is part of the ARNs.
    pattern = re.compile("|".join(re.escape(value) for value in sorted(by_value, key=len, reverse=True)))
    for file in overlay_files(overlay):
        text = file.read_text(encoding="utf-8")
        replaced = pattern.sub(lambda match: new[by_value[match[0]]], text)
        if replaced != text:
            file.write_text(replaced, encoding="utf-8")
    (overlay / VALUES).write_text(json.dumps(dict(new), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return [name for name in sorted(new) if new[name] != old[name]]


def main() -> int:
    """The program: reads the values from standard input; 0 when they are written."""
    try:
        given = json.load(sys.stdin)
        if not isinstance(given, dict):
            raise OverlayError("expected one JSON object: `terraform output -json overlay`")
        changed = write_values(given)
    except (OverlayError, json.JSONDecodeError) as error:
        print(f"the overlay is unchanged: {error}", file=sys.stderr)
        return 1
    print(f"changed: {', '.join(changed) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
