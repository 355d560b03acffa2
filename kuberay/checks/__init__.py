"""Checks of the manifests that need no cluster. `python -m kuberay.checks` runs all of them."""
