"""The HTTP edge on Ray Serve."""
