"""Runs Python functions as tasks. `taskrunner.sdk` has the names that users import."""
