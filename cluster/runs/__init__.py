"""Regeneration runs: the work on one session, the workers, the driver that gives them work, promotion and rollback."""
