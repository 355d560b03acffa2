"""Open event streams: their notifications, their number, and their end."""
