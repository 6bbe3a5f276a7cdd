"""taskrunner: a self-hosted, durable queue for outbound HTTP."""
