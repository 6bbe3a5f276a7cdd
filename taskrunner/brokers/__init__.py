"""Brokers carry envelopes from the processes that accept tasks to those that run them."""
