"""What a gate can do beside nginx: pages, tickets, refusals."""
