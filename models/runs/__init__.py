"""Regeneration runs: the tables, the statements on them, and the pure rules of selection, gates and options."""
