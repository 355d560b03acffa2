"""Work spread over machines: settings, start-up, the mindmap pipeline, jobs, command line."""
