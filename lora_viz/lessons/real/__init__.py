"""Real networks, real files, real costs."""
