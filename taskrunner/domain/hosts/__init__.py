"""Hosts: limits, circuit breaker, back-pressure, and who may start."""
