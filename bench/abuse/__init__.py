"""Attackers of a node, and what its honest listeners notice of them."""
