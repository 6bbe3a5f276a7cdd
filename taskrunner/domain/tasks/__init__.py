"""Tasks: what a client submits, what becomes of it, and what everybody sees of it."""
