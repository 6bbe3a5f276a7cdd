"""The building blocks of everything that runs on the event loop: batches, services, waits."""
