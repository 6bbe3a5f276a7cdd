"""Backends: the URLs and certificates of RabbitMQ, Redis and PostgreSQL."""
