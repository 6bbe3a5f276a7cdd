"""Executors: named ways to run tasks, and the schemas of their data."""
