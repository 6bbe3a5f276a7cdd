"""The only place that builds: it picks the adapters and wires the services of each command."""
