"""Running Trailmind on Kubernetes: manifests, the image, and the checks that need no cluster."""
