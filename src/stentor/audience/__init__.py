"""Who came and what became of it: sketches, the join ledger, and the report of an incident."""
