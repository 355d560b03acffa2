"""Long-lived state in memory: plain classes under a thin Ray rim."""
