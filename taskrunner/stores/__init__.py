"""Stores keep the record of every task and the index of what is due; one adapter per module."""
