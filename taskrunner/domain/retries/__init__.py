"""Retries: whether an outcome is the last, and when the next attempt starts."""
