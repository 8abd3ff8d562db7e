"""Gates without edges and edges without gates: what the ones do while the others are away."""
