"""The demo: an unreliable target, and a few tasks for it."""
