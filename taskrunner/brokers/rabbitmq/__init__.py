"""RabbitMQ over AMQP 0-9-1, on pika's asyncio adapter. pika stops in this folder."""
