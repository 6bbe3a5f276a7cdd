"""Private RabbitMQ, Redis and PostgreSQL servers for tests, benchmarks and demos. Standard library only."""
