"""The demo: a flaky target, and a handful of tasks against it."""
