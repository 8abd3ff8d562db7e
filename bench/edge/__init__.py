"""What an edge costs and how well it serves, beside the physical limit, Icecast and nginx."""
