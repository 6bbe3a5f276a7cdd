"""Building blocks of everything that runs on the event loop: services, batches, waits, signals."""
