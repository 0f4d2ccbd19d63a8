"""Source → Trace, and nothing is run."""
