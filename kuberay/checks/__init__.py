"""What can be known about the manifests without a cluster. `python -m kuberay.checks` runs all of it."""
