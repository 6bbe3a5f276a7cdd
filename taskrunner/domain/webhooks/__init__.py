"""Webhooks: subscriptions to the changes of tasks."""
