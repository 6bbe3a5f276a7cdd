"""Private RabbitMQ, Redis and PostgreSQL servers for tests, benches and demos. Standard library only."""
