"""What operators see: logs, rates, health. It listens to events and asks; it decides nothing."""
