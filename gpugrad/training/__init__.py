"""Training: the one loop, and what goes through it."""
