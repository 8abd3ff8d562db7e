"""What HLS costs, directly and through caches, and how far behind its players are."""
