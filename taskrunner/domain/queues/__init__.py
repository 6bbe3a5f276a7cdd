"""Queues and pauses: which queues there are, and what may not start."""
