"""The life of a browsing session and its map: status changes, closing, purge."""
