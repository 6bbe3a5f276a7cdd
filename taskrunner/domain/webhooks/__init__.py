"""Webhooks: subscriptions to the ends of tasks."""
