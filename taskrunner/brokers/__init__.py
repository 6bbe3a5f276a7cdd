"""Brokers carry envelopes from whoever accepts tasks to whoever runs them; one adapter per module."""
