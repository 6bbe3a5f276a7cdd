"""Targets: URLs, the SSRF policy, and how a request proves where it comes from."""
