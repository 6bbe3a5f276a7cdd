"""Worker threads in processes of their own, so that they and the event loop run Python at the same time."""
