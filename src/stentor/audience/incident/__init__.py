"""The report of an incident: what came, what became of it, and what speaks for which cause."""
