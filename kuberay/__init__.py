"""Deployment on Kubernetes: the manifests, the image, and the checks of both that need no cluster."""
