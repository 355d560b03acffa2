"""For the data team: datasets of consented sessions, and reports of regeneration runs."""
